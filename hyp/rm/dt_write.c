// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VM_START writes into the guest's device tree.
 *
 * The result goes back to where the DTB came from.  The real one works on a
 * copy of at most 16 KiB, or else in the room behind the DTB; it then needs
 * twice the final size there.
 */
#include <libfdt.h>
#include <string.h>

#include "rm.h"

#define COPY_MAX	0x4000u
/* What an overlay takes beyond what it adds: fragments, symbols, strings. */
#define OVERLAY_EXTRA	512u
#define EDIT_ROOM	0x8000u

/* Every step after the first error is skipped. */
struct edit {
	void *fdt;
	int error;
};

static void set(struct edit *e, int node, const char *name, const void *value, u32 len)
{
	if (!e->error && node < 0)
		e->error = node;
	if (!e->error)
		e->error = fdt_setprop(e->fdt, node, name, value, (int)len);
}

static void set_flag(struct edit *e, int node, const char *name)
{
	set(e, node, name, "", 0);
}

static void set_u32(struct edit *e, int node, const char *name, u32 value)
{
	fdt32_t v = cpu_to_fdt32(value);

	set(e, node, name, &v, sizeof(v));
}

static void set_u64(struct edit *e, int node, const char *name, u64 value)
{
	fdt64_t v = cpu_to_fdt64(value);

	set(e, node, name, &v, sizeof(v));
}

static void set_string(struct edit *e, int node, const char *name, const char *value)
{
	set(e, node, name, value, (u32)strlen(value) + 1);
}

/* A string list, given as a literal with embedded NULs. */
#define set_strings(e, node, name, literal) \
	set(e, node, name, literal, sizeof(literal))

static int add_node(struct edit *e, int parent, const char *name)
{
	int node;

	if (e->error)
		return -1;
	node = fdt_subnode_offset(e->fdt, parent, name);
	if (node < 0)
		node = fdt_add_subnode(e->fdt, parent, name);
	if (node < 0)
		e->error = node;
	return node;
}

static u32 put_cells(fdt32_t *to, u64 value, u32 cells)
{
	for (u32 i = 0; i < cells; i++) {
		u32 shift = (cells - 1 - i) * 32;

		to[i] = cpu_to_fdt32(shift < 64 ? (u32)(value >> shift) : 0);
	}
	return cells;
}

static void append_hex(char *s, u64 value, u32 min_digits)
{
	u32 digits = 16;

	s += strlen(s);
	while (digits > min_digits && !(value >> ((digits - 1) * 4)))
		digits--;
	while (digits--)
		*s++ = "0123456789abcdef"[(value >> (digits * 4)) & 0xf];
	*s = '\0';
}

/* --- /reserved-memory -------------------------------------------------------------- */

struct cells {
	u32 addr;
	u32 size;
};

static struct cells cells_below(struct edit *e, int node)
{
	int addr = fdt_address_cells(e->fdt, node);
	int size = fdt_size_cells(e->fdt, node);

	if (addr < 1 || size < 1)
		e->error = -FDT_ERR_BADNCELLS;
	return (struct cells){ (u32)addr, (u32)size };
}

static bool read_reg(const void *fdt, int node, struct cells c, struct region *r)
{
	int len;
	const fdt32_t *v = fdt_getprop(fdt, node, "reg", &len);

	if (!v || (u32)len != (c.addr + c.size) * 4)
		return false;
	*r = (struct region){ 0 };
	for (u32 i = 0; i < c.addr; i++)
		r->ipa = r->ipa << 32 | fdt32_to_cpu(*v++);
	for (u32 i = 0; i < c.size; i++)
		r->size = r->size << 32 | fdt32_to_cpu(*v++);
	return r->size;
}

/* The parcel that a node of the guest's own stands for. */
static struct parcel *parcel_of_node(struct vm *vm, const void *fdt, int node,
				     struct cells c)
{
	struct parcel *p = NULL;
	struct region r;
	const fdt32_t *label;
	int len;

	if (!read_reg(fdt, node, c, &r))
		return NULL;
	label = fdt_getprop(fdt, node, "qcom,label", &len);
	while ((p = parcel_next(p, vm->vmid))) {
		struct acl_entry *acl = parcel_acl(p, vm->vmid);

		if (label && len == 4 && p->label != fdt32_to_cpu(*label))
			continue;
		if (acl->accepted && acl->ipa == r.ipa && p->size == r.size)
			return p;
		if (!label)
			continue;
		if (!acl->accepted && p->size == r.size && !parcel_accept(p, vm, r.ipa))
			return p;
		return NULL;
	}
	return NULL;
}

static void patch_own_nodes(struct edit *e, struct vm *vm, int reserved, struct cells c)
{
	int node;

	fdt_for_each_subnode(node, e->fdt, reserved) {
		struct parcel *p;
		bool by_label = fdt_getprop(e->fdt, node, "qcom,label", NULL);

		/* Linux places this one at boot. */
		if (!by_label && fdt_getprop(e->fdt, node, "size", NULL) &&
		    !fdt_getprop(e->fdt, node, "reg", NULL))
			continue;
		p = parcel_of_node(vm, e->fdt, node, c);
		if (!p) {
			plat_log("rm: VM %u: no parcel matches /reserved-memory/%s",
				 vm->vmid, fdt_get_name(e->fdt, node, NULL));
			e->error = -FDT_ERR_NOTFOUND;
			return;
		}
		p->phandle = fdt_get_phandle(e->fdt, node);
		if (!p->phandle) {
			fdt_generate_phandle(e->fdt, &p->phandle);
			set_u32(e, node, "phandle", p->phandle);
		}
		set_u32(e, node, "qcom,rm-mem-handle", p->handle);
		if (e->error)
			return;
	}
}

static void add_buffer_node(struct edit *e, struct vm *vm, int reserved, struct cells c,
			    struct parcel *p)
{
	u64 ipa = parcel_acl(p, vm->vmid)->ipa;
	char name[32] = "buffer@";
	fdt32_t reg[8];
	fdt32_t peers[16];
	u32 n = 0;
	int node;

	append_hex(name, ipa, 1);
	node = add_node(e, reserved, name);
	if (c.addr > 4 || c.size > 4) {
		e->error = -FDT_ERR_BADNCELLS;
		return;
	}
	n = put_cells(reg, ipa, c.addr);
	n += put_cells(reg + n, p->size, c.size);
	set(e, node, "reg", reg, n * 4);
	set_flag(e, node, "qcom,shared-memory");
	set_flag(e, node, "no-map");
	n = 0;
	for (u32 i = 0; i < p->n_acl && n < 16; i++)
		peers[n++] = cpu_to_fdt32(p->acl[i].vmid);
	set(e, node, "peers", peers, n * 4);
	set_u32(e, node, "qcom,rm-mem-handle", p->handle);
	set_u32(e, node, "qcom,label", p->label);
	if (!e->error)
		fdt_generate_phandle(e->fdt, &p->phandle);
	set_u32(e, node, "phandle", p->phandle);
	for (u32 i = 0; i < vm->cfg->n_vdevs; i++) {
		const struct vdev *d = &vm->cfg->vdev[i];

		if (d->type == VDEV_SHM && d->label == p->label && d->compatible_len)
			set(e, node, "compatible", d->compatible, d->compatible_len);
	}
}

static void write_reserved_memory(struct edit *e, struct vm *vm)
{
	int reserved = fdt_path_offset(e->fdt, "/reserved-memory");
	struct parcel *p = NULL;
	struct cells c;

	if (reserved < 0) {
		c = cells_below(e, 0);
		reserved = add_node(e, 0, "reserved-memory");
		set_u32(e, reserved, "#address-cells", c.addr);
		set_u32(e, reserved, "#size-cells", c.size);
		set_flag(e, reserved, "ranges");
	} else {
		c = cells_below(e, reserved);
		if (!e->error)
			patch_own_nodes(e, vm, reserved, c);
	}

	/* All that is left gets an address and a node. */
	while (!e->error && (p = parcel_next(p, vm->vmid))) {
		struct acl_entry *acl = parcel_acl(p, vm->vmid);
		u64 ipa;

		if (!acl->accepted) {
			if (!p->complete || p->how == MEM_DONATE ||
			    !range_pick(vm->cfg, p->size, &ipa)) {
				plat_log("rm: VM %u: parcel 0x%x can't be accepted",
					 vm->vmid, p->handle);
				e->error = -FDT_ERR_NOSPACE;
				return;
			}
			range_release(vm->cfg, ipa);
			if (parcel_accept(p, vm, ipa)) {
				e->error = -FDT_ERR_NOSPACE;
				return;
			}
		}
		if (parcel_is_private(p, vm->vmid) || p->phandle)
			continue;
		add_buffer_node(e, vm, reserved, c, p);
	}
}

/* --- the other nodes ------------------------------------------------------------------- */

/* Every accepted range, sorted, neighbours joined. */
static void write_memory(struct edit *e, struct vm *vm)
{
	struct cells c = cells_below(e, 0);
	struct region r[64];
	struct parcel *p = NULL;
	u32 n = 0;
	u32 merged = 0;
	fdt32_t *reg;
	u32 cells = 0;
	int node;

	while ((p = parcel_next(p, vm->vmid))) {
		struct acl_entry *acl = parcel_acl(p, vm->vmid);
		u32 at = n;

		if (!acl->accepted)
			continue;
		for (; at && r[at - 1].ipa > acl->ipa; at--)
			r[at] = r[at - 1];
		r[at] = (struct region){ acl->ipa, p->size };
		n++;
	}
	for (u32 i = 1; i < n; i++) {
		if (r[merged].ipa + r[merged].size == r[i].ipa)
			r[merged].size += r[i].size;
		else
			r[++merged] = r[i];
	}
	if (e->error)
		return;
	reg = rm_alloc((merged + 1) * (c.addr + c.size) * 4);
	if (!reg) {
		e->error = -FDT_ERR_NOSPACE;
		return;
	}
	for (u32 i = 0; i <= merged; i++) {
		cells += put_cells(reg + cells, r[i].ipa, c.addr);
		cells += put_cells(reg + cells, r[i].size, c.size);
	}
	node = add_node(e, 0, "memory");
	set_string(e, node, "device_type", "memory");
	set(e, node, "reg", reg, cells * 4);
	rm_free(reg);
}

static void write_gic(struct edit *e, const struct vm_config *cfg)
{
	int node = fdt_path_offset(e->fdt, cfg->gic_path);
	int parent = fdt_parent_offset(e->fdt, node);
	struct cells c = cells_below(e, parent);
	fdt32_t reg[16];
	u32 n;

	if (e->error || c.addr > 4 || c.size > 4)
		return;
	n = put_cells(reg, cfg->gic.gicd_base, c.addr);
	n += put_cells(reg + n, 0x10000, c.size);
	n += put_cells(reg + n, cfg->gic.gicr_base, c.addr);
	n += put_cells(reg + n, 0x20000UL * cfg->n_vcpus, c.size);
	set(e, node, "reg", reg, n * 4);
	set_u32(e, node, "#redistributor-regions", 1);
	set_u64(e, node, "redistributor-stride", 0x20000);
}

static void write_hypervisor(struct edit *e, const struct vm *vm)
{
	int node = add_node(e, 0, "hypervisor");

	set_u32(e, node, "#address-cells", 2);
	set_u32(e, node, "#size-cells", 0);
	set_strings(e, node, "compatible",
		    "gunyah-hypervisor\0qcom,gunyah-hypervisor-1.0\0"
		    "qcom,gunyah-hypervisor\0simple-bus");
	node = add_node(e, node, "qcom,gunyah-vm");
	set_strings(e, node, "compatible", "qcom,gunyah-vm-id-1.0\0qcom,gunyah-vm-id");
	set_u32(e, node, "qcom,vmid", vm->vmid);
	set_u32(e, node, "qcom,owner-vmid", VMID_HOST);
	set_string(e, node, "qcom,vendor", "Qualcomm");
	set_string(e, node, "qcom,image-name", vm->cfg->image_name);
}

/* Create the nodes of a path below the root; the last gets "@id". */
static int add_path(struct edit *e, const char *path, u64 id)
{
	int node = 0;

	while (!e->error) {
		char name[128];
		size_t len = 0;

		while (*path == '/')
			path++;
		while (path[len] && path[len] != '/')
			len++;
		if (!len || len > sizeof(name) - 20) {
			e->error = -FDT_ERR_BADPATH;
			return -1;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		if (!*path) {
			name[len] = '@';
			name[len + 1] = '\0';
			append_hex(name, id, 16);
		}
		node = add_node(e, node, name);
		if (!*path)
			return node;
	}
	return -1;
}

static void write_doorbell(struct edit *e, const struct vdev *d, u64 id)
{
	u32 flags = d->edge ? 1 : 4;
	fdt32_t irq[3] = {
		cpu_to_fdt32(d->intid < 32 ? 1 : 0),
		cpu_to_fdt32(d->intid < 32 ? d->intid - 16 : d->intid - 32),
		cpu_to_fdt32(flags),
	};
	char compatible[sizeof(d->compatible) + 64];
	static const char own[] = "qcom,gunyah-doorbell\0qcom,gunyah-capability";
	int node = add_path(e, d->generate, id);

	memcpy(compatible, d->compatible, d->compatible_len);
	memcpy(compatible + d->compatible_len, own, sizeof(own));
	set(e, node, "compatible", compatible, d->compatible_len + sizeof(own));
	set_u64(e, node, "reg", id);
	set(e, node, "interrupts", irq, sizeof(irq));
	set_u32(e, node, "qcom,label", d->label);
	set_u32(e, node, "label", d->label);
}

static void write_shm(struct edit *e, const struct vm *vm, const struct vdev *d, u64 id)
{
	static const char own[] = "qcom,gunyah-shm\0qcom,gunyah-capability";
	struct parcel *p = NULL;
	int node = add_path(e, d->generate, id);

	set_strings(e, node, "compatible", own);
	set_u32(e, node, "qcom,label", d->label);
	set_u32(e, node, "label", d->label);
	while ((p = parcel_next(p, vm->vmid)))
		if (p->label == d->label && p->phandle)
			set_u32(e, node, "memory-region", p->phandle);
}

static void write_all(struct edit *e, struct vm *vm)
{
	const struct vm_config *cfg = vm->cfg;
	int node;

	if (fdt_path_offset(e->fdt, "/hypervisor") >= 0) {
		plat_log("rm: VM %u: the device tree has a /hypervisor node already",
			 vm->vmid);
		e->error = -FDT_ERR_EXISTS;
		return;
	}
	write_reserved_memory(e, vm);
	if (e->error)
		return;
	node = fdt_path_offset(e->fdt, "/chosen");
	if (node < 0)
		plat_log("rm: VM %u: the device tree has no /chosen node", vm->vmid);
	set_u64(e, node, "kaslr-seed", plat_random());
	write_memory(e, vm);
	if (fdt_path_offset(e->fdt, "/vsoc") < 0) {
		node = add_node(e, 0, "vsoc");
		set_u32(e, node, "#address-cells", 2);
		set_u32(e, node, "#size-cells", 2);
		set_flag(e, node, "ranges");
		set_string(e, node, "compatible", "simple-bus");
	}
	write_hypervisor(e, vm);
	if (!cfg->has_gic) {
		plat_log("rm: VM %u: vm-config/interrupts names no GIC node", vm->vmid);
		e->error = -FDT_ERR_NOTFOUND;
		return;
	}
	if (cfg->patch_gic)
		write_gic(e, cfg);
	for (u32 i = 0; i < cfg->n_vdevs && !e->error; i++) {
		const struct vdev *d = &cfg->vdev[i];

		if (!d->generate[0])
			continue;
		if (d->type == VDEV_DOORBELL)
			write_doorbell(e, d, i);
		else
			write_shm(e, vm, d, i);
	}
}

/* Does the area hold what the edit needs?  before, after: sizes of the DTB. */
static bool area_suffices(const struct vm *vm, u64 before, u64 after)
{
	u64 estimate = after + OVERLAY_EXTRA;

	if (estimate < before)
		estimate = before;
	if (estimate > COPY_MAX && 2 * estimate > vm->dtb_size) {
		plat_log("rm: VM %u: DTB area of 0x%lx bytes is too small, need 0x%lx",
			 vm->vmid, vm->dtb_size, 2 * estimate);
		return false;
	}
	if (after > vm->dtb_size) {
		plat_log("rm: VM %u: DTB grows to 0x%lx bytes in an area of 0x%lx; the real RM would write behind it",
			 vm->vmid, after, vm->dtb_size);
		return false;
	}
	return true;
}

u32 dt_write(struct vm *vm)
{
	struct parcel *image = parcel_for_vm(vm->image_handle, vm->vmid);
	struct parcel *p = NULL;
	struct edit e = { 0 };
	void *dtb;
	u32 before;
	u32 error;

	while ((p = parcel_next(p, vm->vmid)))
		p->phandle = 0;
	error = dt_read(vm, &dtb);
	if (error)
		return error;
	before = fdt_totalsize(dtb);
	e.fdt = rm_alloc(before + EDIT_ROOM);
	if (e.fdt)
		e.error = fdt_open_into(dtb, e.fdt, (int)(before + EDIT_ROOM));
	else
		e.error = -FDT_ERR_NOSPACE;
	rm_free(dtb);
	if (!e.error)
		write_all(&e, vm);
	if (!e.error)
		e.error = fdt_pack(e.fdt);
	if (e.error) {
		plat_log("rm: VM %u: device tree can't be completed: %s", vm->vmid,
			 fdt_strerror(e.error));
		error = RM_NORESOURCE;
	} else if (!area_suffices(vm, before, fdt_totalsize(e.fdt))) {
		error = RM_NORESOURCE;
	} else if (!parcel_write(image, vm->dtb_offset, e.fdt, fdt_totalsize(e.fdt))) {
		error = RM_MEM_INVALID;
	}
	rm_free(e.fdt);
	return error;
}

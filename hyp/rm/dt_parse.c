// SPDX-License-Identifier: GPL-2.0-only
/* What VM_INIT reads from the guest's device tree, and what it rejects. */
#include <libfdt.h>
#include <string.h>

#include "rm.h"

#define DEFAULT_BASE	0x28800000UL
#define BASE_ALIGN	(2UL << 20)

u32 dt_read(struct vm *vm, void **dtb)
{
	struct parcel *p = parcel_for_vm(vm->image_handle, vm->vmid);
	struct fdt_header head __attribute__((aligned(8)));
	u32 size;

	if (vm->dtb_offset % HYP_PAGE_SIZE || vm->dtb_size % HYP_PAGE_SIZE) {
		plat_log("rm: VM %u: DTB offset 0x%lx or size 0x%lx is not a multiple of 4 KiB",
			 vm->vmid, vm->dtb_offset, vm->dtb_size);
		return RM_MEM_INVALID;
	}
	if (!p || !p->complete || vm->dtb_size < sizeof(head) ||
	    !parcel_read(p, vm->dtb_offset, &head, sizeof(head)) ||
	    fdt_check_header(&head)) {
		plat_log("rm: VM %u: no device tree at offset 0x%lx of parcel 0x%x",
			 vm->vmid, vm->dtb_offset, vm->image_handle);
		return RM_MEM_INVALID;
	}
	size = fdt_totalsize(&head);
	if (size > vm->dtb_size) {
		plat_log("rm: VM %u: DTB of 0x%x bytes in an area of 0x%lx",
			 vm->vmid, size, vm->dtb_size);
		return RM_MEM_INVALID;
	}
	*dtb = rm_alloc(size);
	if (!*dtb)
		return RM_NOMEM;
	parcel_read(p, vm->dtb_offset, *dtb, size);
	/* What fdt_open_into() takes on trust. */
	if (fdt_version(*dtb) < 17 || fdt_num_mem_rsv(*dtb) < 0) {
		plat_log("rm: VM %u: device tree of an old version or without a reservation block",
			 vm->vmid);
		rm_free(*dtb);
		*dtb = NULL;
		return RM_MEM_INVALID;
	}
	return RM_OK;
}

/* --- properties ---------------------------------------------------------------- */

/* #address-cells or #size-cells that hold for the node: the nearest above it. */
u32 dt_cells(const void *fdt, int node, const char *name, u32 otherwise)
{
	while (node > 0) {
		const fdt32_t *v;
		int len;

		node = fdt_parent_offset(fdt, node);
		if (node < 0)
			break;
		v = fdt_getprop(fdt, node, name, &len);
		/* Of more, the number of bytes would overflow */
		if (v && len == 4 && fdt32_to_cpu(*v) <= FDT_MAX_NCELLS)
			return fdt32_to_cpu(*v);
	}
	return otherwise;
}

static u64 read_cells(const fdt32_t *v, u32 cells)
{
	u64 n = 0;

	while (cells--)
		n = n << 32 | fdt32_to_cpu(*v++);
	return n;
}

/* false: absent, or not of that many cells, which is taken for absent */
static bool get_num(const void *fdt, int node, const char *name, u32 cells, u64 *value)
{
	int len;
	const fdt32_t *v = fdt_getprop(fdt, node, name, &len);

	if (!v)
		return false;
	if ((u32)len != cells * 4) {
		plat_log("rm: property %s has %u bytes, expected %u; ignored", name,
			 (u32)len, cells * 4);
		return false;
	}
	*value = read_cells(v, cells);
	return true;
}

static bool has(const void *fdt, int node, const char *name)
{
	return fdt_getprop(fdt, node, name, NULL);
}

static const char *get_string(const void *fdt, int node, const char *name)
{
	return fdt_stringlist_get(fdt, node, name, 0, NULL);
}

static bool copy_string(char *to, size_t room, const char *from)
{
	size_t len = from ? strlen(from) : room;

	if (len >= room)
		return false;
	memcpy(to, from, len + 1);
	return true;
}

/* --- /gunyah-vm-config ------------------------------------------------------------ */

static bool parse_memory(const void *fdt, int node, struct vm_config *cfg)
{
	u32 addr_cells = dt_cells(fdt, node, "#address-cells", 2);
	u32 size_cells = dt_cells(fdt, node, "#size-cells", 1);

	get_num(fdt, node, "base-address", addr_cells, &cfg->base);
	get_num(fdt, node, "size-min", size_cells, &cfg->size_min);
	get_num(fdt, node, "size-max", size_cells, &cfg->size_max);
	if (cfg->base % HYP_PAGE_SIZE || cfg->size_min % HYP_PAGE_SIZE ||
	    cfg->size_max % HYP_PAGE_SIZE) {
		plat_log("rm: vm-config/memory has an address or size that is not page aligned");
		return false;
	}
	if (cfg->base % BASE_ALIGN) {
		plat_log("rm: base-address 0x%lx is rounded up to 2 MiB", cfg->base);
		cfg->base = (cfg->base + BASE_ALIGN - 1) & ~(BASE_ALIGN - 1);
	}
	return true;
}

static bool parse_gic(const void *fdt, int config, struct vm_config *cfg)
{
	const char *path = get_string(fdt, config, "config");
	u32 addr_cells, size_cells;
	const fdt32_t *reg;
	u64 cells;
	int node, len;

	node = path ? fdt_path_offset(fdt, path) : -1;
	if (node < 0) {
		plat_log("rm: vm-config/interrupts needs config = the path of the GIC node");
		return false;
	}
	if (fdt_node_check_compatible(fdt, node, "arm,gic-v3") ||
	    !has(fdt, node, "interrupt-controller") ||
	    !get_num(fdt, node, "#interrupt-cells", 1, &cells) || cells != 3 ||
	    !copy_string(cfg->gic_path, sizeof(cfg->gic_path), path)) {
		plat_log("rm: %s is no arm,gic-v3 interrupt-controller with 3 interrupt cells",
			 path);
		return false;
	}
	cfg->has_gic = true;

	addr_cells = dt_cells(fdt, node, "#address-cells", 2);
	size_cells = dt_cells(fdt, node, "#size-cells", 1);
	reg = fdt_getprop(fdt, node, "reg", &len);
	if (!reg) {
		cfg->patch_gic = true;
		return true;
	}
	if ((u32)len != (addr_cells + size_cells) * 2 * 4) {
		plat_log("rm: %s/reg must hold the distributor and one range of redistributors",
			 path);
		return false;
	}
	cfg->gic.gicd_base = read_cells(reg, addr_cells);
	cfg->gic.gicr_base = read_cells(reg + addr_cells + size_cells, addr_cells);
	return true;
}

enum cpu_status {
	CPU_ON,
	CPU_OFF,
	CPU_FAILED,
	CPU_BAD,
};

static enum cpu_status cpu_status(const void *fdt, int node, bool first)
{
	const char *status = get_string(fdt, node, "status");

	if (!status)
		return first ? CPU_ON : CPU_OFF;
	if (!strcmp(status, "okay"))
		return CPU_ON;
	if (!strcmp(status, "disabled"))
		return CPU_OFF;
	if (!strcmp(status, "fail") || !strncmp(status, "fail-", 5))
		return CPU_FAILED;
	return CPU_BAD;
}

static bool parse_cpu(const void *fdt, int node, const char *default_method,
		      bool any_on, struct vm_config *cfg)
{
	const char *method = get_string(fdt, node, "enable-method");
	enum cpu_status status = cpu_status(fdt, node, !any_on);
	struct vm_vcpu *v = &cfg->vcpu[cfg->n_vcpus];

	if (status == CPU_FAILED)
		return true;
	if (status == CPU_BAD) {
		plat_log("rm: a cpu node has an unknown status");
		return false;
	}
	if (!method)
		method = default_method;
	if (status == CPU_OFF && (!method || strcmp(method, "psci"))) {
		plat_log("rm: a secondary cpu needs enable-method psci, it has %s",
			 method ? method : "none");
		return false;
	}
	if (cfg->n_vcpus == MAX_VCPUS) {
		plat_log("rm: more than %u vCPUs", MAX_VCPUS);
		return false;
	}
	if (fdt_get_path(fdt, node, v->path, sizeof(v->path)))
		return false;
	if (status == CPU_OFF || has(fdt, node, "cpu-idle-states"))
		cfg->psci = true;
	v->on_at_start = status == CPU_ON;
	cfg->n_vcpus++;
	return true;
}

static bool parse_vcpus(const void *fdt, int config, struct vm_config *cfg)
{
	const char *affinity = get_string(fdt, config, "affinity");
	const char *path = get_string(fdt, config, "config");
	const char *default_method;
	bool any_on = false;
	int cpus, node;

	if (!affinity || strcmp(affinity, "proxy")) {
		plat_log("rm: vm-config/vcpus needs affinity = \"proxy\"");
		return false;
	}
	cpus = fdt_path_offset(fdt, path ? path : "/cpus");
	if (cpus < 0) {
		plat_log("rm: no node %s with the vCPUs", path ? path : "/cpus");
		return false;
	}
	default_method = get_string(fdt, cpus, "enable-method");
	fdt_for_each_subnode(node, fdt, cpus) {
		const char *type = get_string(fdt, node, "device_type");

		if (!type || strcmp(type, "cpu"))
			continue;
		if (!parse_cpu(fdt, node, default_method, any_on, cfg))
			return false;
		if (cfg->n_vcpus)
			any_on |= cfg->vcpu[cfg->n_vcpus - 1].on_at_start;
	}
	if (!any_on)
		plat_log("rm: no vCPU is enabled at start");
	return any_on;
}

/* --- devices ------------------------------------------------------------------------ */

static bool get_label(const void *fdt, int node, u32 *label)
{
	u64 value;

	if (!get_num(fdt, node, "qcom,label", 1, &value) &&
	    !get_num(fdt, node, "label", 1, &value))
		return false;
	*label = (u32)value;
	return true;
}

/* <type number flags>; anything else means that RM picks an interrupt */
static void parse_interrupt(const void *fdt, int node, struct vdev *d)
{
	int len;
	const fdt32_t *v = fdt_getprop(fdt, node, "interrupts", &len);
	u32 type, nr, flags;

	if (!v || len != 12)
		return;
	type = fdt32_to_cpu(v[0]);
	nr = fdt32_to_cpu(v[1]);
	flags = fdt32_to_cpu(v[2]) & 0xf;
	if (type > 1 || nr >= (type ? 16 : 988) || (flags != 1 && flags != 4)) {
		plat_log("rm: interrupt <%u %u %u> of a doorbell is ignored", type, nr,
			 flags);
		return;
	}
	d->intid = nr + (type ? 16 : 32);
	d->edge = flags == 1;
}

static bool parse_doorbell(const void *fdt, int node, struct vdev *d)
{
	if (!get_label(fdt, node, &d->label) || !has(fdt, node, "peer-default")) {
		plat_log("rm: a doorbell needs a label and peer-default");
		return false;
	}
	d->type = VDEV_DOORBELL;
	d->source_can_clear = has(fdt, node, "source-can-clear");
	parse_interrupt(fdt, node, d);
	return true;
}

static bool parse_shm(const void *fdt, int node, struct vdev *d)
{
	int mem = fdt_subnode_offset(fdt, node, "memory");
	bool has_base;

	if (mem < 0 || !get_label(fdt, mem, &d->label) ||
	    !has(fdt, node, "peer-default")) {
		plat_log("rm: a shm needs peer-default and a memory node with a label");
		return false;
	}
	d->type = VDEV_SHM;
	has_base = get_num(fdt, mem, "base", dt_cells(fdt, mem, "#address-cells", 2),
			   &d->base);
	d->allocate = has(fdt, mem, "allocate-base");
	if (has_base == d->allocate || d->base % HYP_PAGE_SIZE) {
		plat_log("rm: a shm needs either an aligned base or allocate-base");
		return false;
	}
	return true;
}

static bool parse_vdev(const void *fdt, int node, const char *type,
		       struct vm_config *cfg)
{
	struct vdev *d = &cfg->vdev[cfg->n_vdevs];
	const char *generate = get_string(fdt, node, "generate");
	const char *compatible;
	bool ok;
	int len;

	if (cfg->n_vdevs == MAX_VDEVS) {
		plat_log("rm: more than %u devices", MAX_VDEVS);
		return false;
	}
	if (!strcmp(type, "doorbell")) {
		ok = parse_doorbell(fdt, node, d);
	} else if (!strcmp(type, "shm")) {
		ok = parse_shm(fdt, node, d);
	} else {
		plat_log("rm: device type %s is not there in this hypervisor, ignored",
			 type);
		return true;
	}
	if (!ok)
		return false;
	if (generate && !copy_string(d->generate, sizeof(d->generate), generate)) {
		plat_log("rm: path %s is too long", generate);
		return false;
	}
	compatible = fdt_getprop(fdt, node, "push-compatible", &len);
	if (compatible && (size_t)len <= sizeof(d->compatible)) {
		memcpy(d->compatible, compatible, (size_t)len);
		d->compatible_len = (u32)len;
	}
	cfg->n_vdevs++;
	return true;
}

static bool parse_node(const void *fdt, int node, int depth, struct vm_config *cfg)
{
	const char *type = get_string(fdt, node, "device_type");

	if (type && !strcmp(type, "memory") &&
	    (depth != 1 || strcmp(fdt_get_name(fdt, node, NULL), "memory"))) {
		plat_log("rm: memory node %s; only /memory may have device_type memory",
			 fdt_get_name(fdt, node, NULL));
		return false;
	}
	if (!fdt_node_check_compatible(fdt, node, "arm,psci-1.0") ||
	    !fdt_node_check_compatible(fdt, node, "arm,psci-0.2"))
		cfg->psci = true;
	type = get_string(fdt, node, "vdevice-type");
	return !type || parse_vdev(fdt, node, type, cfg);
}

bool dt_parse(const void *fdt, struct vm_config *cfg)
{
	int config, node;
	int depth = 0;

	cfg->base = DEFAULT_BASE;
	cfg->size_max = ~0xfffUL;

	config = fdt_path_offset(fdt, "/gunyah-vm-config");
	if (config < 0)
		config = fdt_path_offset(fdt, "/qcom,vm-config");
	if (config < 0) {
		plat_log("rm: no /gunyah-vm-config node");
		return false;
	}
	if (!copy_string(cfg->image_name, sizeof(cfg->image_name),
			 get_string(fdt, config, "image-name"))) {
		plat_log("rm: image-name is missing or too long");
		return false;
	}
	node = fdt_subnode_offset(fdt, config, "memory");
	if (node >= 0 && !parse_memory(fdt, node, cfg))
		return false;
	node = fdt_subnode_offset(fdt, config, "interrupts");
	if (node >= 0 && !parse_gic(fdt, node, cfg))
		return false;
	node = fdt_subnode_offset(fdt, config, "vcpus");
	if (node < 0 || !parse_vcpus(fdt, node, cfg)) {
		plat_log("rm: no usable vm-config/vcpus node");
		return false;
	}
	for (node = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth))
		if (!parse_node(fdt, node, depth, cfg))
			return false;
	return true;
}

// SPDX-License-Identifier: GPL-2.0-only
/* What a VM is made of at VM_INIT, and what the host learns of it. */
#include "rm.h"

#define VMMIO_BASE	0UL
#define VMMIO_SIZE	(1UL << 30)
/* RM places things from here up; below are the devices. */
#define PICK_FIRST	(1UL << 30)
#define IPA_LIMIT	(1UL << 36)

#define GICD_SIZE	0x10000UL
#define GICR_SIZE	0x20000UL
#define SPI_FIRST	32u

#define RES_BELL_TX	0u
#define RES_VCPU	4u
#define RES_MEMEXTENT	9u
#define RES_ADDRSPACE	10u

/* --- the host's interrupts ------------------------------------------------- */

static u64 virqs;			/* bit n: HOST_VIRQ_BASE + n is in use */

void virq_init(void)
{
	virqs = 3;			/* the resource manager's own two */
}

u32 virq_alloc(void)
{
	for (u32 i = 0; i < HOST_VIRQ_COUNT; i++) {
		if (virqs & (1UL << i))
			continue;
		virqs |= 1UL << i;
		return HOST_VIRQ_BASE + i;
	}
	return 0;
}

void virq_free(u32 virq)
{
	virqs &= ~(1UL << (virq - HOST_VIRQ_BASE));
}

u32 virq_count(void)
{
	u32 n = 0;

	for (u64 v = virqs; v; v &= v - 1)
		n++;
	return n;
}

/* --- the guest's address space ----------------------------------------------- */

static const struct region *overlap(const struct vm_config *cfg, u64 ipa, u64 size)
{
	for (u32 i = 0; i < cfg->n_ranges; i++) {
		const struct region *r = &cfg->range[i];

		if (ipa < r->ipa + r->size && r->ipa < ipa + size)
			return r;
	}
	return NULL;
}

bool range_take(struct vm_config *cfg, u64 ipa, u64 size)
{
	if (!size || ipa >= IPA_LIMIT || size > IPA_LIMIT - ipa)
		return false;
	if (cfg->n_ranges == MAX_RANGES || overlap(cfg, ipa, size))
		return false;
	cfg->range[cfg->n_ranges++] = (struct region){ ipa, size };
	return true;
}

bool range_pick(struct vm_config *cfg, u64 size, u64 *ipa)
{
	const struct region *r;

	*ipa = PICK_FIRST;
	while ((r = overlap(cfg, *ipa, size)))
		*ipa = r->ipa + r->size;
	return range_take(cfg, *ipa, size);
}

void range_release(struct vm_config *cfg, u64 ipa)
{
	for (u32 i = 0; i < cfg->n_ranges; i++) {
		if (cfg->range[i].ipa != ipa)
			continue;
		cfg->range[i] = cfg->range[--cfg->n_ranges];
		return;
	}
}

/* --- creation and end ----------------------------------------------------------- */

/* The read-only page that every guest gets; EL2 runs on an identity map. */
static const u8 info_page[HYP_PAGE_SIZE] __attribute__((aligned(4096)));

static bool create_vcpus(struct vm *vm)
{
	for (u32 i = 0; i < vm->cfg->n_vcpus; i++) {
		struct vm_vcpu *v = &vm->cfg->vcpu[i];
		struct vcpu *object;

		v->virq = virq_alloc();
		if (!v->virq) {
			plat_log("rm: VM %u: no interrupt left for vCPU %u", vm->vmid, i);
			return false;
		}
		object = guest_add_vcpu(vm->guest, i, v->virq, v->on_at_start);
		if (!object ||
		    !cap_create(CAP_VCPU, CAP_RIGHT_VCPU_AFFINITY | CAP_RIGHT_VCPU_YIELD_TO,
				object, &v->capid)) {
			virq_free(v->virq);
			v->virq = 0;
			return false;
		}
	}
	return true;
}

static bool intid_is_free(const struct vm_config *cfg, u32 intid)
{
	for (u32 i = 0; i < cfg->n_vdevs; i++)
		if (cfg->vdev[i].type == VDEV_DOORBELL && cfg->vdev[i].intid == intid)
			return false;
	return true;
}

static bool create_doorbell(struct vm *vm, struct vdev *d)
{
	u32 rights = CAP_RIGHT_BELL_SEND;

	if (!d->intid) {
		u32 intid = SPI_FIRST;

		while (!intid_is_free(vm->cfg, intid))
			intid++;
		d->intid = intid;
		d->edge = true;
	}
	if (d->source_can_clear)
		rights |= CAP_RIGHT_BELL_RECV;
	d->bell = doorbell_create(vm->guest, d->intid);
	if (!d->bell)
		return false;
	if (!cap_create(CAP_DOORBELL, rights, d->bell, &d->capid)) {
		doorbell_destroy(d->bell);
		d->bell = NULL;
		return false;
	}
	return true;
}

static bool create_mapping_caps(struct vm_config *cfg)
{
	while (cfg->n_mapping_caps < N_MAPPING_CAPS) {
		u32 n = cfg->n_mapping_caps;

		if (!cap_create(n ? CAP_MEMEXTENT : CAP_ADDRSPACE, 0, NULL,
				&cfg->mapping_cap[n]))
			return false;
		cfg->n_mapping_caps++;
	}
	return true;
}

u32 resources_create(struct vm *vm)
{
	struct vm_config *cfg = vm->cfg;
	u64 gicr_size = GICR_SIZE * cfg->n_vcpus;
	u64 info;

	cfg->gic.no_psci = !cfg->psci;
	if (!cfg->gic.gicd_base) {
		cfg->gic.gicd_base = VMMIO_SIZE - GICD_SIZE;
		cfg->gic.gicr_base = cfg->gic.gicd_base - gicr_size;
	}
	if (cfg->gic.gicd_base % GICD_SIZE || cfg->gic.gicr_base % GICD_SIZE ||
	    !range_take(cfg, cfg->gic.gicd_base, GICD_SIZE) ||
	    !range_take(cfg, cfg->gic.gicr_base, gicr_size)) {
		plat_log("rm: VM %u: GIC at 0x%lx and 0x%lx is misaligned or overlaps",
			 vm->vmid, cfg->gic.gicd_base, cfg->gic.gicr_base);
		return RM_ARGUMENT_INVALID;
	}

	vm->guest = guest_create(vm->vmid, &cfg->gic);
	if (!vm->guest)
		return RM_NORESOURCE;
	if (vm->auth != 1)
		guest_set_vmmio(vm->guest, VMMIO_BASE, VMMIO_SIZE);
	if (!range_pick(cfg, sizeof(info_page), &info) ||
	    !guest_map(vm->guest, info, (u64)(uintptr_t)info_page,
		       sizeof(info_page), MEM_R))
		return RM_NORESOURCE;
	if (!create_vcpus(vm))
		return RM_NORESOURCE;
	for (u32 i = 0; i < cfg->n_vdevs; i++)
		if (cfg->vdev[i].type == VDEV_DOORBELL &&
		    !create_doorbell(vm, &cfg->vdev[i]))
			return RM_NORESOURCE;
	if (rm_firmware_is_new() && !create_mapping_caps(cfg))
		return RM_NORESOURCE;
	return RM_OK;
}

void resources_disable(struct vm *vm)
{
	u64 error = rm_random(0, 1) ? ERR_CAP_REVOKED : ERR_OBJECT_STATE;

	if (!vm->cfg)
		return;
	for (u32 i = 0; i < vm->cfg->n_vcpus; i++)
		if (vm->cfg->vcpu[i].virq)
			cap_disable(vm->cfg->vcpu[i].capid, error);
	for (u32 i = 0; i < vm->cfg->n_vdevs; i++)
		if (vm->cfg->vdev[i].bell)
			cap_disable(vm->cfg->vdev[i].capid, error);
	for (u32 i = 0; i < vm->cfg->n_mapping_caps; i++)
		cap_disable(vm->cfg->mapping_cap[i], error);
}

void resources_destroy(struct vm *vm)
{
	if (!vm->cfg)
		return;
	for (u32 i = 0; i < vm->cfg->n_vdevs; i++) {
		if (!vm->cfg->vdev[i].bell)
			continue;
		cap_delete(vm->cfg->vdev[i].capid);
		doorbell_destroy(vm->cfg->vdev[i].bell);
	}
	for (u32 i = 0; i < vm->cfg->n_vcpus; i++)
		if (vm->cfg->vcpu[i].virq)
			cap_delete(vm->cfg->vcpu[i].capid);
	for (u32 i = 0; i < vm->cfg->n_mapping_caps; i++)
		cap_delete(vm->cfg->mapping_cap[i]);
	if (vm->guest)
		guest_destroy(vm->guest);
	vm->guest = NULL;
	for (u32 i = 0; i < vm->cfg->n_vcpus; i++)
		if (vm->cfg->vcpu[i].virq)
			virq_free(vm->cfg->vcpu[i].virq);
	rm_free(vm->cfg);
	vm->cfg = NULL;
}

/* --- GET_HYP_RESOURCES ------------------------------------------------------------ */

static void add_entry(struct reply *rep, u8 type, u16 partner, u32 label, u64 capid,
		      u32 virq)
{
	u8 *e = rep->data + rep->len;

	for (u32 i = 0; i < RES_ENTRY_SIZE; i++)
		e[i] = 0;
	e[0] = type;
	put16(e + 2, partner);
	put32(e + 8, label);
	put32(e + 12, (u32)capid);
	put32(e + 16, (u32)(capid >> 32));
	put32(e + 24, virq);
	rep->len += RES_ENTRY_SIZE;
	put32(rep->data, get32(rep->data) + 1);
}

_Static_assert(4 + (MAX_VCPUS + MAX_VDEVS + N_MAPPING_CAPS) * RES_ENTRY_SIZE <= RM_REPLY_MAX,
	       "a full list fits");

u32 vm_get_hyp_resources(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));

	if (!vm)
		return RM_ARGUMENT_INVALID;
	if (!vm->configured)
		return RM_NORESOURCE;
	put32(rep->data, 0);
	rep->len = 4;
	/* After a failed INIT some may be missing; nothing may use them. */
	if (!vm->cfg || vm->state == VM_STATE_INIT_FAILED)
		return RM_OK;
	for (u32 i = 0; i < vm->cfg->n_vcpus; i++)
		add_entry(rep, RES_VCPU, 0, i, vm->cfg->vcpu[i].capid,
			  vm->cfg->vcpu[i].virq);
	for (u32 i = 0; i < vm->cfg->n_vdevs; i++) {
		const struct vdev *d = &vm->cfg->vdev[i];

		if (d->type == VDEV_DOORBELL)
			add_entry(rep, RES_BELL_TX, vm->vmid, d->label, d->capid, 0);
	}
	/* The extents' labels say who they are for: guest, host, private, shared. */
	for (u32 i = 0; i < vm->cfg->n_mapping_caps; i++)
		add_entry(rep, i ? RES_MEMEXTENT : RES_ADDRSPACE, 0, i ? i - 1 : 0,
			  vm->cfg->mapping_cap[i], 0);
	return RM_OK;
}

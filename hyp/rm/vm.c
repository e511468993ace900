// SPDX-License-Identifier: GPL-2.0-only
/* VMs: their states, the calls that change them, and what happens by itself. */
#include "rm.h"

#define AUTH_NONE	0u
#define AUTH_PLATFORM	1u
#define AUTH_ANDROID	2u

#define STOP_FORCE	1u

#define MAX_VMS		(VMID_STATIC_LAST - VMID_STATIC_FIRST + 1 +	\
			 VMID_DYNAMIC_LAST - VMID_DYNAMIC_FIRST + 1)

static struct vm *vms[MAX_VMS];		/* in order of creation */
static u32 n_vms;

/* The VM that RM is killing, and the request that asked for it, if any. */
static struct {
	struct vm *vm;
	bool by_request;
	u16 seq;
} kill;

struct vm *vm_find(u32 vmid)
{
	for (u32 i = 0; i < n_vms; i++)
		if (vms[i]->vmid == vmid)
			return vms[i];
	return NULL;
}

u32 vm_count(void)
{
	return n_vms;
}

void vm_set_state(struct vm *vm, enum vm_state state)
{
	u8 msg[8] = { 0 };

	vm->state = state;
	if (!vm->peer)
		return;
	put16(msg, vm->vmid);
	msg[4] = (u8)state;
	rpc_notify(VM_STATUS, msg, sizeof(msg));
}

/* --- from nothing to READY ------------------------------------------------------ */

u32 vm_allocate(const struct request *req, struct reply *rep)
{
	u32 vmid = get16(req->data);
	bool pick = !vmid;
	struct vm *vm;

	if (pick) {
		vmid = VMID_DYNAMIC_FIRST;
		while (vmid <= VMID_DYNAMIC_LAST && vm_find(vmid))
			vmid++;
		if (vmid > VMID_DYNAMIC_LAST)
			return RM_NORESOURCE;
	} else if (vmid < VMID_STATIC_FIRST || vmid > VMID_STATIC_LAST || vm_find(vmid)) {
		return RM_NORESOURCE;
	}

	vm = rm_alloc(sizeof(*vm));
	if (!vm)
		return RM_NOMEM;
	vm->vmid = (u16)vmid;
	vm->state = VM_STATE_LOAD;
	vm->peer = true;
	vms[n_vms++] = vm;
	if (pick) {
		put32(rep->data, vmid);
		rep->len = 4;
	}
	return RM_OK;
}

u32 vm_deallocate(const struct request *req, struct reply *rep)
{
	u16 vmid = get16(req->data);
	struct vm *vm = vm_find(vmid);
	u32 i;

	(void)rep;
	if (!vm)
		plat_violation("VM_DEALLOCATE of VM %u, which does not exist; this kills the resource manager",
			       vmid);
	if (vm->state != VM_STATE_LOAD && vm->state != VM_STATE_RESET)
		return RM_VM_STATE;
	if (parcel_next(NULL, vmid))
		plat_log("rm: VM %u is deallocated while parcels still name it", vmid);
	for (n_vms--, i = 0; vms[i] != vm; i++)
		;
	for (; i < n_vms; i++)
		vms[i] = vms[i + 1];
	rm_free(vm);
	return RM_OK;
}

static u32 config_image(struct vm *vm, const u8 *req)
{
	struct parcel *p = parcel_for_vm(get32(req + 4), vm->vmid);
	u64 image_offset = get64(req + 8);
	u64 image_size = get64(req + 16);
	u64 dtb_offset = get64(req + 24);
	u64 dtb_size = get64(req + 32);
	u16 auth = get16(req + 2);

	if (!p)
		return RM_MEM_INVALID;
	if (image_offset > p->size || image_size > p->size - image_offset ||
	    dtb_offset > p->size || dtb_size > p->size - dtb_offset)
		return RM_ARGUMENT_INVALID;
	if (auth > AUTH_ANDROID)
		return RM_ARGUMENT_INVALID;
	vm->auth = (u8)auth;
	vm->image_handle = p->handle;
	vm->image_offset = image_offset;
	vm->dtb_offset = dtb_offset;
	vm->dtb_size = dtb_size;
	vm->mem_size = p->size;
	return RM_OK;
}

u32 vm_config_image(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));
	u32 error;

	(void)rep;
	if (!vm)
		return RM_VMID_INVALID;
	if (vm->state != VM_STATE_LOAD && vm->state != VM_STATE_RESET)
		return RM_VM_STATE;
	error = config_image(vm, req->data);
	if (error) {
		plat_log("rm: VM %u: CONFIG_IMAGE failed (0x%x), its VMID is lost",
			 vm->vmid, error);
		vm_set_state(vm, VM_STATE_INIT_FAILED);
		return error;
	}
	vm->configured = true;
	vm_set_state(vm, vm->auth == AUTH_PLATFORM ? VM_STATE_AUTH : VM_STATE_INIT);
	return RM_OK;
}

u32 vm_auth_image(const struct request *req, struct reply *rep)
{
	struct vm *vm;

	(void)rep;
	if (req->len < 4 || req->len != 4 + get16(req->data + 2) * 8u)
		return RM_MSG_INVALID;
	vm = vm_find(get16(req->data));
	if (!vm)
		return RM_VMID_INVALID;
	if (vm->state != VM_STATE_AUTH)
		return RM_VM_STATE;
	/* Nobody signs images for this hypervisor. */
	vm_set_state(vm, VM_STATE_INIT_FAILED);
	return RM_VALIDATE_FAILED;
}

static u32 init(struct vm *vm)
{
	void *dtb;
	u32 error;

	vm->cfg = rm_alloc(sizeof(*vm->cfg));
	if (!vm->cfg)
		return RM_NOMEM;
	error = dt_read(vm, &dtb);
	if (error)
		return error;
	if (dt_parse(dtb, vm->cfg))
		error = resources_create(vm);
	else
		error = RM_MEM_INVALID;
	rm_free(dtb);
	return error;
}

u32 vm_init(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));
	u32 error;

	(void)rep;
	if (get16(req->data + 2))
		return RM_MSG_INVALID;
	if (!vm)
		return RM_VMID_INVALID;
	if (vm->state != VM_STATE_INIT)
		return RM_VM_STATE;
	error = init(vm);
	if (error)
		plat_log("rm: VM %u: VM_INIT failed (0x%x)", vm->vmid, error);
	vm_set_state(vm, error ? VM_STATE_INIT_FAILED : VM_STATE_READY);
	return error;
}

/* Newer firmware only: what a register of the boot vCPU begins with */
u32 vm_set_boot_context(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));

	(void)rep;
	if (!vm)
		return RM_VMID_INVALID;
	if (vm->state != VM_STATE_READY)
		return RM_VM_STATE;
	if (get32(req->data + 4) ||
	    !guest_set_boot_reg(vm->guest, req->data[2], req->data[3],
				get64(req->data + 8)))
		return RM_ARGUMENT_INVALID;
	return RM_OK;
}

/* --- START ------------------------------------------------------------------------ */

static bool accept_image(struct vm *vm)
{
	struct parcel *p = parcel_for_vm(vm->image_handle, vm->vmid);

	if (!p || p->how != MEM_LEND || !parcel_acl(p, vm->vmid) || p->n_acl != 1 ||
	    p->n_attrs || p->acl[0].rights != (MEM_R | MEM_W | MEM_X)) {
		plat_log("rm: VM %u: image parcel must be lent to this VM alone, RWX, without attributes",
			 vm->vmid);
		return false;
	}
	return parcel_accept(p, vm, vm->cfg->base) == RM_OK;
}

/* Parcels that a shm device gives an address to. */
static bool accept_by_label(struct vm *vm)
{
	struct parcel *p = NULL;

	while ((p = parcel_next(p, vm->vmid))) {
		for (u32 i = 0; i < vm->cfg->n_vdevs; i++) {
			const struct vdev *d = &vm->cfg->vdev[i];

			if (p->handle == vm->image_handle || d->type != VDEV_SHM ||
			    d->label != p->label)
				continue;
			if (!d->allocate && parcel_accept(p, vm, d->base)) {
				plat_log("rm: VM %u: parcel 0x%x does not go to 0x%lx",
					 vm->vmid, p->handle, d->base);
				return false;
			}
			break;
		}
	}
	return true;
}

/* More private memory goes behind the image, in order of creation. */
static void accept_private(struct vm *vm)
{
	struct parcel *p = NULL;

	while ((p = parcel_next(p, vm->vmid))) {
		if (parcel_acl(p, vm->vmid)->accepted ||
		    !parcel_is_private(p, vm->vmid) || p->how != MEM_LEND ||
		    p->n_attrs || vm->mem_size + p->size > vm->cfg->size_max)
			continue;
		if (!parcel_accept(p, vm, vm->cfg->base + vm->mem_size))
			vm->mem_size += p->size;
	}
}

static u32 start(struct vm *vm)
{
	struct parcel *image;

	if (!accept_image(vm) || !accept_by_label(vm))
		return RM_NORESOURCE;
	accept_private(vm);
	if (vm->mem_size < vm->cfg->size_min)
		plat_log("rm: VM %u: 0x%lx bytes of memory are less than size-min",
			 vm->vmid, vm->mem_size);
	if (dt_write(vm))
		return RM_NORESOURCE;

	/* The real one cleans the memory's whole size in the image parcel. */
	image = parcel_for_vm(vm->image_handle, vm->vmid);
	if (vm->mem_size > image->size) {
		plat_log("rm: VM %u: a second private parcel can't start", vm->vmid);
		return RM_DENIED;
	}
	if (vm->auth == AUTH_ANDROID)
		return RM_DENIED;	/* without firmware */
	guest_start(vm->guest, vm->cfg->base + vm->image_offset,
		    vm->cfg->base + vm->dtb_offset);
	return RM_OK;
}

u32 vm_start(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));
	u32 error;

	(void)rep;
	if (!vm)
		return RM_VMID_INVALID;
	if (vm->state != VM_STATE_READY)
		return RM_VM_STATE;
	error = start(vm);
	vm_set_state(vm, error ? VM_STATE_INIT_FAILED : VM_STATE_RUNNING);
	return error;
}

/* --- the end of a running VM ---------------------------------------------------------- */

void rm_guest_exited(struct guest *g, enum guest_exit why, u64 reset_type, u64 cookie)
{
	struct vm *vm = NULL;

	for (u32 i = 0; i < n_vms && !vm; i++)
		if (vms[i]->guest == g)
			vm = vms[i];
	if (!vm || vm->state != VM_STATE_RUNNING || vm->exit_due || kill.vm == vm)
		return;

	vm->exit_type = (u16)why;
	vm->exit_words = 1;
	vm->exit_reason[0] = 0;
	if (why == GUEST_EXIT_RESET2) {
		vm->exit_words = 4;
		/* Bit 62 of the vCPU's state word: the call was the 64-bit one. */
		if (reset_type & (1UL << 62))
			vm->exit_reason[0] = 1u << 15;
		else
			cookie &= 0xffffffff;
		vm->exit_reason[1] = (u32)reset_type;
		vm->exit_reason[2] = (u32)cookie;
		vm->exit_reason[3] = (u32)(cookie >> 32);
	}
	vm->exit_due = plat_now_us() + rm_random(50, 3000);
}

bool vm_kill_pending(void)
{
	return kill.vm;
}

static void start_kill(struct vm *vm, bool by_request, u16 seq)
{
	kill.vm = vm;
	kill.by_request = by_request;
	kill.seq = seq;
	guest_kill(vm->guest);
}

static void finish_kill(void)
{
	struct vm *vm = kill.vm;
	u8 msg[24] = { 0 };

	kill.vm = NULL;
	vm->exit_due = 0;
	vm_set_state(vm, VM_STATE_EXITED);

	put16(msg, vm->vmid);
	put16(msg + 2, vm->exit_type);
	put32(msg + 4, vm->exit_words * 4);
	for (u32 i = 0; i < vm->exit_words; i++)
		put32(msg + 8 + i * 4, vm->exit_reason[i]);
	rpc_notify(VM_EXITED, msg, 8 + vm->exit_words * 4);
	if (kill.by_request)
		rpc_reply(VM_STOP, kill.seq, RM_OK, NULL, 0, 0);
}

u32 vm_stop(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));

	(void)rep;
	rm_known_flags(req, req->data[2], STOP_FORCE);
	if (!vm)
		return RM_VMID_INVALID;
	if (vm->state != VM_STATE_RUNNING)
		return RM_VM_STATE;
	/* Without force the guest would be asked, but it has no RM link here. */
	if (!(req->data[2] & STOP_FORCE))
		return RM_OK;
	vm->exit_type = EXIT_VM_STOP_FORCED;
	vm->exit_words = 1;
	vm->exit_reason[0] = 0;
	start_kill(vm, true, req->seq);
	return RM_LATER;
}

/* --- RESET -------------------------------------------------------------------------- */

enum reset_stage {
	RESET_NONE,
	RESET_KILL,
	RESET_WAIT,
	RESET_DISABLE,
	RESET_RELEASE,
	RESET_DESTROY,
	RESET_DONE,
};

u32 vm_reset(const struct request *req, struct reply *rep)
{
	struct vm *vm = vm_find(get16(req->data));
	u32 stuck_state;
	u64 delay = 0;

	(void)rep;
	if (!vm)
		return RM_VMID_INVALID;
	if (!vm->configured)
		plat_violation("VM_RESET of VM %u in state %u, which has no configuration; this kills the resource manager",
			       vm->vmid, vm->state);
	if (vm->state != VM_STATE_EXITED && vm->state != VM_STATE_READY &&
	    vm->state != VM_STATE_INIT_FAILED)
		return RM_VM_STATE;

	vm_set_state(vm, VM_STATE_RESETTING);
	if (!debug_reset_stuck(&stuck_state)) {
		vm->reset_stage = RESET_KILL;
		vm->reset_due = plat_now_us() + rm_random(200, 2000);
	} else if (stuck_state) {
		vm_set_state(vm, stuck_state);
	}
	/* Before, in the middle of, or after everything else. */
	if (rm_random(0, 2))
		delay = rm_random(100, 12000);
	rpc_reply(VM_RESET, req->seq, RM_OK, NULL, 0, delay);
	return RM_LATER;
}

static void reset_step(struct vm *vm, u64 now)
{
	vm->reset_due = now + rm_random(200, 2000);
	switch (vm->reset_stage++) {
	case RESET_KILL:
		if (vm->guest)
			guest_kill(vm->guest);
		break;
	case RESET_WAIT:
		if (vm->guest && !guest_stopped(vm->guest))
			vm->reset_stage = RESET_WAIT;
		break;
	case RESET_DISABLE:
		resources_disable(vm);
		break;
	case RESET_RELEASE:
		parcel_release_all(vm);
		break;
	case RESET_DESTROY:
		resources_destroy(vm);
		break;
	case RESET_DONE:
		vm->configured = false;
		vm->exit_due = 0;
		vm->reset_stage = RESET_NONE;
		vm_set_state(vm, VM_STATE_RESET);
		/* No more notifications, even if it is configured again. */
		vm->peer = false;
		break;
	}
}

/* --- GET_STATE and time ----------------------------------------------------------------- */

u32 vm_get_state(const struct request *req, struct reply *rep)
{
	u16 vmid = get16(req->data);
	u32 state = VM_STATE_RUNNING;

	if (vmid && vmid != VMID_HOST) {
		struct vm *vm = vm_find(vmid);

		if (!vm)
			return RM_NORESOURCE;
		state = vm->state;
	}
	put32(rep->data, state);
	rep->len = 4;
	return RM_OK;
}

#define KILL_POLL_US	100u

static u64 kill_due;

void vm_poll(u64 now)
{
	if (kill.vm) {
		if (!guest_stopped(kill.vm->guest)) {
			kill_due = now + KILL_POLL_US;
			return;
		}
		finish_kill();
	}
	for (u32 i = 0; i < n_vms; i++) {
		struct vm *vm = vms[i];

		if (vm->reset_stage && vm->reset_due <= now)
			reset_step(vm, now);
		if (vm->exit_due && vm->exit_due <= now && !kill.vm) {
			start_kill(vm, false, 0);
			kill_due = now + KILL_POLL_US;
		}
	}
}

u64 vm_deadline(void)
{
	u64 due = ~0UL;

	if (kill.vm)
		return kill_due;
	for (u32 i = 0; i < n_vms; i++) {
		const struct vm *vm = vms[i];

		if (vm->reset_stage && vm->reset_due < due)
			due = vm->reset_due;
		if (vm->exit_due && vm->exit_due < due)
			due = vm->exit_due;
	}
	return due;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a VM as the resource manager sees it: from a VMID to a running
 * VM, and back to nothing.
 */

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "vm_mgr.h"

#include <trace/events/gunyah_vm.h>

/* The resource manager's VM_EXITED comes within milliseconds of VM_STATUS */
#define GH_VM_EXIT_INFO_TIMEOUT		msecs_to_jiffies(1000)
/* How long a reset takes is up to the hypervisor; it wipes and unmaps memory */
#define GH_VM_RESET_TIMEOUT		secs_to_jiffies(60)
/* RUNNING, INIT, READY, RESETTING, RESET: no VM goes through more states */
#define GH_VM_TEARDOWN_STEPS		8

static void gh_vm_wake(struct gh_vm *ghvm)
{
	wake_up_all(&ghvm->rm_status_wq);
	guard(spinlock)(&ghvm->exit_lock);
	raw_notifier_call_chain(&ghvm->exit_chain, 0, NULL);
}

static void gh_vm_set_exited(struct gh_vm *ghvm)
{
	scoped_guard(spinlock, &ghvm->exit_lock) {
		if (!ghvm->exited)
			ghvm->exit_deadline = jiffies + GH_VM_EXIT_INFO_TIMEOUT;
		/* Pairs with gh_vm_has_exited() */
		smp_store_release(&ghvm->exited, true);
	}
	gh_vm_wake(ghvm);
}

static void gh_vm_set_state(struct gh_vm *ghvm, enum gh_vm_state state)
{
	/* Pairs with gh_vm_ensure_started(): what the vCPUs need comes first */
	smp_store_release(&ghvm->state, state);
}

/* The first one to say how the VM ended is the one who is believed. */
static void gh_vm_set_exit_status(struct gh_vm *ghvm,
				  const struct gh_vm_exit_status *exit)
{
	scoped_guard(spinlock, &ghvm->exit_lock) {
		if (!ghvm->exit_known) {
			ghvm->exit = *exit;
			/* Pairs with gh_vm_exit_is_known() */
			smp_store_release(&ghvm->exit_known, true);
		}
	}
	gh_vm_set_exited(ghvm);
}

static void gh_vm_set_exit_unknown(struct gh_vm *ghvm, u32 status)
{
	const struct gh_vm_exit_status exit = {
		.status = status,
		.info.type = GH_VM_EXIT_TYPE_UNKNOWN,
	};

	gh_vm_set_exit_status(ghvm, &exit);
}

static u32 gh_vm_exit_type_to_status(u16 type)
{
	switch (type) {
	case GH_VM_EXIT_TYPE_WDT_BITE:
	case GH_VM_EXIT_TYPE_HYP_ERROR:
	case GH_VM_EXIT_TYPE_ASYNC_EXT_ABORT:
		return GH_VM_STATUS_CRASHED;
	default:
		return GH_VM_STATUS_EXITED;
	}
}

/* A VM that has no VMID yet is not the one that is called GH_VMID_INVAL */
static bool gh_vm_has_vmid(struct gh_vm *ghvm, __le16 vmid)
{
	return vmid != cpu_to_le16(GH_VMID_INVAL) &&
	       le16_to_cpu(vmid) == READ_ONCE(ghvm->vmid);
}

static void gh_vm_rm_exited(struct gh_vm *ghvm,
			    const struct gh_rm_vm_exited_payload *payload)
{
	struct gh_vm_exit_status exit = {
		.info.type = le16_to_cpu(payload->exit_type),
	};

	if (!gh_vm_has_vmid(ghvm, payload->vmid))
		return;

	trace_gh_vm_exited(le16_to_cpu(payload->vmid), exit.info.type,
			   le32_to_cpu(payload->exit_reason_size));
	exit.status = gh_vm_exit_type_to_status(exit.info.type);
	/* The transport checked that so much is there; user space has room for less */
	exit.info.reason_size = min_t(u32, le32_to_cpu(payload->exit_reason_size),
				      GH_VM_MAX_EXIT_REASON_SIZE);
	memcpy(exit.info.reason, payload->exit_reason, exit.info.reason_size);
	gh_vm_set_exit_status(ghvm, &exit);
}

static void gh_vm_rm_status(struct gh_vm *ghvm,
			    const struct gh_rm_vm_status_payload *payload)
{
	if (!gh_vm_has_vmid(ghvm, payload->vmid))
		return;

	trace_gh_vm_status(le16_to_cpu(payload->vmid), payload->vm_status);
	WRITE_ONCE(ghvm->rm_status, payload->vm_status);
	if (payload->vm_status == GH_RM_VM_STATUS_EXITED)
		gh_vm_set_exited(ghvm);
	else
		wake_up_all(&ghvm->rm_status_wq);
}

/* Runs in the resource manager's receive thread: takes none of the VM's mutexes */
static int gh_vm_rm_notification(struct notifier_block *nb, unsigned long action,
				 void *data)
{
	struct gh_vm *ghvm = container_of(nb, struct gh_vm, rm_nb);

	switch (action) {
	case GH_RM_NOTIFICATION_VM_STATUS:
		gh_vm_rm_status(ghvm, data);
		return NOTIFY_OK;
	case GH_RM_NOTIFICATION_VM_EXITED:
		gh_vm_rm_exited(ghvm, data);
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

void gh_vm_lifecycle_init(struct gh_vm *ghvm)
{
	ghvm->vmid = GH_VMID_INVAL;
	ghvm->start_error = -ESHUTDOWN;
	ghvm->rm_status = GH_RM_VM_STATUS_NO_STATE;
	init_waitqueue_head(&ghvm->rm_status_wq);
	spin_lock_init(&ghvm->exit_lock);
	RAW_INIT_NOTIFIER_HEAD(&ghvm->exit_chain);
	ghvm->rm_nb.notifier_call = gh_vm_rm_notification;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_lifecycle_init);

/**
 * gh_vm_ensure_started() - Check that a VM has been started
 * @ghvm: the VM
 *
 * Checks only: starting is left to GH_VM_START, since a VM that a vCPU starts
 * on the side comes up before its VMM has put it together.
 *
 * Context: Any context; takes no lock.
 * Return: 0 if GH_VM_START has been called and has either succeeded, whether
 *	   or not the VM has exited since, or failed; -ENODEV before.
 */
int gh_vm_ensure_started(struct gh_vm *ghvm)
{
	/*
	 * Pairs with gh_vm_set_state(): the vCPUs of a VM that is started are
	 * there, and those of one that is dead know that it has exited.
	 */
	return smp_load_acquire(&ghvm->state) == GH_VM_NEW ? -ENODEV : 0;
}
EXPORT_SYMBOL_GPL(gh_vm_ensure_started);

/**
 * gh_vm_has_exited() - Check whether a VM has ended
 * @ghvm: the VM
 *
 * Context: Any context; takes no lock.
 * Return: true if no vCPU of the VM will run again.
 */
bool gh_vm_has_exited(struct gh_vm *ghvm)
{
	/* Pairs with gh_vm_set_exited() */
	return smp_load_acquire(&ghvm->exited);
}
EXPORT_SYMBOL_GPL(gh_vm_has_exited);

/**
 * gh_vm_state_name() - Tell how far a VM has got, for people
 * @ghvm: the VM
 *
 * Context: Any context; takes no lock.
 * Return: one word
 */
const char *gh_vm_state_name(struct gh_vm *ghvm)
{
	switch (READ_ONCE(ghvm->state)) {
	case GH_VM_NEW:
		return READ_ONCE(ghvm->vmid) == GH_VMID_INVAL ? "new" : "starting";
	case GH_VM_STARTED:
		return gh_vm_has_exited(ghvm) ? "exited" : "running";
	default:
		return READ_ONCE(ghvm->vmid) == GH_VMID_INVAL ? "dead" : "stopping";
	}
}

/**
 * gh_vm_exit_register() - Ask to be called when a VM ends
 * @ghvm: the VM
 * @nb: called from the resource manager's receive thread, or from the thread
 *	that tears the VM down, with a spinlock held.  It may be called more
 *	than once.
 *
 * Context: Process context.
 * Return: 0, or -EEXIST if @nb is registered already.
 */
int gh_vm_exit_register(struct gh_vm *ghvm, struct notifier_block *nb)
{
	guard(spinlock)(&ghvm->exit_lock);
	return raw_notifier_chain_register(&ghvm->exit_chain, nb);
}
EXPORT_SYMBOL_GPL(gh_vm_exit_register);

/**
 * gh_vm_exit_unregister() - Undo gh_vm_exit_register()
 * @ghvm: the VM
 * @nb: is not called any more when this returns
 *
 * Context: Process context.
 */
void gh_vm_exit_unregister(struct gh_vm *ghvm, struct notifier_block *nb)
{
	guard(spinlock)(&ghvm->exit_lock);
	raw_notifier_chain_unregister(&ghvm->exit_chain, nb);
}
EXPORT_SYMBOL_GPL(gh_vm_exit_unregister);

static bool gh_vm_exit_is_known(struct gh_vm *ghvm)
{
	/* Pairs with gh_vm_set_exit_status() */
	return smp_load_acquire(&ghvm->exit_known);
}

/**
 * gh_vm_get_exit_status() - Tell how a VM ended
 * @ghvm: a VM for which gh_vm_has_exited() is true
 * @status: set to the same content at each call
 *
 * A vCPU can hear of the end before the resource manager has said what it was
 * (VM_STATUS precedes VM_EXITED): waits for that until a second has passed since
 * the end, however often it is interrupted.
 *
 * Context: May sleep.
 * Return: 0, or -EINTR if a signal came first.
 */
int gh_vm_get_exit_status(struct gh_vm *ghvm, struct gh_vm_exit_status *status)
{
	long left = ghvm->exit_deadline - jiffies;

	left = wait_event_interruptible_timeout(ghvm->rm_status_wq,
						gh_vm_exit_is_known(ghvm),
						max(left, 0));
	if (left < 0)
		return -EINTR;
	if (!left)
		gh_vm_set_exit_unknown(ghvm, GH_VM_STATUS_EXITED);

	*status = ghvm->exit;
	return 0;
}
EXPORT_SYMBOL_GPL(gh_vm_get_exit_status);

static int gh_vm_configure(struct gh_vm *ghvm, const struct gh_vm_image *image)
{
	u64 offset = gh_vm_boot_image_offset(ghvm, image);
	int ret;

	ret = gh_rm_vm_configure(ghvm->rm, ghvm->vmid, GH_RM_VM_AUTH_NONE,
				 image->mem_handle, offset, image->size - offset,
				 ghvm->dtb_config.guest_phys_addr - image->base,
				 ghvm->dtb_config.size);
	if (!ret)
		ghvm->configured = true;
	return ret;
}

static int gh_vm_get_resources(struct gh_vm *ghvm)
{
	struct gh_rm_hyp_resources *resources __free(kfree) = NULL;
	int ret;

	ret = gh_rm_get_hyp_resources(ghvm->rm, ghvm->vmid, &resources);
	if (ret)
		return ret;

	return gh_vm_add_resources(ghvm, resources);
}

static int gh_vm_bring_up(struct gh_vm *ghvm)
{
	struct gh_vm_image image;
	u16 host_vmid, vmid;
	int ret;

	if (!ghvm->dtb_config.size)
		return -EINVAL;

	/* Asked for before, so that a bad reply to this is not taken for one to that */
	ret = gh_rm_get_vmid(ghvm->rm, &host_vmid);
	if (ret)
		return ret;

	ret = gh_rm_alloc_vmid(ghvm->rm, &vmid);
	/* There is a VM, and nobody knows its number */
	if (ret == -EBADMSG)
		gh_vm_mgr_count_lost_vmid(ghvm->mgr);
	if (ret)
		return ret;
	WRITE_ONCE(ghvm->vmid, vmid);

	/* The VMID has to be there: memory is lent to it by its number. */
	ret = gh_vm_mem_lend(ghvm, &image);
	if (ret)
		return ret;

	ret = gh_vm_configure(ghvm, &image);
	if (ret)
		return ret;

	ret = gh_rm_vm_init(ghvm->rm, ghvm->vmid);
	if (ret)
		return ret;

	ret = gh_vm_get_resources(ghvm);
	if (ret)
		return ret;

	ret = gh_vm_apply_boot_context(ghvm, &image);
	if (ret)
		return ret;

	return gh_rm_vm_start(ghvm->rm, ghvm->vmid);
}

/**
 * gh_vm_start() - Start a VM
 * @ghvm: the VM
 *
 * A VM that could not be started can't be tried again: its memory comes back,
 * and all that remains is to close it.
 *
 * Context: Process context.  Takes ghvm->lock.
 * Return: 0 also if the VM had been started before, or what went wrong, also
 *	   when it is called again.
 */
int gh_vm_start(struct gh_vm *ghvm)
{
	int ret;

	ACQUIRE(mutex_kill, lock)(&ghvm->lock);
	ret = ACQUIRE_ERR(mutex_kill, &lock);
	if (ret)
		return ret;

	if (ghvm->state == GH_VM_STARTED)
		return 0;
	if (ghvm->state == GH_VM_DEAD)
		return ghvm->start_error;

	ret = gh_vm_mgr_get_live(ghvm->mgr);
	if (ret)
		return ret;

	/* It is registered nowhere yet, so this can't fail */
	gh_rm_notifier_register(ghvm->rm, &ghvm->rm_nb);
	ghvm->live = true;

	ret = gh_vm_bring_up(ghvm);
	/* That a reply makes no sense is for the log */
	if (ret == -EBADMSG)
		ret = -EIO;
	trace_gh_vm_start(ghvm->vmid, ret);
	if (!ret) {
		gh_vm_set_state(ghvm, GH_VM_STARTED);
		return 0;
	}

	/* -EINTR is for the caller that was killed, not for one who asks later */
	ghvm->start_error = ret == -EINTR ? -ENODEV : ret;
	gh_vm_set_exit_unknown(ghvm, GH_VM_STATUS_LOAD_FAILED);
	gh_vm_teardown(ghvm);
	return ret;
}

/* Newer firmware has more to say of how a reset ends, with numbers beyond RESET. */
static void gh_vm_wait_for_reset(struct gh_vm *ghvm)
{
	wait_event_timeout(ghvm->rm_status_wq,
			   READ_ONCE(ghvm->rm_status) >= GH_RM_VM_STATUS_RESET,
			   GH_VM_RESET_TIMEOUT);
}

/*
 * Bring the VM to a state from which its VMID can be given back.
 *
 * The resource manager is asked for the state before each step: what was last
 * heard of it may be older than what the guest has done since.  Requests that
 * it does not survive are never sent: a reset of a VM without a configuration,
 * and a second reset.  A VM that was configured but not initialised can't be
 * reset either, so initialise it: whether that fails does not matter.
 */
static bool gh_vm_stop_and_reset(struct gh_vm *ghvm)
{
	enum gh_rm_vm_status status;
	bool reset_sent = false, waited = false;
	int i;

	for (i = 0; i < GH_VM_TEARDOWN_STEPS; i++) {
		if (gh_rm_get_vm_state(ghvm->rm, ghvm->vmid, &status))
			return false;

		switch (status) {
		case GH_RM_VM_STATUS_LOAD:
		case GH_RM_VM_STATUS_RESET:
			return true;
		case GH_RM_VM_STATUS_INIT:
			/* No other way leads here, whatever the reply said */
			ghvm->configured = true;
			gh_rm_vm_init(ghvm->rm, ghvm->vmid);
			break;
		case GH_RM_VM_STATUS_RUNNING:
		case GH_RM_VM_STATUS_PAUSED:
			gh_rm_vm_stop(ghvm->rm, ghvm->vmid);
			break;
		case GH_RM_VM_STATUS_READY:
		case GH_RM_VM_STATUS_INIT_FAILED:
		case GH_RM_VM_STATUS_EXITED:
			if (!ghvm->configured || reset_sent)
				return false;
			/* The numbers of the VM's interrupts are free after this. */
			gh_vm_remove_resources(ghvm);
			reset_sent = true;
			gh_rm_vm_reset(ghvm->rm, ghvm->vmid);
			break;
		case GH_RM_VM_STATUS_RESETTING:
			/* It has had its time: what it has not given back is lost */
			if (waited)
				return false;
			waited = true;
			gh_vm_wait_for_reset(ghvm);
			break;
		default:
			return false;
		}
	}

	return false;
}

static void gh_vm_give_back(struct gh_vm *ghvm)
{
	bool clean = gh_vm_stop_and_reset(ghvm);

	gh_vm_remove_resources(ghvm);
	gh_vm_mem_reclaim(ghvm);
	if (clean) {
		/* The next VM of this number would get the parcels that are left */
		clean = gh_vm_mem_is_back(ghvm) &&
			!gh_rm_dealloc_vmid(ghvm->rm, ghvm->vmid);
	}
	trace_gh_vm_teardown(ghvm->vmid, clean);
	if (!clean) {
		gh_vm_mgr_count_lost_vmid(ghvm->mgr);
		dev_err_ratelimited(gh_rm_device(ghvm->rm),
				    "VM %u can't be removed: its VMID is lost until the host restarts\n",
				    ghvm->vmid);
	}
	WRITE_ONCE(ghvm->vmid, GH_VMID_INVAL);
}

/**
 * gh_vm_teardown() - Take back all that a VM has got
 * @ghvm: the VM
 *
 * Does nothing for a VM that was never started.
 *
 * Context: Process context, not interruptible, but ends: each request to the
 *	    resource manager does.  Caller holds ghvm->lock.
 */
void gh_vm_teardown(struct gh_vm *ghvm)
{
	lockdep_assert_held(&ghvm->lock);

	if (ghvm->state == GH_VM_DEAD)
		return;
	gh_vm_set_exited(ghvm);
	gh_vm_set_state(ghvm, GH_VM_DEAD);

	if (!ghvm->live)
		return;
	if (ghvm->vmid != GH_VMID_INVAL)
		gh_vm_give_back(ghvm);
	gh_rm_notifier_unregister(ghvm->rm, &ghvm->rm_nb);
	gh_vm_mgr_put_live(ghvm->mgr);
}

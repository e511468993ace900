// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that the host schedules: GH_VCPU_RUN runs one until user space has
 * something to do for it.
 */

#define pr_fmt(fmt) "gunyah: " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/entry-virt.h>
#include <linux/file.h>
#include <linux/gunyah.h>
#include <linux/gunyah_vm_mgr.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/wait.h>

#include <kunit/visibility.h>

#include "gunyah_vcpu.h"

#define CREATE_TRACE_POINTS
#include <trace/events/gunyah_vcpu.h>

static const char * const gh_vcpu_stat_names[] = {
	[GH_VCPU_STAT_ENTRIES]		= "entries",
	[GH_VCPU_STAT_MMIO_READ]	= "exits-mmio-read",
	[GH_VCPU_STAT_MMIO_WRITE]	= "exits-mmio-write",
	[GH_VCPU_STAT_MMIO_KERNEL]	= "mmio-in-kernel",
	[GH_VCPU_STAT_WAIT]		= "waits",
	[GH_VCPU_STAT_BUSY]		= "busy",
	[GH_VCPU_STAT_STATUS]		= "exits-status",
	[GH_VCPU_STAT_INTERRUPTED]	= "interrupted",
};

VISIBLE_IF_KUNIT void gh_vcpu_free(struct kref *kref)
{
	struct gh_vcpu *vcpu = container_of(kref, struct gh_vcpu, kref);

	free_page((unsigned long)vcpu->run);
	kfree(vcpu);
}
EXPORT_SYMBOL_IF_KUNIT(gh_vcpu_free);

static void gh_vcpu_count(struct gh_vcpu *vcpu, enum gh_vcpu_stat stat)
{
	WRITE_ONCE(vcpu->stats[stat], vcpu->stats[stat] + 1);
}

static u64 gh_vcpu_mmio_mask(unsigned int len)
{
	return GENMASK_ULL(len * BITS_PER_BYTE - 1, 0);
}

/* Take in what user space says to the last exit. */
static int gh_vcpu_take_reply(struct gh_vcpu *vcpu)
{
	struct gh_vcpu_run *run = vcpu->run;
	u64 data;

	if (!vcpu->mmio_len)
		return 0;

	/* The hypervisor completes every access: there is no way to refuse one. */
	if (READ_ONCE(run->mmio.resume_action) != GH_VCPU_RESUME_HANDLED)
		return -EINVAL;

	if (!vcpu->mmio_is_write) {
		data = le64_to_cpu(READ_ONCE(*(__le64 *)run->mmio.data));
		vcpu->resume[0] = data & gh_vcpu_mmio_mask(vcpu->mmio_len);
	}
	vcpu->mmio_len = 0;
	return 0;
}

/*
 * The guest accessed memory that is emulated.  Returns true if user space has
 * to do it, or false if it has been done.
 */
static bool gh_vcpu_mmio_exit(struct gh_vcpu *vcpu, u64 addr, unsigned int len,
			      u64 data, bool is_write)
{
	struct gh_vcpu_run *run = vcpu->run;

	/* The hypervisor passes on the whole register. */
	data &= gh_vcpu_mmio_mask(len);
	if (is_write && gh_vm_mgr_mmio_write(vcpu->ghvm, addr, len, data)) {
		gh_vcpu_count(vcpu, GH_VCPU_STAT_MMIO_KERNEL);
		return false;
	}

	gh_vcpu_count(vcpu, is_write ? GH_VCPU_STAT_MMIO_WRITE : GH_VCPU_STAT_MMIO_READ);
	vcpu->mmio_len = len;
	vcpu->mmio_is_write = is_write;

	run->mmio.phys_addr = addr;
	put_unaligned_le64(data, run->mmio.data);
	run->mmio.len = len;
	run->mmio.is_write = is_write;
	run->mmio.resume_action = GH_VCPU_RESUME_HANDLED;
	run->exit_reason = GH_VCPU_EXIT_MMIO;
	return true;
}

static int gh_vcpu_status_exit(struct gh_vcpu *vcpu)
{
	struct gh_vcpu_run *run = vcpu->run;
	struct gh_vm_exit_status status;
	int ret;

	ret = gh_vm_get_exit_status(vcpu->ghvm, &status);
	if (ret)
		return ret;

	gh_vcpu_count(vcpu, GH_VCPU_STAT_STATUS);
	run->status.status = status.status;
	run->status.exit_info = status.info;
	run->status.padding = 0;
	run->exit_reason = GH_VCPU_EXIT_STATUS;
	return 0;
}

/* Wait for the end of the VM, or, if @wakeable, for the vCPU to be runnable. */
static int gh_vcpu_wait(struct gh_vcpu *vcpu, bool wakeable)
{
	gh_vcpu_count(vcpu, GH_VCPU_STAT_WAIT);
	if (wait_event_interruptible(vcpu->wq,
				     (wakeable && READ_ONCE(vcpu->woken)) ||
				     READ_ONCE(vcpu->stopping) ||
				     gh_vm_has_exited(vcpu->ghvm)))
		return -EINTR;
	return 0;
}

/*
 * What to do after the hypervisor has run the vCPU.  Returns 1 to run it again,
 * 0 if there is an exit for user space, or an error.
 */
static int gh_vcpu_handle(struct gh_vcpu *vcpu,
			  const struct gh_hypercall_vcpu_run_resp *resp)
{
	u64 addr = resp->state_data[0], len = resp->state_data[1];

	switch (resp->state) {
	case GH_VCPU_STATE_READY:
	case GH_VCPU_STATE_BLOCKED:
		/* Blocked: the hypervisor is about to finish something */
		return 1;
	case GH_VCPU_STATE_EXPECTS_WAKEUP:
		return gh_vcpu_wait(vcpu, true) ?: 1;
	case GH_VCPU_STATE_POWERED_OFF:
		/* A sibling can power it on again, unless it is gone for good */
		return gh_vcpu_wait(vcpu, !(resp->state_data[0] & GH_VCPU_POWERED_OFF_EXITED)) ?: 1;
	case GH_VCPU_STATE_FAULT:
	case GH_VCPU_STATE_PSCI_SYSTEM_RESET:
		/* The resource manager ends the VM */
		return gh_vcpu_wait(vcpu, false) ?: 1;
	case GH_VCPU_STATE_MMIO_READ:
	case GH_VCPU_STATE_MMIO_WRITE:
		if (!is_power_of_2(len) || len > sizeof(vcpu->run->mmio.data)) {
			pr_err_ratelimited("VM %u vCPU %u: access of %llu bytes at %#llx can't be emulated\n",
					   vcpu->rsc->vmid, vcpu->id, len, addr);
			vcpu->broken = true;
			return -EIO;
		}
		if (resp->state == GH_VCPU_STATE_MMIO_READ)
			return !gh_vcpu_mmio_exit(vcpu, addr, len, 0, false);
		return !gh_vcpu_mmio_exit(vcpu, addr, len, resp->state_data[2], true);
	default:
		pr_err_ratelimited("VM %u vCPU %u: hypervisor reports unknown state %llu\n",
				   vcpu->rsc->vmid, vcpu->id, resp->state);
		return -EIO;
	}
}

static int gh_vcpu_enter(struct gh_vcpu *vcpu)
{
	struct gh_hypercall_vcpu_run_resp resp;
	enum gh_error gh_error;

	/*
	 * Cleared before the hypervisor looks for something to run: what
	 * becomes runnable after that sets it again, on any CPU.
	 */
	smp_store_mb(vcpu->woken, false);

	gh_vcpu_count(vcpu, GH_VCPU_STAT_ENTRIES);
	trace_gh_vcpu_enter(vcpu->rsc->vmid, vcpu->id, vcpu->resume[0]);
	gh_error = gh_hypercall_vcpu_run(vcpu->rsc->capid, vcpu->resume, &resp);
	trace_gh_vcpu_exit(vcpu->rsc->vmid, vcpu->id, gh_error, resp.state, resp.state_data);
	switch (gh_error) {
	case GH_ERROR_OK:
		memset(vcpu->resume, 0, sizeof(vcpu->resume));
		return gh_vcpu_handle(vcpu, &resp);
	case GH_ERROR_RETRY:
	case GH_ERROR_BUSY:
		/* The resource manager runs the vCPU itself while it stops the VM */
		gh_vcpu_count(vcpu, GH_VCPU_STAT_BUSY);
		return 1;
	default:
		pr_err_ratelimited("VM %u vCPU %u: hypervisor can't run it: error %d\n",
				   vcpu->rsc->vmid, vcpu->id, gh_error);
		return -EIO;
	}
}

VISIBLE_IF_KUNIT int gh_vcpu_run_locked(struct gh_vcpu *vcpu)
{
	bool gone;
	int ret;

	lockdep_assert_held(&vcpu->run_lock);

	/* Nobody waits for the reply any more */
	if (gh_vm_has_exited(vcpu->ghvm))
		vcpu->mmio_len = 0;

	ret = gh_vcpu_take_reply(vcpu);
	if (ret)
		return ret;

	WRITE_ONCE(vcpu->run->exit_reason, GH_VCPU_EXIT_UNKNOWN);
	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;

	do {
		/* When the host shuts down, the VM ends before its vCPUs go */
		gone = !vcpu->rsc || smp_load_acquire(&vcpu->stopping);
		if (gh_vm_has_exited(vcpu->ghvm))
			return gh_vcpu_status_exit(vcpu);
		if (gone)
			return -ENODEV;
		if (vcpu->broken)
			return -EIO;

		/* A guest that never exits must not hold up RCU tasks */
		cond_resched_tasks_rcu_qs();

		/*
		 * Interrupts stay on: one that comes now, or later, ends the
		 * hypercall because it can be delivered.  Work that comes
		 * between this check and the hypercall waits for a time slice
		 * of the hypervisor's, 100 us.
		 */
		ret = xfer_to_guest_mode_handle_work();
		if (ret)
			return ret;

		ret = gh_vcpu_enter(vcpu);
	} while (ret > 0);

	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vcpu_run_locked);

static int gh_vcpu_run(struct gh_vcpu *vcpu)
{
	int ret;

	ret = gh_vm_ensure_started(vcpu->ghvm);
	if (ret)
		return ret;

	scoped_cond_guard(mutex_intr, return -EINTR, &vcpu->run_lock) {
		ret = gh_vcpu_run_locked(vcpu);
		if (ret == -EINTR)
			gh_vcpu_count(vcpu, GH_VCPU_STAT_INTERRUPTED);
	}

	rseq_virt_userspace_exit();
	return ret;
}

static long gh_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct gh_vcpu *vcpu = file->private_data;

	switch (cmd) {
	case GH_VCPU_RUN:
		return gh_vcpu_run(vcpu);
	case GH_VCPU_MMAP_SIZE:
		return PAGE_SIZE;
	default:
		return -ENOTTY;
	}
}

static vm_fault_t gh_vcpu_fault(struct vm_fault *vmf)
{
	struct gh_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff)
		return VM_FAULT_SIGBUS;

	vmf->page = virt_to_page(vcpu->run);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct gh_vcpu_vm_ops = {
	.fault = gh_vcpu_fault,
};

static int gh_vcpu_mmap_prepare(struct vm_area_desc *desc)
{
	if (desc->pgoff || vma_desc_size(desc) != PAGE_SIZE ||
	    !vma_desc_test(desc, VMA_SHARED_BIT))
		return -EINVAL;

	vma_desc_set_flags(desc, VMA_DONTEXPAND_BIT);
	desc->vm_ops = &gh_vcpu_vm_ops;
	return 0;
}

static int gh_vcpu_release(struct inode *inode, struct file *file)
{
	struct gh_vcpu *vcpu = file->private_data;
	struct gh_vm *ghvm = vcpu->ghvm;

	kref_put(&vcpu->kref, gh_vcpu_free);
	gh_vm_put(ghvm);
	return 0;
}

static void gh_vcpu_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct gh_vcpu *vcpu = file->private_data;
	int i;

	seq_printf(m, "gunyah-vcpu:\t%u\n", vcpu->id);
	for (i = 0; i < GH_VCPU_NR_STATS; i++)
		seq_printf(m, "gunyah-%s:\t%llu\n", gh_vcpu_stat_names[i],
			   READ_ONCE(vcpu->stats[i]));
}

static const struct file_operations gh_vcpu_fops = {
	.owner = THIS_MODULE,
	.release = gh_vcpu_release,
	.show_fdinfo = gh_vcpu_show_fdinfo,
	.unlocked_ioctl = gh_vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap_prepare = gh_vcpu_mmap_prepare,
	.llseek = noop_llseek,
};

static irqreturn_t gh_vcpu_irq(int irq, void *data)
{
	struct gh_vcpu *vcpu = data;

	WRITE_ONCE(vcpu->woken, true);
	wake_up(&vcpu->wq);
	return IRQ_HANDLED;
}

static int gh_vcpu_exit_notification(struct notifier_block *nb, unsigned long action,
				     void *data)
{
	struct gh_vcpu *vcpu = container_of(nb, struct gh_vcpu, exit_nb);

	wake_up(&vcpu->wq);
	return NOTIFY_OK;
}

static int gh_vcpu_populate(struct gh_vm_resource_ticket *ticket,
			    struct gunyah_resource *rsc)
{
	struct gh_vcpu *vcpu = container_of(ticket, struct gh_vcpu, ticket);
	int ret;

	/* Without an interrupt somebody else schedules the vCPU */
	if (!rsc->irq)
		return 1;

	ret = request_irq(rsc->irq, gh_vcpu_irq, 0, vcpu->irq_name, vcpu);
	if (ret) {
		pr_err_ratelimited("VM %u vCPU %u: can't use interrupt %u: %d\n",
				   rsc->vmid, vcpu->id, rsc->irq, ret);
		return ret;
	}

	guard(mutex)(&vcpu->run_lock);
	/* A guest's timer wakes the host, where the interrupt controller can */
	vcpu->irq_wake = rsc->may_wakeup && !enable_irq_wake(rsc->irq);
	vcpu->rsc = rsc;
	WRITE_ONCE(vcpu->stopping, false);
	return 0;
}

static void gh_vcpu_unpopulate(struct gh_vm_resource_ticket *ticket,
			       struct gunyah_resource *rsc)
{
	struct gh_vcpu *vcpu = container_of(ticket, struct gh_vcpu, ticket);

	/*
	 * Whoever runs the vCPU sees this after a time slice at the latest, and
	 * that the VM has ended, if it has.  Pairs with gh_vcpu_run_locked().
	 */
	smp_store_release(&vcpu->stopping, true);
	wake_up(&vcpu->wq);
	scoped_guard(mutex, &vcpu->run_lock)
		vcpu->rsc = NULL;

	if (vcpu->irq_wake)
		disable_irq_wake(rsc->irq);
	free_irq(rsc->irq, vcpu);
}

VISIBLE_IF_KUNIT struct gh_vcpu *gh_vcpu_alloc(struct gh_vm *ghvm, u32 id)
{
	struct gh_vcpu *vcpu;

	vcpu = kzalloc_obj(*vcpu, GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return NULL;

	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->run) {
		kfree(vcpu);
		return NULL;
	}

	kref_init(&vcpu->kref);
	vcpu->ghvm = ghvm;
	vcpu->id = id;
	mutex_init(&vcpu->run_lock);
	init_waitqueue_head(&vcpu->wq);
	vcpu->exit_nb.notifier_call = gh_vcpu_exit_notification;
	snprintf(vcpu->irq_name, sizeof(vcpu->irq_name), "gunyah-vcpu%u", id);
	vcpu->ticket.type = GUNYAH_RESOURCE_TYPE_VCPU;
	vcpu->ticket.label = id;
	vcpu->ticket.owner = THIS_MODULE;
	vcpu->ticket.populate = gh_vcpu_populate;
	vcpu->ticket.unpopulate = gh_vcpu_unpopulate;
	return vcpu;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vcpu_alloc);

static long gh_vcpu_bind(struct gh_vm_function_instance *f)
{
	const struct gh_fn_vcpu_arg *arg = f->argp;
	struct gh_vm *ghvm = f->ghvm;
	struct gh_vcpu *vcpu;
	int fd;

	if (!gh_hypervisor_has_feature(GH_FEATURE_VCPU_RUN))
		return -EOPNOTSUPP;

	vcpu = gh_vcpu_alloc(ghvm, arg->vcpu_id);
	if (!vcpu)
		return -ENOMEM;

	fd = gh_vm_add_resource_ticket(ghvm, &vcpu->ticket);
	if (fd)
		goto put;

	fd = gh_vm_exit_register(ghvm, &vcpu->exit_nb);
	if (fd)
		goto remove_ticket;

	gh_vm_get(ghvm);
	kref_get(&vcpu->kref);
	f->data = vcpu;
	/* Last: from here on user space can run the vCPU, or close it. */
	fd = FD_ADD(O_CLOEXEC, anon_inode_getfile("[gunyah-vcpu]", &gh_vcpu_fops,
						  vcpu, O_RDWR));
	if (fd >= 0)
		return fd;

	kref_put(&vcpu->kref, gh_vcpu_free);
	gh_vm_put(ghvm);
	gh_vm_exit_unregister(ghvm, &vcpu->exit_nb);
remove_ticket:
	gh_vm_remove_resource_ticket(ghvm, &vcpu->ticket);
put:
	kref_put(&vcpu->kref, gh_vcpu_free);
	return fd;
}

static void gh_vcpu_unbind(struct gh_vm_function_instance *f)
{
	struct gh_vcpu *vcpu = f->data;

	gh_vm_remove_resource_ticket(f->ghvm, &vcpu->ticket);
	gh_vm_exit_unregister(f->ghvm, &vcpu->exit_nb);
	kref_put(&vcpu->kref, gh_vcpu_free);
}

static bool gh_vcpu_compare(const struct gh_vm_function_instance *f, const void *arg)
{
	const struct gh_fn_vcpu_arg *mine = f->argp, *other = arg;

	return mine->vcpu_id == other->vcpu_id;
}

static const struct gh_vm_function_type gh_vcpu_function = {
	.type = GH_FN_VCPU,
	.owner = THIS_MODULE,
	.bind = gh_vcpu_bind,
	.unbind = gh_vcpu_unbind,
	.compare = gh_vcpu_compare,
};

DECLARE_GUNYAH_VM_FUNCTION_INIT(gh_vcpu_function);

static_assert(GH_FN_VCPU == 1);
MODULE_ALIAS_GUNYAH_VM_FUNCTION(1);
MODULE_DESCRIPTION("Gunyah vCPUs");
MODULE_LICENSE("GPL");

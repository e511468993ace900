// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/gunyah: makes VMs.
 */

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>

#include "vm_mgr.h"

/* As long as the resource manager has for an answer */
#define GH_VM_SHUTDOWN_TIMEOUT	secs_to_jiffies(60)

static void gh_vm_release(struct kref *kref)
{
	struct gh_vm *ghvm = container_of(kref, struct gh_vm, kref);
	struct gh_vm_mgr *mgr = ghvm->mgr;

	gh_vm_io_free(ghvm);
	gh_vm_remove_functions(ghvm);
	scoped_guard(mutex, &ghvm->lock) {
		gh_vm_teardown(ghvm);
		gh_vm_mem_free(ghvm);
	}

	scoped_guard(mutex, &mgr->lock)
		list_del(&ghvm->list);
	mmdrop(ghvm->mm);
	kfree(ghvm);
}

/**
 * gh_vm_get() - Take a reference to a VM
 * @ghvm: a VM to which the caller has a reference, or which has a function of
 *	  the caller's
 *
 * Context: Any context.
 */
void gh_vm_get(struct gh_vm *ghvm)
{
	kref_get(&ghvm->kref);
}
EXPORT_SYMBOL_GPL(gh_vm_get);

/**
 * gh_vm_put() - Drop a reference to a VM
 * @ghvm: the VM
 *
 * The last one stops the VM, and takes back its memory.
 *
 * Context: May sleep.
 */
void gh_vm_put(struct gh_vm *ghvm)
{
	kref_put(&ghvm->kref, gh_vm_release);
}
EXPORT_SYMBOL_GPL(gh_vm_put);

static struct gh_vm *gh_vm_alloc(struct gh_vm_mgr *mgr)
{
	struct gh_vm *ghvm __free(kfree) = kzalloc_obj(*ghvm, GFP_KERNEL_ACCOUNT);

	if (!ghvm)
		return ERR_PTR(-ENOMEM);

	kref_init(&ghvm->kref);
	ghvm->mgr = mgr;
	ghvm->rm = mgr->rm;
	mutex_init(&ghvm->lock);
	INIT_LIST_HEAD(&ghvm->mem);
	gh_vm_lifecycle_init(ghvm);
	gh_vm_functions_init(ghvm);
	gh_vm_resources_init(ghvm);
	gh_vm_io_init(ghvm);

	guard(mutex)(&mgr->lock);
	if (mgr->shutdown)
		return ERR_PTR(-ESHUTDOWN);
	list_add_tail(&ghvm->list, &mgr->vms);
	ghvm->mm = current->mm;
	mmgrab(ghvm->mm);
	return no_free_ptr(ghvm);
}

static int gh_vm_set_dtb_config(struct gh_vm *ghvm,
				const struct gh_vm_dtb_config *config)
{
	u64 end;

	if (!config->size || !PAGE_ALIGNED(config->size) ||
	    !PAGE_ALIGNED(config->guest_phys_addr) ||
	    check_add_overflow(config->guest_phys_addr, config->size, &end))
		return -EINVAL;

	ghvm->dtb_config = *config;
	return 0;
}

/* What deployed VMMs get for a call that comes after GH_VM_START */
static int gh_vm_too_late(unsigned int cmd)
{
	switch (cmd) {
	case GH_VM_SET_DTB_CONFIG:
		return -EBUSY;
	case GH_VM_SET_BOOT_CONTEXT:
		return -EINVAL;
	default:
		return -EOPNOTSUPP;
	}
}

/* The calls that say what a VM is made of come before GH_VM_START. */
static long gh_vm_ioctl_new(struct gh_vm *ghvm, unsigned int cmd,
			    const void __user *argp)
{
	union {
		struct gh_map_mem_args map_mem;
		struct gh_vm_dtb_config dtb_config;
		struct gh_vm_boot_context boot_context;
	} u;
	int ret;

	if (copy_from_user(&u, argp, _IOC_SIZE(cmd)))
		return -EFAULT;

	ACQUIRE(mutex_kill, lock)(&ghvm->lock);
	ret = ACQUIRE_ERR(mutex_kill, &lock);
	if (ret)
		return ret;

	if (ghvm->state != GH_VM_NEW)
		return gh_vm_too_late(cmd);

	switch (cmd) {
	case GH_VM_MAP_MEM:
		return gh_vm_mem_map(ghvm, &u.map_mem);
	case GH_VM_SET_BOOT_CONTEXT:
		return gh_vm_set_boot_context(ghvm, &u.boot_context);
	default:
		return gh_vm_set_dtb_config(ghvm, &u.dtb_config);
	}
}

static long gh_vm_ioctl_user_region(struct gh_vm *ghvm, const void __user *argp)
{
	struct gh_userspace_memory_region region;

	if (copy_from_user(&region, argp, sizeof(region)))
		return -EFAULT;

	return gh_vm_mem_set_user_region(ghvm, &region);
}

static long gh_vm_ioctl_function(struct gh_vm *ghvm, unsigned int cmd,
				 const void __user *argp)
{
	struct gh_fn_desc desc;

	if (copy_from_user(&desc, argp, sizeof(desc)))
		return -EFAULT;

	if (cmd == GH_VM_REMOVE_FUNCTION)
		return gh_vm_remove_function(ghvm, &desc);
	return gh_vm_add_function(ghvm, &desc);
}

static long gh_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct gh_vm *ghvm = file->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case GH_VM_SET_USER_MEM_REGION:
		return gh_vm_ioctl_user_region(ghvm, argp);
	case GH_VM_MAP_MEM:
	case GH_VM_SET_DTB_CONFIG:
	case GH_VM_SET_BOOT_CONTEXT:
		return gh_vm_ioctl_new(ghvm, cmd, argp);
	case GH_VM_START:
		return gh_vm_start(ghvm);
	case GH_VM_ADD_FUNCTION:
		return gh_vm_add_function_by_name(ghvm, argp);
	case GH_VM_ADD_FUNCTION_DESC:
	case GH_VM_REMOVE_FUNCTION:
		return gh_vm_ioctl_function(ghvm, cmd, argp);
	default:
		return -ENOTTY;
	}
}

static int gh_vm_file_release(struct inode *inode, struct file *file)
{
	gh_vm_put(file->private_data);
	return 0;
}

/* Takes no lock, so that it tells of a VM that is stuck as well */
static void gh_vm_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct gh_vm *ghvm = file->private_data;
	u16 vmid = READ_ONCE(ghvm->vmid);

	seq_printf(m, "gunyah-state:\t%s\n", gh_vm_state_name(ghvm));
	if (vmid != GH_VMID_INVAL)
		seq_printf(m, "gunyah-vmid:\t%u\n", vmid);
	seq_printf(m, "gunyah-rm-state:\t%u\n", READ_ONCE(ghvm->rm_status));
	seq_printf(m, "gunyah-pages:\t%lu\n", READ_ONCE(ghvm->mem_pages.total));
	seq_printf(m, "gunyah-pages-pinned:\t%lu\n", READ_ONCE(ghvm->mem_pages.pinned));
	seq_printf(m, "gunyah-pages-given:\t%lu\n", READ_ONCE(ghvm->mem_pages.given));
	seq_printf(m, "gunyah-pages-leaked:\t%lu\n", READ_ONCE(ghvm->mem_pages.leaked));
}

static const struct file_operations gh_vm_fops = {
	.owner = THIS_MODULE,
	.release = gh_vm_file_release,
	.show_fdinfo = gh_vm_show_fdinfo,
	.unlocked_ioctl = gh_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static int gh_mgr_create_vm(struct gh_vm_mgr *mgr, unsigned long arg)
{
	struct gh_vm *ghvm;
	int fd;

	if (arg)
		return -EINVAL;

	ghvm = gh_vm_alloc(mgr);
	if (IS_ERR(ghvm))
		return PTR_ERR(ghvm);

	fd = FD_ADD(O_CLOEXEC, anon_inode_getfile("[gunyah-vm]", &gh_vm_fops,
						  ghvm, O_RDWR));
	if (fd < 0)
		gh_vm_put(ghvm);
	return fd;
}

static int gh_mgr_create_guest_mem(const void __user *argp)
{
	struct gh_create_mem_args args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;

	return gh_guest_mem_create(&args);
}

static int gh_mgr_check_extension(unsigned long cap)
{
	switch (cap) {
	case GH_CAP_GUEST_MEM:
	case GH_CAP_USER_MEM:
		return 1;
	case GH_CAP_USER_MEM_LENT:
		return gh_vm_mem_may_lend_user();
	case GH_CAP_VCPU:
		return IS_ENABLED(CONFIG_GUNYAH_VCPU) &&
		       gh_hypervisor_has_feature(GH_FEATURE_VCPU_RUN);
	case GH_CAP_IRQFD:
		return IS_ENABLED(CONFIG_GUNYAH_IRQFD) &&
		       gh_hypervisor_has_feature(GH_FEATURE_DOORBELL);
	case GH_CAP_IOEVENTFD:
		return IS_ENABLED(CONFIG_GUNYAH_IOEVENTFD);
	case GH_CAP_BOOT_CONTEXT:
		return 1;
	default:
		return 0;
	}
}

static long gh_mgr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct gh_vm_mgr *mgr = container_of(file->private_data,
					     struct gh_vm_mgr, misc);

	switch (cmd) {
	case GH_CREATE_VM:
		return gh_mgr_create_vm(mgr, arg);
	case GH_CREATE_GUEST_MEM:
		return gh_mgr_create_guest_mem((void __user *)arg);
	case GH_CHECK_EXTENSION:
		return gh_mgr_check_extension(arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations gh_mgr_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = gh_mgr_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/**
 * gh_vm_mgr_get_live() - Ask to start a VM
 * @mgr: the VM manager
 *
 * Context: Process context.  Takes mgr->lock.
 * Return: 0, -EBUSY while the host hibernates, or -ESHUTDOWN.
 */
int gh_vm_mgr_get_live(struct gh_vm_mgr *mgr)
{
	guard(mutex)(&mgr->lock);
	if (mgr->shutdown)
		return -ESHUTDOWN;
	if (mgr->hibernation)
		return -EBUSY;
	WRITE_ONCE(mgr->live_vms, mgr->live_vms + 1);
	return 0;
}

/**
 * gh_vm_mgr_put_live() - Undo gh_vm_mgr_get_live()
 * @mgr: the VM manager
 *
 * Context: Process context.  Takes mgr->lock.
 */
void gh_vm_mgr_put_live(struct gh_vm_mgr *mgr)
{
	guard(mutex)(&mgr->lock);
	WRITE_ONCE(mgr->live_vms, mgr->live_vms - 1);
	if (!mgr->live_vms)
		wake_up_all(&mgr->idle_wq);
}

/**
 * gh_vm_mgr_count_lost_vmid() - A VM could not be removed
 * @mgr: the VM manager
 *
 * Context: Process context.  Takes mgr->lock.
 */
void gh_vm_mgr_count_lost_vmid(struct gh_vm_mgr *mgr)
{
	guard(mutex)(&mgr->lock);
	mgr->lost_vmids++;
}

static int gh_vm_mgr_debugfs_show(struct seq_file *m, void *unused)
{
	struct gh_vm_mgr *mgr = m->private;

	guard(mutex)(&mgr->lock);
	seq_printf(m, "vms %zu\n", list_count_nodes(&mgr->vms));
	seq_printf(m, "live_vms %u\n", mgr->live_vms);
	seq_printf(m, "lost_vmids %u\n", mgr->lost_vmids);
	seq_printf(m, "lent_pages %ld\n", atomic_long_read(&gh_mem_lent_pages));
	seq_printf(m, "leaked_pages %ld\n", atomic_long_read(&gh_mem_leaked_pages));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gh_vm_mgr_debugfs);

/*
 * The image that hibernation writes is a copy of all memory, and memory that a
 * VM has been lent can't be read.  Nor would the VMs be there after the resume.
 * Restoring an image writes to all memory.
 */
static int gh_mgr_pm_notification(struct notifier_block *nb, unsigned long action,
				  void *data)
{
	struct gh_vm_mgr *mgr = container_of(nb, struct gh_vm_mgr, pm_nb);

	guard(mutex)(&mgr->lock);
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		if (mgr->live_vms || atomic_long_read(&gh_mem_leaked_pages)) {
			dev_err(gh_rm_device(mgr->rm),
				"no hibernation with %u VMs and %ld lost pages: close the VMs, or restart\n",
				mgr->live_vms, atomic_long_read(&gh_mem_leaked_pages));
			return notifier_from_errno(-EBUSY);
		}
		mgr->hibernation = true;
		return NOTIFY_OK;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		mgr->hibernation = false;
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

/**
 * gh_vm_mgr_init() - Offer the VMs of a resource manager to user space
 * @rm: the resource manager; it outlives the VM manager
 * @debugfs: directory for files about the VMs.  The caller removes it before
 *	     gh_vm_mgr_exit().
 *
 * Context: Process context.
 * Return: the VM manager, or an error pointer.
 */
struct gh_vm_mgr *gh_vm_mgr_init(struct gh_rm *rm, struct dentry *debugfs)
{
	struct gh_vm_mgr *mgr;
	int ret;

	mgr = kzalloc_obj(*mgr);
	if (!mgr)
		return ERR_PTR(-ENOMEM);

	mgr->rm = rm;
	mutex_init(&mgr->lock);
	INIT_LIST_HEAD(&mgr->vms);
	init_waitqueue_head(&mgr->idle_wq);
	mgr->pm_nb.notifier_call = gh_mgr_pm_notification;
	mgr->misc.parent = gh_rm_device(rm);
	mgr->misc.name = "gunyah";
	mgr->misc.minor = MISC_DYNAMIC_MINOR;
	mgr->misc.fops = &gh_mgr_fops;

	ret = register_pm_notifier(&mgr->pm_nb);
	if (ret)
		goto free;

	/* Last: from here on there may be VMs. */
	ret = misc_register(&mgr->misc);
	if (ret)
		goto unregister_pm;

	debugfs_create_file("vms", 0400, debugfs, mgr, &gh_vm_mgr_debugfs_fops);
	return mgr;

unregister_pm:
	unregister_pm_notifier(&mgr->pm_nb);
free:
	kfree(mgr);
	return ERR_PTR(ret);
}

/**
 * gh_vm_mgr_exit() - Undo gh_vm_mgr_init()
 * @mgr: VM manager without VMs: each of them holds a reference to the module,
 *	 and the resource manager's driver can't be unbound
 *
 * Context: Process context.
 */
void gh_vm_mgr_exit(struct gh_vm_mgr *mgr)
{
	misc_deregister(&mgr->misc);
	unregister_pm_notifier(&mgr->pm_nb);
	kfree(mgr);
}

/* A VM that is not being freed already */
static struct gh_vm *gh_mgr_next_vm(struct gh_vm_mgr *mgr)
{
	struct gh_vm *ghvm;

	guard(mutex)(&mgr->lock);
	list_for_each_entry(ghvm, &mgr->vms, list)
		if (READ_ONCE(ghvm->state) != GH_VM_DEAD &&
		    kref_get_unless_zero(&ghvm->kref))
			return ghvm;
	return NULL;
}

/**
 * gh_vm_mgr_shutdown() - Stop all VMs and take back their memory
 * @mgr: the VM manager
 *
 * A kernel that is started by kexec may use all memory.  The files stay: their
 * VMs are dead.
 *
 * Context: Process context.  Waits for VMs that are being closed.
 */
void gh_vm_mgr_shutdown(struct gh_vm_mgr *mgr)
{
	struct gh_vm *ghvm;
	long lost;

	scoped_guard(mutex, &mgr->lock)
		mgr->shutdown = true;

	while ((ghvm = gh_mgr_next_vm(mgr))) {
		scoped_guard(mutex, &ghvm->lock)
			gh_vm_teardown(ghvm);
		gh_vm_put(ghvm);
	}

	if (!wait_event_timeout(mgr->idle_wq, !READ_ONCE(mgr->live_vms),
				GH_VM_SHUTDOWN_TIMEOUT))
		dev_err(gh_rm_device(mgr->rm), "%u VMs did not stop\n",
			READ_ONCE(mgr->live_vms));

	lost = atomic_long_read(&gh_mem_lent_pages) + atomic_long_read(&gh_mem_leaked_pages);
	if (lost)
		dev_err(gh_rm_device(mgr->rm),
			"%ld pages can't be used until the hypervisor restarts: no kexec, power off instead\n",
			lost);
}

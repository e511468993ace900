/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __GUNYAH_VM_MGR_H
#define __GUNYAH_VM_MGR_H

/*
 * Lock order, outermost first:
 *
 *   gh_vm.lock           what the VM is made of, and its start and end;
 *                        held over calls to the resource manager
 *   gh_vm.fn_lock        functions of the VM
 *   gh_vm.io_lock        I/O handlers of the VM
 *   gh_vm.resource_lock  tickets and resources of the VM
 *   gh_resource_irq_lock which interrupts have a mapping
 *   gh_vcpu.run_lock     held by the one thread that runs a vCPU
 *   gh_vm_mgr.lock       the list of VMs
 *   (the resource manager's own lock)
 *
 * Under gh_vm.lock only: mmap_lock, then the invalidate_lock of a guest memory.
 * Neither is held over page_offline_begin(): readers of /proc/kcore take both with
 * what it takes.
 *
 * Innermost: the lock of an eventfd's wait queue, then gh_irqfd.lock.
 *
 * The notification handler takes none of the mutexes: it runs while a holder of
 * gh_vm.lock waits for what it brings.  It has gh_rm.notifiers_lock and takes
 * gh_vm.exit_lock; both are spinlocks.
 */

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/gunyah_vm_mgr.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pfn.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <uapi/linux/gunyah.h>

#include "rsc_mgr.h"

struct gh_vm_io_bus;
struct mm_struct;

/* Registers that can be set before a VM starts */
#define GH_VM_BOOT_NR_X		31
#define GH_VM_BOOT_NR_PC	1
#define GH_VM_BOOT_NR_SP	3
#define GH_VM_BOOT_NR_REGS	(GH_VM_BOOT_NR_X + GH_VM_BOOT_NR_PC + GH_VM_BOOT_NR_SP)

/**
 * struct gh_vm_boot - What the boot vCPU is to have in its registers
 * @is_set: which registers are to be set
 * @value: their values
 */
struct gh_vm_boot {
	DECLARE_BITMAP(is_set, GH_VM_BOOT_NR_REGS);
	u64 value[GH_VM_BOOT_NR_REGS];
};

/**
 * struct gh_vm_mem_pages - Numbers of pages of a VM
 * @total: in all its regions
 * @pinned: of these, pages of user memory
 * @given: that the guest has now, lent or shared
 * @leaked: that it did not give back
 */
struct gh_vm_mem_pages {
	unsigned long total;
	unsigned long pinned;
	unsigned long given;
	unsigned long leaked;
};

/* How far a VM has got.  Only gh_vm.lock's holder moves it, always forward. */
enum gh_vm_state {
	GH_VM_NEW,		/* being put together */
	GH_VM_STARTED,		/* GH_VM_START succeeded; may have exited since */
	GH_VM_DEAD,		/* GH_VM_START failed, or the host shuts down */
};

/**
 * struct gh_vm - A virtual machine
 * @kref: held by the VM file, by each vCPU file, and by whoever uses the VM
 * @mgr: VM manager that made the VM
 * @rm: resource manager that runs it
 * @mm: address space that made the VM: the only one whose memory it can share
 * @list: entry of &gh_vm_mgr.vms
 * @lock: see the lock order above
 * @state: how far the VM has got
 * @start_error: what GH_VM_START returns when @state is GH_VM_DEAD
 * @live: GH_VM_START has been called: there is something to take back
 * @vmid: the resource manager's number for the VM, or GH_VMID_INVAL
 * @configured: the resource manager has taken the VM's configuration: it can,
 *		and must, be reset
 * @mem: list of memory regions in order of creation, under @lock
 * @mem_pages: what @mem adds up to, written under @lock
 * @dtb_config: where the device tree is, under @lock
 * @boot: registers of the boot vCPU, under @lock
 * @rm_nb: hears what the resource manager says of the VM
 * @rm_status: what it said last of the VM's state
 * @rm_status_wq: woken when @rm_status changes or @exit_known is set
 * @exited: the VM has ended, or never began: no vCPU of it will run again
 * @exit_deadline: when nobody waits for @exit any more, in jiffies
 * @exit_known: @exit says how, and does not change any more
 * @exit: how the VM ended
 * @exit_lock: makes one of those who want to set @exit or @exited the first;
 *	       protects @exit_chain, also while it is called
 * @exit_chain: called when @exited is set
 * @fn_lock: see the lock order above
 * @functions: list of function instances, under @fn_lock
 * @nr_functions: their number
 * @resource_lock: see the lock order above
 * @resources: list of resources, under @resource_lock
 * @tickets: list of resource tickets, under @resource_lock
 * @io_lock: held to change @io_bus
 * @io_bus: I/O handlers, read under SRCU
 */
struct gh_vm {
	struct kref kref;
	struct gh_vm_mgr *mgr;
	struct gh_rm *rm;
	struct mm_struct *mm;
	struct list_head list;

	struct mutex lock; /* see above */
	enum gh_vm_state state;
	int start_error;
	bool live;
	u16 vmid;
	bool configured;

	struct list_head mem;
	struct gh_vm_mem_pages mem_pages;
	struct gh_vm_dtb_config dtb_config;
	struct gh_vm_boot boot;

	struct notifier_block rm_nb;
	enum gh_rm_vm_status rm_status;
	wait_queue_head_t rm_status_wq;

	bool exited;
	unsigned long exit_deadline;
	bool exit_known;
	struct gh_vm_exit_status exit;
	spinlock_t exit_lock; /* see above */
	struct raw_notifier_head exit_chain;

	struct mutex fn_lock; /* see above */
	struct list_head functions;
	unsigned int nr_functions;

	struct mutex resource_lock; /* see above */
	struct list_head resources;
	struct list_head tickets;

	struct mutex io_lock; /* see above */
	struct gh_vm_io_bus __rcu *io_bus;
};

/**
 * struct gh_vm_mgr - The VM manager
 * @misc: /dev/gunyah
 * @rm: resource manager that runs the VMs
 * @pm_nb: refuses hibernation while a VM has memory of the host
 * @lock: held to change what follows
 * @vms: all VMs
 * @live_vms: number of VMs that are started, or are about to be
 * @lost_vmids: number of VMs that could not be removed
 * @idle_wq: woken when @live_vms becomes 0
 * @hibernation: no VM may be started now
 * @shutdown: the host goes down: there are no new VMs any more
 */
struct gh_vm_mgr {
	struct miscdevice misc;
	struct gh_rm *rm;
	struct notifier_block pm_nb;
	struct mutex lock; /* see above */
	struct list_head vms;
	unsigned int live_vms;
	unsigned int lost_vmids;
	wait_queue_head_t idle_wq;
	bool hibernation;
	bool shutdown;
};

/* vm_mgr.c */
int gh_vm_mgr_get_live(struct gh_vm_mgr *mgr);
void gh_vm_mgr_put_live(struct gh_vm_mgr *mgr);
void gh_vm_mgr_count_lost_vmid(struct gh_vm_mgr *mgr);

/* vm_lifecycle.c */
void gh_vm_lifecycle_init(struct gh_vm *ghvm);
int gh_vm_start(struct gh_vm *ghvm);
void gh_vm_teardown(struct gh_vm *ghvm);
const char *gh_vm_state_name(struct gh_vm *ghvm);

/* vm_functions.c */
void gh_vm_functions_init(struct gh_vm *ghvm);
long gh_vm_add_function_by_name(struct gh_vm *ghvm, const void __user *argp);
long gh_vm_add_function(struct gh_vm *ghvm, const struct gh_fn_desc *desc);
long gh_vm_remove_function(struct gh_vm *ghvm, const struct gh_fn_desc *desc);
void gh_vm_remove_functions(struct gh_vm *ghvm);

/* vm_resources.c */
void gh_vm_resources_init(struct gh_vm *ghvm);
int gh_vm_add_resources(struct gh_vm *ghvm,
			const struct gh_rm_hyp_resources *resources);
void gh_vm_remove_resources(struct gh_vm *ghvm);

/* vm_io.c */
void gh_vm_io_init(struct gh_vm *ghvm);
void gh_vm_io_free(struct gh_vm *ghvm);

/* Guest memory: guest_mem.c, user_mem.c and vm_mgr_mm.c */

/**
 * struct gh_vm_mem_region - Memory that a VM has
 * @vm_entry: entry of gh_vm.mem
 * @guest_addr: where the guest has the memory
 * @size: size in bytes
 * @lend: lent to the guest, rather than shared with it
 * @hidden: lent, or about to be: the host must not touch the memory
 * @leaked: did not come back, or not for sure: must never be touched again
 * @parcel: what the resource manager knows of it; the memory itself is in
 *	    @parcel.mem_entries, in the order of guest addresses
 * @max_mem_entries: number of entries that @parcel.mem_entries has room for
 * @acl: who gets the memory: the guest, and the host if it is shared
 * @file: guest memory that the region is a part of, or NULL if the region is
 *	  user memory
 * @offset: offset in @file
 * @map_flags: flags of the GH_VM_MAP_MEM that made the region
 * @mem_entry: entry of gh_guest_mem.regions
 *
 * Under gh_vm.lock.  @hidden and @mem_entry, which page faults look at, are
 * changed with the invalidate_lock of @file's mapping held as well.
 */
struct gh_vm_mem_region {
	struct list_head vm_entry;
	u64 guest_addr;
	u64 size;
	bool lend;
	bool hidden;
	bool leaked;

	struct gh_rm_mem_parcel parcel;
	size_t max_mem_entries;
	struct gh_rm_mem_acl_entry acl[2];

	struct file *file;
	u64 offset;
	u32 map_flags;
	struct list_head mem_entry;
};

static inline unsigned long gh_mem_entry_pfn(const struct gh_rm_mem_entry *entry)
{
	return PHYS_PFN(le64_to_cpu(entry->phys_addr));
}

static inline unsigned long gh_mem_entry_nr_pages(const struct gh_rm_mem_entry *entry)
{
	return PHYS_PFN(le64_to_cpu(entry->size));
}

/**
 * struct gh_vm_mem_iter - A place in a region, for gh_vm_mem_next_page()
 * @entry: index in the list of the region's parcel
 * @page: index of a page of that entry
 */
struct gh_vm_mem_iter {
	size_t entry;
	unsigned long page;
};

/**
 * struct gh_vm_image - Where the resource manager finds image and device tree
 * @mem_handle: parcel that holds both
 * @base: guest address of the parcel's first byte
 * @size: size of the parcel in bytes
 */
struct gh_vm_image {
	u32 mem_handle;
	u64 base;
	u64 size;
};

/* vm_boot.c */
int gh_vm_set_boot_context(struct gh_vm *ghvm, const struct gh_vm_boot_context *args);
u64 gh_vm_boot_image_offset(struct gh_vm *ghvm, const struct gh_vm_image *image);
int gh_vm_apply_boot_context(struct gh_vm *ghvm, const struct gh_vm_image *image);

/* guest_mem.c */
int gh_guest_mem_create(const struct gh_create_mem_args *args);
int gh_vm_mem_map(struct gh_vm *ghvm, const struct gh_map_mem_args *args);
void gh_guest_mem_unbind(struct gh_vm_mem_region *region);
void gh_guest_mem_hide(struct gh_vm_mem_region *region);
void gh_guest_mem_unhide(struct gh_vm_mem_region *region);

/* user_mem.c */
bool gh_vm_mem_may_lend_user(void);
int gh_vm_mem_set_user_region(struct gh_vm *ghvm,
			      const struct gh_userspace_memory_region *args);
void gh_user_mem_unpin(struct gh_vm_mem_region *region, struct mm_struct *mm);

/* vm_mgr_mm.c */
struct gh_vm_mem_region *gh_vm_mem_new_region(u32 label, u64 guest_addr, u64 size,
					      u8 perms, bool lend);
void gh_vm_mem_delete_region(struct gh_vm_mem_region *region);
int gh_vm_mem_add_pages(struct gh_vm_mem_region *region, unsigned long pfn,
			unsigned long nr_pages);
struct page *gh_vm_mem_next_page(const struct gh_vm_mem_region *region,
				 struct gh_vm_mem_iter *iter);
int gh_vm_mem_check_region(struct gh_vm *ghvm, const struct gh_vm_mem_region *new);
void gh_vm_mem_add_region(struct gh_vm *ghvm, struct gh_vm_mem_region *region);
void gh_vm_mem_remove_region(struct gh_vm *ghvm, struct gh_vm_mem_region *region);
int gh_vm_mem_lend(struct gh_vm *ghvm, struct gh_vm_image *image);
void gh_vm_mem_reclaim(struct gh_vm *ghvm);
bool gh_vm_mem_is_back(struct gh_vm *ghvm);
void gh_vm_mem_free(struct gh_vm *ghvm);

DEFINE_FREE(gh_vm_mem_region, struct gh_vm_mem_region *, gh_vm_mem_delete_region(_T))

/* Pages that are lent now, and pages that never came back, of all VMs */
extern atomic_long_t gh_mem_lent_pages, gh_mem_leaked_pages;

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory: pages of a process that a VM has as well.
 */

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/overflow.h>
#include <linux/page-flags.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vm_mgr.h"

/* Pages to pin at a time */
#define GH_USER_MEM_BATCH	512

static bool allow_lent_user_memory;
module_param(allow_lent_user_memory, bool, 0444);
MODULE_PARM_DESC(allow_lent_user_memory,
		 "Let VMs have user memory for themselves. Any access of the host to it can stop the host (default: N)");

/**
 * gh_vm_mem_may_lend_user() - May user memory be lent?
 *
 * Return: true if it may.
 */
bool gh_vm_mem_may_lend_user(void)
{
	return allow_lent_user_memory;
}

static void gh_user_mem_unpin_entries(const struct gh_vm_mem_region *region)
{
	const struct gh_rm_mem_parcel *parcel = &region->parcel;
	bool dirty = region->acl[0].perms & GH_RM_ACL_W;
	size_t i;

	for (i = 0; i < parcel->n_mem_entries; i++) {
		const struct gh_rm_mem_entry *entry = &parcel->mem_entries[i];

		unpin_user_page_range_dirty_lock(pfn_to_page(gh_mem_entry_pfn(entry)),
						 gh_mem_entry_nr_pages(entry), dirty);
		cond_resched();
	}
}

/*
 * Pages of other files can't be had for long: their file systems count on
 * noticing each write.
 */
static bool gh_user_mem_is_suitable(struct page *page)
{
	const struct folio *folio = page_folio(page);

	/* Anonymous memory, also after MADV_FREE; shmem; hugetlb */
	return folio_test_anon(folio) || folio_test_swapbacked(folio) ||
	       folio_test_hugetlb(folio);
}

static int gh_user_mem_add_batch(struct gh_vm_mem_region *region, struct page **pages,
				 unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr; i++) {
		if (!gh_user_mem_is_suitable(pages[i]))
			ret = -EOPNOTSUPP;
		else
			ret = gh_vm_mem_add_pages(region, page_to_pfn(pages[i]), 1);
		if (ret)
			break;
	}

	unpin_user_pages(pages + i, nr - i);

	return ret;
}

static int gh_user_mem_pin_all(struct gh_vm_mem_region *region, unsigned long addr,
			       struct page **pages)
{
	unsigned long left = PHYS_PFN(region->size);
	int nr, ret;

	while (left) {
		if (fatal_signal_pending(current))
			return -EINTR;

		/*
		 * Always for writing, also if the guest may only read: a
		 * page that is still to be copied on write would stop being
		 * the caller's when the caller writes to it.
		 */
		nr = pin_user_pages_fast(addr, min(left, GH_USER_MEM_BATCH),
					 FOLL_WRITE | FOLL_LONGTERM, pages);
		if (nr <= 0)
			return nr ?: -EFAULT;

		ret = gh_user_mem_add_batch(region, pages, nr);
		if (ret)
			return ret;

		addr += (unsigned long)nr << PAGE_SHIFT;
		left -= nr;
	}

	return 0;
}

static int gh_user_mem_pin(struct gh_vm_mem_region *region, struct mm_struct *mm,
			   unsigned long addr)
{
	unsigned long nr_pages = PHYS_PFN(region->size);
	int ret;

	struct page **pages __free(kfree) = kmalloc_objs(*pages, GH_USER_MEM_BATCH);
	if (!pages)
		return -ENOMEM;

	ret = account_locked_vm(mm, nr_pages, true);
	if (ret)
		return ret;

	ret = gh_user_mem_pin_all(region, addr, pages);
	if (ret) {
		gh_user_mem_unpin_entries(region);
		account_locked_vm(mm, nr_pages, false);
	}

	return ret;
}

/**
 * gh_user_mem_unpin() - Free a region of user memory
 * @region: the region, which is not in the list of a VM any more
 * @mm: address space that the memory is accounted to
 *
 * If the region has leaked its pages stay pinned, and accounted, for ever.
 *
 * Context: May sleep.
 */
void gh_user_mem_unpin(struct gh_vm_mem_region *region, struct mm_struct *mm)
{
	if (!region->leaked) {
		gh_user_mem_unpin_entries(region);
		account_locked_vm(mm, PHYS_PFN(region->size), false);
	}

	gh_vm_mem_delete_region(region);
}

static int gh_user_mem_add_region(struct gh_vm *ghvm, struct gh_vm_mem_region *region)
{
	int ret;

	ACQUIRE(mutex_kill, lock)(&ghvm->lock);
	ret = ACQUIRE_ERR(mutex_kill, &lock);
	if (ret)
		return ret;

	if (ghvm->state != GH_VM_NEW)
		return -EOPNOTSUPP;

	ret = gh_vm_mem_check_region(ghvm, region);
	if (ret)
		return ret;

	gh_vm_mem_add_region(ghvm, region);

	return 0;
}

/**
 * gh_vm_mem_set_user_region() - Add user memory to a VM
 * @ghvm: the VM, which has not been started
 * @args: arguments of GH_VM_SET_USER_MEM_REGION
 *
 * The memory is pinned before the VM's lock is taken: a page that user space
 * has to provide, by userfaultfd for example, can take for ever.
 *
 * Context: May sleep.  Takes ghvm->lock.
 * Return: 0 or a negative errno, see vm-manager.rst.
 */
int gh_vm_mem_set_user_region(struct gh_vm *ghvm,
			      const struct gh_userspace_memory_region *args)
{
	bool lend = args->flags & GH_MEM_LENT;
	u64 addr = args->userspace_addr;
	u8 perms = 0;
	u64 end;
	int ret;

	if (args->flags & ~(GH_MEM_ALLOW_READ | GH_MEM_ALLOW_WRITE |
			    GH_MEM_ALLOW_EXEC | GH_MEM_LENT))
		return -EINVAL;

	if (!PAGE_ALIGNED(addr) || check_add_overflow(addr, args->memory_size, &end))
		return -EINVAL;

	/* Memory is found in, and accounted to, the address space of the VM. */
	if (current->mm != ghvm->mm)
		return -EPERM;

	/* Checked again under the lock: this one is to save the work of pinning. */
	if (READ_ONCE(ghvm->state) != GH_VM_NEW)
		return -EOPNOTSUPP;

	if (lend && !gh_vm_mem_may_lend_user()) {
		dev_warn_ratelimited(gh_rm_device(ghvm->rm),
				     "%s[%d] can't lend user memory, as an access to it could stop the host: it should use GH_CREATE_GUEST_MEM, or set allow_lent_user_memory\n",
				     current->comm, task_pid_nr(current));
		return -EOPNOTSUPP;
	}

	if (args->flags & GH_MEM_ALLOW_READ)
		perms |= GH_RM_ACL_R;
	if (args->flags & GH_MEM_ALLOW_WRITE)
		perms |= GH_RM_ACL_W;
	if (args->flags & GH_MEM_ALLOW_EXEC)
		perms |= GH_RM_ACL_X;

	struct gh_vm_mem_region *region __free(gh_vm_mem_region) =
		gh_vm_mem_new_region(args->label, args->guest_phys_addr,
				     args->memory_size, perms, lend);
	if (IS_ERR(region))
		return PTR_ERR(region);

	ret = gh_user_mem_pin(region, ghvm->mm, addr);
	if (ret)
		return ret;

	ret = gh_user_mem_add_region(ghvm, region);
	if (ret)
		gh_user_mem_unpin(no_free_ptr(region), ghvm->mm);
	else
		retain_and_null_ptr(region);

	return ret;
}

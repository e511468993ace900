// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a VM: regions, each of which is a parcel to the resource
 * manager while the VM exists there.
 */

#include <linux/cacheflush.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/highmem.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/page-flags.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "vm_mgr.h"

#define CREATE_TRACE_POINTS
#include <trace/events/gunyah_vm.h>

#define GH_MEM_ACL_RWX		(GH_RM_ACL_R | GH_RM_ACL_W | GH_RM_ACL_X)

/* As many as the caller has pages: may fail, but takes no victims */
#define GH_MEM_ENTRIES_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* About one second in all, as the time between two tries doubles */
#define GH_MEM_RECLAIM_TRIES	11

atomic_long_t gh_mem_lent_pages = ATOMIC_LONG_INIT(0);
atomic_long_t gh_mem_leaked_pages = ATOMIC_LONG_INIT(0);

static unsigned long gh_vm_mem_nr_pages(const struct gh_vm_mem_region *region)
{
	return PHYS_PFN(region->size);
}

/**
 * gh_vm_mem_new_region() - Allocate a region
 * @label: label of the parcel
 * @guest_addr: where the guest is to have it
 * @size: its size in bytes
 * @perms: what the guest may do with it, GH_RM_ACL_*
 * @lend: lend it, rather than share it
 *
 * The region has no pages yet and belongs to no VM.
 *
 * Context: May sleep.
 * Return: the region, or ERR_PTR() of -EINVAL if there can be no such region, or
 * of -ENOMEM.
 */
struct gh_vm_mem_region *gh_vm_mem_new_region(u32 label, u64 guest_addr, u64 size,
					      u8 perms, bool lend)
{
	struct gh_vm_mem_region *region;
	u64 end;

	if (!size || !PAGE_ALIGNED(size) || !PAGE_ALIGNED(guest_addr) ||
	    check_add_overflow(guest_addr, size, &end))
		return ERR_PTR(-EINVAL);

	/* There is no parcel with any other rights. */
	if (!(perms & GH_RM_ACL_R))
		return ERR_PTR(-EINVAL);

	/*
	 * The resource manager takes nothing less for the memory that a guest
	 * runs in, and that is the one region which may be lent.
	 */
	if (lend && perms != GH_MEM_ACL_RWX)
		return ERR_PTR(-EINVAL);

	/* Label 0 is for memory that the guest has for itself. */
	if (!lend && !label)
		return ERR_PTR(-EINVAL);

	region = kzalloc_obj(*region, GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);

	region->guest_addr = guest_addr;
	region->size = size;
	region->lend = lend;
	region->acl[0].perms = perms;
	region->acl[1].perms = GH_MEM_ACL_RWX;
	region->parcel.label = label;
	region->parcel.acl_entries = region->acl;
	region->parcel.n_acl_entries = lend ? 1 : 2;
	region->parcel.mem_handle = GH_MEM_HANDLE_INVAL;

	return region;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_mem_new_region);

/**
 * gh_vm_mem_delete_region() - Free a region; its pages are the caller's business
 * @region: the region, or NULL, or what gh_vm_mem_new_region() returned instead
 *
 * Context: May sleep.
 */
void gh_vm_mem_delete_region(struct gh_vm_mem_region *region)
{
	if (IS_ERR_OR_NULL(region))
		return;

	kvfree(region->parcel.mem_entries);
	kfree(region);
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_mem_delete_region);

/**
 * gh_vm_mem_add_pages() - Add pages to a region's parcel
 * @region: the region
 * @pfn: number of the first page
 * @nr_pages: number of pages
 *
 * Pages that follow those added before, physically too, share an entry with
 * them: the resource manager's work grows with the number of entries.
 *
 * Context: May sleep.
 * Return: 0 or -ENOMEM.
 */
int gh_vm_mem_add_pages(struct gh_vm_mem_region *region, unsigned long pfn,
			unsigned long nr_pages)
{
	struct gh_rm_mem_parcel *parcel = &region->parcel;
	struct gh_rm_mem_entry *entry;

	if (parcel->n_mem_entries) {
		entry = &parcel->mem_entries[parcel->n_mem_entries - 1];
		if (gh_mem_entry_pfn(entry) + gh_mem_entry_nr_pages(entry) == pfn) {
			le64_add_cpu(&entry->size, PFN_PHYS(nr_pages));
			return 0;
		}
	}

	if (parcel->n_mem_entries == region->max_mem_entries) {
		size_t max = max(region->max_mem_entries * 2, 16);

		entry = kvrealloc(parcel->mem_entries, array_size(max, sizeof(*entry)),
				  GH_MEM_ENTRIES_GFP);
		if (!entry)
			return -ENOMEM;

		parcel->mem_entries = entry;
		region->max_mem_entries = max;
	}

	parcel->n_mem_entries++;
	entry = &parcel->mem_entries[parcel->n_mem_entries - 1];
	entry->phys_addr = cpu_to_le64(PFN_PHYS(pfn));
	entry->size = cpu_to_le64(PFN_PHYS(nr_pages));

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_mem_add_pages);

/**
 * gh_vm_mem_next_page() - Go through the pages of a region
 * @region: the region
 * @iter: where to go on, zeroed before the first page
 *
 * Context: May sleep.
 * Return: a page, or NULL after the last one.
 */
struct page *gh_vm_mem_next_page(const struct gh_vm_mem_region *region,
				 struct gh_vm_mem_iter *iter)
{
	const struct gh_rm_mem_entry *entry;
	unsigned long pfn;

	cond_resched();

	if (iter->entry == region->parcel.n_mem_entries)
		return NULL;

	entry = &region->parcel.mem_entries[iter->entry];
	pfn = gh_mem_entry_pfn(entry) + iter->page;
	iter->page++;
	if (iter->page == gh_mem_entry_nr_pages(entry)) {
		iter->entry++;
		iter->page = 0;
	}

	return pfn_to_page(pfn);
}

/* The memory that the guest runs in: the only one that it has for itself */
static struct gh_vm_mem_region *gh_vm_mem_private(struct gh_vm *ghvm)
{
	struct gh_vm_mem_region *region;

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (region->lend)
			return region;
	}

	return NULL;
}

/**
 * gh_vm_mem_check_region() - Does a region fit with those that a VM has?
 * @ghvm: the VM
 * @new: the region
 *
 * Context: ghvm->lock is held.
 * Return: 0, -EEXIST if the VM has something at the region's address or with its
 * label, or -EOPNOTSUPP if the region is lent and the VM has such a region.
 */
int gh_vm_mem_check_region(struct gh_vm *ghvm, const struct gh_vm_mem_region *new)
{
	const struct gh_vm_mem_region *region;

	lockdep_assert_held(&ghvm->lock);

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (region->guest_addr < new->guest_addr + new->size &&
		    new->guest_addr < region->guest_addr + region->size)
			return -EEXIST;
	}

	/* With a second one no public resource manager starts the VM. */
	if (new->lend && gh_vm_mem_private(ghvm))
		return -EOPNOTSUPP;

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (region->parcel.label == new->parcel.label)
			return -EEXIST;
	}

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_mem_check_region);

/* Read without a lock by those who look at a VM that is stuck */
static void gh_vm_mem_count(unsigned long *counter, long nr_pages)
{
	WRITE_ONCE(*counter, *counter + nr_pages);
}

/**
 * gh_vm_mem_add_region() - Make a region one of a VM's
 * @ghvm: the VM
 * @region: the region, which has its pages
 *
 * Context: ghvm->lock is held.
 */
void gh_vm_mem_add_region(struct gh_vm *ghvm, struct gh_vm_mem_region *region)
{
	unsigned long nr_pages = gh_vm_mem_nr_pages(region);

	lockdep_assert_held(&ghvm->lock);

	list_add_tail(&region->vm_entry, &ghvm->mem);
	gh_vm_mem_count(&ghvm->mem_pages.total, nr_pages);
	if (!region->file)
		gh_vm_mem_count(&ghvm->mem_pages.pinned, nr_pages);
}

/**
 * gh_vm_mem_remove_region() - Undo gh_vm_mem_add_region()
 * @ghvm: the VM
 * @region: one of its regions, which the guest does not have
 *
 * Context: ghvm->lock is held.
 */
void gh_vm_mem_remove_region(struct gh_vm *ghvm, struct gh_vm_mem_region *region)
{
	unsigned long nr_pages = gh_vm_mem_nr_pages(region);

	lockdep_assert_held(&ghvm->lock);

	list_del(&region->vm_entry);
	gh_vm_mem_count(&ghvm->mem_pages.total, -nr_pages);
	if (!region->file)
		gh_vm_mem_count(&ghvm->mem_pages.pinned, -nr_pages);
}

static void gh_vm_mem_hide(struct gh_vm_mem_region *region)
{
	atomic_long_add(gh_vm_mem_nr_pages(region), &gh_mem_lent_pages);
	if (region->file)
		gh_guest_mem_hide(region);
	else
		region->hidden = true;
}

/* Clear what a guest has left, but don't touch a page that has a memory error */
static void gh_vm_mem_wipe(struct gh_vm_mem_region *region)
{
	struct gh_vm_mem_iter iter = {};
	struct page *page;

	while ((page = gh_vm_mem_next_page(region, &iter))) {
		if (!is_page_hwpoison(page))
			clear_highpage(page);
	}
}

static void gh_vm_mem_unhide(struct gh_vm_mem_region *region)
{
	gh_vm_mem_wipe(region);
	if (region->file)
		gh_guest_mem_unhide(region);
	else
		region->hidden = false;
	atomic_long_sub(gh_vm_mem_nr_pages(region), &gh_mem_lent_pages);
}

/*
 * A guest whose caches are off, or which maps the memory without them, sees what is
 * in memory: what a former owner of the pages left there, if what was written over
 * it is in a cache still.
 */
static void gh_vm_mem_clean(const struct gh_vm_mem_region *region)
{
	struct gh_vm_mem_iter iter = {};
	struct page *page;

	while ((page = gh_vm_mem_next_page(region, &iter))) {
		unsigned long addr = (unsigned long)page_address(page);

		dcache_clean_inval_poc(addr, addr + PAGE_SIZE);
	}
}

static int gh_vm_mem_give(struct gh_vm *ghvm, struct gh_vm_mem_region *region,
			  u16 host_vmid)
{
	struct gh_rm_mem_parcel *parcel = &region->parcel;
	int ret;

	region->acl[0].vmid = cpu_to_le16(ghvm->vmid);

	if (region->lend)
		gh_vm_mem_hide(region);
	gh_vm_mem_clean(region);

	if (region->lend) {
		ret = gh_rm_mem_lend(ghvm->rm, parcel);
		trace_gh_vm_mem_lend(ghvm->vmid, region->guest_addr, region->size,
				     parcel->n_mem_entries, parcel->mem_handle, ret);
	} else {
		region->acl[1].vmid = cpu_to_le16(host_vmid);
		ret = gh_rm_mem_share(ghvm->rm, parcel);
		trace_gh_vm_mem_share(ghvm->vmid, region->guest_addr, region->size,
				      parcel->n_mem_entries, parcel->mem_handle, ret);
	}

	/* A call that failed can have left a part with the guest. */
	if (parcel->held)
		gh_vm_mem_count(&ghvm->mem_pages.given, gh_vm_mem_nr_pages(region));
	return ret;
}

/* What a guest's access to a page with a memory error takes down is not known. */
static bool gh_vm_mem_has_error(const struct gh_vm_mem_region *region)
{
	struct gh_vm_mem_iter iter = {};
	struct page *page;

	while ((page = gh_vm_mem_next_page(region, &iter))) {
		if (is_page_hwpoison(page))
			return true;
	}

	return false;
}

static bool gh_vm_mem_has_dtb(const struct gh_vm_mem_region *region,
			      const struct gh_vm_dtb_config *dtb)
{
	return dtb->size && dtb->size <= region->size &&
	       dtb->guest_phys_addr >= region->guest_addr &&
	       dtb->guest_phys_addr - region->guest_addr <= region->size - dtb->size;
}

/**
 * gh_vm_mem_lend() - Give a VM its memory
 * @ghvm: the VM, which has a VMID
 * @image: set to where the VM's image and device tree are
 *
 * When it fails, the VM may have a part of the memory until
 * gh_vm_mem_reclaim().
 *
 * Context: May sleep. ghvm->lock is held.
 * Return: 0, -EINVAL if the VM has no memory of its own or its device tree is
 * not in it, -EHWPOISON if a page has a memory error, or what the resource
 * manager made of it: -ENOSPC if there are too many parcels.
 */
int gh_vm_mem_lend(struct gh_vm *ghvm, struct gh_vm_image *image)
{
	struct gh_vm_mem_region *private, *region;
	u16 host_vmid = GH_VMID_INVAL;
	int ret;

	lockdep_assert_held(&ghvm->lock);

	/*
	 * A VM that the resource manager has tried to configure in vain can't
	 * be removed any more.
	 */
	private = gh_vm_mem_private(ghvm);
	if (!private || !gh_vm_mem_has_dtb(private, &ghvm->dtb_config))
		return -EINVAL;

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (gh_vm_mem_has_error(region))
			return -EHWPOISON;
	}

	if (!list_is_singular(&ghvm->mem)) {
		ret = gh_rm_get_vmid(ghvm->rm, &host_vmid);
		if (ret)
			return ret;
	}

	ret = gh_vm_mem_give(ghvm, private, host_vmid);
	if (ret)
		return ret;

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (region == private)
			continue;

		ret = gh_vm_mem_give(ghvm, region, host_vmid);
		if (ret)
			return ret;
	}

	image->mem_handle = private->parcel.mem_handle;
	image->base = private->guest_addr;
	image->size = private->size;

	return 0;
}

static int gh_vm_mem_reclaim_region(struct gh_vm *ghvm, struct gh_vm_mem_region *region)
{
	struct gh_rm_mem_parcel *parcel = &region->parcel;
	u32 mem_handle = parcel->mem_handle;
	unsigned int i;
	int ret;

	for (i = 0; i < GH_MEM_RECLAIM_TRIES; i++) {
		if (i)
			msleep(1 << (i - 1));

		/* In use until the guest's end has got about, or short of memory */
		ret = gh_rm_mem_reclaim(ghvm->rm, parcel);
		if (ret != -EBUSY && ret != -ENOMEM)
			break;
	}

	trace_gh_vm_mem_reclaim(ghvm->vmid, region->guest_addr, region->size,
				parcel->n_mem_entries, mem_handle, ret);
	return ret;
}

static void gh_vm_mem_leak(struct gh_vm *ghvm, struct gh_vm_mem_region *region, int err)
{
	unsigned long nr_pages = gh_vm_mem_nr_pages(region);

	/* What was shared can't be used any more either. */
	if (!region->hidden)
		gh_vm_mem_hide(region);

	region->leaked = true;
	/* Who else would know of the pages, and keep the host from hibernation? */
	__module_get(THIS_MODULE);
	atomic_long_add(nr_pages, &gh_mem_leaked_pages);
	atomic_long_sub(nr_pages, &gh_mem_lent_pages);
	gh_vm_mem_count(&ghvm->mem_pages.leaked, nr_pages);

	dev_err_ratelimited(gh_rm_device(ghvm->rm),
			    "VM %u did not give back %lu pages at 0x%llx (error %d): lost until the next boot\n",
			    ghvm->vmid, nr_pages, region->guest_addr, err);
}

/**
 * gh_vm_mem_reclaim() - Take back what gh_vm_mem_lend() gave
 * @ghvm: the VM, which does not run and never will again
 *
 * Memory that was lent is wiped. Memory that does not come back is given up:
 * nobody ever uses it again.
 *
 * Context: May sleep. ghvm->lock is held.
 */
void gh_vm_mem_reclaim(struct gh_vm *ghvm)
{
	struct gh_vm_mem_region *region;
	int ret;

	lockdep_assert_held(&ghvm->lock);

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		ret = 0;
		if (region->parcel.held) {
			ret = gh_vm_mem_reclaim_region(ghvm, region);
			gh_vm_mem_count(&ghvm->mem_pages.given, -gh_vm_mem_nr_pages(region));
		}

		if (ret)
			gh_vm_mem_leak(ghvm, region, ret);
		else if (region->hidden)
			gh_vm_mem_unhide(region);
	}
}

/**
 * gh_vm_mem_is_back() - Did all memory of a VM come back?
 * @ghvm: the VM, after gh_vm_mem_reclaim()
 *
 * Context: ghvm->lock is held.
 * Return: true if the resource manager has no parcel of the VM any more.
 */
bool gh_vm_mem_is_back(struct gh_vm *ghvm)
{
	const struct gh_vm_mem_region *region;

	lockdep_assert_held(&ghvm->lock);

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (region->leaked)
			return false;
	}

	return true;
}

/**
 * gh_vm_mem_free() - Free all regions of a VM
 * @ghvm: the VM, which has no memory any more
 *
 * Context: May sleep. ghvm->lock is held. Nobody else uses the VM.
 */
void gh_vm_mem_free(struct gh_vm *ghvm)
{
	struct gh_vm_mem_region *region, *next;

	list_for_each_entry_safe(region, next, &ghvm->mem, vm_entry) {
		gh_vm_mem_remove_region(ghvm, region);
		if (region->file)
			gh_guest_mem_unbind(region);
		else
			gh_user_mem_unpin(region, ghvm->mm);
	}
}

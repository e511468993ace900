// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: a file over pages that the driver itself has allocated.
 *
 * The host must not touch a page while a guest has it: an access, even one by
 * the kernel on behalf of a process, ends in an abort that the hypervisor
 * injects.  So the pages are nobody else's to begin with.  A process reaches
 * them through mappings of the file only, which carry no references to pages
 * and refuse whatever would take one: get_user_pages(), ptrace, direct I/O,
 * core dumps.  Taking the mappings away takes all access away.
 */

#include <linux/anon_inodes.h>
#include <linux/bsearch.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pfn.h>
#include <linux/pgtable.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vm_mgr.h"

/* A shared region's label counts 4 KiB pages, whatever the host's page size */
#define GH_MEM_LABEL_SHIFT	12

/**
 * struct gh_guest_mem_chunk - Physically contiguous pages of a guest memory
 * @index: where the first page is in the guest memory, in pages
 * @pfn: number of the first page
 * @nr_pages: number of pages
 */
struct gh_guest_mem_chunk {
	pgoff_t index;
	unsigned long pfn;
	unsigned long nr_pages;
};

/**
 * struct gh_guest_mem - A guest memory
 * @nr_pages: size in pages
 * @nr_chunks: number of chunks
 * @max_chunks: number of chunks that there is room for in @chunks
 * @chunks: the pages, in order
 * @regions: list of struct gh_vm_mem_region that have a part of the memory, and
 *	     of those that had one which did not come back
 *
 * Belongs to the file, which the region of a VM holds a reference to.  @regions
 * and gh_vm_mem_region.hidden, which say what may be accessed, are under the
 * invalidate_lock of the file's mapping.
 */
struct gh_guest_mem {
	unsigned long nr_pages;
	unsigned long nr_chunks;
	unsigned long max_chunks;
	struct gh_guest_mem_chunk *chunks;
	struct list_head regions;
};

static int gh_guest_mem_cmp_chunk(const void *key, const void *elt)
{
	const struct gh_guest_mem_chunk *chunk = elt;
	const pgoff_t *index = key;

	if (*index < chunk->index)
		return -1;

	return *index - chunk->index >= chunk->nr_pages;
}

/* The chunk that has the page at @index */
static struct gh_guest_mem_chunk *gh_guest_mem_find_chunk(struct gh_guest_mem *mem,
							  pgoff_t index)
{
	return bsearch(&index, mem->chunks, mem->nr_chunks, sizeof(*mem->chunks),
		       gh_guest_mem_cmp_chunk);
}

static void gh_guest_mem_free(struct gh_guest_mem *mem)
{
	struct gh_vm_mem_region *region, *next;
	unsigned long i, pfn;

	if (!mem)
		return;

	for (i = 0; i < mem->nr_chunks; i++) {
		struct gh_guest_mem_chunk *chunk = &mem->chunks[i];

		for (pfn = chunk->pfn; pfn < chunk->pfn + chunk->nr_pages; pfn++) {
			/* Still marked: did not come back from a guest */
			if (!folio_test_offline(pfn_folio(pfn)))
				__free_page(pfn_to_page(pfn));
			cond_resched();
		}
	}

	list_for_each_entry_safe(region, next, &mem->regions, mem_entry)
		gh_vm_mem_delete_region(region);

	kvfree(mem->chunks);
	kfree(mem);
}

DEFINE_FREE(gh_guest_mem, struct gh_guest_mem *, gh_guest_mem_free(_T))

/*
 * The amount is the caller's choice.  It is charged to the caller's cgroup, and
 * fails rather than to have other processes killed for it.
 */
#define GH_GUEST_MEM_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static int gh_guest_mem_add_chunk(struct gh_guest_mem *mem, pgoff_t index,
				  unsigned long pfn, unsigned long nr_pages)
{
	struct gh_guest_mem_chunk *chunk;

	if (mem->nr_chunks) {
		chunk = &mem->chunks[mem->nr_chunks - 1];
		if (chunk->pfn + chunk->nr_pages == pfn) {
			chunk->nr_pages += nr_pages;
			return 0;
		}
	}

	if (mem->nr_chunks == mem->max_chunks) {
		unsigned long max = max(mem->max_chunks * 2, 64);

		chunk = kvrealloc(mem->chunks, array_size(max, sizeof(*chunk)),
				  GH_GUEST_MEM_GFP);
		if (!chunk)
			return -ENOMEM;

		mem->chunks = chunk;
		mem->max_chunks = max;
	}

	mem->chunks[mem->nr_chunks++] = (struct gh_guest_mem_chunk) {
		.index = index,
		.pfn = pfn,
		.nr_pages = nr_pages,
	};

	return 0;
}

/*
 * All pages are there from the beginning: the resource manager maps them all
 * when the VM starts.
 */
static int gh_guest_mem_alloc(struct gh_guest_mem *mem, unsigned int order)
{
	pgoff_t index = 0;

	while (index < mem->nr_pages) {
		void *addr;
		int ret;

		if (fatal_signal_pending(current))
			return -EINTR;

		/*
		 * Large blocks, but single pages: pages are marked while they
		 * are lent, and lost, one by one.
		 */
		order = min_t(unsigned int, order, ilog2(mem->nr_pages - index));
		addr = alloc_pages_exact(PAGE_SIZE << order, GH_GUEST_MEM_GFP | __GFP_ZERO);
		if (!addr) {
			if (!order)
				return -ENOMEM;
			order--;
			continue;
		}

		ret = gh_guest_mem_add_chunk(mem, index, PHYS_PFN(virt_to_phys(addr)),
					     1UL << order);
		if (ret) {
			free_pages_exact(addr, PAGE_SIZE << order);
			return ret;
		}

		index += 1UL << order;
		cond_resched();
	}

	return 0;
}

static bool gh_guest_mem_is_hidden(const struct gh_guest_mem *mem, pgoff_t index)
{
	const struct gh_vm_mem_region *region;
	u64 offset = PFN_PHYS(index);

	list_for_each_entry(region, &mem->regions, mem_entry) {
		if (region->hidden && offset >= region->offset &&
		    offset - region->offset < region->size)
			return true;
	}

	return false;
}

static vm_fault_t gh_guest_mem_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct gh_guest_mem *mem = file->private_data;
	const struct gh_guest_mem_chunk *chunk;
	unsigned long pfn;

	guard(rwsem_read)(&file->f_mapping->invalidate_lock);

	chunk = gh_guest_mem_find_chunk(mem, vmf->pgoff);
	if (!chunk || gh_guest_mem_is_hidden(mem, vmf->pgoff))
		return VM_FAULT_SIGBUS;

	pfn = chunk->pfn + (vmf->pgoff - chunk->index);
	if (PageHWPoison(pfn_to_page(pfn)))
		return VM_FAULT_HWPOISON;

	return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
}

static const struct vm_operations_struct gh_guest_mem_vm_ops = {
	.fault = gh_guest_mem_fault,
};

static int gh_guest_mem_mmap_prepare(struct vm_area_desc *desc)
{
	const struct gh_guest_mem *mem = desc->file->private_data;

	/* A private mapping would keep copies that no one could take back. */
	if (!vma_desc_test(desc, VMA_SHARED_BIT))
		return -EINVAL;

	if (desc->pgoff > mem->nr_pages ||
	    vma_desc_pages(desc) > mem->nr_pages - desc->pgoff)
		return -EINVAL;

	vma_desc_set_flags(desc, VMA_PFNMAP_BIT, VMA_IO_BIT, VMA_DONTEXPAND_BIT,
			   VMA_DONTDUMP_BIT);
	desc->vm_ops = &gh_guest_mem_vm_ops;

	return 0;
}

static int gh_guest_mem_release(struct inode *inode, struct file *file)
{
	gh_guest_mem_free(file->private_data);

	return 0;
}

static const struct file_operations gh_guest_mem_fops = {
	.owner = THIS_MODULE,
	.mmap_prepare = gh_guest_mem_mmap_prepare,
	.release = gh_guest_mem_release,
};

/**
 * gh_guest_mem_create() - Make a guest memory
 * @args: arguments of GH_CREATE_GUEST_MEM
 *
 * Context: May sleep.
 * Return: a file descriptor or a negative errno, see vm-manager.rst.
 */
int gh_guest_mem_create(const struct gh_create_mem_args *args)
{
	unsigned int order = PAGE_ALLOC_COSTLY_ORDER;
	int ret;

	if (args->flags & ~(GH_GUEST_MEM_CLOEXEC | GH_GUEST_MEM_ALLOW_HUGEPAGE))
		return -EINVAL;

	if (memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;

	if (!args->size || !PAGE_ALIGNED(args->size))
		return -EINVAL;

	/* Refuse what can't succeed, before it has everything else reclaimed */
	if (PHYS_PFN(args->size) > max(si_mem_available(), 0))
		return -ENOMEM;

	if (args->flags & GH_GUEST_MEM_ALLOW_HUGEPAGE)
		order = min(PMD_ORDER, MAX_PAGE_ORDER);

	struct gh_guest_mem *mem __free(gh_guest_mem) =
		kzalloc_obj(*mem, GFP_KERNEL_ACCOUNT);
	if (!mem)
		return -ENOMEM;

	INIT_LIST_HEAD(&mem->regions);
	mem->nr_pages = PHYS_PFN(args->size);
	ret = gh_guest_mem_alloc(mem, order);
	if (ret)
		return ret;

	/* An inode of its own: unmap_mapping_range() must find our mappings. */
	FD_PREPARE(fdf, args->flags & GH_GUEST_MEM_CLOEXEC ? O_CLOEXEC : 0,
		   anon_inode_create_getfile("[gunyah-guest-mem]", &gh_guest_mem_fops,
					     mem, O_RDWR, NULL));
	if (fdf.err)
		return fdf.err;

	/* The file's from now on */
	retain_and_null_ptr(mem);
	i_size_write(file_inode(fd_prepare_file(fdf)), args->size);

	return fd_publish(fdf);
}

/* A reference to the file of a guest memory */
static struct file *gh_guest_mem_get_file(unsigned int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);

	if (file->f_op != &gh_guest_mem_fops) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}

	return file;
}

static bool gh_guest_mem_overlaps(const struct gh_guest_mem *mem,
				  const struct gh_vm_mem_region *new)
{
	const struct gh_vm_mem_region *region;

	list_for_each_entry(region, &mem->regions, mem_entry) {
		if (region->offset < new->offset + new->size &&
		    new->offset < region->offset + region->size)
			return true;
	}

	return false;
}

/* Gives @region its part of the guest memory in region->file. */
static int gh_guest_mem_bind(struct gh_vm_mem_region *region)
{
	struct address_space *mapping = region->file->f_mapping;
	struct gh_guest_mem *mem = region->file->private_data;
	u64 mem_size = PFN_PHYS(mem->nr_pages);
	const struct gh_guest_mem_chunk *chunk;
	pgoff_t index, end;
	int ret;

	if (!PAGE_ALIGNED(region->offset) || region->offset >= mem_size ||
	    region->size > mem_size - region->offset)
		return -EINVAL;

	guard(rwsem_write)(&mapping->invalidate_lock);

	if (gh_guest_mem_overlaps(mem, region))
		return -EEXIST;

	index = PHYS_PFN(region->offset);
	end = PHYS_PFN(region->offset + region->size);
	for (chunk = gh_guest_mem_find_chunk(mem, index); index < end; chunk++) {
		unsigned long skip = index - chunk->index;
		unsigned long nr_pages = min(chunk->nr_pages - skip, end - index);

		ret = gh_vm_mem_add_pages(region, chunk->pfn + skip, nr_pages);
		if (ret)
			return ret;

		index += nr_pages;
	}

	list_add(&region->mem_entry, &mem->regions);

	return 0;
}

/**
 * gh_guest_mem_unbind() - Free a region, which has a part of a guest memory
 * @region: the region, which is not in the list of a VM any more
 *
 * A region that has leaked is freed with the guest memory: until then it says
 * what is missing there.
 *
 * Context: May sleep.
 */
void gh_guest_mem_unbind(struct gh_vm_mem_region *region)
{
	struct file *file = region->file;

	if (!region->leaked) {
		scoped_guard(rwsem_write, &file->f_mapping->invalidate_lock)
			list_del(&region->mem_entry);
		gh_vm_mem_delete_region(region);
	}

	fput(file);
}

static int gh_guest_mem_unmap(struct gh_vm *ghvm, const struct file *file,
			      const struct gh_map_mem_args *args)
{
	struct gh_vm_mem_region *region;

	list_for_each_entry(region, &ghvm->mem, vm_entry) {
		if (region->file == file && region->offset == args->offset &&
		    region->size == args->size &&
		    region->guest_addr == args->guest_addr &&
		    region->map_flags == (args->flags & ~GH_MAP_MEM_UNMAP)) {
			gh_vm_mem_remove_region(ghvm, region);
			gh_guest_mem_unbind(region);
			return 0;
		}
	}

	return -ENOENT;
}

/**
 * gh_vm_mem_map() - Add a part of a guest memory to a VM, or remove it
 * @ghvm: the VM, which has not been started
 * @args: arguments of GH_VM_MAP_MEM
 *
 * Context: May sleep. ghvm->lock is held.
 * Return: 0 or a negative errno, see vm-manager.rst.
 */
int gh_vm_mem_map(struct gh_vm *ghvm, const struct gh_map_mem_args *args)
{
	bool lend = !(args->flags & GH_MAP_MEM_FORCE_SHARE);
	u32 label = 0;
	u8 perms = 0;
	int ret;

	lockdep_assert_held(&ghvm->lock);

	if (args->flags & ~(GH_MAP_MEM_FORCE_LEND | GH_MAP_MEM_FORCE_SHARE |
			    GH_MAP_MEM_ALLOW_READ | GH_MAP_MEM_ALLOW_WRITE |
			    GH_MAP_MEM_ALLOW_EXEC | GH_MAP_MEM_UNMAP))
		return -EINVAL;

	if ((args->flags & GH_MAP_MEM_FORCE_LEND) && !lend)
		return -EINVAL;

	struct file *file __free(fput) = gh_guest_mem_get_file(args->guest_mem_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);

	if (args->flags & GH_MAP_MEM_UNMAP)
		return gh_guest_mem_unmap(ghvm, file, args);

	if (args->flags & GH_MAP_MEM_ALLOW_READ)
		perms |= GH_RM_ACL_R;
	if (args->flags & GH_MAP_MEM_ALLOW_WRITE)
		perms |= GH_RM_ACL_W;
	if (args->flags & GH_MAP_MEM_ALLOW_EXEC)
		perms |= GH_RM_ACL_X;

	/* What the guest's device tree knows a shared region by */
	if (!lend)
		label = lower_32_bits(args->guest_addr >> GH_MEM_LABEL_SHIFT);

	struct gh_vm_mem_region *region __free(gh_vm_mem_region) =
		gh_vm_mem_new_region(label, args->guest_addr, args->size, perms, lend);
	if (IS_ERR(region))
		return PTR_ERR(region);

	ret = gh_vm_mem_check_region(ghvm, region);
	if (ret)
		return ret;

	region->file = file;
	region->offset = args->offset;
	region->map_flags = args->flags;
	ret = gh_guest_mem_bind(region);
	if (ret)
		return ret;

	/* The region's from now on, and the region is the VM's */
	retain_and_null_ptr(file);
	gh_vm_mem_add_region(ghvm, no_free_ptr(region));

	return 0;
}

/**
 * gh_guest_mem_hide() - Take all access to its memory from the host
 * @region: region whose memory a guest is about to get, or does not give back
 *
 * Context: May sleep. gh_vm.lock is held.
 */
void gh_guest_mem_hide(struct gh_vm_mem_region *region)
{
	struct address_space *mapping = region->file->f_mapping;
	struct gh_vm_mem_iter iter = {};
	struct page *page;

	scoped_guard(rwsem_write, &mapping->invalidate_lock) {
		region->hidden = true;
		unmap_mapping_range(mapping, region->offset, region->size, 1);
	}

	/*
	 * The linear map has the pages still.  Those who read there what is
	 * not theirs, /proc/kcore, hibernation and dump tools, look at each
	 * page first.
	 */
	page_offline_begin();
	while ((page = gh_vm_mem_next_page(region, &iter)))
		__folio_set_offline(page_folio(page));
	page_offline_end();
}

/**
 * gh_guest_mem_unhide() - Give access back to the host
 * @region: region whose memory came back, and was wiped
 *
 * Context: May sleep. gh_vm.lock is held.
 */
void gh_guest_mem_unhide(struct gh_vm_mem_region *region)
{
	struct gh_vm_mem_iter iter = {};
	struct page *page;

	while ((page = gh_vm_mem_next_page(region, &iter)))
		__folio_clear_offline(page_folio(page));

	guard(rwsem_write)(&region->file->f_mapping->invalidate_lock);

	region->hidden = false;
}

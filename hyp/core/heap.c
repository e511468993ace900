// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the hypervisor itself: pages for translation tables, and a
 * first-fit heap for everything else.  Both lie between the end of the image
 * and hyp_end.
 */
#include <string.h>

#include "core.h"

#define HEAP_SIZE	(6ul << 20)
#define MAGIC_USED	0x64657375u
#define MAGIC_FREE	0x65657266u

/* Blocks tile the heap; a block's size includes its header. */
struct block {
	size_t size;
	u32 magic;
	u32 pad;
};

_Static_assert(sizeof(struct block) == 16, "blocks keep 16-byte alignment");

static struct block *heap, *heap_limit;
static void *free_pages;
static char *fresh_pages;

void heap_init(void)
{
	heap = (struct block *)heap_start;
	heap_limit = (struct block *)(heap_start + HEAP_SIZE);
	heap->size = HEAP_SIZE;
	heap->magic = MAGIC_FREE;
	fresh_pages = (char *)heap_limit;
}

static struct block *next_block(struct block *b)
{
	return (struct block *)((char *)b + b->size);
}

/* Merge with the free blocks that follow. */
static void merge(struct block *b)
{
	struct block *n = next_block(b);

	while (n < heap_limit && n->magic == MAGIC_FREE) {
		b->size += n->size;
		n = next_block(b);
	}
}

void *plat_alloc(size_t size)
{
	struct block *b;

	if (size > HEAP_SIZE)
		return NULL;
	size = ((size + 15) & ~15ul) + sizeof(*b);

	for (b = heap; b < heap_limit; b = next_block(b)) {
		if (b->magic == MAGIC_USED)
			continue;
		if (b->magic != MAGIC_FREE)
			plat_panic("heap: block %p is overwritten", (void *)b);
		merge(b);
		if (b->size < size)
			continue;
		if (b->size - size > sizeof(*b)) {
			struct block *rest = (struct block *)((char *)b + size);

			rest->size = b->size - size;
			rest->magic = MAGIC_FREE;
			b->size = size;
		}
		b->magic = MAGIC_USED;
		return memset(b + 1, 0, b->size - sizeof(*b));
	}
	return NULL;
}

void plat_free(void *p)
{
	struct block *b = (struct block *)p - 1;

	if (!p)
		return;
	if (b < heap || b >= heap_limit || b->magic != MAGIC_USED)
		plat_panic("heap: free of %p, which is not allocated", p);
	b->magic = MAGIC_FREE;
}

void *page_alloc(void)
{
	void *page = free_pages;

	if (page) {
		free_pages = *(void **)page;
	} else if (fresh_pages < hyp_end) {
		page = fresh_pages;
		fresh_pages += HYP_PAGE_SIZE;
	} else {
		return NULL;
	}
	return memset(page, 0, HYP_PAGE_SIZE);
}

void page_free(void *page)
{
	*(void **)page = free_pages;
	free_pages = page;
}

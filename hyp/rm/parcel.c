// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory parcels: pages that the host lends, shares or donates.
 *
 * A page is in at most one parcel.  Lent and donated pages leave the host's
 * stage 2 at once and return when the parcel is reclaimed; that is stricter than
 * the real hypervisor, which forgets it where a large block maps the host.
 */
#include <string.h>

#include "rm.h"

#define MAX_PARCELS	64u
#define MAX_LIST	512u
#define ADDR_LIMIT	(1UL << 44)

#define MEM_TYPE_NORMAL	0u
#define MEM_TYPE_IO	1u

#define CREATE_SANITIZE	1u
#define CREATE_APPEND	2u
#define APPEND_LAST	1u
#define RECLAIM_SANITIZE 1u

#define ATTR_DEVICE	1u
#define ATTR_MAX	3u

#define RIGHTS_RWX	7u

static struct parcel *parcels;		/* in order of creation */
static u32 next_handle;
static u32 n_parcels;

/* --- which pages are in a parcel -------------------------------------------- */

/* One bit per page; a chunk is there while one of its bits is set. */
#define CHUNK_SHIFT	27u
#define CHUNK_PAGES	(1u << (CHUNK_SHIFT - 12))
#define MAX_CHUNKS	(1u << (40 - CHUNK_SHIFT))

struct chunk {
	u32 used;
	u8 bit[CHUNK_PAGES / 8];
};

static struct chunk *chunks[MAX_CHUNKS];
static u64 owned_pages;

static bool page_is_taken(u64 ipa)
{
	struct chunk *c = chunks[ipa >> CHUNK_SHIFT];
	u32 page = (ipa >> 12) % CHUNK_PAGES;

	return c && (c->bit[page / 8] & (1u << (page % 8)));
}

static bool page_take(u64 ipa)
{
	struct chunk **c = &chunks[ipa >> CHUNK_SHIFT];
	u32 page = (ipa >> 12) % CHUNK_PAGES;

	if (!*c)
		*c = rm_alloc(sizeof(**c));
	if (!*c)
		return false;
	(*c)->bit[page / 8] |= (u8)(1u << (page % 8));
	(*c)->used++;
	owned_pages++;
	return true;
}

static void pages_release(u64 ipa, u64 size)
{
	for (u64 end = ipa + size; ipa < end; ipa += HYP_PAGE_SIZE) {
		struct chunk **c = &chunks[ipa >> CHUNK_SHIFT];
		u32 page = (ipa >> 12) % CHUNK_PAGES;

		(*c)->bit[page / 8] &= (u8)~(1u << (page % 8));
		owned_pages--;
		if (--(*c)->used)
			continue;
		rm_free(*c);
		*c = NULL;
	}
}

static u32 pages_take(u64 ipa, u64 size)
{
	for (u64 p = ipa; p < ipa + size; p += HYP_PAGE_SIZE) {
		u32 error = RM_OK;

		if (page_is_taken(p))
			error = RM_MEM_INVALID;
		else if (!page_take(p))
			error = RM_NOMEM;
		if (error) {
			pages_release(ipa, p - ipa);
			return error;
		}
	}
	return RM_OK;
}

u64 parcel_pages(void)
{
	return owned_pages;
}

u32 parcel_count(void)
{
	return n_parcels;
}

/* --- looking up --------------------------------------------------------------- */

static struct parcel *parcel_find(u32 handle)
{
	struct parcel *p = parcels;

	while (p && p->handle != handle)
		p = p->next;
	return p;
}

struct acl_entry *parcel_acl(const struct parcel *p, u16 vmid)
{
	for (u32 i = 0; i < p->n_acl; i++)
		if (p->acl[i].vmid == vmid)
			return &p->acl[i];
	return NULL;
}

struct parcel *parcel_next(struct parcel *after, u16 vmid)
{
	struct parcel *p = after ? after->next : parcels;

	while (p && !parcel_acl(p, vmid))
		p = p->next;
	return p;
}

struct parcel *parcel_for_vm(u32 handle, u16 vmid)
{
	struct parcel *p = parcel_find(handle);

	return p && parcel_acl(p, vmid) ? p : NULL;
}

bool parcel_is_private(const struct parcel *p, u16 vmid)
{
	return p->type == MEM_TYPE_NORMAL && !p->label && p->n_acl == 1 &&
	       p->acl[0].vmid == vmid && p->acl[0].rights == RIGHTS_RWX;
}

/* --- content -------------------------------------------------------------------- */

static bool copy(const struct parcel *p, u64 offset, void *buf, u64 len, bool out)
{
	u8 *b = buf;

	for (u32 i = 0; i < p->n_regions && len; i++) {
		const struct region *r = &p->regions[i];
		u64 n = r->size - offset;

		if (offset >= r->size) {
			offset -= r->size;
			continue;
		}
		if (n > len)
			n = len;
		if (out) {
			memcpy(b, (u8 *)plat_mem(r->ipa) + offset, n);
		} else {
			memcpy((u8 *)plat_mem(r->ipa) + offset, b, n);
			plat_flush(r->ipa + offset, n);
		}
		b += n;
		len -= n;
		offset = 0;
	}
	return !len;
}

bool parcel_read(const struct parcel *p, u64 offset, void *buf, u64 len)
{
	return copy(p, offset, buf, len, true);
}

bool parcel_write(const struct parcel *p, u64 offset, const void *buf, u64 len)
{
	return copy(p, offset, (void *)(uintptr_t)buf, len, false);
}

/* --- guests --------------------------------------------------------------------- */

static void unmap_from_guest(struct vm *vm, const struct parcel *p, u32 n_regions,
			     u64 ipa)
{
	for (u32 i = 0; i < n_regions; i++) {
		guest_unmap(vm->guest, ipa, p->regions[i].size);
		ipa += p->regions[i].size;
	}
}

u32 parcel_accept(struct parcel *p, struct vm *vm, u64 ipa)
{
	struct acl_entry *acl = parcel_acl(p, vm->vmid);
	u64 at = ipa;

	if (!acl || acl->accepted || !p->complete || p->how == MEM_DONATE)
		return RM_DENIED;
	if (!range_take(vm->cfg, ipa, p->size))
		return RM_MEM_INVALID;
	for (u32 i = 0; i < p->n_regions; i++) {
		if (!guest_map(vm->guest, at, p->regions[i].ipa,
			       p->regions[i].size, acl->rights)) {
			unmap_from_guest(vm, p, i, ipa);
			range_release(vm->cfg, ipa);
			return RM_NOMEM;
		}
		at += p->regions[i].size;
	}
	acl->accepted = true;
	acl->ipa = ipa;
	return RM_OK;
}

void parcel_release_all(struct vm *vm)
{
	struct parcel *p = NULL;

	while ((p = parcel_next(p, vm->vmid))) {
		struct acl_entry *acl = parcel_acl(p, vm->vmid);
		u8 msg[12] = { 0 };

		if (!acl->accepted)
			continue;
		acl->accepted = false;
		unmap_from_guest(vm, p, p->n_regions, acl->ipa);
		range_release(vm->cfg, acl->ipa);
		put32(msg, p->handle);
		put16(msg + 4, vm->vmid);
		rpc_notify(MEM_RELEASED, msg, sizeof(msg));
	}
}

/* --- building and taking apart ---------------------------------------------------- */

static void wipe(const struct region *r)
{
	memset(plat_mem(r->ipa), 0, r->size);
	plat_flush(r->ipa, r->size);
}

static void drop_regions(struct parcel *p, u32 keep)
{
	while (p->n_regions > keep) {
		struct region *r = &p->regions[--p->n_regions];

		if (p->sanitize)
			wipe(r);
		else
			plat_flush(r->ipa, r->size);
		if (p->how != MEM_SHARE)
			plat_host_map(r->ipa, r->size);
		pages_release(r->ipa, r->size);
		p->size -= r->size;
	}
}

static void parcel_free(struct parcel *p)
{
	drop_regions(p, 0);
	rm_free(p->regions);
	rm_free(p->acl);
	rm_free(p);
}

static bool grow(struct parcel *p, u32 more)
{
	u32 max = p->max_regions ? p->max_regions : 16;
	struct region *regions;

	if (p->n_regions + more <= p->max_regions)
		return true;
	while (max < p->n_regions + more)
		max *= 2;
	regions = rm_alloc(max * sizeof(*regions));
	if (!regions)
		return false;
	if (p->n_regions)
		memcpy(regions, p->regions, p->n_regions * sizeof(*regions));
	rm_free(p->regions);
	p->regions = regions;
	p->max_regions = max;
	return true;
}

static u32 add_region(struct parcel *p, u64 ipa, u64 size, bool sanitize)
{
	struct region *r = &p->regions[p->n_regions];
	u32 error;

	if (ipa % HYP_PAGE_SIZE || size % HYP_PAGE_SIZE || ipa >= ADDR_LIMIT ||
	    size >= ADDR_LIMIT)
		return RM_ARGUMENT_INVALID;
	/* There are no devices to lend. */
	if (!size || p->type != MEM_TYPE_NORMAL || !plat_host_ram(ipa, size))
		return RM_MEM_INVALID;
	error = pages_take(ipa, size);
	if (error)
		return error;

	r->ipa = ipa;
	r->size = size;
	p->n_regions++;
	p->size += size;
	if (p->how != MEM_SHARE)
		plat_host_unmap(ipa, size);
	if (sanitize)
		wipe(r);
	else
		plat_flush(ipa, size);
	return RM_OK;
}

/* All or nothing. */
static u32 add_regions(struct parcel *p, const u8 *sgl, u32 n, bool sanitize)
{
	u32 before = p->n_regions;
	u32 error = RM_OK;

	if (!grow(p, n))
		return RM_NOMEM;
	for (u32 i = 0; i < n && !error; i++)
		error = add_region(p, get64(sgl + i * 16), get64(sgl + i * 16 + 8),
				   sanitize);
	if (error)
		drop_regions(p, before);
	return error;
}

struct list_arg {
	u32 n;
	const u8 *entry;
};

/* u16 count, u16 reserved, entries; *pos moves behind it */
static u32 read_list(const struct request *req, u32 *pos, u32 entry_size,
		     struct list_arg *list)
{
	if (*pos + 4 > req->len)
		return RM_MSG_INVALID;
	list->n = get16(req->data + *pos);
	list->entry = req->data + *pos + 4;
	rm_must_be_zero(req, *pos + 2, 2);
	if (list->n > MAX_LIST)
		return RM_NORESOURCE;
	*pos += 4 + list->n * entry_size;
	return *pos > req->len ? RM_MSG_INVALID : RM_OK;
}

static bool rights_valid(u8 rights)
{
	return rights == 4 || rights == 5 || rights == 6 || rights == RIGHTS_RWX;
}

static u32 set_acl(struct parcel *p, const struct list_arg *list)
{
	u8 full = p->type == MEM_TYPE_IO ? MEM_R | MEM_W : RIGHTS_RWX;
	bool has_owner = false;

	for (u32 i = 0; i < list->n; i++) {
		struct acl_entry e = {
			.vmid = get16(list->entry + i * 4),
			.rights = list->entry[i * 4 + 2],
		};

		if (parcel_acl(p, e.vmid) || !rights_valid(e.rights) ||
		    (e.vmid != VMID_HOST && !vm_find(e.vmid)))
			return RM_ARGUMENT_INVALID;
		if (p->type == MEM_TYPE_IO && (e.rights & MEM_X))
			return RM_ARGUMENT_INVALID;
		if (p->how == MEM_DONATE && e.rights != full)
			return RM_DENIED;
		if (e.vmid == VMID_HOST)
			has_owner = true;
		p->acl[p->n_acl++] = e;
	}
	return has_owner == (p->how == MEM_SHARE) ? RM_OK : RM_ARGUMENT_INVALID;
}

static u32 check_attrs(struct parcel *p, const struct list_arg *list)
{
	for (u32 i = 0; i < list->n; i++) {
		u16 attr = get16(list->entry + i * 4);
		u16 vmid = get16(list->entry + i * 4 + 2);

		for (u32 j = 0; j < i; j++)
			if (get16(list->entry + j * 4 + 2) == vmid)
				return RM_ARGUMENT_INVALID;
		if (attr > ATTR_MAX ||
		    (p->type == MEM_TYPE_IO) != (attr == ATTR_DEVICE) ||
		    (p->how == MEM_DONATE && attr && attr != ATTR_DEVICE))
			return RM_ARGUMENT_INVALID;
		if (!parcel_acl(p, vmid))
			return RM_VMID_INVALID;
	}
	p->n_attrs = list->n;
	return RM_OK;
}

static u32 parcel_build(struct parcel *p, const struct list_arg *acl,
			const struct list_arg *sgl, const struct list_arg *attrs,
			u8 flags)
{
	u32 error;

	p->acl = rm_alloc(acl->n * sizeof(*p->acl));
	if (!p->acl)
		return RM_NOMEM;
	error = set_acl(p, acl);
	if (!error)
		error = check_attrs(p, attrs);
	if (!error)
		error = add_regions(p, sgl->entry, sgl->n, flags & CREATE_SANITIZE);
	p->complete = !(flags & CREATE_APPEND);
	return error;
}

/* MEM_LEND, MEM_SHARE, MEM_DONATE */
u32 mem_create(const struct request *req, struct reply *rep)
{
	struct parcel **end = &parcels;
	struct list_arg acl, sgl, attrs;
	struct parcel *p;
	u32 pos = 8;
	u32 error;
	u8 flags;

	if (req->len < pos)
		return RM_MSG_INVALID;
	flags = req->data[2];
	rm_known_flags(req, flags, CREATE_SANITIZE | CREATE_APPEND);
	rm_must_be_zero(req, 1, 1);
	rm_must_be_zero(req, 3, 1);
	error = read_list(req, &pos, 4, &acl);
	for (u32 i = 0; !error && i < acl.n; i++)
		rm_must_be_zero(req, pos - (acl.n - i) * 4 + 3, 1);
	if (!error)
		error = read_list(req, &pos, 16, &sgl);
	if (!error)
		error = read_list(req, &pos, 4, &attrs);
	if (error)
		return error;
	if (pos != req->len)
		return RM_MSG_INVALID;
	if (!acl.n || !sgl.n || (req->id == MEM_DONATE && acl.n > 1))
		return RM_ARGUMENT_INVALID;
	if (n_parcels == MAX_PARCELS)
		return RM_DENIED;
	if (req->data[0] > MEM_TYPE_IO ||
	    (req->data[0] == MEM_TYPE_IO && (flags & CREATE_SANITIZE)))
		return RM_ARGUMENT_INVALID;

	p = rm_alloc(sizeof(*p));
	if (!p)
		return RM_NOMEM;
	p->type = req->data[0];
	p->how = req->id;
	p->label = get32(req->data + 4);
	error = parcel_build(p, &acl, &sgl, &attrs, flags);
	if (error) {
		parcel_free(p);
		return error;
	}

	/* Handles start at 0, which is as good as any other. */
	while (next_handle == ~0u || parcel_find(next_handle))
		next_handle++;
	p->handle = next_handle++;
	while (*end)
		end = &(*end)->next;
	*end = p;
	n_parcels++;
	put32(rep->data, p->handle);
	rep->len = 4;
	return RM_OK;
}

u32 mem_append(const struct request *req, struct reply *rep)
{
	struct list_arg sgl;
	struct parcel *p;
	u32 pos = 8;
	u32 error;

	(void)rep;
	if (req->len < pos)
		return RM_MSG_INVALID;
	rm_known_flags(req, req->data[4], APPEND_LAST);
	error = read_list(req, &pos, 16, &sgl);
	if (error)
		return error;
	if (pos != req->len)
		return RM_MSG_INVALID;
	if (!sgl.n)
		return RM_ARGUMENT_INVALID;
	p = parcel_find(get32(req->data));
	if (!p)
		return RM_HANDLE_INVALID;
	if (p->complete)
		return RM_DENIED;
	error = add_regions(p, sgl.entry, sgl.n, false);
	if (!error && (req->data[4] & APPEND_LAST))
		p->complete = true;
	return error;
}

u32 mem_reclaim(const struct request *req, struct reply *rep)
{
	struct parcel *p = parcel_find(get32(req->data));
	struct parcel **at = &parcels;

	(void)rep;
	rm_known_flags(req, req->data[4], RECLAIM_SANITIZE);
	if (!p)
		return RM_HANDLE_INVALID;
	for (u32 i = 0; i < p->n_acl; i++)
		if (p->acl[i].accepted)
			return RM_MEM_INUSE;
	if (req->data[4] & RECLAIM_SANITIZE)
		p->sanitize = true;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	n_parcels--;
	parcel_free(p);
	return RM_OK;
}

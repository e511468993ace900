// SPDX-License-Identifier: GPL-2.0-only
/* Memory parcels: who may do what, and what the host can still reach. */
#include "test.h"

#define A	0x42000000UL

static u16 vm;
static u16 other;

static void boot(void)
{
	host_boot();
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	vm = (u16)get32(reply_data);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	other = (u16)get32(reply_data);
}

static bool mapped(u64 ipa, u64 size, bool expected)
{
	for (u64 p = ipa; p < ipa + size; p += 0x1000)
		if (fake_host_mapped[(p - RAM_BASE) / 0x1000] != expected)
			return false;
	return true;
}

static u32 n_unmapped(void)
{
	u32 n = 0;

	for (u32 i = 0; i < RAM_PAGES; i++)
		n += !fake_host_mapped[i];
	return n;
}

static struct create one(u16 vmid, u8 rights)
{
	struct create c = {
		.n_acl = 1,
		.acl = { { vmid, rights, 0 } },
		.n_sgl = 1,
		.sgl = { { A, 0x10000 } },
	};

	return c;
}

static void lend_and_reclaim(void)
{
	u32 handle[2] = { 99, 99 };
	u8 *content;

	boot();
	content = plat_mem(A);
	content[5] = 0x77;
	CHECK_EQ(lend(vm, 0, A, 0x10000, &handle[0]), 0);
	CHECK_EQ(handle[0], 0);
	CHECK(mapped(A, 0x10000, false));
	CHECK_EQ(n_unmapped(), 16);
	CHECK_EQ(lend(vm, 0, A + 0x10000, 0x1000, &handle[1]), 0);
	CHECK_EQ(handle[1], 1);
	CHECK_EQ(parcel_pages(), 17);
	CHECK_EQ(reclaim(handle[0]), 0);
	CHECK(mapped(A, 0x10000, true));
	CHECK_EQ(reclaim(handle[0]), RM_HANDLE_INVALID);
	CHECK_EQ(reclaim(handle[1]), 0);
	CHECK_EQ(n_unmapped(), 0);
	CHECK_EQ(parcel_count(), 0);
	/* not wiped */
	CHECK_EQ(content[5], 0x77);
}

static void share_keeps_mapping(void)
{
	struct create c = one(vm, 7);
	u32 handle;

	boot();
	c.n_acl = 2;
	c.acl[0] = (struct acl){ vm, 6, 0 };
	c.acl[1] = (struct acl){ VMID_HOST, 6, 0 };
	CHECK_EQ(mem_call(MEM_SHARE, &c, &handle), 0);
	CHECK_EQ(n_unmapped(), 0);
	/* shared pages can't be given once more */
	CHECK_EQ(lend(vm, 0, A, 0x1000, &handle), RM_MEM_INVALID);
	CHECK_EQ(mem_call(MEM_SHARE, &c, &handle), RM_MEM_INVALID);
	CHECK_EQ(reclaim(0), 0);
	CHECK_EQ(n_unmapped(), 0);
}

static void double_lend(void)
{
	struct create c = one(0, 7);
	u32 handle;

	boot();
	c.acl[0].vmid = vm;
	CHECK_EQ(lend(vm, 0, A + 0x8000, 0x1000, &handle), 0);
	/* overlaps in the middle; everything before is given back */
	c.n_sgl = 2;
	c.sgl[0] = (struct sgl){ A + 0x100000, 0x3000 };
	c.sgl[1] = (struct sgl){ A, 0x10000 };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_MEM_INVALID);
	CHECK_EQ(n_unmapped(), 1);
	CHECK_EQ(parcel_pages(), 1);
	CHECK_EQ(parcel_count(), 1);
	/* twice in one request */
	c.sgl[0] = (struct sgl){ A + 0x20000, 0x2000 };
	c.sgl[1] = (struct sgl){ A + 0x21000, 0x1000 };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_MEM_INVALID);
	CHECK_EQ(n_unmapped(), 1);
	CHECK_EQ(reclaim(0), 0);
	CHECK_EQ(lend(vm, 0, A, 0x10000, &handle), 0);
}

static void bad_ranges(void)
{
	u32 handle;

	boot();
	CHECK_EQ(lend(vm, 0, A + 0x800, 0x1000, &handle), RM_ARGUMENT_INVALID);
	CHECK_EQ(lend(vm, 0, A, 0x1800, &handle), RM_ARGUMENT_INVALID);
	CHECK_EQ(lend(vm, 0, 1UL << 44, 0x1000, &handle), RM_ARGUMENT_INVALID);
	CHECK_EQ(lend(vm, 0, A, 1UL << 44, &handle), RM_ARGUMENT_INVALID);
	CHECK_EQ(lend(vm, 0, 0x1000, 0x1000, &handle), RM_MEM_INVALID);
	CHECK_EQ(lend(vm, 0, RAM_BASE + RAM_SIZE - 0x1000, 0x2000, &handle),
		 RM_MEM_INVALID);
	CHECK_EQ(lend(vm, 0, RAM_BASE + RAM_SIZE, 0x1000, &handle), RM_MEM_INVALID);
	CHECK_EQ(lend(vm, 0, RAM_BASE + RAM_SIZE - 0x1000, 0x1000, &handle), 0);
	CHECK_EQ(n_unmapped(), 1);
}

static void acl_rules(void)
{
	static const u8 rights_ok[] = { 4, 5, 6, 7 };
	static const u8 rights_bad[] = { 0, 1, 2, 3, 8, 15, 0xff };
	struct create c;
	u32 handle;

	boot();
	for (u32 i = 0; i < sizeof(rights_ok); i++) {
		c = one(vm, rights_ok[i]);
		CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
		CHECK_EQ(reclaim(handle), 0);
	}
	for (u32 i = 0; i < sizeof(rights_bad); i++) {
		c = one(vm, rights_bad[i]);
		CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	}
	/* unknown VM, no VM, no memory, a VM twice */
	c = one(0x90, 7);
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c = one(vm, 7);
	c.n_acl = 0;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c = one(vm, 7);
	c.n_sgl = 0;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c = one(vm, 7);
	c.n_acl = 2;
	c.acl[1] = (struct acl){ vm, 6, 0 };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	/* the owner belongs into SHARE, not into LEND */
	c.acl[1] = (struct acl){ VMID_HOST, 6, 0 };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c.acl[1] = (struct acl){ other, 6, 0 };
	CHECK_EQ(mem_call(MEM_SHARE, &c, &handle), RM_ARGUMENT_INVALID);
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	CHECK_EQ(reclaim(handle), 0);
	/* DONATE: one VM, all rights */
	CHECK_EQ(mem_call(MEM_DONATE, &c, &handle), RM_ARGUMENT_INVALID);
	c = one(vm, 6);
	CHECK_EQ(mem_call(MEM_DONATE, &c, &handle), RM_DENIED);
	c = one(vm, 7);
	CHECK_EQ(mem_call(MEM_DONATE, &c, &handle), 0);
	CHECK(mapped(A, 0x10000, false));
	CHECK_EQ(reclaim(handle), 0);
	CHECK_EQ(n_unmapped(), 0);
	CHECK_EQ(parcel_count(), 0);
}

static void attr_rules(void)
{
	struct create c;
	u32 handle;

	boot();
	c = one(vm, 7);
	c.n_attr = 1;
	c.attr[0] = (struct attr){ 0, vm };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	CHECK_EQ(reclaim(handle), 0);
	c.attr[0] = (struct attr){ 4, vm };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c.attr[0] = (struct attr){ 1, vm };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c.attr[0] = (struct attr){ 0, other };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_VMID_INVALID);
	c.n_attr = 2;
	c.attr[0] = (struct attr){ 0, vm };
	c.attr[1] = (struct attr){ 0, vm };
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	/* IO memory: no X, and the host has none */
	c = one(vm, 7);
	c.type = 1;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
	c.acl[0].rights = 6;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_MEM_INVALID);
	c.type = 2;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_ARGUMENT_INVALID);
}

static void list_lengths(void)
{
	struct create c;
	u32 handle;

	boot();
	c = one(vm, 7);
	c.no_attr_list = true;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_MSG_INVALID);
	c = one(vm, 7);
	c.extra = 4;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_MSG_INVALID);
	c = one(vm, 7);
	c.n_acl = 513;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_NORESOURCE);
	c = one(vm, 7);
	c.n_attr = 513;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_NORESOURCE);
	CHECK_EQ(n_unmapped(), 0);
}

static void limit_of_64(void)
{
	u32 handle;

	boot();
	for (u32 i = 0; i < 64; i++) {
		CHECK_EQ(lend(vm, 1, A + i * 0x1000UL, 0x1000, &handle), 0);
		CHECK_EQ(handle, i);
	}
	CHECK_EQ(lend(vm, 1, A + 0x100000, 0x1000, &handle), RM_DENIED);
	CHECK_EQ(reclaim(17), 0);
	CHECK_EQ(lend(vm, 1, A + 0x100000, 0x1000, &handle), 0);
	CHECK_EQ(handle, 64);
	CHECK_EQ(rm_debug(0x20, 0, 0), 64);
}

static void append_rules(void)
{
	struct create c;
	struct sgl sgl[512];
	u32 handle;
	size_t heap;

	boot();
	heap = rm_heap_used();
	c = one(vm, 7);
	c.flags = 2;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	for (u32 i = 0; i < 512; i++)
		sgl[i] = (struct sgl){ A + 0x100000 + i * 0x2000UL, 0x1000 };
	CHECK_EQ(append(handle, 0, sgl, 512), 0);
	CHECK_EQ(n_unmapped(), 16 + 512);
	/* a failing append takes back only its own */
	sgl[0].ipa = A + 0x800000;
	CHECK_EQ(append(handle, 1, sgl, 2), RM_MEM_INVALID);
	CHECK_EQ(n_unmapped(), 16 + 512);
	CHECK_EQ(append(handle, 1, sgl, 0), RM_ARGUMENT_INVALID);
	CHECK_EQ(append(handle + 1, 1, sgl, 1), RM_HANDLE_INVALID);
	/* still open */
	CHECK_EQ(append(handle, 1, sgl, 1), 0);
	CHECK_EQ(n_unmapped(), 16 + 512 + 1);
	sgl[0].ipa = A + 0x900000;
	CHECK_EQ(append(handle, 1, sgl, 1), RM_DENIED);
	CHECK_EQ(reclaim(handle), 0);
	CHECK_EQ(n_unmapped(), 0);

	/* half a parcel can be reclaimed, a whole one not be appended to */
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	CHECK_EQ(reclaim(handle), 0);
	CHECK_EQ(lend(vm, 0, A, 0x1000, &handle), 0);
	CHECK_EQ(append(handle, 1, sgl, 1), RM_DENIED);
	CHECK_EQ(reclaim(handle), 0);
	CHECK_EQ(rm_heap_used(), heap);
	CHECK_EQ(parcel_pages(), 0);
}

static void sanitize(void)
{
	struct create c;
	u8 *p;
	u8 msg[8] = { 0 };
	u32 handle;

	boot();
	p = plat_mem(A);
	p[100] = 1;
	c = one(vm, 7);
	c.flags = 1;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	CHECK_EQ(p[100], 0);
	p[100] = 2;
	put32(msg, handle);
	msg[4] = 1;
	CHECK_EQ(call(MEM_RECLAIM, msg, sizeof(msg)), 0);
	CHECK_EQ(p[100], 0);
}

static void in_use_until_reset(void)
{
	struct setup s;
	struct note *n;
	u32 shared;
	u32 never;
	u32 from;

	host_boot();
	vm = 0x80;
	s = vm_configured(&good_dt);
	CHECK_EQ(lend(s.vmid, 7, A, 0x3000, &shared), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	CHECK_EQ(lend(s.vmid, 8, A + 0x10000, 0x1000, &never), 0);
	CHECK_EQ(reclaim(s.handle), RM_MEM_INUSE);
	CHECK_EQ(reclaim(shared), RM_MEM_INUSE);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK_EQ(reclaim(s.handle), RM_MEM_INUSE);
	from = n_notes;
	reset(s.vmid);
	n = find_note(MEM_RELEASED, from);
	CHECK(n && n->len == 12);
	CHECK_EQ(get32(n->data), s.handle);
	CHECK_EQ(get16(n->data + 4), s.vmid);
	n = find_note(MEM_RELEASED, (u32)(n - notes) + 1);
	CHECK_EQ(get32(n->data), shared);
	/* only accepted ones are announced */
	CHECK(!find_note(MEM_RELEASED, (u32)(n - notes) + 1));
	CHECK_EQ(reclaim(s.handle), 0);
	CHECK_EQ(reclaim(shared), 0);
	CHECK_EQ(reclaim(never), 0);
	CHECK_EQ(n_unmapped(), 0);
}

static void no_memory(void)
{
	struct create c;
	struct sgl sgl[64];
	size_t heap;
	u32 handle;

	boot();
	heap = rm_heap_used();
	c = one(vm, 7);
	/* for the bitmap of pages */
	fake_fail_size = 4000;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_NOMEM);
	fake_fail_size = 0;
	CHECK_EQ(n_unmapped(), 0);
	CHECK_EQ(rm_heap_used(), heap);

	/* a longer list of ranges */
	c.flags = 2;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	for (u32 i = 0; i < 64; i++)
		sgl[i] = (struct sgl){ A + 0x100000 + i * 0x2000UL, 0x1000 };
	fake_fail_size = 2000;
	CHECK_EQ(append(handle, 1, sgl, 64), RM_NOMEM);
	fake_fail_size = 0;
	CHECK_EQ(n_unmapped(), 16);
	CHECK_EQ(append(handle, 1, sgl, 64), 0);
	CHECK_EQ(reclaim(handle), 0);
	CHECK_EQ(rm_heap_used(), heap);
}

const struct test parcel_tests[] = {
	{ "parcel_lend_and_reclaim", lend_and_reclaim },
	{ "parcel_share_keeps_mapping", share_keeps_mapping },
	{ "parcel_double_lend", double_lend },
	{ "parcel_bad_ranges", bad_ranges },
	{ "parcel_acl_rules", acl_rules },
	{ "parcel_attr_rules", attr_rules },
	{ "parcel_list_lengths", list_lengths },
	{ "parcel_limit_of_64", limit_of_64 },
	{ "parcel_append_rules", append_rules },
	{ "parcel_sanitize", sanitize },
	{ "parcel_in_use_until_reset", in_use_until_reset },
	{ "parcel_no_memory", no_memory },
	{ }
};

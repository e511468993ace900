// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions of a VM's memory, and how pages become entries of a parcel
 */

#include <kunit/test.h>

#include <linux/err.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/sizes.h>

#include "../vm_mgr.h"

#define TEST_LABEL		7
#define TEST_ADDR		0x80000000
#define TEST_PFN		0x12345
#define TEST_RWX		(GH_RM_ACL_R | GH_RM_ACL_W | GH_RM_ACL_X)

/* A multiple of all page sizes */
#define TEST_SIZE		SZ_2M

KUNIT_DEFINE_ACTION_WRAPPER(delete_region, gh_vm_mem_delete_region,
			    struct gh_vm_mem_region *);

static struct gh_vm_mem_region *new_region(struct kunit *test, u32 label, u64 addr,
					   bool lend)
{
	struct gh_vm_mem_region *region;

	region = gh_vm_mem_new_region(label, addr, TEST_SIZE, TEST_RWX, lend);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, delete_region, region), 0);

	return region;
}

static struct gh_vm_mem_region *new_shared_region(struct kunit *test)
{
	return new_region(test, TEST_LABEL, TEST_ADDR, false);
}

static void expect_entry(struct kunit *test, const struct gh_vm_mem_region *region,
			 size_t i, unsigned long pfn, unsigned long nr_pages)
{
	const struct gh_rm_mem_entry *entry;

	KUNIT_ASSERT_LT(test, i, region->parcel.n_mem_entries);
	entry = &region->parcel.mem_entries[i];
	KUNIT_EXPECT_EQ(test, le64_to_cpu(entry->phys_addr), PFN_PHYS(pfn));
	KUNIT_EXPECT_EQ(test, le64_to_cpu(entry->size), PFN_PHYS(nr_pages));
	KUNIT_EXPECT_EQ(test, gh_mem_entry_pfn(entry), pfn);
	KUNIT_EXPECT_EQ(test, gh_mem_entry_nr_pages(entry), nr_pages);
}

static void gh_mem_pages_in_a_row_join(struct kunit *test)
{
	struct gh_vm_mem_region *region = new_shared_region(test);
	unsigned long i;

	for (i = 0; i < 512; i++)
		KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN + i, 1), 0);
	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN + i, 512), 0);

	KUNIT_EXPECT_EQ(test, region->parcel.n_mem_entries, 1);
	expect_entry(test, region, 0, TEST_PFN, 1024);
}

static void gh_mem_other_pages_do_not_join(struct kunit *test)
{
	struct gh_vm_mem_region *region = new_shared_region(test);

	/* A gap, the page before, the same page, and one that fits the first */
	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN, 2), 0);
	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN + 3, 1), 0);
	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN + 2, 1), 0);
	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN + 2, 1), 0);
	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN - 1, 1), 0);

	/* Guest addresses follow the order of the entries. */
	KUNIT_EXPECT_EQ(test, region->parcel.n_mem_entries, 5);
	expect_entry(test, region, 0, TEST_PFN, 2);
	expect_entry(test, region, 1, TEST_PFN + 3, 1);
	expect_entry(test, region, 2, TEST_PFN + 2, 1);
	expect_entry(test, region, 3, TEST_PFN + 2, 1);
	expect_entry(test, region, 4, TEST_PFN - 1, 1);
}

static void gh_mem_many_entries(struct kunit *test)
{
	/* More than kmalloc() has, where pages are of 4 KiB */
	const size_t n = SZ_4M / sizeof(struct gh_rm_mem_entry) + 1;
	struct gh_vm_mem_region *region = new_shared_region(test);
	size_t i;

	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, TEST_PFN + 4 * i, 3), 0);

	KUNIT_EXPECT_EQ(test, region->parcel.n_mem_entries, n);
	for (i = 0; i < n; i += 97)
		expect_entry(test, region, i, TEST_PFN + 4 * i, 3);
	expect_entry(test, region, n - 1, TEST_PFN + 4 * (n - 1), 3);
}

static void gh_mem_high_page(struct kunit *test)
{
	struct gh_vm_mem_region *region = new_shared_region(test);
	unsigned long pfn = PHYS_PFN(0xf00000000000);

	KUNIT_ASSERT_EQ(test, gh_vm_mem_add_pages(region, pfn, PHYS_PFN(SZ_8G)), 0);
	expect_entry(test, region, 0, pfn, PHYS_PFN(SZ_8G));
}

struct region_param {
	const char *desc;
	u32 label;
	u64 addr;
	u64 size;
	u8 perms;
	bool lend;
	int ret;
};

static const struct region_param region_params[] = {
	{ "lent", 0, TEST_ADDR, TEST_SIZE, TEST_RWX, true, 0 },
	{ "lent with a label", 1, TEST_ADDR, TEST_SIZE, TEST_RWX, true, 0 },
	{ "lent at 0", 0, 0, TEST_SIZE, TEST_RWX, true, 0 },
	{ "lent without execution", 0, TEST_ADDR, TEST_SIZE, GH_RM_ACL_R | GH_RM_ACL_W,
	  true, -EINVAL },
	{ "shared", 1, TEST_ADDR, TEST_SIZE, TEST_RWX, false, 0 },
	{ "shared for reading", 1, TEST_ADDR, TEST_SIZE, GH_RM_ACL_R, false, 0 },
	{ "shared for reading and execution", 1, TEST_ADDR, TEST_SIZE,
	  GH_RM_ACL_R | GH_RM_ACL_X, false, 0 },
	{ "shared for writing only", 1, TEST_ADDR, TEST_SIZE, GH_RM_ACL_W, false, -EINVAL },
	{ "shared for nothing", 1, TEST_ADDR, TEST_SIZE, 0, false, -EINVAL },
	{ "shared without a label", 0, TEST_ADDR, TEST_SIZE, TEST_RWX, false, -EINVAL },
	{ "empty", 1, TEST_ADDR, 0, TEST_RWX, false, -EINVAL },
	{ "part of a page", 1, TEST_ADDR, TEST_SIZE + 4, TEST_RWX, false, -EINVAL },
	{ "unaligned", 1, TEST_ADDR + 4, TEST_SIZE, TEST_RWX, false, -EINVAL },
	{ "too high", 1, -(u64)TEST_SIZE, 2 * TEST_SIZE, TEST_RWX, false, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(gh_mem_region, region_params, desc);

static void gh_mem_region_arguments(struct kunit *test)
{
	const struct region_param *p = test->param_value;
	struct gh_vm_mem_region *region;

	region = gh_vm_mem_new_region(p->label, p->addr, p->size, p->perms, p->lend);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(region), p->ret);
	if (p->ret)
		return;

	/* The host stays on the list of those who may access what it shares. */
	KUNIT_EXPECT_EQ(test, region->parcel.n_acl_entries, p->lend ? 1 : 2);
	KUNIT_EXPECT_EQ(test, region->parcel.acl_entries[0].perms, p->perms);
	KUNIT_EXPECT_EQ(test, region->parcel.label, p->label);
	KUNIT_EXPECT_EQ(test, region->parcel.mem_handle, GH_MEM_HANDLE_INVAL);
	KUNIT_EXPECT_FALSE(test, region->parcel.held);
	gh_vm_mem_delete_region(region);
}

static int check_region(struct kunit *test, struct gh_vm *ghvm, u32 label, u64 addr,
			bool lend)
{
	struct gh_vm_mem_region *region = new_region(test, label, addr, lend);

	guard(mutex)(&ghvm->lock);

	return gh_vm_mem_check_region(ghvm, region);
}

static void gh_mem_regions_of_a_vm(struct kunit *test)
{
	struct gh_vm *ghvm = kunit_kzalloc(test, sizeof(*ghvm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ghvm);
	mutex_init(&ghvm->lock);
	INIT_LIST_HEAD(&ghvm->mem);

	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 1, TEST_ADDR, false), 0);

	list_add_tail(&new_region(test, 1, TEST_ADDR, false)->vm_entry, &ghvm->mem);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 2, TEST_ADDR, false), -EEXIST);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 2, TEST_ADDR + TEST_SIZE / 2, false),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 2, TEST_ADDR - TEST_SIZE / 2, false),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 2, TEST_ADDR + TEST_SIZE, false), 0);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 2, TEST_ADDR - TEST_SIZE, false), 0);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 1, 0, false), -EEXIST);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 0, 0, true), 0);

	list_add_tail(&new_region(test, 0, 0, true)->vm_entry, &ghvm->mem);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 0, 2 * TEST_SIZE, true), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 3, 2 * TEST_SIZE, true), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, check_region(test, ghvm, 3, 2 * TEST_SIZE, false), 0);
}

static struct kunit_case gh_mem_tests[] = {
	KUNIT_CASE(gh_mem_pages_in_a_row_join),
	KUNIT_CASE(gh_mem_other_pages_do_not_join),
	KUNIT_CASE(gh_mem_many_entries),
	KUNIT_CASE(gh_mem_high_page),
	KUNIT_CASE_PARAM(gh_mem_region_arguments, gh_mem_region_gen_params),
	KUNIT_CASE(gh_mem_regions_of_a_vm),
	{}
};

static struct kunit_suite gh_mem_suite = {
	.name = "gunyah_mem",
	.test_cases = gh_mem_tests,
};

kunit_test_suite(gh_mem_suite);

MODULE_DESCRIPTION("KUnit tests of the memory of Gunyah VMs");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");

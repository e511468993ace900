// SPDX-License-Identifier: GPL-2.0-only
/*
 * Assigning memory on Qualcomm platforms, with a secure world that is an array
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <kunit/test-bug.h>

#include <linux/bits.h>
#include <linux/firmware/qcom/qcom_scm.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "../gunyah_qcom.h"
#include "../rsc_mgr.h"

#define TEST_HOST	3
#define TEST_BASE	0x40000000ULL
#define TEST_ENTRIES	5
#define TEST_RWX	(GH_RM_ACL_R | GH_RM_ACL_W | GH_RM_ACL_X)

/**
 * struct qcom_test - The secure world, and a parcel
 * @owners: whose each range is, one bit per VM
 * @perms: what they may do, one per VM
 * @calls: number of calls
 * @fail_at: calls that fail, one bit per call
 * @error: what they return
 * @parcel: the parcel
 * @acl: its VMs
 * @entries: its ranges
 */
struct qcom_test {
	u64 owners[TEST_ENTRIES];
	int perms[TEST_ENTRIES][64];
	unsigned int calls;
	u32 fail_at;
	int error;
	struct gh_rm_mem_parcel parcel;
	struct gh_rm_mem_acl_entry acl[3];
	struct gh_rm_mem_entry entries[TEST_ENTRIES];
};

static int fake_assign_mem(phys_addr_t addr, size_t size, u64 owners,
			   const struct qcom_scm_vmperm *perms, unsigned int n_perms)
{
	struct kunit *test = kunit_get_current_test();
	struct qcom_test *t = test->priv;
	size_t i = (addr - TEST_BASE) / SZ_2M;

	KUNIT_ASSERT_LT(test, i, TEST_ENTRIES);
	KUNIT_EXPECT_EQ(test, addr, TEST_BASE + i * SZ_2M);
	KUNIT_EXPECT_EQ(test, size, (i + 1) * SZ_4K);
	/* It knows whose the memory is, and refuses anything else */
	KUNIT_EXPECT_EQ(test, owners, t->owners[i]);

	if (t->fail_at & BIT(t->calls++))
		return t->error;

	t->owners[i] = 0;
	memset(t->perms[i], 0, sizeof(t->perms[i]));
	while (n_perms--) {
		KUNIT_ASSERT_LT(test, perms[n_perms].vmid, 64);
		/* Nor does it take a VM twice */
		KUNIT_EXPECT_FALSE(test, t->owners[i] & BIT_ULL(perms[n_perms].vmid));
		t->owners[i] |= BIT_ULL(perms[n_perms].vmid);
		t->perms[i][perms[n_perms].vmid] = perms[n_perms].perm;
	}
	return 0;
}

static void test_acl(struct qcom_test *t, u16 vmid, u8 perms)
{
	t->parcel.n_acl_entries++;
	t->acl[t->parcel.n_acl_entries - 1].vmid = cpu_to_le16(vmid);
	t->acl[t->parcel.n_acl_entries - 1].perms = perms;
}

static void expect_owners(struct kunit *test, size_t from, size_t to, u64 owners)
{
	struct qcom_test *t = test->priv;

	for (; from < to; from++)
		KUNIT_EXPECT_EQ(test, t->owners[from], owners);
}

static void expect_host(struct kunit *test)
{
	struct qcom_test *t = test->priv;

	expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(TEST_HOST));
	for (size_t i = 0; i < TEST_ENTRIES; i++)
		KUNIT_EXPECT_EQ(test, t->perms[i][TEST_HOST], QCOM_SCM_PERM_RWX);
	KUNIT_EXPECT_EQ(test, t->parcel.n_assigned, 0);
}

struct qcom_case {
	const char *name;
	u16 vmid;
	unsigned int scm_vmid;
};

static const struct qcom_case qcom_cases[] = {
	{ "first", 1, 1 },
	{ "31", 31, 31 },
	{ "45", 45, 45 },
	{ "last that is known", 0x3f, 0x3f },
	{ "first that is not", 0x40, 0x3a },
	{ "large", 0xfffe, 0x3a },
};

KUNIT_ARRAY_PARAM_DESC(qcom_vmid, qcom_cases, name);

static void gh_qcom_lend(struct kunit *test)
{
	const struct qcom_case *c = test->param_value;
	struct qcom_test *t = test->priv;

	test_acl(t, c->vmid, TEST_RWX);
	KUNIT_ASSERT_EQ(test, gh_qcom_pre_mem(&t->parcel), 0);
	KUNIT_EXPECT_EQ(test, t->parcel.n_assigned, TEST_ENTRIES);
	KUNIT_EXPECT_EQ(test, t->calls, TEST_ENTRIES);
	expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(c->scm_vmid));
	KUNIT_EXPECT_EQ(test, t->perms[0][c->scm_vmid], QCOM_SCM_PERM_RWX);

	KUNIT_ASSERT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), 0);
	KUNIT_EXPECT_EQ(test, t->calls, 2 * TEST_ENTRIES);
	expect_host(test);
}

static void gh_qcom_share(struct kunit *test)
{
	struct qcom_test *t = test->priv;

	test_acl(t, 0x2d, GH_RM_ACL_R);
	test_acl(t, TEST_HOST, TEST_RWX);
	KUNIT_ASSERT_EQ(test, gh_qcom_pre_mem(&t->parcel), 0);
	expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(0x2d) | BIT_ULL(TEST_HOST));
	KUNIT_EXPECT_EQ(test, t->perms[1][0x2d], QCOM_SCM_PERM_READ);
	KUNIT_EXPECT_EQ(test, t->perms[1][TEST_HOST], QCOM_SCM_PERM_RWX);

	KUNIT_ASSERT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), 0);
	expect_host(test);
}

/* Two VMs which the secure world can't tell apart */
static void gh_qcom_same_vm(struct kunit *test)
{
	struct qcom_test *t = test->priv;

	test_acl(t, 0x81, GH_RM_ACL_R);
	test_acl(t, TEST_HOST, TEST_RWX);
	test_acl(t, 0x82, GH_RM_ACL_R | GH_RM_ACL_W);
	KUNIT_ASSERT_EQ(test, gh_qcom_pre_mem(&t->parcel), 0);
	expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(0x3a) | BIT_ULL(TEST_HOST));
	KUNIT_EXPECT_EQ(test, t->perms[1][0x3a], QCOM_SCM_PERM_RW);

	KUNIT_ASSERT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), 0);
	expect_host(test);
}

/* Wherever it fails, what has been assigned comes back, and nothing else */
static void gh_qcom_roll_back(struct kunit *test)
{
	struct qcom_test *t = test->priv;
	unsigned int fail;

	test_acl(t, 0x80, TEST_RWX);
	for (fail = 0; fail < TEST_ENTRIES; fail++) {
		t->calls = 0;
		t->fail_at = BIT(fail);
		KUNIT_EXPECT_EQ(test, gh_qcom_pre_mem(&t->parcel), -EIO);
		KUNIT_EXPECT_EQ(test, t->calls, fail + 1);
		KUNIT_EXPECT_EQ(test, t->parcel.n_assigned, fail);
		expect_owners(test, 0, fail, BIT_ULL(0x3a));
		expect_owners(test, fail, TEST_ENTRIES, BIT_ULL(TEST_HOST));

		KUNIT_EXPECT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), 0);
		KUNIT_EXPECT_EQ(test, t->calls, 2 * fail + 1);
		expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(TEST_HOST));
	}
}

/* A roll-back that fails goes on later where it stopped */
static void gh_qcom_failed_roll_back(struct kunit *test)
{
	struct qcom_test *t = test->priv;

	test_acl(t, 0x80, TEST_RWX);
	t->fail_at = BIT(3) | BIT(5);
	KUNIT_EXPECT_EQ(test, gh_qcom_pre_mem(&t->parcel), -EIO);
	KUNIT_EXPECT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), -EIO);
	KUNIT_EXPECT_EQ(test, t->parcel.n_assigned, 2);
	expect_owners(test, 0, 2, BIT_ULL(0x3a));
	expect_owners(test, 2, TEST_ENTRIES, BIT_ULL(TEST_HOST));

	KUNIT_EXPECT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), 0);
	KUNIT_EXPECT_EQ(test, t->parcel.n_assigned, 0);
	expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(TEST_HOST));
}

struct qcom_error_case {
	int error;
	int expected;
	const char *name;
};

static const struct qcom_error_case qcom_error_cases[] = {
	{ -ENODEV, -ENODEV, "no secure world" },
	{ -ENOMEM, -ENOMEM, "no memory" },
	{ -EBUSY, -EBUSY, "busy" },
	{ -EINVAL, -EIO, "refused" },
	{ 15, -EIO, "the secure world's" },
	{ -4097, -EIO, "the secure world's, negative" },
};

KUNIT_ARRAY_PARAM_DESC(qcom_error, qcom_error_cases, name);

/* What may be better the next time can be told from what may not */
static void gh_qcom_error(struct kunit *test)
{
	const struct qcom_error_case *c = test->param_value;
	struct qcom_test *t = test->priv;

	test_acl(t, 0x80, TEST_RWX);
	t->error = c->error;
	t->fail_at = BIT(1) | BIT(2);
	KUNIT_EXPECT_EQ(test, gh_qcom_pre_mem(&t->parcel), c->expected);
	KUNIT_EXPECT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), c->expected);
	KUNIT_EXPECT_EQ(test, t->parcel.n_assigned, 1);
	KUNIT_EXPECT_EQ(test, gh_qcom_post_mem_reclaim(&t->parcel), 0);
	expect_owners(test, 0, TEST_ENTRIES, BIT_ULL(TEST_HOST));
}

static int gh_qcom_test_init(struct kunit *test)
{
	struct qcom_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;

	for (size_t i = 0; i < TEST_ENTRIES; i++) {
		t->owners[i] = BIT_ULL(TEST_HOST);
		t->entries[i].phys_addr = cpu_to_le64(TEST_BASE + i * SZ_2M);
		t->entries[i].size = cpu_to_le64((i + 1) * SZ_4K);
	}
	t->error = -EIO;
	t->parcel.host_vmid = TEST_HOST;
	t->parcel.acl_entries = t->acl;
	t->parcel.n_mem_entries = TEST_ENTRIES;
	t->parcel.mem_entries = t->entries;
	test->priv = t;
	kunit_activate_static_stub(test, gh_qcom_assign_mem, fake_assign_mem);
	return 0;
}

static struct kunit_case gh_qcom_tests[] = {
	KUNIT_CASE_PARAM(gh_qcom_lend, qcom_vmid_gen_params),
	KUNIT_CASE(gh_qcom_share),
	KUNIT_CASE(gh_qcom_same_vm),
	KUNIT_CASE(gh_qcom_roll_back),
	KUNIT_CASE(gh_qcom_failed_roll_back),
	KUNIT_CASE_PARAM(gh_qcom_error, qcom_error_gen_params),
	{}
};

static struct kunit_suite gh_qcom_suite = {
	.name = "gunyah_qcom",
	.init = gh_qcom_test_init,
	.test_cases = gh_qcom_tests,
};

kunit_test_suite(gh_qcom_suite);

MODULE_DESCRIPTION("KUnit tests for Gunyah on Qualcomm platforms");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");

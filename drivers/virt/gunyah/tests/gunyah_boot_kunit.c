// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boot context: which registers there are, and what becomes of them with a
 * resource manager that can set them and with one that can't
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <kunit/test-bug.h>

#include <linux/err.h>
#include <linux/module.h>

#include "../rsc_mgr_priv.h"
#include "../vm_mgr.h"

#define TEST_VMID	0x80
#define TEST_BASE	0x80000000ULL
#define TEST_SIZE	0x400000ULL
#define TEST_DTB	(TEST_BASE + 0x200000)

/**
 * struct boot_test - A VM and what the resource manager heard of it
 * @vm: the VM
 * @ret: what the resource manager replies
 * @calls: number of calls
 * @reg: register of the last one
 * @value: its value
 */
struct boot_test {
	struct gh_vm vm;
	int ret;
	unsigned int calls;
	u32 reg;
	u64 value;
};

static const struct gh_vm_image test_image = {
	.base = TEST_BASE,
	.size = TEST_SIZE,
};

static int fake_set_boot_context(struct gh_rm *rm, u16 vmid, u8 reg_set, u8 reg_index,
				 u64 value)
{
	struct kunit *test = kunit_get_current_test();
	struct boot_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, vmid, TEST_VMID);
	t->calls++;
	t->reg = GH_VM_BOOT_CONTEXT_REG(reg_set, reg_index);
	t->value = value;
	return t->ret;
}

static int test_set(struct boot_test *t, u32 reg, u64 value)
{
	const struct gh_vm_boot_context args = { .reg = reg, .value = value };

	guard(mutex)(&t->vm.lock);
	return gh_vm_set_boot_context(&t->vm, &args);
}

static int test_apply(struct boot_test *t)
{
	guard(mutex)(&t->vm.lock);
	return gh_vm_apply_boot_context(&t->vm, &test_image);
}

static u64 test_offset(struct boot_test *t)
{
	guard(mutex)(&t->vm.lock);
	return gh_vm_boot_image_offset(&t->vm, &test_image);
}

static void gh_boot_registers(struct kunit *test)
{
	struct boot_test *t = test->priv;
	u32 reg, n = 0;

	for (reg = 0; reg < 0x10000; reg++) {
		if (!test_set(t, reg, reg))
			n++;
	}
	KUNIT_EXPECT_EQ(test, n, 31 + 1 + 3);
	KUNIT_EXPECT_EQ(test, bitmap_weight(t->vm.boot.is_set, GH_VM_BOOT_NR_REGS), n);

	KUNIT_EXPECT_EQ(test, test_set(t, GH_VM_BOOT_CONTEXT_REG(GH_VM_BOOT_REG_SET_X, 31), 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, test_set(t, GH_VM_BOOT_CONTEXT_REG(GH_VM_BOOT_REG_SET_PC, 1), 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, test_set(t, GH_VM_BOOT_CONTEXT_REG(GH_VM_BOOT_REG_SET_SP, 3), 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, test_set(t, 0x10000, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, test_set(t, U32_MAX, 0), -EINVAL);

	/* Each of them is one of its own, and gets there */
	KUNIT_EXPECT_EQ(test, test_apply(t), 0);
	KUNIT_EXPECT_EQ(test, t->calls, n);
	KUNIT_EXPECT_EQ(test, t->reg, GH_VM_BOOT_CONTEXT_REG(GH_VM_BOOT_REG_SET_SP, 2));
	KUNIT_EXPECT_EQ(test, t->value, t->reg);
}

static void gh_boot_reserved(struct kunit *test)
{
	const struct gh_vm_boot_context args = { .reserved = 1 };
	struct boot_test *t = test->priv;

	guard(mutex)(&t->vm.lock);
	KUNIT_EXPECT_EQ(test, gh_vm_set_boot_context(&t->vm, &args), -EINVAL);
}

static void gh_boot_nothing_set(struct kunit *test)
{
	struct boot_test *t = test->priv;

	t->ret = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, test_offset(t), 0);
	KUNIT_EXPECT_EQ(test, test_apply(t), 0);
	KUNIT_EXPECT_EQ(test, t->calls, 0);
}

static void gh_boot_last_value_counts(struct kunit *test)
{
	u32 pc = GH_VM_BOOT_CONTEXT_REG(GH_VM_BOOT_REG_SET_PC, 0);
	struct boot_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, test_set(t, pc, 0), 0);
	KUNIT_EXPECT_EQ(test, test_set(t, pc, TEST_BASE + 0x44), 0);
	KUNIT_EXPECT_EQ(test, test_apply(t), 0);
	KUNIT_EXPECT_EQ(test, t->calls, 1);
	KUNIT_EXPECT_EQ(test, t->value, TEST_BASE + 0x44);
	KUNIT_EXPECT_EQ(test, test_offset(t), 0x44);
}

struct boot_case {
	const char *name;
	u32 reg;
	u64 value;
	u64 offset;
	int ret;
};

/* With a resource manager that does not have the call */
static const struct boot_case boot_cases[] = {
	{ "PC at the base", GH_VM_BOOT_CONTEXT_REG(1, 0), TEST_BASE, 0, 0 },
	{ "PC inside", GH_VM_BOOT_CONTEXT_REG(1, 0), TEST_BASE + 0x1004, 0x1004, 0 },
	{ "PC at the end", GH_VM_BOOT_CONTEXT_REG(1, 0), TEST_BASE + TEST_SIZE - 4,
	  TEST_SIZE - 4, 0 },
	{ "PC behind", GH_VM_BOOT_CONTEXT_REG(1, 0), TEST_BASE + TEST_SIZE, 0, -EOPNOTSUPP },
	{ "PC before", GH_VM_BOOT_CONTEXT_REG(1, 0), TEST_BASE - 4, 0, -EOPNOTSUPP },
	{ "PC 0", GH_VM_BOOT_CONTEXT_REG(1, 0), 0, 0, -EOPNOTSUPP },
	{ "PC at the last address", GH_VM_BOOT_CONTEXT_REG(1, 0), U64_MAX, 0, -EOPNOTSUPP },
	{ "X0 device tree", GH_VM_BOOT_CONTEXT_REG(0, 0), TEST_DTB, 0, 0 },
	{ "X0 other", GH_VM_BOOT_CONTEXT_REG(0, 0), TEST_DTB + 8, 0, -EOPNOTSUPP },
	{ "X1 device tree", GH_VM_BOOT_CONTEXT_REG(0, 1), TEST_DTB, 0, -EOPNOTSUPP },
	{ "SP", GH_VM_BOOT_CONTEXT_REG(2, 1), TEST_BASE, 0, -EOPNOTSUPP },
};

KUNIT_ARRAY_PARAM_DESC(gh_boot, boot_cases, name);

static void gh_boot_without_the_call(struct kunit *test)
{
	const struct boot_case *c = test->param_value;
	struct boot_test *t = test->priv;

	t->ret = -EOPNOTSUPP;
	KUNIT_ASSERT_EQ(test, test_set(t, c->reg, c->value), 0);
	KUNIT_EXPECT_EQ(test, test_offset(t), c->offset);
	KUNIT_EXPECT_EQ(test, test_apply(t), c->ret);
	KUNIT_EXPECT_EQ(test, t->calls, 1);
}

static void gh_boot_refused(struct kunit *test)
{
	struct boot_test *t = test->priv;

	/* It has the call, so it knows better than we do */
	t->ret = -EINVAL;
	KUNIT_ASSERT_EQ(test, test_set(t, GH_VM_BOOT_CONTEXT_REG(0, 0), TEST_DTB), 0);
	KUNIT_ASSERT_EQ(test, test_set(t, GH_VM_BOOT_CONTEXT_REG(1, 0), TEST_BASE), 0);
	KUNIT_EXPECT_EQ(test, test_apply(t), -EINVAL);
	KUNIT_EXPECT_EQ(test, t->calls, 1);
}

static int gh_boot_init(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "gunyah-boot-test");
	struct boot_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (!t)
		return -ENOMEM;

	mutex_init(&t->vm.lock);
	t->vm.rm = gh_rm_alloc(dev, 0, 1);
	if (!t->vm.rm)
		return -ENOMEM;
	t->vm.vmid = TEST_VMID;
	t->vm.dtb_config.guest_phys_addr = TEST_DTB;
	test->priv = t;
	kunit_activate_static_stub(test, gh_rm_vm_set_boot_context, fake_set_boot_context);
	return 0;
}

static struct kunit_case gh_boot_tests[] = {
	KUNIT_CASE(gh_boot_registers),
	KUNIT_CASE(gh_boot_reserved),
	KUNIT_CASE(gh_boot_nothing_set),
	KUNIT_CASE(gh_boot_last_value_counts),
	KUNIT_CASE_PARAM(gh_boot_without_the_call, gh_boot_gen_params),
	KUNIT_CASE(gh_boot_refused),
	{}
};

static struct kunit_suite gh_boot_suite = {
	.name = "gunyah_boot",
	.init = gh_boot_init,
	.test_cases = gh_boot_tests,
};

kunit_test_suite(gh_boot_suite);

MODULE_DESCRIPTION("KUnit tests for the boot context of Gunyah VMs");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");

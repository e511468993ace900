// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O handlers: which of them takes a write
 */

#include <kunit/test.h>

#include <linux/module.h>

#include "../vm_mgr.h"

struct test_handler {
	struct gh_vm_io_handler handler;
	unsigned int calls;
	u64 data;
};

static void test_write(struct gh_vm_io_handler *handler, u64 data)
{
	struct test_handler *t = container_of(handler, struct test_handler, handler);

	t->calls++;
	t->data = data;
}

static const struct gh_vm_io_handler_ops test_ops = {
	.write = test_write,
};

static struct test_handler *test_handler(struct kunit *test, u64 addr, u8 len)
{
	struct test_handler *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->handler.addr = addr;
	t->handler.len = len;
	t->handler.ops = &test_ops;
	return t;
}

static struct test_handler *test_match(struct kunit *test, u64 addr, u8 len, u64 data)
{
	struct test_handler *t = test_handler(test, addr, len);

	t->handler.datamatch = true;
	t->handler.data = data;
	return t;
}

static int test_add(struct kunit *test, struct test_handler *t)
{
	return gh_vm_add_io_handler(test->priv, &t->handler);
}

static void test_remove(struct kunit *test, struct test_handler *t)
{
	gh_vm_remove_io_handler(test->priv, &t->handler);
}

static bool test_mmio(struct kunit *test, u64 addr, u32 len, u64 data)
{
	return gh_vm_mgr_mmio_write(test->priv, addr, len, data);
}

static void gh_io_nothing_there(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 4, 1));
}

static void gh_io_length(struct kunit *test)
{
	struct test_handler *two = test_handler(test, 0x1000, 2);
	struct test_handler *any = test_handler(test, 0x2000, 0);

	KUNIT_ASSERT_EQ(test, test_add(test, two), 0);
	KUNIT_ASSERT_EQ(test, test_add(test, any), 0);

	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 1, 1));
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 4, 1));
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1001, 2, 1));
	KUNIT_EXPECT_TRUE(test, test_mmio(test, 0x1000, 2, 0xabcd));
	KUNIT_EXPECT_EQ(test, two->calls, 1);
	KUNIT_EXPECT_EQ(test, two->data, 0xabcd);

	for (u32 len = 1; len <= 8; len *= 2)
		KUNIT_EXPECT_TRUE(test, test_mmio(test, 0x2000, len, len));
	KUNIT_EXPECT_EQ(test, any->calls, 4);

	test_remove(test, two);
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 2, 1));
	KUNIT_EXPECT_TRUE(test, test_mmio(test, 0x2000, 2, 1));
	test_remove(test, any);
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x2000, 2, 1));
}

static void gh_io_datamatch(struct kunit *test)
{
	struct test_handler *t[16];
	int i;

	/* In an order that is neither rising nor falling */
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = test_match(test, 0x1000, 4, (i * 7) % ARRAY_SIZE(t));
		KUNIT_ASSERT_EQ(test, test_add(test, t[i]), 0);
	}

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		KUNIT_EXPECT_TRUE(test, test_mmio(test, 0x1000, 4, t[i]->handler.data));
		KUNIT_EXPECT_EQ(test, t[i]->calls, 1);
	}
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 4, ARRAY_SIZE(t)));
	KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 2, 1));

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		test_remove(test, t[i]);
		KUNIT_EXPECT_FALSE(test, test_mmio(test, 0x1000, 4, t[i]->handler.data));
		KUNIT_EXPECT_EQ(test, t[i]->calls, 1);
	}
}

static void gh_io_collision(struct kunit *test)
{
	struct test_handler *match = test_match(test, 0x1000, 4, 1);
	struct test_handler *wild = test_handler(test, 0x2000, 4);
	struct test_handler *overlap = test_handler(test, 0x2002, 4);

	KUNIT_ASSERT_EQ(test, test_add(test, match), 0);
	KUNIT_ASSERT_EQ(test, test_add(test, wild), 0);

	KUNIT_EXPECT_EQ(test, test_add(test, test_match(test, 0x1000, 4, 1)), -EEXIST);
	KUNIT_EXPECT_EQ(test, test_add(test, test_handler(test, 0x1000, 4)), -EEXIST);
	KUNIT_EXPECT_EQ(test, test_add(test, test_handler(test, 0x1000, 0)), -EEXIST);
	KUNIT_EXPECT_EQ(test, test_add(test, test_handler(test, 0x2000, 8)), -EEXIST);
	KUNIT_EXPECT_EQ(test, test_add(test, test_match(test, 0x2000, 4, 1)), -EEXIST);

	/* Only a write to the very address is one to the handler */
	KUNIT_ASSERT_EQ(test, test_add(test, overlap), 0);
	KUNIT_EXPECT_TRUE(test, test_mmio(test, 0x2002, 4, 0));
	KUNIT_EXPECT_EQ(test, overlap->calls, 1);
	KUNIT_EXPECT_EQ(test, wild->calls, 0);

	test_remove(test, match);
	test_remove(test, wild);
	test_remove(test, overlap);
}

static void gh_io_bad(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, test_add(test, test_handler(test, 0x1000, 3)), -EINVAL);
	KUNIT_EXPECT_EQ(test, test_add(test, test_handler(test, 0x1000, 16)), -EINVAL);
	KUNIT_EXPECT_EQ(test, test_add(test, test_handler(test, U64_MAX, 2)), -EINVAL);
	KUNIT_EXPECT_EQ(test, test_add(test, test_match(test, 0x1000, 0, 0)), -EINVAL);
	KUNIT_EXPECT_EQ(test, test_add(test, test_match(test, 0x1000, 2, 0x10000)), -EINVAL);
}

static void gh_io_last_address(struct kunit *test)
{
	struct test_handler *t = test_handler(test, U64_MAX, 1);

	KUNIT_ASSERT_EQ(test, test_add(test, t), 0);
	KUNIT_EXPECT_TRUE(test, test_mmio(test, U64_MAX, 1, 1));
	test_remove(test, t);
}

static void gh_io_limit(struct kunit *test)
{
	struct test_handler *t, *last = NULL;
	int n;

	for (n = 0; n <= 1000; n++) {
		t = test_handler(test, n * 8, 8);
		if (test_add(test, t))
			break;
		last = t;
	}
	KUNIT_EXPECT_EQ(test, n, 1000);
	KUNIT_EXPECT_EQ(test, test_add(test, t), -ENOSPC);
	KUNIT_EXPECT_TRUE(test, test_mmio(test, 999 * 8, 8, 1));
	KUNIT_EXPECT_EQ(test, last->calls, 1);

	test_remove(test, last);
	KUNIT_EXPECT_EQ(test, test_add(test, t), 0);
}

static int gh_io_init(struct kunit *test)
{
	struct gh_vm *ghvm = kunit_kzalloc(test, sizeof(*ghvm), GFP_KERNEL);

	if (!ghvm)
		return -ENOMEM;
	gh_vm_io_init(ghvm);
	test->priv = ghvm;
	return 0;
}

static void gh_io_exit(struct kunit *test)
{
	if (test->priv)
		gh_vm_io_free(test->priv);
}

static struct kunit_case gh_io_cases[] = {
	KUNIT_CASE(gh_io_nothing_there),
	KUNIT_CASE(gh_io_length),
	KUNIT_CASE(gh_io_datamatch),
	KUNIT_CASE(gh_io_collision),
	KUNIT_CASE(gh_io_bad),
	KUNIT_CASE(gh_io_last_address),
	KUNIT_CASE(gh_io_limit),
	{}
};

static struct kunit_suite gh_io_suite = {
	.name = "gunyah_io",
	.init = gh_io_init,
	.exit = gh_io_exit,
	.test_cases = gh_io_cases,
};

kunit_test_suite(gh_io_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the I/O handlers of Gunyah VMs");
MODULE_LICENSE("GPL");

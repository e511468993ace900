// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of hypercalls and the errno that each of them becomes
 */

#include <kunit/test.h>

#include <linux/gunyah.h>
#include <linux/limits.h>
#include <linux/module.h>

struct gh_error_case {
	int error;
	int expected;
	const char *name;
};

static const struct gh_error_case gh_error_cases[] = {
	{ 0, 0, "ok" },
	{ -1, -EOPNOTSUPP, "unimplemented" },
	{ -2, -EAGAIN, "retry" },
	{ 1, -EINVAL, "argument value" },
	{ 2, -EINVAL, "argument size" },
	{ 3, -EINVAL, "argument alignment" },
	{ 10, -ENOMEM, "no memory" },
	{ 11, -ENOSPC, "no resources" },
	{ 20, -EINVAL, "address overflow" },
	{ 21, -EINVAL, "address underflow" },
	{ 22, -EINVAL, "address invalid" },
	{ 30, -EACCES, "denied" },
	{ 31, -EBUSY, "busy" },
	{ 32, -EBUSY, "idle" },
	{ 33, -EBUSY, "object state" },
	{ 34, -EINVAL, "object config" },
	{ 35, -EINVAL, "object configured" },
	{ 36, -EIO, "failure" },
	{ 40, -EIO, "virq bound" },
	{ 41, -EIO, "virq not bound" },
	{ 50, -EACCES, "no such capability" },
	{ 51, -EACCES, "capability revoked" },
	{ 52, -EACCES, "wrong object type" },
	{ 53, -EACCES, "insufficient rights" },
	{ 54, -ENOSPC, "capability space full" },
	{ 60, -EAGAIN, "queue empty" },
	{ 61, -EAGAIN, "queue full" },
	{ 111, -EACCES, "not owner of memory" },
	{ 120, -ENOSPC, "mappings full" },
	{ 200, -EEXIST, "mapping exists" },
	{ 4, -EIO, "unknown" },
	{ -3, -EIO, "unknown negative" },
	{ INT_MAX, -EIO, "unknown large" },
};

KUNIT_ARRAY_PARAM_DESC(gh_error, gh_error_cases, name);

static void gh_error_maps_to_errno(struct kunit *test)
{
	const struct gh_error_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, gh_remap_error(c->error), c->expected);
}

static struct kunit_case gh_error_tests[] = {
	KUNIT_CASE_PARAM(gh_error_maps_to_errno, gh_error_gen_params),
	{}
};

static struct kunit_suite gh_error_suite = {
	.name = "gunyah_error",
	.test_cases = gh_error_tests,
};

kunit_test_suite(gh_error_suite);

MODULE_DESCRIPTION("KUnit tests of Gunyah error codes");
MODULE_LICENSE("GPL");

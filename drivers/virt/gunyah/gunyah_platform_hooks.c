// SPDX-License-Identifier: GPL-2.0-only
/*
 * Platform hooks: who else has to know when memory changes hands.
 *
 * In a module of their own, with the platforms' drivers, so that these are there
 * before the resource manager's driver, which depends on it, lends anything.
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/module.h>

#include <kunit/visibility.h>

#include "gunyah_platform_hooks.h"

static const struct gh_rm_platform_ops *gh_platform_ops;

/**
 * gh_rm_platform_register() - Ask to be called when memory is lent
 * @ops: what to call, from now on for ever
 *
 * A machine is one platform, so there can be one.
 *
 * Context: Any context.
 * Return: 0, or -EBUSY if another platform has been registered.
 */
int gh_rm_platform_register(const struct gh_rm_platform_ops *ops)
{
	return cmpxchg_release(&gh_platform_ops, NULL, ops) ? -EBUSY : 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_platform_register);

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * gh_rm_platform_unregister() - Undo gh_rm_platform_register(), after a test
 * @ops: platform that has no parcel any more
 *
 * Context: Any context.
 */
void gh_rm_platform_unregister(const struct gh_rm_platform_ops *ops)
{
	cmpxchg(&gh_platform_ops, ops, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_platform_unregister);
#endif

/**
 * gh_rm_platform_get() - Get the platform's functions
 *
 * Context: Any context.
 * Return: the functions, or NULL if the machine needs none.
 */
const struct gh_rm_platform_ops *gh_rm_platform_get(void)
{
	/* Pairs with gh_rm_platform_register() */
	return smp_load_acquire(&gh_platform_ops);
}
EXPORT_SYMBOL_GPL(gh_rm_platform_get);

MODULE_DESCRIPTION("Gunyah platform hooks");
MODULE_LICENSE("GPL");

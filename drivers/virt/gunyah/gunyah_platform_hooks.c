// SPDX-License-Identifier: GPL-2.0-only
/*
 * Platform hooks: who else has to know when memory changes hands.
 *
 * A module of its own, so that a platform's driver does not depend on the
 * resource manager's, and can be there before it.
 */

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "gunyah_platform_hooks.h"

static DEFINE_MUTEX(gh_platform_lock);
/* Under gh_platform_lock */
static const struct gh_rm_platform_ops *gh_platform_ops;

/**
 * gh_rm_platform_register() - Ask to be called when memory is lent
 * @ops: what to call; lives until gh_rm_platform_unregister()
 *
 * A machine is one platform, so there can be one.
 *
 * Context: Process context.
 * Return: 0, or -EBUSY if another platform has been registered.
 */
int gh_rm_platform_register(const struct gh_rm_platform_ops *ops)
{
	guard(mutex)(&gh_platform_lock);
	if (gh_platform_ops)
		return -EBUSY;
	gh_platform_ops = ops;
	return 0;
}
EXPORT_SYMBOL_GPL(gh_rm_platform_register);

/**
 * gh_rm_platform_unregister() - Undo gh_rm_platform_register()
 * @ops: is not called any more when this returns: whoever calls it has a
 *	 reference to its module
 *
 * Context: Process context.
 */
void gh_rm_platform_unregister(const struct gh_rm_platform_ops *ops)
{
	guard(mutex)(&gh_platform_lock);
	if (gh_platform_ops == ops)
		gh_platform_ops = NULL;
}
EXPORT_SYMBOL_GPL(gh_rm_platform_unregister);

/**
 * gh_rm_platform_get() - Get the platform's functions, if it has any
 *
 * Context: Process context.
 * Return: the functions, until gh_rm_platform_put(), or NULL.
 */
const struct gh_rm_platform_ops *gh_rm_platform_get(void)
{
	guard(mutex)(&gh_platform_lock);
	if (!gh_platform_ops || !try_module_get(gh_platform_ops->owner))
		return NULL;
	return gh_platform_ops;
}
EXPORT_SYMBOL_GPL(gh_rm_platform_get);

/**
 * gh_rm_platform_put() - Undo gh_rm_platform_get()
 * @ops: what it returned, not NULL
 *
 * Context: Any context.
 */
void gh_rm_platform_put(const struct gh_rm_platform_ops *ops)
{
	module_put(ops->owner);
}
EXPORT_SYMBOL_GPL(gh_rm_platform_put);

MODULE_DESCRIPTION("Gunyah platform hooks");
MODULE_LICENSE("GPL");

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __GUNYAH_PLATFORM_HOOKS_H
#define __GUNYAH_PLATFORM_HOOKS_H

#include <linux/types.h>

struct gh_rm_mem_parcel;

/**
 * struct gh_rm_platform_ops - What a platform does around lending memory
 * @pre_mem: the host is about to lend or share the parcel.  Assigns its ranges
 *	     and counts them in @n_assigned of the parcel, from the first one on.
 *	     When it fails it may leave some assigned, if they can't be undone.
 * @post_mem_reclaim: the host has the parcel back.  Undoes what @n_assigned of the
 *		      parcel counts, from the last one on.  May be called again if
 *		      it fails.
 *
 * Both may sleep.
 */
struct gh_rm_platform_ops {
	int (*pre_mem)(struct gh_rm_mem_parcel *parcel);
	int (*post_mem_reclaim)(struct gh_rm_mem_parcel *parcel);
};

int gh_rm_platform_register(const struct gh_rm_platform_ops *ops);
const struct gh_rm_platform_ops *gh_rm_platform_get(void);

#if IS_ENABLED(CONFIG_KUNIT)
void gh_rm_platform_unregister(const struct gh_rm_platform_ops *ops);
#endif

#endif

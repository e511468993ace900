// SPDX-License-Identifier: GPL-2.0-only
/* The one lock: a ticket lock, so that no CPU starves. */
#include "core.h"

static u32 next_ticket, now_serving;

void hyp_lock(void)
{
	u32 ticket = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != ticket)
		asm volatile("yield");
}

void hyp_unlock(void)
{
	__atomic_store_n(&now_serving, now_serving + 1, __ATOMIC_RELEASE);
}

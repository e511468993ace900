// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one lock.  Not a fair one: QEMU's CPUs are threads, and a queue stands
 * still while the thread whose turn it is waits for a core of the machine.
 */
#include "core.h"

static u32 locked;

void hyp_lock(void)
{
	while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&locked, __ATOMIC_RELAXED))
			asm volatile("yield");
	}
}

void hyp_unlock(void)
{
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
}

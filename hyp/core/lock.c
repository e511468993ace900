// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one lock.  QEMU's CPUs are threads, often more of them than the machine
 * has cores: the holder does not get on while others spin.  So a CPU that did
 * not get the lock soon sleeps, and whoever gives the lock back wakes one.
 *
 * Not a fair lock: a queue would stand still while the thread whose turn it is
 * waits for a core.
 */
#include "core.h"

#define SPINS	500

static u32 locked;
static u32 sleepers;		/* a bit for each CPU */

static bool try_lock(void)
{
	return !__atomic_exchange_n(&locked, 1, __ATOMIC_SEQ_CST);
}

static bool spin(void)
{
	for (u32 i = 0; i < SPINS; i++) {
		if (!__atomic_load_n(&locked, __ATOMIC_RELAXED) && try_lock())
			return true;
		asm volatile("yield");
	}
	return false;
}

/* For a CPU that no kick can wake */
void hyp_lock_early(void)
{
	while (!spin())
		;
}

/*
 * The last try comes after the CPU counts as a sleeper, and hyp_unlock() looks
 * for sleepers after the lock is free: one of the two sees the other.
 */
void hyp_lock(void)
{
	struct pcpu *p = (struct pcpu *)read_sysreg(tpidr_el2);
	bool got = spin();

	while (!got) {
		__atomic_fetch_or(&sleepers, 1u << p->index, __ATOMIC_SEQ_CST);
		got = try_lock();
		if (!got)
			gic_wait_for_kick();
		__atomic_fetch_and(&sleepers, ~(1u << p->index),
				   __ATOMIC_SEQ_CST);
		if (!got)
			got = spin();
	}
}

void hyp_unlock(void)
{
	u32 wake;

	__atomic_store_n(&locked, 0, __ATOMIC_SEQ_CST);
	wake = __atomic_load_n(&sleepers, __ATOMIC_SEQ_CST);
	if (wake)
		gic_kick(&pcpus[__builtin_ctz(wake)]);
}

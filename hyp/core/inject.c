// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of vcpu_run that a test asks for: core_debug(op, a, b).
 *
 *   op			a			b
 *   0x100 ERROR	error of vcpu_run	how many runs
 *   0x101 STATE	state word X1		how many results
 *   0x102 SIZE		size of an MMIO exit	how many MMIO exits
 *   0x103 SPURIOUS	wake-up virq to raise	-
 *   0x104 CLEAR	forget all of the above
 *
 * ERROR does nothing else; STATE and SIZE replace one word of a real result.
 */
#include "core.h"

enum op {
	OP_ERROR = 0x100,
	OP_STATE,
	OP_SIZE,
	OP_SPURIOUS,
	OP_CLEAR,
	OP_END,
};

#define BAD	(~0ull)

static struct {
	u64 value, count;
} rules[OP_END - OP_ERROR];

static bool applies(enum op op, u64 *value)
{
	if (!rules[op - OP_ERROR].count)
		return false;
	rules[op - OP_ERROR].count--;
	*value = rules[op - OP_ERROR].value;
	return true;
}

bool inject_run_error(u64 *x)
{
	return applies(OP_ERROR, &x[0]);
}

void inject_run_result(u64 *x)
{
	if (x[1] == RUN_VMMIO_READ || x[1] == RUN_VMMIO_WRITE)
		applies(OP_SIZE, &x[3]);
	applies(OP_STATE, &x[1]);
}

u64 core_debug(u64 op, u64 a, u64 b)
{
	switch (op) {
	case OP_ERROR:
	case OP_STATE:
	case OP_SIZE:
		rules[op - OP_ERROR].value = a;
		rules[op - OP_ERROR].count = b;
		return 0;
	case OP_SPURIOUS:
		if (a < HOST_VIRQ_BASE || a >= HOST_VIRQ_BASE + HOST_VIRQ_COUNT)
			return BAD;
		plat_host_virq_raise((u32)a);
		return 0;
	case OP_CLEAR:
		for (u32 i = 0; i < ARRAY_SIZE(rules); i++)
			rules[i].count = 0;
		return 0;
	}
	return BAD;
}

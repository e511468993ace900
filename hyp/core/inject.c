// SPDX-License-Identifier: GPL-2.0-only
/* Faults of hypercalls that a test asks for: README.md says what the ops are. */
#include <string.h>

#include "core.h"

enum op {
	OP_ERROR = 0x100,
	OP_STATE,
	OP_SIZE,
	OP_SPURIOUS,
	OP_CLEAR,
	OP_CALL,
	OP_LEFT,
	OP_LENT,
};

#define BAD	(~0ull)

static struct {
	u64 value, count;
} rules[OP_SPURIOUS - OP_ERROR];

static struct {
	bool armed;
	u32 number, skip;
	u64 error;
} call;

static bool lent_abort;

static bool applies(enum op op, u64 *value)
{
	if (!rules[op - OP_ERROR].count)
		return false;
	rules[op - OP_ERROR].count--;
	*value = rules[op - OP_ERROR].value;
	return true;
}

bool inject_call_error(u32 number, u64 *x)
{
	if (!call.armed || call.number != number || call.skip--)
		return false;
	call.armed = false;
	x[0] = call.error;
	x[1] = 0;
	x[2] = 0;
	x[3] = 0;
	return true;
}

/* Is a touch of lent memory an abort, and not the end of the test? */
bool inject_lent_abort(void)
{
	const char *lent = plat_option("lent");

	return lent_abort || (lent && !strcmp(lent, "abort"));
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

static u64 core_debug(u64 op, u64 a, u64 b)
{
	u64 left = 0;

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
		call.armed = false;
		lent_abort = false;
		return 0;
	case OP_CALL:
		call.number = (u32)a;
		call.skip = (u32)(a >> 32);
		call.error = b;
		call.armed = true;
		return 0;
	case OP_LEFT:
		for (u32 i = 0; i < ARRAY_SIZE(rules); i++)
			left += rules[i].count;
		return left + call.armed;
	case OP_LENT:
		lent_abort = a;
		return 0;
	}
	return BAD;
}

u64 inject_debug(u64 op, u64 a, u64 b)
{
	return op < OP_ERROR ? rm_debug(op, a, b) : core_debug(op, a, b);
}

/* hyp.fault=OP,A,B:OP,A,B...: for what happens before there is a user space */
void inject_from_options(void)
{
	const char *text = plat_option("fault");

	while (text && *text) {
		u64 op, a, b;
		const char *rest = debug_parse(text, &op, &a, &b);

		if (!rest || inject_debug(op, a, b) == BAD)
			plat_panic("hyp.fault=%s: give OP,A,B of rm/debug.c or core/inject.c, more of them behind a colon",
				   text);
		text = rest;
	}
}

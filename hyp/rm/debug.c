// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of the resource manager that a test asks for, and numbers that it
 * compares: README.md says what the ops are.
 */
#include <stdlib.h>

#include "rm.h"

enum op {
	OP_FAIL = 1,
	OP_DROP,
	OP_DELAY,
	OP_TWICE,
	OP_CUT,
	OP_BREAK,
	OP_STUCK,
	OP_CLEAR,
	OP_FLOOD,
	OP_PARCELS = 0x20,
	OP_VMIDS,
	OP_VIRQS,
	OP_CAPS,
	OP_HEAP,
	OP_REQUESTS,
	OP_PAGES,
	OP_DROPPED_REPLIES,
	OP_DROPPED_NOTIFICATIONS,
	OP_LEFT,
};

#define MAX_RULES	16u
#define MAX_FLOOD	10000u
#define BAD		(~0UL)

static struct rule {
	u32 op;				/* 0 = free */
	u32 id;
	u32 skip;
	u64 arg;
} rules[MAX_RULES];

static u64 stuck_resets, stuck_state;

/*
 * Take one "OP,A,B" off the text, where A and B may be missing; the rest of it,
 * behind a colon, or NULL when it is something else.
 */
const char *debug_parse(const char *text, u64 *op, u64 *a, u64 *b)
{
	u64 *numbers[] = { op, a, b };
	u32 n = 0;

	*op = 0;
	*a = 0;
	*b = 0;
	do {
		char *end;

		text += n && *text == ',';
		*numbers[n] = strtoul(text, &end, 0);
		if (end == text)
			return NULL;
		text = end;
	} while (*text == ',' && ++n < 3);
	if (*text == ':' && text[1])
		return text + 1;
	return *text ? NULL : text;
}

static u64 add_rule(u32 op, u64 a, u64 b)
{
	for (u32 i = 0; i < MAX_RULES; i++) {
		if (rules[i].op)
			continue;
		rules[i] = (struct rule){ op, (u32)a, (u32)(a >> 32), b };
		return 0;
	}
	return BAD;
}

static u64 flood(u64 count, u64 id)
{
	static const u8 junk[8] = { 0xaa, 0x55, 0xaa, 0x55 };

	if (count > MAX_FLOOD)
		return BAD;
	while (count--)
		rpc_notify((u32)id, junk, sizeof(junk));
	return 0;
}

static u64 rules_left(void)
{
	u64 left = 0;

	for (u32 i = 0; i < MAX_RULES; i++)
		left += rules[i].op != 0;
	return left;
}

u64 rm_debug(u64 op, u64 a, u64 b)
{
	switch (op) {
	case OP_FAIL:
	case OP_DROP:
	case OP_DELAY:
	case OP_TWICE:
	case OP_CUT:
	case OP_BREAK:
		return add_rule((u32)op, a, b);
	case OP_STUCK:
		stuck_resets = a;
		stuck_state = b;
		return 0;
	case OP_CLEAR:
		stuck_resets = 0;
		for (u32 i = 0; i < MAX_RULES; i++)
			rules[i].op = 0;
		/* Later it would be taken for one of the next VM of that number. */
		rpc_deliver(~0UL);
		return 0;
	case OP_FLOOD:
		return flood(a, b);
	case OP_PARCELS:
		return parcel_count();
	case OP_VMIDS:
		return vm_count();
	case OP_VIRQS:
		return virq_count();
	case OP_CAPS:
		return cap_count();
	case OP_HEAP:
		return rm_heap_used();
	case OP_REQUESTS:
		return rpc_stats()->requests;
	case OP_PAGES:
		return parcel_pages();
	case OP_DROPPED_REPLIES:
		return rpc_stats()->dropped_replies;
	case OP_DROPPED_NOTIFICATIONS:
		return rpc_stats()->dropped_notifications;
	case OP_LEFT:
		return rules_left();
	}
	return BAD;
}

static bool due(struct rule *r, u32 id)
{
	if (!r->op || (r->id && r->id != id))
		return false;
	if (!r->skip)
		return true;
	r->skip--;
	return false;
}

bool debug_fail_request(const struct request *req, u32 *error)
{
	struct vm *vm;

	for (u32 i = 0; i < MAX_RULES; i++) {
		struct rule *r = &rules[i];

		if ((r->op != OP_FAIL && r->op != OP_BREAK) || !due(r, req->id))
			continue;
		*error = (u32)r->arg;
		vm = req->len >= 4 ? vm_find(get16(req->data)) : NULL;
		if (r->op == OP_BREAK && vm)
			vm_set_state(vm, VM_STATE_INIT_FAILED);
		r->op = 0;
		return true;
	}
	return false;
}

void debug_output(u32 id, struct debug_output *out)
{
	for (u32 i = 0; i < MAX_RULES; i++) {
		struct rule *r = &rules[i];

		if (r->op == OP_FAIL || r->op == OP_BREAK || !due(r, id))
			continue;
		if (r->op == OP_DROP)
			out->drop = true;
		else if (r->op == OP_DELAY)
			out->delay_us += r->arg * 1000;
		else if (r->op == OP_TWICE)
			out->duplicate = true;
		else if (r->arg < out->len)
			out->len = r->arg;
		r->op = 0;
	}
}

bool debug_reset_stuck(u32 *state)
{
	if (!stuck_resets)
		return false;
	stuck_resets--;
	*state = (u32)stuck_state;
	return true;
}

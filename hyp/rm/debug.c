// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that a test asks for, and numbers that it compares.
 *
 * rm_debug(op, a, b); the result is 0, a number, or all ones for a bad request:
 *
 *   op		a			b
 *   0x01 FAIL	message			RM error
 *   0x02 DROP	message			-
 *   0x03 DELAY	message			milliseconds
 *   0x04 TWICE	message			-
 *   0x05 CUT	message			bytes of payload that remain
 *   0x06 BREAK	message			RM error
 *   0x07 STUCK	number of RESETs that end in state b instead of RESET, or, if b
 *		is 0, never
 *   0x08 CLEAR	forget all of the above
 *   0x09 FLOOD	number			notification id
 *   0x20 ...	statistics: 0x20 parcels, 0x21 VMIDs, 0x22 host interrupts (with
 *		RM's own two), 0x23 capabilities (same), 0x24 bytes of heap in
 *		use, 0x25 requests, 0x26 pages in parcels, 0x27 replies and 0x28
 *		notifications that RM dropped, 0x29 rules that did not apply yet
 *
 * "message" is the id of a call (or of a notification, for DROP to CUT) in bits
 * 31:0 and how many of them to let pass first in bits 63:32.  Each rule applies
 * once.  FAIL answers without doing anything; BREAK fails a CONFIG_IMAGE, INIT or
 * START as when it fails on the way: the VM is in INIT_FAILED afterwards.
 */
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
	if (!r->op || r->id != id)
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

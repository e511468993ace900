// SPDX-License-Identifier: GPL-2.0-only
/* Injected faults, statistics, and requests of random content. */
#include "test.h"

static u64 next(u32 id, u32 skip)
{
	return (u64)skip << 32 | id;
}

static void fail_nth(void)
{
	host_boot();
	CHECK_EQ(rm_debug(1, next(VM_ALLOCATE, 2), RM_NOMEM), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), RM_NOMEM);
	CHECK_EQ(reply_len, 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	/* nothing was done */
	CHECK_EQ(vm_count(), 3);
}

static void fail_any(void)
{
	host_boot();
	CHECK_EQ(rm_debug(1, next(0, 3), RM_NOMEM), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK_EQ(call_vmid(VM_GET_STATE, 0x80), 0);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, 0x80), RM_NOMEM);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, 0x80), 0);
	CHECK_EQ(rm_debug(2, next(0, 1), 0), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK_EQ(call(VM_HOST_GET_TYPE, NULL, 0), NO_REPLY);
}

static void parse(void)
{
	static const char *const bad[] = {
		"", ",", "x", "1,", "1,,2", "1,2,3,4", "1:", "1,2 3", ":1", "1;2",
	};
	const char *text = "1,0x556000001,5:0x105,18,31:8";
	u64 op, a, b;

	text = debug_parse(text, &op, &a, &b);
	CHECK(op == 1 && a == 0x556000001 && b == 5);
	CHECK_EQ(text[0], '0');
	text = debug_parse(text, &op, &a, &b);
	CHECK(op == 0x105 && a == 18 && b == 31);
	text = debug_parse(text, &op, &a, &b);
	CHECK(op == 8 && !a && !b && !*text);
	for (u32 i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!debug_parse(bad[i], &op, &a, &b));
}

static void fail_leaves_state(void)
{
	struct setup s;

	host_boot();
	s = vm_ready(&good_dt);
	CHECK_EQ(rm_debug(1, next(VM_START, 0), RM_DENIED), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_DENIED);
	CHECK_EQ(vm_state_of(s.vmid), VM_STATE_READY);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
}

static void break_changes_state(void)
{
	struct setup s;
	u32 from;

	host_boot();
	s = vm_ready(&good_dt);
	from = n_notes;
	CHECK_EQ(rm_debug(6, next(VM_START, 0), RM_NORESOURCE), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_NORESOURCE);
	CHECK(find_status(s.vmid, VM_STATE_INIT_FAILED, from));
	vm_gone(&s);

	/* a broken CONFIG_IMAGE costs the VMID */
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(lend(0x80, 0, IMAGE_IPA, IMAGE_SIZE, &s.handle), 0);
	CHECK_EQ(rm_debug(6, next(VM_CONFIG_IMAGE, 0), RM_NOMEM), 0);
	CHECK_EQ(config(&s), RM_NOMEM);
	CHECK_EQ(vm_state_of(0x80), VM_STATE_INIT_FAILED);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, 0x80), RM_VM_STATE);
	CHECK(VIOLATES(call_vmid(VM_RESET, 0x80)));
}

static void replies(void)
{
	u64 began;
	u32 before;

	host_boot();
	CHECK_EQ(rm_debug(2, next(VM_GET_VMID, 0), 0), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), NO_REPLY);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);

	CHECK_EQ(rm_debug(3, next(VM_GET_VMID, 0), 70), 0);
	began = fake_now;
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK(fake_now - began >= 70000 && fake_now - began < 72000);

	CHECK_EQ(rm_debug(4, next(VM_GET_VMID, 0), 0), 0);
	before = n_replies;
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	host_run(10000);
	CHECK_EQ(n_replies, before + 2);

	CHECK_EQ(rm_debug(5, next(VM_GET_VMID, 0), 6), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK_EQ(reply_len, 2);
	CHECK_EQ(rm_debug(5, next(VM_GET_VMID, 0), 0), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), NO_REPLY);
	CHECK_EQ(rpc_stats()->requests, 6);
}

static void cut_long_reply(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.doorbells = 20;
	s = vm_ready(&dt);
	CHECK_EQ(rm_debug(5, next(VM_GET_HYP_RESOURCES, 0), 300), 0);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(reply_len, 296);
	CHECK_EQ(reply_packets, 2);
	CHECK_EQ(rm_debug(5, next(VM_GET_HYP_RESOURCES, 0), 232), 0);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(reply_len, 228);
	CHECK_EQ(reply_packets, 1);
}

static void late_reply_meets_next_request(void)
{
	u32 before;

	host_boot();
	CHECK_EQ(rm_debug(3, next(VM_GET_VMID, 0), 10), 0);
	before = n_replies;
	host_send(VM_GET_VMID, 1, NULL, 0);
	host_run(2000);
	CHECK_EQ(n_replies, before);
	host_send(VM_GET_VMID, 2, NULL, 0);
	host_run(2000);
	CHECK_EQ(reply_seq, 2);
	host_run(20000);
	CHECK_EQ(n_replies, before + 2);
	CHECK_EQ(reply_seq, 1);
}

static void notifications(void)
{
	struct setup s;
	u32 from;

	host_boot();
	s = vm_running(&good_dt);
	from = n_notes;
	CHECK_EQ(rm_debug(2, next(VM_EXITED, 0), 0), 0);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK(find_status(s.vmid, VM_STATE_EXITED, from));
	CHECK(!find_note(VM_EXITED, from));
	vm_gone(&s);

	s = vm_running(&good_dt);
	from = n_notes;
	CHECK_EQ(rm_debug(3, next(VM_EXITED, 0), 30), 0);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK(!find_note(VM_EXITED, from));
	host_run(40000);
	CHECK(find_note(VM_EXITED, from));
	vm_gone(&s);

	s = vm_running(&good_dt);
	from = n_notes;
	CHECK_EQ(rm_debug(3, next(VM_EXITED, 0), 5000), 0);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK(!find_note(VM_EXITED, from));
	CHECK_EQ(rm_debug(8, 0, 0), 0);
	host_run(1000);
	CHECK(find_note(VM_EXITED, from));
	vm_gone(&s);
	from = n_notes;
	host_run(5000000);
	CHECK(!find_note(VM_EXITED, from));
}

static void stuck_reset(void)
{
	struct setup s;
	u32 from;

	host_boot();
	s = vm_running(&good_dt);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK_EQ(rm_debug(7, 1, 0), 0);
	from = n_notes;
	CHECK_EQ(call_vmid(VM_RESET, s.vmid), 0);
	host_run(10000000);
	CHECK(find_status(s.vmid, VM_STATE_RESETTING, from));
	CHECK(!find_status(s.vmid, VM_STATE_RESET, from));
	CHECK_EQ(reclaim(s.handle), RM_MEM_INUSE);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s.vmid), RM_VM_STATE);
}

/* As newer firmware says that it could not reset a VM */
static void failed_reset(void)
{
	struct setup s;
	u32 from;

	host_boot();
	s = vm_running(&good_dt);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK_EQ(rm_debug(7, 1, 12), 0);
	from = n_notes;
	CHECK_EQ(call_vmid(VM_RESET, s.vmid), 0);
	host_run(100000);
	CHECK(find_status(s.vmid, VM_STATE_RESETTING, from));
	CHECK(find_status(s.vmid, 12, from));
	CHECK_EQ(vm_state_of(s.vmid), 12);
	CHECK_EQ(reclaim(s.handle), RM_MEM_INUSE);
}

static void flood(void)
{
	host_boot();
	CHECK_EQ(rm_debug(9, 100, 0x5110dead), 0);
	host_run(100000);
	CHECK_EQ(n_notes, 100);
	CHECK_EQ(notes[99].id, 0x5110dead);
	CHECK_EQ(rm_debug(9, 1000000, 0), ~0UL);
}

static void clear_and_bad(void)
{
	u32 state;

	host_boot();
	for (u32 i = 0; i < 16; i++)
		CHECK_EQ(rm_debug(1, VM_GET_VMID, 1), 0);
	CHECK_EQ(rm_debug(1, VM_GET_VMID, 1), ~0UL);
	CHECK_EQ(rm_debug(0x29, 0, 0), 16);
	CHECK_EQ(rm_debug(7, 3, 0), 0);
	CHECK_EQ(rm_debug(8, 0, 0), 0);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK_EQ(rm_debug(0x29, 0, 0), 0);
	CHECK(!debug_reset_stuck(&state));
	CHECK_EQ(rm_debug(0, 0, 0), ~0UL);
	CHECK_EQ(rm_debug(0x1f, 0, 0), ~0UL);
	CHECK_EQ(rm_debug(0xff, 0, 0), ~0UL);
}

static void statistics(void)
{
	struct dt dt = good_dt;
	struct setup s;
	u64 heap;

	host_boot();
	heap = rm_debug(0x24, 0, 0);
	dt.cpus = 2;
	dt.doorbells = 1;
	s = vm_ready(&dt);
	CHECK_EQ(rm_debug(0x20, 0, 0), 1);
	CHECK_EQ(rm_debug(0x21, 0, 0), 1);
	CHECK_EQ(rm_debug(0x22, 0, 0), 4);
	CHECK_EQ(rm_debug(0x23, 0, 0), 5);
	CHECK(rm_debug(0x24, 0, 0) > heap);
	CHECK_EQ(rm_debug(0x25, 0, 0), 4);
	CHECK_EQ(rm_debug(0x26, 0, 0), IMAGE_SIZE / 4096);
	vm_gone(&s);
	CHECK_EQ(rm_debug(0x20, 0, 0), 0);
	CHECK_EQ(rm_debug(0x21, 0, 0), 0);
	CHECK_EQ(rm_debug(0x22, 0, 0), 2);
	CHECK_EQ(rm_debug(0x23, 0, 0), 2);
	CHECK_EQ(rm_debug(0x24, 0, 0), heap);
	CHECK_EQ(rm_debug(0x26, 0, 0), 0);
}

static void same_seed_same_order(void)
{
	u64 first[2];

	fake_option("seed", "7");
	for (u32 i = 0; i < 2; i++) {
		host_boot();
		first[i] = 0;
		for (u32 n = 0; n < 10; n++)
			first[i] = first[i] * 31 + rm_random(0, 1000);
	}
	CHECK_EQ(first[0], first[1]);
	fake_option("seed", "8");
	host_boot();
	first[1] = 0;
	for (u32 n = 0; n < 10; n++)
		first[1] = first[1] * 31 + rm_random(0, 1000);
	CHECK(first[0] != first[1]);
}

static u8 junk[1024];

/* Often almost right, sometimes anything. */
static __attribute__((noinline)) u32 make_request(u32 *id)
{
	static const struct {
		u32 id;
		u32 len;
	} calls[] = {
		{ MEM_LEND, 40 }, { MEM_LEND, 40 }, { MEM_DONATE, 40 }, { MEM_SHARE, 40 },
		{ MEM_RECLAIM, 8 }, { MEM_APPEND, 28 }, { VM_ALLOCATE, 4 },
		{ VM_ALLOCATE, 4 }, { VM_START, 4 }, { VM_STOP, 8 },
		{ VM_CONFIG_IMAGE, 40 }, { VM_AUTH_IMAGE, 4 }, { VM_INIT, 4 },
		{ VM_GET_STATE, 4 }, { VM_GET_HYP_RESOURCES, 4 }, { VM_GET_VMID, 0 },
		{ VM_HOST_GET_TYPE, 0 }, { VM_RESET, 4 }, { VM_DEALLOCATE, 4 },
	};
	u32 i = (u32)rm_random(0, sizeof(calls) / sizeof(calls[0]) - 1);
	u32 len = calls[i].len;
	u64 page = 0x42000000 + rm_random(0, 199) * 0x1000;

	*id = calls[i].id;
	memset(junk, 0, sizeof(junk));
	if (*id == MEM_APPEND) {
		put32(junk, (u32)rm_random(0, 100));
		put32(junk + 8, 1);
		put32(junk + 12, (u32)page);
		put32(junk + 20, 0x1000);
	} else if (*id < VM_ALLOCATE && *id != MEM_RECLAIM) {
		junk[2] = rm_random(0, 3) ? 0 : 2;
		put32(junk + 8, 1);
		put16(junk + 12, *id == MEM_SHARE ? 3 : (u16)(0x80 + rm_random(0, 20)));
		junk[14] = 7;
		put32(junk + 16, 1);
		put32(junk + 20, (u32)page);
		put32(junk + 28, 0x2000);
	} else if (*id == MEM_RECLAIM) {
		put32(junk, (u32)rm_random(0, rm_random(0, 1) ? 20 : 5000));
	} else if (*id != VM_ALLOCATE) {
		put16(junk, (u16)(0x80 + rm_random(0, 20)));
		if (*id == VM_CONFIG_IMAGE) {
			put32(junk + 4, (u32)rm_random(0, 300));
			put32(junk + 32, 0x1000);
		}
	}
	/* a device tree, before anybody lends the page */
	if (*id == MEM_LEND && plat_host_ram(page, 0x1000) &&
	    fake_host_mapped[(page - RAM_BASE) / 0x1000])
		dt_build(&good_dt, page);

	if (!rm_random(0, 3)) {
		for (u32 n = (u32)rm_random(1, 4); n && len; n--)
			junk[rm_random(0, len - 1)] = (u8)rm_random(0, 255);
	} else if (!rm_random(0, 15)) {
		len = (u32)rm_random(0, sizeof(junk));
	}
	return len;
}

static void random_round(u32 seed)
{
	static u32 ok[256];
	volatile u32 killed = 0;
	char text[16];

	snprintf(text, sizeof(text), "%u", seed);
	fake_option("seed", text);
	host_boot();
	for (volatile u32 i = 0; i < 1500; i++) {
		u32 id;
		u32 len = make_request(&id);
		volatile u32 err = NO_REPLY;

		n_notes = 0;
		if (VIOLATES(err = call(id, junk, len)))
			killed++;
		else
			CHECK(err != NO_REPLY);
		ok[id & 0xff] += !err;
	}
	CHECK(killed > 10);
	CHECK(ok[MEM_LEND & 0xff] > 20);
	CHECK(ok[MEM_RECLAIM & 0xff] > 5);
	CHECK(ok[VM_ALLOCATE & 0xff] > 60);
}

static void random_requests(void)
{
	for (u32 seed = 0; seed < 20; seed++)
		CHECK(in_child(random_round, seed));
}

const struct test debug_tests[] = {
	{ "debug_fail_nth", fail_nth },
	{ "debug_fail_any", fail_any },
	{ "debug_parse", parse },
	{ "debug_fail_leaves_state", fail_leaves_state },
	{ "debug_break_changes_state", break_changes_state },
	{ "debug_replies", replies },
	{ "debug_cut_long_reply", cut_long_reply },
	{ "debug_late_reply_meets_next_request", late_reply_meets_next_request },
	{ "debug_notifications", notifications },
	{ "debug_stuck_reset", stuck_reset },
	{ "debug_failed_reset", failed_reset },
	{ "debug_flood", flood },
	{ "debug_clear_and_bad", clear_and_bad },
	{ "debug_statistics", statistics },
	{ "debug_same_seed_same_order", same_seed_same_order },
	{ "debug_random_requests", random_requests },
	{ }
};

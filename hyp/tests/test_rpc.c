// SPDX-License-Identifier: GPL-2.0-only
/* Framing, queueing, ordering and the delays of the transport. */
#include "test.h"

static void simple_calls(void)
{
	u64 before;

	host_boot();
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
	CHECK_EQ(reply_len, 4);
	CHECK_EQ(get32(reply_data), 3);
	CHECK_EQ(call(VM_HOST_GET_TYPE, NULL, 0), 0);
	CHECK_EQ(get32(reply_data), 0x01000164);
	CHECK_EQ(vm_state_of(0), VM_STATE_RUNNING);
	CHECK_EQ(vm_state_of(3), VM_STATE_RUNNING);
	CHECK_EQ(call_vmid(VM_GET_STATE, 0x80), RM_NORESOURCE);
	CHECK_EQ(reply_len, 0);
	/* one interrupt per reply, none for sending */
	CHECK_EQ(fake_virqs[0], 0);
	CHECK_EQ(fake_virqs[1], 5);

	/* nothing is answered inside the hypercall */
	before = n_replies;
	host_send(VM_GET_VMID, 7, NULL, 0);
	host_drain();
	CHECK_EQ(n_replies, before);
	CHECK(rm_deadline_us() > fake_now);
	host_run(1000);
	CHECK_EQ(n_replies, before + 1);
	CHECK_EQ(reply_seq, 7);
	CHECK_EQ(rm_deadline_us(), ~0UL);
}

static void unknown_call(void)
{
	host_boot();
	CHECK_EQ(call(0x51000099, NULL, 0), RM_UNIMPLEMENTED);
	/* SET_BOOT_CONTEXT and friends are newer */
	CHECK_EQ(call_vmid(0x56000031, 0x80), RM_UNIMPLEMENTED);
	CHECK_EQ(call_vmid(0x56000033, 0x80), RM_UNIMPLEMENTED);
}

static void exact_lengths(void)
{
	static const struct {
		u32 id;
		u32 len;
	} fixed[] = {
		{ VM_ALLOCATE, 4 }, { VM_DEALLOCATE, 4 }, { VM_START, 4 },
		{ VM_STOP, 8 }, { VM_RESET, 4 }, { VM_CONFIG_IMAGE, 40 },
		{ VM_INIT, 4 }, { VM_GET_STATE, 4 }, { VM_GET_HYP_RESOURCES, 4 },
		{ VM_GET_VMID, 0 }, { VM_HOST_GET_TYPE, 0 }, { MEM_RECLAIM, 8 },
	};
	u8 zeros[64] = { 0 };

	host_boot();
	for (u32 i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		CHECK_EQ(call(fixed[i].id, zeros, fixed[i].len + 1), RM_MSG_INVALID);
		if (fixed[i].len)
			CHECK_EQ(call(fixed[i].id, zeros, fixed[i].len - 1),
				 RM_MSG_INVALID);
	}
	CHECK_EQ(call(MEM_LEND, zeros, 7), RM_MSG_INVALID);
	CHECK_EQ(call(MEM_APPEND, zeros, 7), RM_MSG_INVALID);
	CHECK_EQ(call(VM_AUTH_IMAGE, zeros, 3), RM_MSG_INVALID);
	zeros[2] = 1;
	CHECK_EQ(call(VM_AUTH_IMAGE, zeros, 4), RM_MSG_INVALID);
	CHECK_EQ(call(VM_INIT, zeros, 4), RM_MSG_INVALID);
}

static void reserved_byte(u32 n)
{
	/* a create with one entry in each of its three lists */
	enum { ACL = 8, SGL = ACL + 8, ATTR = SGL + 20, END = ATTR + 8 };
	static const struct {
		u32 id;
		u32 len;
		u32 at;
		u8 value;
	} bytes[] = {
		{ VM_ALLOCATE, 4, 2, 1 }, { VM_ALLOCATE, 4, 3, 0x80 },
		{ VM_DEALLOCATE, 4, 2, 1 }, { VM_START, 4, 3, 1 },
		{ VM_STOP, 8, 2, 2 }, { VM_STOP, 8, 2, 0x80 }, { VM_STOP, 8, 3, 1 },
		{ VM_RESET, 4, 2, 1 }, { VM_GET_STATE, 4, 2, 1 },
		{ VM_GET_HYP_RESOURCES, 4, 3, 1 },
		{ MEM_RECLAIM, 8, 4, 2 }, { MEM_RECLAIM, 8, 5, 1 },
		{ MEM_RECLAIM, 8, 6, 1 }, { MEM_RECLAIM, 8, 7, 1 },
		{ MEM_APPEND, 28, 4, 2 }, { MEM_APPEND, 28, 5, 1 },
		{ MEM_APPEND, 28, 7, 1 }, { MEM_APPEND, 28, 10, 1 },
		{ MEM_LEND, END, 1, 1 }, { MEM_LEND, END, 2, 4 },
		{ MEM_LEND, END, 3, 1 }, { MEM_LEND, END, ACL + 2, 1 },
		{ MEM_LEND, END, ACL + 7, 1 }, { MEM_LEND, END, SGL + 3, 1 },
		{ MEM_LEND, END, ATTR + 2, 1 }, { MEM_SHARE, END, ACL + 7, 1 },
		{ MEM_DONATE, END, ATTR + 3, 1 },
	};
	const u32 len = bytes[n].len;
	u8 msg[END] = { 0 };

	host_boot();
	if (bytes[n].id == MEM_APPEND) {
		put16(msg + 8, 1);
	} else if (len == END) {
		put16(msg + ACL, 1);
		put16(msg + SGL, 1);
		put16(msg + ATTR, 1);
	}
	/* without it, the call gets as far as its own checks */
	if (bytes[n].id != VM_DEALLOCATE && bytes[n].id != VM_RESET)
		CHECK(call(bytes[n].id, msg, len) != RM_MSG_INVALID);
	msg[bytes[n].at] = bytes[n].value;
	CHECK(VIOLATES(call(bytes[n].id, msg, len)));
	CHECK(strstr(fake_violation, "reserved") || strstr(fake_violation, "flags"));
	if (n + 1 < sizeof(bytes) / sizeof(bytes[0]))
		CHECK(in_child(reserved_byte, n + 1));
}

static void reserved_bytes(void)
{
	CHECK(in_child(reserved_byte, 0));
}

static struct create big_lend(u16 vmid)
{
	static struct create c;

	c.n_acl = 1;
	c.acl[0] = (struct acl){ vmid, 7, 0 };
	c.n_sgl = 512;
	for (u32 i = 0; i < 600; i++)
		c.sgl[i] = (struct sgl){ IMAGE_IPA + i * 0x2000UL, 0x1000 };
	return c;
}

static void long_request(void)
{
	struct create c;
	u32 handle;

	host_boot();
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	c = big_lend(0x80);
	tx_waits = 0;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), 0);
	/* 36 packets through a queue of 8 */
	CHECK(tx_waits >= 3);
	CHECK_EQ(parcel_pages(), 512);
	CHECK_EQ(reclaim(handle), 0);
	c.n_sgl = 513;
	CHECK_EQ(mem_call(MEM_LEND, &c, &handle), RM_NORESOURCE);
}

static void packet(u8 *p, u8 type, u8 count, u16 seq, u32 id)
{
	memset(p, 0, 240);
	p[0] = 0x21;
	p[1] = (u8)(type | count << 2);
	put16(p + 2, seq);
	put32(p + 4, id);
}

static void fragment_mismatch(void)
{
	u8 p[240];
	bool not_full;

	host_boot();
	n_replies = 0;

	/* continuations of nothing, of another seq, id, count */
	packet(p, 0, 1, 1, VM_GET_STATE);
	host_packet(p, 12, &not_full);
	packet(p, 1, 1, 2, 0x51000099);
	host_packet(p, 240, &not_full);
	packet(p, 0, 1, 3, 0x51000099);
	host_packet(p, 12, &not_full);
	packet(p, 0, 1, 2, 0x51000098);
	host_packet(p, 12, &not_full);
	packet(p, 0, 2, 2, 0x51000099);
	host_packet(p, 12, &not_full);
	host_run(10000);
	CHECK_EQ(n_replies, 0);
	packet(p, 0, 1, 2, 0x51000099);
	host_packet(p, 12, &not_full);
	host_run(10000);
	CHECK_EQ(n_replies, 1);
	CHECK_EQ(reply_seq, 2);

	/* a new message throws an incomplete one away */
	packet(p, 1, 2, 4, 0x51000099);
	host_packet(p, 240, &not_full);
	packet(p, 1, 0, 5, VM_GET_VMID);
	host_packet(p, 8, &not_full);
	packet(p, 0, 2, 4, 0x51000099);
	host_packet(p, 240, &not_full);
	host_packet(p, 12, &not_full);
	host_run(10000);
	CHECK_EQ(n_replies, 2);
	CHECK_EQ(reply_seq, 5);

	/* too short, another version, replies and notifications */
	packet(p, 1, 0, 6, VM_GET_VMID);
	host_packet(p, 7, &not_full);
	p[0] = 0x22;
	host_packet(p, 8, &not_full);
	p[0] = 0x11;
	host_packet(p, 8, &not_full);
	packet(p, 2, 0, 6, VM_GET_VMID);
	host_packet(p, 8, &not_full);
	packet(p, 3, 0, 6, VM_GET_VMID);
	host_packet(p, 8, &not_full);
	host_run(10000);
	CHECK_EQ(n_replies, 2);
	packet(p, 1, 0, 6, VM_GET_VMID);
	host_packet(p, 8, &not_full);
	host_run(10000);
	CHECK_EQ(n_replies, 3);
}

static void short_packet_in_train(void)
{
	u8 p[240];
	bool not_full;

	host_boot();
	packet(p, 1, 2, 1, VM_GET_STATE);
	host_packet(p, 239, &not_full);
	CHECK(VIOLATES(host_run(10000)));
	CHECK(strstr(fake_violation, "0x56000017"));
}

static void too_many_continuations(void)
{
	u8 p[240];
	bool not_full;

	host_boot();
	packet(p, 1, 63, 1, 0x51000099);
	host_packet(p, 240, &not_full);
	CHECK(VIOLATES(host_run(10000)));
	CHECK(strstr(fake_violation, "63 continuations"));
}

static void longest_request(void)
{
	static u8 data[64 * 232];

	host_boot();
	CHECK_EQ(call(0x51000099, data, 63 * 232), RM_UNIMPLEMENTED);
	CHECK_EQ(call(0x51000099, data, 232), RM_UNIMPLEMENTED);
	CHECK_EQ(call(0x51000099, data, 233), RM_UNIMPLEMENTED);
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
}

static void long_reply(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.cpus = 8;
	dt.doorbells = 32;
	s = vm_ready(&dt);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(reply_len, 4 + 40 * 44);
	CHECK_EQ(reply_packets, (8 + 40 * 44 + 231) / 232);
	CHECK_EQ(get32(reply_data), 40);
	/* labels of the last vCPU and of the last doorbell */
	CHECK_EQ(get32(reply_data + 4 + 7 * 44 + 8), 7);
	CHECK_EQ(get32(reply_data + 4 + 39 * 44 + 8), 131);
}

static void overlapped_requests(void)
{
	u64 dropped;

	host_boot();
	n_replies = 0;
	for (u32 i = 0; i < 40; i++) {
		u8 p[240];
		bool not_full;

		packet(p, 1, 0, (u16)i, VM_GET_VMID);
		while (host_packet(p, 8, &not_full) == ERR_MSGQUEUE_FULL)
			host_run_deaf(50);
	}
	host_run_deaf(100000);
	dropped = rpc_stats()->dropped_replies;
	CHECK_EQ(dropped, 30);
	host_run(100000);
	/* 8 in the queue, one on its way, one pending */
	CHECK_EQ(n_replies, 10);
	CHECK_EQ(reply_seq, 39);
	/* and all is well afterwards */
	CHECK_EQ(call(VM_GET_VMID, NULL, 0), 0);
}

static void reply_overtakes(void)
{
	host_boot();
	/* 8 in the queue, 1 on its way, 11 pending */
	CHECK_EQ(rm_debug(9, 20, 0x51100099), 0);
	host_send(VM_GET_VMID, 1, NULL, 0);
	host_run_deaf(10000);
	CHECK_EQ(n_replies, 0);
	host_run(10000);
	CHECK_EQ(n_replies, 1);
	CHECK_EQ(n_notes, 20);
	CHECK_EQ(reply_order, 10);
	for (u32 i = 0; i < 20; i++) {
		CHECK_EQ(notes[i].id, 0x51100099);
		CHECK_EQ(notes[i].seq, i);
	}
}

static void oldest_notification_dropped(void)
{
	host_boot();
	CHECK_EQ(rm_debug(9, 9 + 256 + 5, 0x51100099), 0);
	CHECK_EQ(rpc_stats()->dropped_notifications, 5);
	host_run(100000);
	CHECK_EQ(n_notes, 9 + 256);
	CHECK_EQ(notes[8].seq, 8);
	CHECK_EQ(notes[9].seq, 14);
	CHECK_EQ(notes[264].seq, 269);
}

static void rx_interrupt_only_when_empty(void)
{
	u32 before;

	host_boot();
	before = fake_virqs[1];
	CHECK_EQ(rm_debug(9, 6, 0x51100099), 0);
	CHECK_EQ(fake_virqs[1], before + 1);
	host_drain();
	CHECK_EQ(n_notes, 6);
}

static void status_before_reply(void)
{
	struct setup s;
	u32 from;

	host_boot();
	s = vm_configured(&good_dt);
	CHECK(find_status(s.vmid, VM_STATE_INIT, 0)->order < reply_order);
	from = n_notes;
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK(find_status(s.vmid, VM_STATE_READY, from)->order < reply_order);
	from = n_notes;
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	CHECK(find_status(s.vmid, VM_STATE_RUNNING, from)->order < reply_order);
	from = n_notes;
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK(find_status(s.vmid, VM_STATE_EXITED, from)->order <
	      find_note(VM_EXITED, from)->order);
	CHECK(find_note(VM_EXITED, from)->order < reply_order);
}

const struct test rpc_tests[] = {
	{ "rpc_simple_calls", simple_calls },
	{ "rpc_unknown_call", unknown_call },
	{ "rpc_exact_lengths", exact_lengths },
	{ "rpc_reserved_bytes", reserved_bytes },
	{ "rpc_long_request", long_request },
	{ "rpc_fragment_mismatch", fragment_mismatch },
	{ "rpc_short_packet_in_train", short_packet_in_train },
	{ "rpc_too_many_continuations", too_many_continuations },
	{ "rpc_longest_request", longest_request },
	{ "rpc_long_reply", long_reply },
	{ "rpc_overlapped_requests", overlapped_requests },
	{ "rpc_reply_overtakes", reply_overtakes },
	{ "rpc_oldest_notification_dropped", oldest_notification_dropped },
	{ "rpc_rx_interrupt_only_when_empty", rx_interrupt_only_when_empty },
	{ "rpc_status_before_reply", status_before_reply },
	{ }
};

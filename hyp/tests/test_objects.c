// SPDX-License-Identifier: GPL-2.0-only
/* Capability spaces, message queues, doorbells. */
#include "test.h"

static void cspace_zero(void)
{
	int object;
	void *found = NULL;
	u64 id[70];

	cspace_init(true, 0, 0);
	for (u32 i = 0; i < 70; i++)
		CHECK(cap_create(CAP_VCPU, 1, &object, &id[i]));
	CHECK_EQ(id[0], 0);
	CHECK_EQ(id[1], 1);
	CHECK_EQ(id[63], 63);
	/* the second table */
	CHECK_EQ(id[64], 0x100);
	CHECK_EQ(cap_count(), 70);
	CHECK_EQ(cap_lookup(0, CAP_VCPU, 1, &found), 0);
	CHECK(found == &object);
	CHECK_EQ(cap_lookup(99, CAP_VCPU, 1, &found), 1);
	CHECK_EQ(cap_lookup(~0UL, CAP_VCPU, 1, &found), 1);
	CHECK_EQ(cap_lookup(0x1000, CAP_VCPU, 1, &found), 1);
	CHECK_EQ(cap_lookup(0x106, CAP_VCPU, 1, &found), 50);
}

static void cspace_errors(void)
{
	int object;
	void *found = NULL;
	u64 id;

	cspace_init(false, 0x123456789abcdef0, 0x4321);
	CHECK(cap_create(CAP_DOORBELL, CAP_RIGHT_BELL_SEND, &object, &id));
	CHECK_EQ(cap_lookup(id, CAP_DOORBELL, CAP_RIGHT_BELL_SEND, &found), 0);
	CHECK(found == &object);
	CHECK_EQ(cap_lookup(id, CAP_MSGQUEUE, CAP_RIGHT_BELL_SEND, &found), 52);
	CHECK_EQ(cap_lookup(id, CAP_DOORBELL, CAP_RIGHT_BELL_RECV, &found), 53);
	CHECK_EQ(cap_lookup(id, CAP_DOORBELL, 3, &found), 53);
	CHECK_EQ(cap_lookup(id + 1, CAP_DOORBELL, 1, &found), 1);
	CHECK_EQ(cap_lookup((u32)id, CAP_DOORBELL, 1, &found), 1);
	CHECK_EQ(cap_lookup(id + 0x4321, CAP_DOORBELL, 1, &found), 50);
	cap_disable(id, ERR_OBJECT_STATE);
	CHECK_EQ(cap_lookup(id, CAP_DOORBELL, 1, &found), 33);
	/* type and rights come first */
	CHECK_EQ(cap_lookup(id, CAP_VCPU, 1, &found), 52);
	cap_disable(id, ERR_CAP_REVOKED);
	CHECK_EQ(cap_lookup(id, CAP_VCPU, 1, &found), 51);
	CHECK_EQ(cap_count(), 1);
	cap_delete(id);
	CHECK_EQ(cap_lookup(id, CAP_DOORBELL, 1, &found), 50);
	CHECK_EQ(cap_count(), 0);
}

static void fill(u64 base)
{
	int object;
	u64 id, last = 0;

	cspace_init(false, base, 0xffff);
	for (u32 i = 0; i < 1024; i++) {
		CHECK(cap_create(CAP_VCPU, 1, &object, &id));
		CHECK(id < 0xffffff0000000000UL);
		CHECK(id > 0xffffffffUL);
		CHECK(i == 0 || id > last);
		last = id;
	}
	CHECK(!cap_create(CAP_VCPU, 1, &object, &id));
	cap_delete(last);
	CHECK(cap_create(CAP_VCPU, 1, &object, &id));
	CHECK_EQ(id, last);
}

static void cspace_full(void)
{
	fill(~0UL);
	/* ids that would grow into the forbidden range */
	fill(0xfffffeffffffffff);
	fill(0xffffff0000000000 - 0x1000 * 0xffffUL);
	fill(0x100000000);
}

static void cspace_scrambled_at_boot(void)
{
	u64 tx[2], rx[2];

	host_boot();
	rpc_host_caps(&tx[0], &rx[0]);
	host_boot();
	rpc_host_caps(&tx[1], &rx[1]);
	CHECK(tx[0] != tx[1]);
	CHECK(tx[0] > 0xffffffffUL && rx[0] > 0xffffffffUL);
	fake_option("capids", "zero");
	host_boot();
	rpc_host_caps(&tx[0], &rx[0]);
	CHECK_EQ(tx[0], 0);
	CHECK_EQ(rx[0], 1);
}

static void msgqueue_virqs(void)
{
	struct msgqueue *q = msgqueue_create(970, 971);
	u8 buf[240], msg[240];
	bool more, not_full;
	size_t size;

	for (u32 i = 0; i < 8; i++) {
		memset(msg, (int)i, sizeof(msg));
		CHECK_EQ(msgqueue_send(q, msg, 100 + i, false, &not_full), 0);
		CHECK_EQ(not_full, i < 7);
		/* only 0 -> 1 */
		CHECK_EQ(fake_virqs[11], 1);
	}
	CHECK_EQ(msgqueue_send(q, msg, 1, true, &not_full), 61);
	CHECK(!not_full);
	CHECK_EQ(fake_virqs[11], 1);
	CHECK_EQ(fake_virqs[10], 0);
	for (u32 i = 0; i < 8; i++) {
		size = sizeof(buf);
		CHECK_EQ(msgqueue_receive(q, buf, &size, &more), 0);
		CHECK_EQ(size, 100 + i);
		CHECK_EQ(buf[99], i);
		CHECK_EQ(more, i < 7);
		/* only 8 -> 7 */
		CHECK_EQ(fake_virqs[10], 1);
	}
	size = sizeof(buf);
	CHECK_EQ(msgqueue_receive(q, buf, &size, &more), 60);
	CHECK(!more);

	/* push raises it each time */
	for (u32 i = 0; i < 3; i++)
		CHECK_EQ(msgqueue_send(q, msg, 240, true, &not_full), 0);
	CHECK_EQ(fake_virqs[11], 4);
	CHECK_EQ(fake_virqs[10], 1);
}

static void msgqueue_silent_ok(void)
{
	struct msgqueue *q = msgqueue_create(970, 971);
	u8 buf[241] = { 0 };
	bool more, not_full = false;
	size_t size = 8;

	CHECK_EQ(msgqueue_send(q, buf, 0, true, &not_full), 0);
	CHECK(not_full);
	CHECK_EQ(msgqueue_send(q, buf, 241, true, &not_full), 0);
	CHECK(msgqueue_empty(q));
	CHECK_EQ(fake_virqs[11], 0);

	CHECK_EQ(msgqueue_send(q, buf, 16, false, &not_full), 0);
	CHECK_EQ(msgqueue_receive(q, buf, &size, &more), 0);
	CHECK_EQ(size, 0);
	CHECK(more);
	size = 16;
	CHECK_EQ(msgqueue_receive(q, buf, &size, &more), 0);
	CHECK_EQ(size, 16);
	CHECK(!more);
}

static void msgqueue_rights(void)
{
	u8 buf[240] = { 0 };
	u64 tx, rx;
	size_t size = sizeof(buf);
	bool flag = true;

	host_boot();
	rpc_host_caps(&tx, &rx);
	CHECK_EQ(msgqueue_hyp_send(rx, buf, 8, false, &flag), 53);
	CHECK_EQ(msgqueue_hyp_recv(tx, buf, &size, &flag), 53);
	CHECK_EQ(size, 0);
	size = sizeof(buf);
	CHECK_EQ(msgqueue_hyp_recv(rx, buf, &size, &flag), 60);
}

static struct guest guest;

static void doorbell_flags(void)
{
	struct doorbell *d = doorbell_create(&guest, 50);
	u64 id, old;

	cspace_init(false, 0x1000000000, 5);
	CHECK(cap_create(CAP_DOORBELL, 3, d, &id));
	CHECK_EQ(doorbell_hyp_send(id, 1UL << 32, &old), 0);
	CHECK_EQ(old, 0);
	CHECK(guest.level[50]);
	CHECK_EQ(doorbell_hyp_send(id, 2, &old), 0);
	CHECK_EQ(old, 1UL << 32);
	CHECK_EQ(doorbell_hyp_receive(id, 0, &old), 1);
	CHECK_EQ(doorbell_hyp_receive(id, 1UL << 32, &old), 0);
	CHECK_EQ(old, (1UL << 32) | 2);
	CHECK(guest.level[50]);
	CHECK_EQ(doorbell_hyp_receive(id, ~0UL, &old), 0);
	CHECK_EQ(old, 2);
	CHECK(!guest.level[50]);
	CHECK_EQ(guest.pulses[50], 0);

	/* flags that nobody enabled make an edge only, until they are enabled */
	CHECK_EQ(doorbell_hyp_mask(id, 4, 0), 0);
	CHECK_EQ(doorbell_hyp_send(id, 8, &old), 0);
	CHECK(!guest.level[50]);
	CHECK_EQ(guest.pulses[50], 1);
	CHECK_EQ(doorbell_hyp_mask(id, 8, 0), 0);
	CHECK(guest.level[50]);
	CHECK_EQ(doorbell_hyp_reset(id), 0);
	CHECK(!guest.level[50]);

	/* all flags ack themselves: each send is one interrupt */
	CHECK_EQ(doorbell_hyp_mask(id, 1UL << 32, ~0UL), 0);
	CHECK_EQ(doorbell_hyp_send(id, 1UL << 32, &old), 0);
	CHECK_EQ(doorbell_hyp_send(id, 1UL << 32, &old), 0);
	CHECK_EQ(old, 0);
	CHECK_EQ(guest.pulses[50], 3);
	CHECK(!guest.level[50]);
}

static void doorbell_rights(void)
{
	struct doorbell *d = doorbell_create(&guest, 50);
	u64 id, old;

	cspace_init(false, 0x1000000000, 5);
	CHECK(cap_create(CAP_DOORBELL, CAP_RIGHT_BELL_SEND, d, &id));
	CHECK_EQ(doorbell_hyp_send(id, 1, &old), 0);
	CHECK_EQ(doorbell_hyp_receive(id, 1, &old), 53);
	CHECK_EQ(doorbell_hyp_reset(id), 53);
	CHECK_EQ(doorbell_hyp_mask(id, 1, 1), 53);
}

const struct test object_tests[] = {
	{ "cspace_zero", cspace_zero },
	{ "cspace_errors", cspace_errors },
	{ "cspace_full", cspace_full },
	{ "cspace_scrambled_at_boot", cspace_scrambled_at_boot },
	{ "msgqueue_virqs", msgqueue_virqs },
	{ "msgqueue_silent_ok", msgqueue_silent_ok },
	{ "msgqueue_rights", msgqueue_rights },
	{ "doorbell_flags", doorbell_flags },
	{ "doorbell_rights", doorbell_rights },
	{ }
};

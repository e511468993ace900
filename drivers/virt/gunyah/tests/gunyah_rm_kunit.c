// SPDX-License-Identifier: GPL-2.0-only
/*
 * Remote procedure calls to a resource manager that is only a few functions
 *
 * The tests replace the hypercalls of the message queues.  A complete request
 * is answered before the hypercall that sent its last packet returns, as if the
 * receive interrupt had been handled by another CPU meanwhile.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <kunit/test-bug.h>

#include <linux/bitfield.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/gunyah.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/workqueue.h>

#include "../gunyah_platform_hooks.h"
#include "../rsc_mgr.h"
#include "../rsc_mgr_priv.h"

#define TEST_TX_CAPID		0
#define TEST_RX_CAPID		0xfedcba9876543210
#define TEST_MESSAGE_ID		0x56000099
#define TEST_VMID		0x80

struct packet {
	u8 data[GH_RM_PACKET_SIZE];
	size_t size;
};

/**
 * struct fake_rm - The other end of the queues
 * @rm: what is tested
 * @answer: called with each complete request, queues packets
 * @request: payload of the request
 * @request_size: size of @request in bytes
 * @request_packets: how many packets the request had
 * @requests: how many requests there have been
 * @message_id: number of the call
 * @seq: sequence number of the request
 * @arg: for @answer
 * @arg_size: for @answer
 * @full: how often the queue to RM is full before it takes a packet
 * @full_from: packets of a request that fit into the queue before it is full
 * @stuck: the interrupt which says that there is room again does not come
 * @room: that interrupt
 * @last_flags: flags of the last packet
 * @recv_calls: how often a message was asked for
 * @rx: packets for the host
 * @rx_head: next one to be read
 * @rx_tail: next one to be written
 * @nb: notifier
 * @notifications: how often @nb was called
 * @action: last action of @nb
 * @payload: last payload of @nb
 */
struct fake_rm {
	struct gh_rm *rm;
	void (*answer)(struct fake_rm *fake);
	u8 request[GH_RM_MAX_MSG_SIZE];
	size_t request_size;
	unsigned int request_packets;
	unsigned int requests;
	u32 message_id;
	u16 seq;
	const void *arg;
	size_t arg_size;
	unsigned int full;
	unsigned int full_from;
	bool stuck;
	struct delayed_work room;
	u64 last_flags;
	unsigned int recv_calls;
	struct packet rx[2 * (GH_RM_MAX_FRAGMENTS + 1)];
	unsigned int rx_head;
	unsigned int rx_tail;
	struct notifier_block nb;
	unsigned int notifications;
	unsigned long action;
	u8 payload[512];
};

static u8 test_pattern[GH_RM_MAX_MSG_SIZE + 1];

static void fake_queue_raw(struct fake_rm *fake, const void *data, size_t size)
{
	struct packet *packet = &fake->rx[fake->rx_tail++];

	memcpy(packet->data, data, min(size, sizeof(packet->data)));
	packet->size = size;
}

static void fake_queue_packet(struct fake_rm *fake, unsigned int type, unsigned int fragments,
			      u16 seq, u32 message_id, const void *payload, size_t size)
{
	u8 data[GH_RM_PACKET_SIZE];
	struct gh_rm_packet_header header = {
		.api = GH_RM_PACKET_API,
		.type_fragments = FIELD_PREP(GH_RM_PACKET_TYPE_MASK, type) |
				  FIELD_PREP(GH_RM_PACKET_FRAGMENTS_MASK, fragments),
		.seq = cpu_to_le16(seq),
		.message_id = cpu_to_le32(message_id),
	};

	memcpy(data, &header, sizeof(header));
	if (size)
		memcpy(data + sizeof(header), payload, size);
	fake_queue_raw(fake, data, sizeof(header) + size);
}

static void fake_queue(struct fake_rm *fake, unsigned int type, u16 seq, u32 message_id,
		       const void *payload, size_t size)
{
	unsigned int fragments = size ? (size - 1) / GH_RM_MAX_PAYLOAD : 0;
	size_t part;

	do {
		part = min(size, GH_RM_MAX_PAYLOAD);
		fake_queue_packet(fake, type, fragments, seq, message_id, payload, part);
		payload += part;
		size -= part;
		type = GH_RM_PACKET_CONTINUATION;
	} while (size);
}

static void fake_reply(struct fake_rm *fake, u32 rm_error, const void *data, size_t size)
{
	u8 *payload = kmalloc(sizeof(__le32) + size, GFP_KERNEL);

	if (!payload)
		return;

	put_unaligned_le32(rm_error, payload);
	if (size)
		memcpy(payload + sizeof(__le32), data, size);
	fake_queue(fake, GH_RM_PACKET_REPLY, fake->seq, fake->message_id, payload,
		   sizeof(__le32) + size);
	kfree(payload);
}

static enum gh_error fake_send(u64 capid, size_t size, const void *buff, u64 tx_flags,
			       bool *ready)
{
	struct kunit *test = kunit_get_current_test();
	const struct gh_rm_packet_header *header = buff;
	struct fake_rm *fake = test->priv;
	unsigned int fragments, type;
	size_t payload;

	KUNIT_EXPECT_EQ(test, capid, TEST_TX_CAPID);
	KUNIT_ASSERT_GE(test, size, sizeof(*header));
	KUNIT_ASSERT_LE(test, size, GH_RM_PACKET_SIZE);

	if (fake->full && fake->request_packets >= fake->full_from) {
		fake->full--;
		*ready = false;
		if (!fake->stuck)
			schedule_delayed_work(&fake->room, 1);
		return GH_ERROR_MSGQUEUE_FULL;
	}

	payload = size - sizeof(*header);
	type = FIELD_GET(GH_RM_PACKET_TYPE_MASK, header->type_fragments);
	fragments = FIELD_GET(GH_RM_PACKET_FRAGMENTS_MASK, header->type_fragments);
	KUNIT_EXPECT_EQ(test, header->api, 0x21);

	if (!fake->request_packets) {
		KUNIT_EXPECT_EQ(test, type, GH_RM_PACKET_REQUEST);
		fake->message_id = le32_to_cpu(header->message_id);
		fake->seq = le16_to_cpu(header->seq);
		fake->request_size = 0;
	} else {
		KUNIT_EXPECT_EQ(test, type, GH_RM_PACKET_CONTINUATION);
		KUNIT_EXPECT_EQ(test, fake->message_id, le32_to_cpu(header->message_id));
		KUNIT_EXPECT_EQ(test, fake->seq, le16_to_cpu(header->seq));
	}

	KUNIT_ASSERT_LE(test, fake->request_size + payload, sizeof(fake->request));
	memcpy(fake->request + fake->request_size, header + 1, payload);
	fake->request_size += payload;
	fake->last_flags = tx_flags;
	*ready = true;

	if (fake->request_packets++ < fragments) {
		KUNIT_EXPECT_EQ(test, payload, GH_RM_MAX_PAYLOAD);
		return GH_ERROR_OK;
	}

	fake->requests++;
	fake->answer(fake);
	fake->request_packets = 0;
	gh_rm_drain(fake->rm);

	return GH_ERROR_OK;
}

static enum gh_error fake_recv(u64 capid, void *buff, size_t size, size_t *recv_size,
			       bool *ready)
{
	struct kunit *test = kunit_get_current_test();
	struct fake_rm *fake = test->priv;
	struct packet *packet;

	KUNIT_EXPECT_EQ(test, capid, TEST_RX_CAPID);
	KUNIT_EXPECT_GE(test, size, GH_RM_PACKET_SIZE);
	fake->recv_calls++;
	*recv_size = 0;
	*ready = false;

	if (fake->rx_head == fake->rx_tail)
		return GH_ERROR_MSGQUEUE_EMPTY;

	packet = &fake->rx[fake->rx_head];
	/* A message that can't be copied stays where it is */
	if (!packet->size) {
		*ready = true;
		return GH_ERROR_OK;
	}

	memcpy(buff, packet->data, min(size, sizeof(packet->data)));
	*recv_size = packet->size;
	fake->rx_head++;
	*ready = fake->rx_head != fake->rx_tail;
	if (!*ready) {
		fake->rx_head = 0;
		fake->rx_tail = 0;
	}

	return GH_ERROR_OK;
}

static void answer_ok(struct fake_rm *fake)
{
	fake_reply(fake, GH_RM_ERROR_OK, NULL, 0);
}

static void answer_data(struct fake_rm *fake)
{
	fake_reply(fake, GH_RM_ERROR_OK, fake->arg, fake->arg_size);
}

static void answer_error(struct fake_rm *fake)
{
	fake_reply(fake, *(const u32 *)fake->arg, NULL, 0);
}

static void answer_nothing_good(struct fake_rm *fake)
{
	fake_queue_raw(fake, "", 0);
}

static long counter(struct fake_rm *fake, enum gh_rm_counter i)
{
	return atomic_long_read(&fake->rm->counters[i]);
}

static long all_counters(struct fake_rm *fake)
{
	long sum = 0;
	int i;

	for (i = 0; i < GH_RM_NR_COUNTERS; i++)
		sum += counter(fake, i);

	return sum;
}

static int fake_notified(struct notifier_block *nb, unsigned long action, void *data)
{
	struct fake_rm *fake = container_of(nb, struct fake_rm, nb);

	fake->notifications++;
	fake->action = action;
	memcpy(fake->payload, data, sizeof(struct gh_rm_vm_status_payload));

	return NOTIFY_DONE;
}

static void fake_room(struct work_struct *work)
{
	struct fake_rm *fake = container_of(to_delayed_work(work), struct fake_rm, room);

	complete(&fake->rm->tx_not_full);
}

static void fake_exit(void *data)
{
	struct fake_rm *fake = data;

	cancel_delayed_work_sync(&fake->room);
}

static int gh_rm_test_init(struct kunit *test)
{
	struct fake_rm *fake;
	struct device *dev;
	size_t i;
	int ret;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	if (!fake)
		return -ENOMEM;

	dev = kunit_device_register(test, "gunyah-rm-test");
	if (IS_ERR(dev))
		return PTR_ERR(dev);

	fake->rm = gh_rm_alloc(dev, TEST_TX_CAPID, TEST_RX_CAPID);
	if (!fake->rm)
		return -ENOMEM;

	for (i = 0; i < sizeof(test_pattern); i++)
		test_pattern[i] = i * 7 + i / 232;

	fake->answer = answer_ok;
	test->priv = fake;
	kunit_activate_static_stub(test, gh_hypercall_msgq_send, fake_send);
	kunit_activate_static_stub(test, gh_hypercall_msgq_recv, fake_recv);

	INIT_DELAYED_WORK(&fake->room, fake_room);
	ret = kunit_add_action_or_reset(test, fake_exit, fake);
	if (ret)
		return ret;

	fake->nb.notifier_call = fake_notified;

	return gh_rm_notifier_register(fake->rm, &fake->nb);
}

struct gh_rm_error_case {
	u32 error;
	int expected;
	const char *name;
};

static const struct gh_rm_error_case gh_rm_error_cases[] = {
	{ 0x00, 0, "ok" },
	{ 0xffffffff, -EOPNOTSUPP, "unimplemented" },
	{ 0x01, -ENOMEM, "no memory" },
	{ 0x02, -ENODEV, "no resource" },
	{ 0x03, -EPERM, "denied" },
	{ 0x04, -EINVAL, "message invalid" },
	{ 0x05, -EBUSY, "busy" },
	{ 0x06, -EINVAL, "argument invalid" },
	{ 0x07, -EINVAL, "handle invalid" },
	{ 0x08, -EINVAL, "validation failed" },
	{ 0x09, -EINVAL, "map failed" },
	{ 0x0a, -EINVAL, "memory invalid" },
	{ 0x0b, -EBUSY, "memory in use" },
	{ 0x0c, -EINVAL, "memory released" },
	{ 0x0d, -EINVAL, "VMID invalid" },
	{ 0x0e, -EINVAL, "lookup failed" },
	{ 0x0f, -EINVAL, "interrupt invalid" },
	{ 0x10, -EBUSY, "interrupt in use" },
	{ 0x11, -EINVAL, "interrupt released" },
	{ 0x12, -EBUSY, "in use" },
	{ 0x13, -EINVAL, "interrupt not mapped" },
	{ 0x14, -EBUSY, "VM state" },
	{ 0x15, -EIO, "unknown" },
	{ 0x80000000, -EIO, "unknown large" },
	{ 0xfffffffe, -EIO, "unknown negative" },
};

KUNIT_ARRAY_PARAM_DESC(gh_rm_error, gh_rm_error_cases, name);

static void gh_rm_error_maps_to_errno(struct kunit *test)
{
	const struct gh_rm_error_case *c = test->param_value;
	__le16 req[2] = { cpu_to_le16(TEST_VMID) };
	struct fake_rm *fake = test->priv;

	KUNIT_EXPECT_EQ(test, gh_rm_remap_error(c->error), c->expected);

	fake->answer = answer_error;
	fake->arg = &c->error;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, req, sizeof(req), NULL, NULL),
			c->expected);
	KUNIT_EXPECT_EQ(test, all_counters(fake), 0);
}

static const size_t gh_rm_sizes[] = {
	0, 1, 4, 228, 229, 231, 232, 233, 464, 465, 8216, 14611, 14612, 14613, 14616,
};

static void gh_rm_size_desc(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu", *size);
}

KUNIT_ARRAY_PARAM(gh_rm_size, gh_rm_sizes, gh_rm_size_desc);

static void gh_rm_request_is_split(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct fake_rm *fake = test->priv;
	int ret;

	ret = gh_rm_call(fake->rm, TEST_MESSAGE_ID, test_pattern, size, NULL, NULL);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, fake->requests, 1);
	KUNIT_EXPECT_EQ(test, fake->message_id, TEST_MESSAGE_ID);
	KUNIT_EXPECT_EQ(test, fake->last_flags, GH_HYPERCALL_MSGQ_TX_FLAGS_PUSH);
	KUNIT_ASSERT_EQ(test, fake->request_size, size);
	KUNIT_EXPECT_MEMEQ(test, fake->request, test_pattern, size);
}

static void gh_rm_reply_is_joined(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct fake_rm *fake = test->priv;
	size_t resp_size;
	void *resp;
	int ret;

	if (size > GH_RM_MAX_REPLY_SIZE)
		kunit_skip(test, "a reply is not that large");

	fake->answer = answer_data;
	fake->arg = test_pattern;
	fake->arg_size = size;

	ret = gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, &resp, &resp_size);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, resp_size, size);
	if (size)
		KUNIT_EXPECT_MEMEQ(test, resp, test_pattern, size);
	else
		KUNIT_EXPECT_NULL(test, resp);
	KUNIT_EXPECT_EQ(test, all_counters(fake), 0);
	kfree(resp);
}

static void gh_rm_request_too_large(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, test_pattern,
					 GH_RM_MAX_MSG_SIZE + 1, NULL, NULL), -E2BIG);
	KUNIT_EXPECT_EQ(test, fake->request_packets, 0);
}

static void gh_rm_full_queue(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	fake->full = 3;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, test_pattern, 1000,
					 NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->full, 0);
	KUNIT_EXPECT_EQ(test, fake->request_size, 1000);
}

static unsigned long one_jiffy_left(unsigned long deadline)
{
	return 1;
}

/* Nobody reads the queue for a minute, though the test does not take as long */
static void gh_rm_queue_stays_full(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	kunit_activate_static_stub(test, gh_rm_time_left, one_jiffy_left);
	fake->full = 1;
	fake->stuck = true;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), -EIO);
	KUNIT_EXPECT_NULL(test, fake->rm->pending);

	/* The link is not used again, also if there is room now */
	complete(&fake->rm->tx_not_full);
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, fake->request_packets, 0);
	KUNIT_EXPECT_EQ(test, fake->requests, 0);
}

static void answer_not(struct fake_rm *fake)
{
}

static void gh_rm_no_reply(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	kunit_activate_static_stub(test, gh_rm_time_left, one_jiffy_left);
	fake->answer = answer_not;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, fake->requests, 1);
	KUNIT_EXPECT_NULL(test, fake->rm->pending);

	/* Too late: the request is gone, and there will not be another */
	answer_ok(fake);
	gh_rm_drain(fake->rm);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_STRAY_REPLY), 1);
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, fake->requests, 1);
}

static void gh_rm_unexpected_data(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	fake->answer = answer_data;
	fake->arg = test_pattern;
	fake->arg_size = 4;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL),
			-EBADMSG);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_OVERSIZED), 1);
}

static void answer_short(struct fake_rm *fake)
{
	fake_queue(fake, GH_RM_PACKET_REPLY, fake->seq, fake->message_id, test_pattern, 3);
}

static void gh_rm_short_reply(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	fake->answer = answer_short;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL),
			-EBADMSG);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_SHORT), 1);
}

static void answer_with_strays(struct fake_rm *fake)
{
	fake_queue(fake, GH_RM_PACKET_REPLY, fake->seq - 1, fake->message_id, test_pattern, 4);
	fake_queue(fake, GH_RM_PACKET_REPLY, fake->seq, fake->message_id + 1, test_pattern, 4);
	answer_ok(fake);
	/* Once more, now that the call is over */
	answer_ok(fake);
}

static void gh_rm_stray_replies(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	fake->answer = answer_with_strays;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_STRAY_REPLY), 3);
}

static void answer_with_junk(struct fake_rm *fake)
{
	u32 id = fake->message_id;
	u16 seq = fake->seq;
	u8 junk[GH_RM_PACKET_SIZE] = { 0x22, GH_RM_PACKET_REPLY };

	/* Another version of the header */
	fake_queue_raw(fake, junk, sizeof(junk));
	/* A request to the host */
	fake_queue(fake, GH_RM_PACKET_REQUEST, seq, id, test_pattern, 4);
	/* More than fits into a queue entry */
	fake_queue_raw(fake, junk, GH_RM_PACKET_SIZE + 1);
	/* More packets than a message has */
	fake_queue_packet(fake, GH_RM_PACKET_REPLY, GH_RM_MAX_FRAGMENTS + 1, seq, id,
			  test_pattern, GH_RM_MAX_PAYLOAD);
	/* Nothing to continue */
	fake_queue_packet(fake, GH_RM_PACKET_CONTINUATION, 1, seq, id, test_pattern, 4);
	/* A first packet which isn't full */
	fake_queue_packet(fake, GH_RM_PACKET_REPLY, 1, seq, id, test_pattern, 4);
	/* A message whose last packet never comes ... */
	fake_queue_packet(fake, GH_RM_PACKET_REPLY, 1, seq, id, test_pattern,
			  GH_RM_MAX_PAYLOAD);
	/* ... with continuations of others */
	fake_queue_packet(fake, GH_RM_PACKET_CONTINUATION, 1, seq + 1, id, test_pattern, 4);
	fake_queue_packet(fake, GH_RM_PACKET_CONTINUATION, 1, seq, id + 1, test_pattern, 4);
	fake_queue_packet(fake, GH_RM_PACKET_CONTINUATION, 2, seq, id, test_pattern, 4);
	/* The reply, which ends the incomplete message */
	fake_reply(fake, GH_RM_ERROR_OK, test_pattern, 500);
	/* A last packet without anything in it */
	fake_queue_packet(fake, GH_RM_PACKET_NOTIFICATION, 1, seq, id, test_pattern,
			  GH_RM_MAX_PAYLOAD);
	fake_queue_packet(fake, GH_RM_PACKET_CONTINUATION, 1, seq, id, NULL, 0);
}

static void gh_rm_junk_is_dropped(struct kunit *test)
{
	struct fake_rm *fake = test->priv;
	size_t resp_size;
	void *resp;
	int ret;

	fake->answer = answer_with_junk;
	ret = gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, &resp, &resp_size);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, resp_size, 500);
	KUNIT_EXPECT_MEMEQ(test, resp, test_pattern, 500);
	kfree(resp);

	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_BAD_HEADER), 2);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_OVERSIZED), 2);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_MISFRAGMENTED), 7);
	KUNIT_EXPECT_EQ(test, all_counters(fake), 11);
}

static void gh_rm_broken_queue(struct kunit *test)
{
	struct fake_rm *fake = test->priv;

	fake->answer = answer_nothing_good;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, fake->recv_calls, 1);

	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), -EIO);
	KUNIT_EXPECT_EQ(test, fake->requests, 1);

	gh_rm_drain(fake->rm);
	KUNIT_EXPECT_EQ(test, fake->recv_calls, 1);
}

static void answer_with_status(struct fake_rm *fake)
{
	struct gh_rm_vm_status_payload status = {
		.vmid = cpu_to_le16(TEST_VMID),
		.vm_status = GH_RM_VM_STATUS_READY,
	};

	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 1, GH_RM_NOTIFICATION_VM_STATUS,
		   &status, sizeof(status));
	answer_ok(fake);
	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 2, GH_RM_NOTIFICATION_VM_STATUS,
		   &status, sizeof(status));
}

static void gh_rm_notification_before_and_after_reply(struct kunit *test)
{
	struct gh_rm_vm_status_payload status;
	struct fake_rm *fake = test->priv;

	fake->answer = answer_with_status;
	KUNIT_EXPECT_EQ(test, gh_rm_call(fake->rm, TEST_MESSAGE_ID, NULL, 0, NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->notifications, 2);
	KUNIT_EXPECT_EQ(test, fake->action, GH_RM_NOTIFICATION_VM_STATUS);

	memcpy(&status, fake->payload, sizeof(status));
	KUNIT_EXPECT_EQ(test, le16_to_cpu(status.vmid), TEST_VMID);
	KUNIT_EXPECT_EQ(test, status.vm_status, GH_RM_VM_STATUS_READY);
}

static void fake_exited(struct fake_rm *fake, size_t reason_size, size_t sent_size)
{
	u8 data[sizeof(struct gh_rm_vm_exited_payload) + 300] = {};
	struct gh_rm_vm_exited_payload *exited = (void *)data;

	exited->vmid = cpu_to_le16(TEST_VMID);
	exited->exit_reason_size = cpu_to_le32(reason_size);
	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 1, GH_RM_NOTIFICATION_VM_EXITED,
		   data, sizeof(*exited) + sent_size);
	gh_rm_drain(fake->rm);
}

static void gh_rm_notification_size(struct kunit *test)
{
	struct fake_rm *fake = test->priv;
	u8 data[8] = {};

	fake_exited(fake, 0, 0);
	fake_exited(fake, 4, 4);
	fake_exited(fake, 300, 300);
	KUNIT_EXPECT_EQ(test, fake->notifications, 3);
	KUNIT_EXPECT_EQ(test, all_counters(fake), 0);

	fake_exited(fake, 5, 4);
	fake_exited(fake, U32_MAX, 300);
	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 1, GH_RM_NOTIFICATION_VM_EXITED, data, 7);
	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 1, GH_RM_NOTIFICATION_VM_STATUS, data, 7);
	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 1, GH_RM_NOTIFICATION_VM_STATUS, NULL, 0);
	gh_rm_drain(fake->rm);
	KUNIT_EXPECT_EQ(test, fake->notifications, 3);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_SHORT), 5);

	fake_queue(fake, GH_RM_PACKET_NOTIFICATION, 1, 0x51100012, data, sizeof(data));
	gh_rm_drain(fake->rm);
	KUNIT_EXPECT_EQ(test, fake->notifications, 3);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_IGNORED_NOTIFICATION), 1);
}

/* Answers requests for a 32-bit number with the one that @arg points to */
static void answer_u32(struct fake_rm *fake)
{
	__le32 value = cpu_to_le32(*(const u32 *)fake->arg);

	fake_reply(fake, GH_RM_ERROR_OK, &value, sizeof(value));
}

/* The same, but for the VMID of the host */
static void answer_vmid(struct fake_rm *fake)
{
	__le32 host = cpu_to_le32(3);

	if (fake->message_id == GH_RM_VM_GET_VMID)
		fake_reply(fake, GH_RM_ERROR_OK, &host, sizeof(host));
	else
		answer_u32(fake);
}

struct gh_rm_vmid_case {
	u32 vmid;
	int expected;
	const char *name;
};

static const struct gh_rm_vmid_case gh_rm_vmid_cases[] = {
	{ TEST_VMID, 0, "dynamic" },
	{ 0xfffe, 0, "largest" },
	{ 0, -EBADMSG, "none" },
	{ 3, -EBADMSG, "the host" },
	{ 0xffff, -EBADMSG, "invalid" },
	{ 0x10080, -EBADMSG, "too large" },
};

KUNIT_ARRAY_PARAM_DESC(gh_rm_vmid, gh_rm_vmid_cases, name);

static void gh_rm_alloc_checks_vmid(struct kunit *test)
{
	const struct gh_rm_vmid_case *c = test->param_value;
	struct fake_rm *fake = test->priv;
	u16 vmid = GH_VMID_INVAL;

	fake->answer = answer_vmid;
	fake->arg = &c->vmid;
	KUNIT_EXPECT_EQ(test, gh_rm_alloc_vmid(fake->rm, &vmid), c->expected);
	KUNIT_EXPECT_EQ(test, vmid, c->expected ? GH_VMID_INVAL : c->vmid);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_BAD_REPLY), c->expected ? 1 : 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, GH_RM_VM_ALLOCATE);
	KUNIT_EXPECT_EQ(test, fake->request_size, 4);
	/* The VMID of the host was asked for before, but only once */
	KUNIT_EXPECT_EQ(test, fake->requests, 2);
	gh_rm_alloc_vmid(fake->rm, &vmid);
	KUNIT_EXPECT_EQ(test, fake->requests, 3);
}

static void gh_rm_host_vmid_is_checked(struct kunit *test)
{
	static const u32 bad[] = { 0, 0xffff, 0x10003 };
	struct fake_rm *fake = test->priv;
	u16 vmid = GH_VMID_INVAL;

	fake->answer = answer_u32;
	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		fake->arg = &bad[i];
		KUNIT_EXPECT_EQ(test, gh_rm_get_vmid(fake->rm, &vmid), -EBADMSG);
		KUNIT_EXPECT_EQ(test, vmid, GH_VMID_INVAL);
		/* None of them is kept */
		KUNIT_EXPECT_EQ(test, fake->requests, i + 1);
	}
}

static void answer_no_vmid(struct fake_rm *fake)
{
	__le32 vmid = cpu_to_le32(3);

	if (fake->message_id == GH_RM_VM_GET_VMID)
		fake_reply(fake, GH_RM_ERROR_OK, &vmid, sizeof(vmid));
	else
		fake_reply(fake, GH_RM_ERROR_NORESOURCE, NULL, 0);
}

static void gh_rm_alloc_no_vmid_left(struct kunit *test)
{
	struct fake_rm *fake = test->priv;
	u16 vmid;

	fake->answer = answer_no_vmid;
	KUNIT_EXPECT_EQ(test, gh_rm_alloc_vmid(fake->rm, &vmid), -ENOSPC);
}

static void gh_rm_u32_reply_size(struct kunit *test)
{
	struct fake_rm *fake = test->priv;
	enum gh_rm_vm_status status;

	fake->answer = answer_data;
	fake->arg = test_pattern;

	fake->arg_size = 3;
	KUNIT_EXPECT_EQ(test, gh_rm_get_vm_state(fake->rm, TEST_VMID, &status), -EBADMSG);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_SHORT), 1);
	fake->arg_size = 5;
	KUNIT_EXPECT_EQ(test, gh_rm_get_vm_state(fake->rm, TEST_VMID, &status), -EBADMSG);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_OVERSIZED), 1);
	fake->arg_size = 0;
	KUNIT_EXPECT_EQ(test, gh_rm_get_vm_state(fake->rm, TEST_VMID, &status), -EBADMSG);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_SHORT), 2);
}

static void gh_rm_state(struct kunit *test)
{
	u32 state = 0x12345600 | GH_RM_VM_STATUS_EXITED;
	struct fake_rm *fake = test->priv;
	enum gh_rm_vm_status status;

	fake->answer = answer_u32;
	fake->arg = &state;
	KUNIT_ASSERT_EQ(test, gh_rm_get_vm_state(fake->rm, TEST_VMID, &status), 0);
	KUNIT_EXPECT_EQ(test, status, GH_RM_VM_STATUS_EXITED);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(fake->request), TEST_VMID);
}

/* What RM would not survive, or takes for another VM, is not sent */
static void gh_rm_bad_vmid_is_not_sent(struct kunit *test)
{
	static const u16 vmids[] = { 0, GH_VMID_INVAL };
	struct gh_rm_hyp_resources *resources;
	struct fake_rm *fake = test->priv;
	struct gh_rm *rm = fake->rm;
	enum gh_rm_vm_status status;
	int i;

	for (i = 0; i < ARRAY_SIZE(vmids); i++) {
		u16 vmid = vmids[i];

		KUNIT_EXPECT_EQ(test, gh_rm_dealloc_vmid(rm, vmid), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_vm_configure(rm, vmid, GH_RM_VM_AUTH_NONE,
							 0, 0, 0, 0, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_vm_init(rm, vmid), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_vm_start(rm, vmid), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_vm_stop(rm, vmid), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_vm_reset(rm, vmid), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_get_vm_state(rm, vmid, &status), -EINVAL);
		KUNIT_EXPECT_EQ(test, gh_rm_get_hyp_resources(rm, vmid, &resources), -EINVAL);
	}

	KUNIT_EXPECT_EQ(test, gh_rm_vm_configure(rm, TEST_VMID, GH_RM_VM_AUTH_NONE,
						 GH_MEM_HANDLE_INVAL, 0, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->requests, 0);
}

static void gh_rm_request_layout(struct kunit *test)
{
	struct fake_rm *fake = test->priv;
	struct gh_rm *rm = fake->rm;
	u8 *req = fake->request;

	KUNIT_EXPECT_EQ(test, gh_rm_vm_configure(rm, TEST_VMID, GH_RM_VM_AUTH_NONE, 0,
						 0x1122334455667788, 0x2233445566778899,
						 0x33445566778899aa, 0x445566778899aabb), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x56000009);
	KUNIT_ASSERT_EQ(test, fake->request_size, 40);
	KUNIT_EXPECT_EQ(test, get_unaligned_le16(req), TEST_VMID);
	KUNIT_EXPECT_EQ(test, get_unaligned_le16(req + 2), 0);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(req + 4), 0);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(req + 8), 0x1122334455667788);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(req + 16), 0x2233445566778899);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(req + 24), 0x33445566778899aa);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(req + 32), 0x445566778899aabb);

	KUNIT_EXPECT_EQ(test, gh_rm_vm_stop(rm, TEST_VMID), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x56000005);
	KUNIT_ASSERT_EQ(test, fake->request_size, 8);
	KUNIT_EXPECT_EQ(test, get_unaligned_le16(req), TEST_VMID);
	KUNIT_EXPECT_EQ(test, get_unaligned_le16(req + 2), 1);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(req + 4), 3);

	KUNIT_EXPECT_EQ(test, gh_rm_vm_reset(rm, TEST_VMID), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x56000006);
	KUNIT_ASSERT_EQ(test, fake->request_size, 4);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(req), TEST_VMID);
}

static void gh_rm_boot_context(struct kunit *test)
{
	static const u8 expected[] = {
		TEST_VMID, 0, 2, 1, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
	};
	static const u32 unimplemented = GH_RM_ERROR_UNIMPLEMENTED;
	struct fake_rm *fake = test->priv;

	KUNIT_EXPECT_EQ(test, gh_rm_vm_set_boot_context(fake->rm, TEST_VMID, 2, 1,
							0x0102030405060708), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x56000031);
	KUNIT_ASSERT_EQ(test, fake->request_size, sizeof(expected));
	KUNIT_EXPECT_MEMEQ(test, fake->request, expected, sizeof(expected));

	KUNIT_EXPECT_EQ(test, gh_rm_vm_set_boot_context(fake->rm, GH_VMID_INVAL, 2, 1, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, fake->requests, 1);

	fake->answer = answer_error;
	fake->arg = &unimplemented;
	KUNIT_EXPECT_EQ(test, gh_rm_vm_set_boot_context(fake->rm, TEST_VMID, 2, 1, 0),
			-EOPNOTSUPP);
}

static void gh_rm_resources_size(struct kunit *test)
{
	struct gh_rm_hyp_resources *resources;
	struct fake_rm *fake = test->priv;
	u8 data[4 + 2 * 44] = { 2 };

	fake->answer = answer_data;
	fake->arg = data;
	fake->arg_size = sizeof(data);
	data[4] = 4;
	put_unaligned_le32(1, data + 4 + 44 + 8);
	put_unaligned_le64(TEST_RX_CAPID, data + 4 + 44 + 12);
	put_unaligned_le32(962, data + 4 + 44 + 24);

	KUNIT_ASSERT_EQ(test, gh_rm_get_hyp_resources(fake->rm, TEST_VMID, &resources), 0);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(resources->n_entries), 2);
	KUNIT_EXPECT_EQ(test, resources->entries[0].type, 4);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(resources->entries[1].resource_label), 1);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(resources->entries[1].cap_id), TEST_RX_CAPID);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(resources->entries[1].virq), 962);
	kfree(resources);

	fake->arg_size--;
	KUNIT_EXPECT_EQ(test, gh_rm_get_hyp_resources(fake->rm, TEST_VMID, &resources), -EBADMSG);
	fake->arg_size = 3;
	KUNIT_EXPECT_EQ(test, gh_rm_get_hyp_resources(fake->rm, TEST_VMID, &resources), -EBADMSG);
	fake->arg_size = 0;
	KUNIT_EXPECT_EQ(test, gh_rm_get_hyp_resources(fake->rm, TEST_VMID, &resources), -EBADMSG);
	fake->arg_size = sizeof(data);
	put_unaligned_le32(U32_MAX, data);
	KUNIT_EXPECT_EQ(test, gh_rm_get_hyp_resources(fake->rm, TEST_VMID, &resources), -EBADMSG);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_BAD_REPLY), 4);
	KUNIT_EXPECT_EQ(test, all_counters(fake), 4);

	put_unaligned_le32(0, data);
	fake->arg_size = 4;
	KUNIT_ASSERT_EQ(test, gh_rm_get_hyp_resources(fake->rm, TEST_VMID, &resources), 0);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(resources->n_entries), 0);
	kfree(resources);
}

#define TEST_MEM_BASE		0x40000000ULL

/**
 * struct fake_mem - What RM knows about memory
 * @handle: name of the next parcel
 * @fail_id: call that fails
 * @fail_at: 1 for the first of these calls, 2 for the second, ...
 * @lends: how many LEND and SHARE there were
 * @appends: how many APPEND there were
 * @reclaims: how many RECLAIM there were
 * @entries: ranges there are in the parcel
 * @complete: the last part of the parcel was there
 * @wrong: a range isn't the one expected
 */
struct fake_mem {
	u32 handle;
	u32 fail_id;
	unsigned int fail_at;
	unsigned int lends;
	unsigned int appends;
	unsigned int reclaims;
	size_t entries;
	bool complete;
	bool wrong;
};

static void fake_mem_take_list(struct fake_rm *fake, struct fake_mem *mem, const u8 *list)
{
	size_t n = get_unaligned_le16(list);
	size_t i;

	list += 4;
	if (list + n * 16 > fake->request + fake->request_size || n > 512)
		mem->wrong = true;

	for (i = 0; i < n && !mem->wrong; i++, list += 16) {
		if (get_unaligned_le64(list) != TEST_MEM_BASE + mem->entries * SZ_8K ||
		    get_unaligned_le64(list + 8) != SZ_4K)
			mem->wrong = true;
		mem->entries++;
	}
}

static void answer_mem(struct fake_rm *fake)
{
	struct fake_mem *mem = (void *)fake->arg;
	const u8 *req = fake->request;
	__le32 handle = cpu_to_le32(mem->handle);

	switch (fake->message_id) {
	case GH_RM_MEM_LEND:
	case GH_RM_MEM_SHARE:
		mem->lends++;
		mem->complete = !(req[2] & BIT(1));
		mem->entries = 0;
		fake_mem_take_list(fake, mem, req + 8 + 4 + 4 * get_unaligned_le16(req + 8));
		break;
	case GH_RM_MEM_APPEND:
		mem->appends++;
		mem->wrong |= mem->complete || get_unaligned_le32(req) != mem->handle;
		mem->complete = req[4] & BIT(0);
		fake_mem_take_list(fake, mem, req + 8);
		break;
	case GH_RM_MEM_RECLAIM:
		mem->reclaims++;
		mem->wrong |= get_unaligned_le32(req) != mem->handle;
		break;
	}

	if (fake->message_id == mem->fail_id && mem->fail_at && !--mem->fail_at)
		fake_reply(fake, GH_RM_ERROR_MEM_INVALID, NULL, 0);
	else if (fake->message_id == GH_RM_MEM_LEND || fake->message_id == GH_RM_MEM_SHARE)
		fake_reply(fake, GH_RM_ERROR_OK, &handle, sizeof(handle));
	else
		fake_reply(fake, GH_RM_ERROR_OK, NULL, 0);
}

static struct gh_rm_mem_parcel *test_parcel(struct kunit *test, size_t n)
{
	struct gh_rm_mem_parcel *parcel = kunit_kzalloc(test, sizeof(*parcel), GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, parcel);
	parcel->label = 0x11223344;
	parcel->n_acl_entries = 1;
	parcel->acl_entries = kunit_kzalloc(test, sizeof(*parcel->acl_entries), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, parcel->acl_entries);
	parcel->acl_entries[0].vmid = cpu_to_le16(TEST_VMID);
	parcel->acl_entries[0].perms = GH_RM_ACL_R | GH_RM_ACL_W | GH_RM_ACL_X;
	parcel->n_mem_entries = n;
	parcel->mem_entries = kunit_kcalloc(test, n, sizeof(*parcel->mem_entries), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, parcel->mem_entries);

	for (i = 0; i < n; i++) {
		parcel->mem_entries[i].phys_addr = cpu_to_le64(TEST_MEM_BASE + i * SZ_8K);
		parcel->mem_entries[i].size = cpu_to_le64(SZ_4K);
	}

	return parcel;
}

static void gh_rm_lend_layout(struct kunit *test)
{
	static const u8 expected[] = {
		0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11,
		1, 0, 0, 0, TEST_VMID, 0, 7, 0,
		1, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0,
	};
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 1);
	struct fake_rm *fake = test->priv;
	struct fake_mem mem = {};

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x51000012);
	KUNIT_ASSERT_EQ(test, fake->request_size, sizeof(expected));
	KUNIT_EXPECT_MEMEQ(test, fake->request, expected, sizeof(expected));
	/* 0 is as good a handle as any */
	KUNIT_EXPECT_EQ(test, parcel->mem_handle, 0);
	KUNIT_EXPECT_TRUE(test, parcel->held);

	KUNIT_ASSERT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x51000015);
	KUNIT_EXPECT_EQ(test, fake->request_size, 8);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(fake->request), 0);
	KUNIT_EXPECT_EQ(test, parcel->mem_handle, GH_MEM_HANDLE_INVAL);
	KUNIT_EXPECT_FALSE(test, parcel->held);

	KUNIT_ASSERT_EQ(test, gh_rm_mem_share(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, fake->message_id, 0x51000013);
	KUNIT_EXPECT_FALSE(test, mem.wrong);
}

static const size_t gh_rm_parcels[] = { 1, 511, 512, 513, 1024, 1025, 2000 };

KUNIT_ARRAY_PARAM(gh_rm_parcel, gh_rm_parcels, gh_rm_size_desc);

static void gh_rm_lend_is_split(struct kunit *test)
{
	size_t n = *(const size_t *)test->param_value;
	struct gh_rm_mem_parcel *parcel = test_parcel(test, n);
	struct fake_mem mem = { .handle = 0x1234 };
	struct fake_rm *fake = test->priv;

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, mem.lends, 1);
	KUNIT_EXPECT_EQ(test, mem.appends, DIV_ROUND_UP(n, 512) - 1);
	KUNIT_EXPECT_EQ(test, mem.entries, n);
	KUNIT_EXPECT_TRUE(test, mem.complete);
	KUNIT_EXPECT_FALSE(test, mem.wrong);
	KUNIT_EXPECT_EQ(test, parcel->mem_handle, 0x1234);
	KUNIT_EXPECT_TRUE(test, parcel->held);
}

/**
 * struct fake_platform - What the platform was asked for, and what it does
 * @fail_pre: entry that can't be assigned
 * @fail_undo: so often nothing can be undone
 * @pre: how often it was asked to assign
 * @post: how often it was asked to undo
 */
static struct fake_platform {
	size_t fail_pre;
	unsigned int fail_undo;
	unsigned int pre;
	unsigned int post;
} fake_platform;

static int fake_post_mem_reclaim(struct gh_rm_mem_parcel *parcel)
{
	fake_platform.post++;
	if (parcel->n_assigned && fake_platform.fail_undo) {
		fake_platform.fail_undo--;
		return -ENOMEM;
	}
	parcel->n_assigned = 0;
	return 0;
}

static int fake_pre_mem(struct gh_rm_mem_parcel *parcel)
{
	struct kunit *test = kunit_get_current_test();

	fake_platform.pre++;
	KUNIT_EXPECT_EQ(test, parcel->host_vmid, 3);
	KUNIT_EXPECT_EQ(test, parcel->n_assigned, 0);
	KUNIT_EXPECT_EQ(test, parcel->vmid, TEST_VMID);
	parcel->n_assigned = fake_platform.fail_pre ?: parcel->n_mem_entries;
	return fake_platform.fail_pre ? -EINVAL : 0;
}

static const struct gh_rm_platform_ops fake_platform_ops = {
	.pre_mem = fake_pre_mem,
	.post_mem_reclaim = fake_post_mem_reclaim,
};

static void fake_platform_remove(void *data)
{
	gh_rm_platform_unregister(&fake_platform_ops);
}

static void test_platform(struct kunit *test, size_t fail_pre, unsigned int fail_undo)
{
	struct fake_rm *fake = test->priv;

	if (gh_rm_platform_register(&fake_platform_ops))
		kunit_skip(test, "this machine has a platform of its own");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_platform_remove, NULL));
	KUNIT_EXPECT_EQ(test, gh_rm_platform_register(&fake_platform_ops), -EBUSY);
	fake->rm->vmid = 3;
	fake_platform = (struct fake_platform) {
		.fail_pre = fail_pre,
		.fail_undo = fail_undo,
	};
}

static void gh_rm_platform_is_asked(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 600);
	struct fake_rm *fake = test->priv;
	struct fake_mem mem = {};

	fake->answer = answer_mem;
	fake->arg = &mem;
	test_platform(test, 0, 0);
	KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, parcel->n_assigned, 600);
	KUNIT_EXPECT_EQ(test, fake_platform.post, 0);
	KUNIT_ASSERT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_NULL(test, parcel->platform_ops);

	KUNIT_ASSERT_EQ(test, gh_rm_mem_share(fake->rm, parcel), 0);
	KUNIT_ASSERT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, fake_platform.pre, 2);
	KUNIT_EXPECT_EQ(test, fake_platform.post, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

static void gh_rm_platform_refuses(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	test_platform(test, 2, 0);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, parcel->n_assigned, 0);
	KUNIT_EXPECT_NULL(test, parcel->platform_ops);
	KUNIT_EXPECT_EQ(test, fake->requests, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

/* What can't be undone is not the host's, until it can be */
static void gh_rm_platform_keeps_memory(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	test_platform(test, 2, 2);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, fake->requests, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

static void gh_rm_platform_undoes_failed_lend(struct kunit *test)
{
	struct fake_mem mem = { .fail_id = GH_RM_MEM_LEND, .fail_at = 1 };
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_mem;
	fake->arg = &mem;
	test_platform(test, 0, 0);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, fake_platform.post, 1);

	/* The same if only a part of it could be lent */
	mem = (struct fake_mem) { .fail_id = GH_RM_MEM_APPEND, .fail_at = 1 };
	parcel = test_parcel(test, 600);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, mem.reclaims, 1);
	KUNIT_EXPECT_EQ(test, fake_platform.post, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

/* The resource manager has given the memory back, and is not asked again */
static void gh_rm_platform_fails_reclaim(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;
	struct fake_mem mem = {};

	fake->answer = answer_mem;
	fake->arg = &mem;
	test_platform(test, 0, 1);
	KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, mem.reclaims, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

/* As long as nobody knows where the memory is, nothing is undone */
static void gh_rm_platform_and_no_answer(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_nothing_good;
	test_platform(test, 0, 0);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EIO);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), -EIO);
	KUNIT_EXPECT_EQ(test, fake_platform.post, 0);
}

static void gh_rm_failed_lend_is_not_held(struct kunit *test)
{
	struct fake_mem mem = { .fail_id = GH_RM_MEM_LEND, .fail_at = 1 };
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 600);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, parcel->mem_handle, GH_MEM_HANDLE_INVAL);
	KUNIT_EXPECT_EQ(test, fake->requests, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

static void gh_rm_failed_append_is_reclaimed(struct kunit *test)
{
	struct fake_mem mem = { .handle = 1, .fail_id = GH_RM_MEM_APPEND, .fail_at = 2 };
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 2000);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_EQ(test, mem.appends, 2);
	KUNIT_EXPECT_EQ(test, mem.reclaims, 1);
	KUNIT_EXPECT_FALSE(test, mem.wrong);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, parcel->mem_handle, GH_MEM_HANDLE_INVAL);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

static void gh_rm_failed_reclaim_is_held(struct kunit *test)
{
	struct fake_mem mem = { .handle = 1, .fail_id = GH_RM_MEM_RECLAIM, .fail_at = 1 };
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, parcel->mem_handle, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 1);

	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

static void gh_rm_lend_without_answer_is_held(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_nothing_good;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EIO);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), -EIO);
	KUNIT_EXPECT_TRUE(test, parcel->held);

	/* Nothing is sent now, so the next parcel remains the host's */
	parcel = test_parcel(test, 3);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EIO);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 1);
}

static void gh_rm_lend_with_bad_answer_is_held(struct kunit *test)
{
	struct fake_mem mem = { .handle = GH_MEM_HANDLE_INVAL };
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 3);
	struct fake_rm *fake = test->priv;

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EBADMSG);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_BAD_REPLY), 1);

	fake->answer = answer_ok;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EBADMSG);
	KUNIT_EXPECT_TRUE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, counter(fake, GH_RM_COUNTER_SHORT), 1);
}

/* As long as the message is not complete the memory is the host's */
static void gh_rm_lend_into_full_queue_is_not_held(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 512);
	struct fake_rm *fake = test->priv;

	kunit_activate_static_stub(test, gh_rm_time_left, one_jiffy_left);
	fake->full = 1;
	fake->full_from = 8;
	fake->stuck = true;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EIO);
	KUNIT_EXPECT_EQ(test, fake->request_packets, 8);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

/* Whoever is killed leaves before anything was sent, or nothing is left behind */
static void gh_rm_killed(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 600);
	struct gh_rm_mem_parcel *lent = test_parcel(test, 1);
	struct fake_mem mem = { .handle = 1 };
	struct fake_rm *fake = test->priv;
	int before, between, reclaim;

	fake->answer = answer_mem;
	fake->arg = &mem;
	KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, lent), 0);

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);

	fake->full = 1;
	fake->stuck = true;
	before = gh_rm_mem_lend(fake->rm, parcel);
	KUNIT_EXPECT_NULL(test, fake->rm->pending);
	KUNIT_EXPECT_EQ(test, fake->request_packets, 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, mem.lends, 1);

	/* The rest of a message is sent even so, and what it lent comes back */
	complete(&fake->rm->tx_not_full);
	fake->full = 1;
	fake->full_from = 2;
	fake->stuck = false;
	between = gh_rm_mem_lend(fake->rm, parcel);
	KUNIT_EXPECT_EQ(test, fake->full, 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
	KUNIT_EXPECT_EQ(test, mem.lends, 2);
	KUNIT_EXPECT_EQ(test, mem.appends, 0);
	KUNIT_EXPECT_EQ(test, mem.reclaims, 1);

	fake->full = 1;
	fake->full_from = 0;
	reclaim = gh_rm_mem_reclaim(fake->rm, lent);
	KUNIT_EXPECT_EQ(test, fake->full, 0);

	flush_signals(current);
	disallow_signal(SIGKILL);
	KUNIT_EXPECT_EQ(test, before, -EINTR);
	KUNIT_EXPECT_EQ(test, between, -EINTR);
	KUNIT_EXPECT_EQ(test, reclaim, 0);
	KUNIT_EXPECT_FALSE(test, mem.wrong);
	KUNIT_EXPECT_EQ(test, all_counters(fake), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->rm->parcels), 0);
}

static void gh_rm_too_many_parcels(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 1);
	struct gh_rm_mem_parcel *other = test_parcel(test, 1);
	struct fake_rm *fake = test->priv;
	struct fake_mem mem = {};
	int i;

	fake->answer = answer_mem;
	fake->arg = &mem;
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), 0);

	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, other), -ENOSPC);
	KUNIT_EXPECT_FALSE(test, other->held);
	KUNIT_EXPECT_EQ(test, fake->requests, 64);

	KUNIT_EXPECT_EQ(test, gh_rm_mem_reclaim(fake->rm, parcel), 0);
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, other), 0);
}

static void gh_rm_lend_empty(struct kunit *test)
{
	struct gh_rm_mem_parcel *parcel = test_parcel(test, 1);
	struct fake_rm *fake = test->priv;

	parcel->n_mem_entries = 0;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	parcel->n_mem_entries = 1;
	parcel->n_acl_entries = 0;
	KUNIT_EXPECT_EQ(test, gh_rm_mem_lend(fake->rm, parcel), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->requests, 0);
	KUNIT_EXPECT_FALSE(test, parcel->held);
}

static struct kunit_case gh_rm_tests[] = {
	KUNIT_CASE_PARAM(gh_rm_error_maps_to_errno, gh_rm_error_gen_params),
	KUNIT_CASE_PARAM(gh_rm_request_is_split, gh_rm_size_gen_params),
	KUNIT_CASE_PARAM(gh_rm_reply_is_joined, gh_rm_size_gen_params),
	KUNIT_CASE(gh_rm_request_too_large),
	KUNIT_CASE(gh_rm_full_queue),
	KUNIT_CASE(gh_rm_queue_stays_full),
	KUNIT_CASE(gh_rm_no_reply),
	KUNIT_CASE(gh_rm_unexpected_data),
	KUNIT_CASE(gh_rm_short_reply),
	KUNIT_CASE(gh_rm_stray_replies),
	KUNIT_CASE(gh_rm_junk_is_dropped),
	KUNIT_CASE(gh_rm_broken_queue),
	KUNIT_CASE(gh_rm_notification_before_and_after_reply),
	KUNIT_CASE(gh_rm_notification_size),
	KUNIT_CASE_PARAM(gh_rm_alloc_checks_vmid, gh_rm_vmid_gen_params),
	KUNIT_CASE(gh_rm_host_vmid_is_checked),
	KUNIT_CASE(gh_rm_alloc_no_vmid_left),
	KUNIT_CASE(gh_rm_u32_reply_size),
	KUNIT_CASE(gh_rm_state),
	KUNIT_CASE(gh_rm_bad_vmid_is_not_sent),
	KUNIT_CASE(gh_rm_request_layout),
	KUNIT_CASE(gh_rm_boot_context),
	KUNIT_CASE(gh_rm_resources_size),
	KUNIT_CASE(gh_rm_lend_layout),
	KUNIT_CASE_PARAM(gh_rm_lend_is_split, gh_rm_parcel_gen_params),
	KUNIT_CASE(gh_rm_failed_lend_is_not_held),
	KUNIT_CASE(gh_rm_failed_append_is_reclaimed),
	KUNIT_CASE(gh_rm_failed_reclaim_is_held),
	KUNIT_CASE(gh_rm_lend_without_answer_is_held),
	KUNIT_CASE(gh_rm_lend_with_bad_answer_is_held),
	KUNIT_CASE(gh_rm_lend_into_full_queue_is_not_held),
	KUNIT_CASE(gh_rm_killed),
	KUNIT_CASE(gh_rm_too_many_parcels),
	KUNIT_CASE(gh_rm_lend_empty),
	KUNIT_CASE(gh_rm_platform_is_asked),
	KUNIT_CASE(gh_rm_platform_refuses),
	KUNIT_CASE(gh_rm_platform_keeps_memory),
	KUNIT_CASE(gh_rm_platform_undoes_failed_lend),
	KUNIT_CASE(gh_rm_platform_fails_reclaim),
	KUNIT_CASE(gh_rm_platform_and_no_answer),
	{}
};

static struct kunit_suite gh_rm_suite = {
	.name = "gunyah_rm",
	.init = gh_rm_test_init,
	.test_cases = gh_rm_tests,
};

kunit_test_suite(gh_rm_suite);

MODULE_DESCRIPTION("KUnit tests of the calls to the Gunyah resource manager");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");

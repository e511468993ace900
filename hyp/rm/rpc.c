// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transport between the host and the resource manager: two message queues,
 * messages in up to 63 packets.
 *
 * The manager is one thread: it takes in packets some time after they arrived,
 * handles a request to its end, and sends one message completely before the
 * next.  It keeps one reply that it can't send yet (a second one makes it drop
 * the first) and up to 256 notifications; the reply goes before them.
 */
#include <string.h>

#include "rm.h"

#define HEADER_SIZE	8u
#define PAYLOAD		(MSGQUEUE_SIZE - HEADER_SIZE)
#define VERSION_HEADER	0x21u		/* API 1, two header words */
#define MAX_CONTINUATIONS 62u
#define MAX_PENDING	256u

enum packet_type {
	CONTINUATION,
	REQUEST,
	REPLY,
	NOTIFICATION,
};

struct message {
	struct message *next;
	u64 due;
	u32 id;
	u16 seq;
	u8 type;
	u8 continuations;
	u32 packets_left;
	u32 pos;
	u32 len;
	u8 data[];
};

struct list {
	struct message *first;
	struct message **end;
	u32 count;
};

static struct {
	struct msgqueue *from_host;
	struct msgqueue *to_host;
	u64 tx_cap;			/* the host's end of from_host */
	u64 rx_cap;
	struct message *incoming;	/* of which continuations are missing */
	u64 serve_due;			/* 0 = not known yet */
	struct message *outgoing;
	bool blocked;			/* on a full queue */
	u64 transmit_due;		/* 0 = still full */
	struct message *reply;
	struct list pending;		/* notifications */
	struct message *delayed;	/* sorted by due */
	u16 seq;
	struct rpc_stats stats;
} rpc;

bool rpc_init(void)
{
	memset(&rpc, 0, sizeof(rpc));
	rpc.pending.end = &rpc.pending.first;
	rpc.from_host = msgqueue_create(HOST_VIRQ_BASE, 0);
	rpc.to_host = msgqueue_create(0, HOST_VIRQ_BASE + 1);
	return rpc.from_host && rpc.to_host &&
	       cap_create(CAP_MSGQUEUE, CAP_RIGHT_MSGQ_SEND, rpc.from_host,
			  &rpc.tx_cap) &&
	       cap_create(CAP_MSGQUEUE, CAP_RIGHT_MSGQ_RECV, rpc.to_host,
			  &rpc.rx_cap);
}

void rpc_host_caps(u64 *tx, u64 *rx)
{
	*tx = rpc.tx_cap;
	*rx = rpc.rx_cap;
}

const struct rpc_stats *rpc_stats(void)
{
	return &rpc.stats;
}

/* --- towards the host ------------------------------------------------------ */

static void set_length(struct message *m, size_t len)
{
	m->len = (u32)len;
	m->continuations = len ? (u8)((len - 1) / PAYLOAD) : 0;
	m->packets_left = m->continuations + 1u;
}

static struct message *message_new(u8 type, u32 id, u16 seq, size_t len)
{
	struct message *m = rm_alloc(sizeof(*m) + len);

	/* The real one gives up as well. */
	if (!m)
		plat_panic("rm: out of memory for a message of %lu bytes", (u64)len);
	m->id = id;
	m->seq = seq;
	m->type = type;
	set_length(m, len);
	return m;
}

/* false: the queue is full before the end of the message. */
static bool send_packets(void)
{
	struct message *m = rpc.outgoing;
	u8 packet[MSGQUEUE_SIZE];
	bool not_full;

	while (m->packets_left) {
		u32 size = m->len - m->pos;

		if (msgqueue_full(rpc.to_host)) {
			rpc.blocked = true;
			rpc.transmit_due = 0;
			return false;
		}
		if (size > PAYLOAD)
			size = PAYLOAD;
		packet[0] = VERSION_HEADER;
		packet[1] = (u8)((m->pos ? CONTINUATION : m->type) |
				 m->continuations << 2);
		put16(packet + 2, m->seq);
		put32(packet + 4, m->id);
		memcpy(packet + HEADER_SIZE, m->data + m->pos, size);
		msgqueue_send(rpc.to_host, packet, HEADER_SIZE + size, false,
			      &not_full);
		m->pos += size;
		m->packets_left--;
	}
	rm_free(m);
	rpc.outgoing = NULL;
	return true;
}

static bool start(struct message *m)
{
	if (rpc.outgoing)
		return false;
	rpc.outgoing = m;
	send_packets();
	return true;
}

static struct message *pending_pop(void)
{
	struct message *m = rpc.pending.first;

	rpc.pending.first = m->next;
	if (!m->next)
		rpc.pending.end = &rpc.pending.first;
	rpc.pending.count--;
	return m;
}

static void start_pending(void)
{
	while (rpc.pending.first && !rpc.outgoing)
		start(pending_pop());
}

static void send_reply(struct message *m)
{
	if (rpc.reply && !start(rpc.reply)) {
		rm_free(rpc.reply);
		rpc.stats.dropped_replies++;
	}
	rpc.reply = NULL;
	if (!start(m))
		rpc.reply = m;
}

static void send_notification(struct message *m)
{
	start_pending();
	if (start(m))
		return;
	if (rpc.pending.count == MAX_PENDING) {
		rm_free(pending_pop());
		rpc.stats.dropped_notifications++;
	}
	m->next = NULL;
	*rpc.pending.end = m;
	rpc.pending.end = &m->next;
	rpc.pending.count++;
}

static void send_now(struct message *m)
{
	if (m->type == REPLY)
		send_reply(m);
	else
		send_notification(m);
}

static void send_at(struct message *m, u64 due)
{
	struct message **at = &rpc.delayed;

	m->due = due;
	while (*at && (*at)->due <= due)
		at = &(*at)->next;
	m->next = *at;
	*at = m;
}

/* A message to the host, as debug.c wants it to go. */
static void emit(u8 type, u32 id, u16 seq, const void *head, size_t head_len,
		 const void *data, size_t data_len, u64 delay_us)
{
	struct debug_output out = {
		.delay_us = delay_us,
		.len = head_len + data_len,
	};

	debug_output(id, &out);
	if (out.drop)
		return;
	for (u32 copies = out.duplicate ? 2 : 1; copies; copies--) {
		struct message *m = message_new(type, id, seq,
						head_len + data_len);

		if (head_len)
			memcpy(m->data, head, head_len);
		if (data_len)
			memcpy(m->data + head_len, data, data_len);
		if (out.len < m->len)
			set_length(m, out.len);
		if (out.delay_us)
			send_at(m, plat_now_us() + out.delay_us);
		else
			send_now(m);
	}
}

void rpc_reply(u32 id, u16 seq, u32 error, const void *data, size_t len,
	       u64 delay_us)
{
	u8 head[4];

	put32(head, error);
	emit(REPLY, id, seq, head, sizeof(head), data, error ? 0 : len, delay_us);
}

void rpc_notify(u32 id, const void *data, size_t len)
{
	emit(NOTIFICATION, id, rpc.seq++, NULL, 0, data, len, 0);
}

void rpc_deliver(u64 now)
{
	while (rpc.delayed && rpc.delayed->due <= now) {
		struct message *m = rpc.delayed;

		rpc.delayed = m->next;
		send_now(m);
	}
}

void rpc_transmit(u64 now)
{
	while (rpc.outgoing || rpc.reply || rpc.pending.first) {
		if (rpc.blocked) {
			/* The interrupt that says "not full" takes its time. */
			if (msgqueue_full(rpc.to_host))
				return;
			if (!rpc.transmit_due)
				rpc.transmit_due = now + rm_random(5, 40);
			if (now < rpc.transmit_due)
				return;
			rpc.blocked = false;
		}
		if (rpc.outgoing && !send_packets())
			return;
		if (rpc.reply) {
			struct message *m = rpc.reply;

			rpc.reply = NULL;
			start(m);
		}
		start_pending();
	}
}

/* --- from the host ---------------------------------------------------------- */

/*
 * Take packets until a request is complete; what comes behind it waits until
 * the request has been handled.
 */
static struct message *receive(void)
{
	u8 packet[MSGQUEUE_SIZE];
	struct message *m;
	bool not_empty;

	for (;;) {
		size_t size = sizeof(packet);
		u8 type;
		u8 continuations;

		if (msgqueue_receive(rpc.from_host, packet, &size, &not_empty))
			return NULL;
		if (size < HEADER_SIZE || packet[0] != VERSION_HEADER) {
			plat_log("rm: packet of %lu bytes without a valid header dropped",
				 (u64)size);
			continue;
		}
		type = packet[1] & 3;
		continuations = packet[1] >> 2;
		size -= HEADER_SIZE;
		m = rpc.incoming;

		if (type != CONTINUATION) {
			if (continuations > MAX_CONTINUATIONS)
				plat_violation("message 0x%x has %u continuations, more than %u",
					       get32(packet + 4), continuations,
					       MAX_CONTINUATIONS);
			rm_free(m);
			m = message_new(type, get32(packet + 4), get16(packet + 2),
					(continuations + 1u) * PAYLOAD);
			m->continuations = continuations;
			m->packets_left = continuations + 1u;
			m->len = 0;
			rpc.incoming = m;
		} else if (!m || m->id != get32(packet + 4) ||
			   m->seq != get16(packet + 2) ||
			   m->continuations != continuations) {
			plat_log("rm: continuation of message 0x%x seq %u matches nothing, dropped",
				 get32(packet + 4), get16(packet + 2));
			continue;
		}

		memcpy(m->data + m->len, packet + HEADER_SIZE, size);
		m->len += (u32)size;
		if (--m->packets_left) {
			if (size != PAYLOAD)
				plat_violation("message 0x%x has a packet of %lu bytes before its last; only the last may be short",
					       m->id, (u64)size + HEADER_SIZE);
			continue;
		}
		rpc.incoming = NULL;
		if (m->type == REQUEST)
			return m;
		plat_log("rm: message 0x%x of type %u ignored", m->id, m->type);
		rm_free(m);
	}
}

void rpc_serve(u64 now)
{
	static struct reply rep;
	struct message *m;
	struct request req;
	u64 delay = 0;
	u32 error;

	if (msgqueue_empty(rpc.from_host)) {
		/* It may still be answering the last request. */
		if (rpc.serve_due <= now)
			rpc.serve_due = 0;
		return;
	}
	if (!rpc.serve_due)
		rpc.serve_due = now + rm_random(20, 150);
	if (now < rpc.serve_due)
		return;
	rpc.serve_due = 0;

	m = receive();
	if (!m)
		return;
	rpc.stats.requests++;
	req = (struct request){
		.id = m->id,
		.seq = m->seq,
		.len = m->len,
		.data = m->data,
	};
	error = rm_dispatch(&req, &rep);
	/* Often the notifications and the reply come in separate interrupts. */
	if (rm_random(0, 1))
		delay = rm_random(20, 300);
	if (error != RM_LATER)
		rpc_reply(req.id, req.seq, error, rep.data, rep.len, delay);
	rpc.serve_due = now + delay + rm_random(20, 150);
	rm_free(m);
}

u64 rpc_deadline(bool serving)
{
	u64 due = ~0UL;

	if (rpc.delayed)
		due = rpc.delayed->due;
	if (rpc.blocked && rpc.transmit_due && rpc.transmit_due < due)
		due = rpc.transmit_due;
	if (serving && !msgqueue_empty(rpc.from_host) && rpc.serve_due < due)
		due = rpc.serve_due;
	return due;
}

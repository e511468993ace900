// SPDX-License-Identifier: GPL-2.0-only
/* Message queues: eight messages of up to 240 bytes. */
#include <string.h>

#include "objects.h"

struct msgqueue {
	u32 head;
	u32 count;
	u32 not_full_threshold;
	u32 not_empty_threshold;
	u32 send_virq;
	u32 recv_virq;
	struct {
		size_t size;
		u8 data[MSGQUEUE_SIZE];
	} msg[MSGQUEUE_DEPTH];
};

struct msgqueue *msgqueue_create(u32 send_virq, u32 recv_virq)
{
	struct msgqueue *q = plat_alloc(sizeof(*q));

	if (!q)
		return NULL;
	q->not_full_threshold = MSGQUEUE_DEPTH - 1;
	q->not_empty_threshold = 1;
	q->send_virq = send_virq;
	q->recv_virq = recv_virq;
	return q;
}

bool msgqueue_empty(const struct msgqueue *q)
{
	return q->count == 0;
}

bool msgqueue_full(const struct msgqueue *q)
{
	return q->count == MSGQUEUE_DEPTH;
}

u64 msgqueue_send(struct msgqueue *q, const void *msg, size_t size, bool push,
		  bool *not_full)
{
	u32 tail = (q->head + q->count) % MSGQUEUE_DEPTH;

	/* The real one drops what it can't copy, and says nothing. */
	if (!size || size > MSGQUEUE_SIZE) {
		*not_full = !msgqueue_full(q);
		return ERR_OK;
	}
	*not_full = false;
	if (msgqueue_full(q))
		return ERR_MSGQUEUE_FULL;

	memcpy(q->msg[tail].data, msg, size);
	q->msg[tail].size = size;
	q->count++;
	*not_full = !msgqueue_full(q);
	if (q->recv_virq && (push || q->count == q->not_empty_threshold))
		plat_host_virq_raise(q->recv_virq);
	return ERR_OK;
}

u64 msgqueue_receive(struct msgqueue *q, void *buf, size_t *size,
		     bool *not_empty)
{
	size_t room = *size;

	*size = 0;
	*not_empty = false;
	if (msgqueue_empty(q))
		return ERR_MSGQUEUE_EMPTY;
	if (room < q->msg[q->head].size) {
		*not_empty = true;
		return ERR_OK;
	}

	*size = q->msg[q->head].size;
	memcpy(buf, q->msg[q->head].data, *size);
	q->head = (q->head + 1) % MSGQUEUE_DEPTH;
	q->count--;
	*not_empty = !msgqueue_empty(q);
	if (q->send_virq && q->count == q->not_full_threshold)
		plat_host_virq_raise(q->send_virq);
	return ERR_OK;
}

u64 msgqueue_hyp_send(u64 capid, const void *msg, size_t size, bool push,
		      bool *not_full)
{
	void *q;
	u64 err;

	*not_full = false;
	err = cap_lookup(capid, CAP_MSGQUEUE, CAP_RIGHT_MSGQ_SEND, &q);
	if (err)
		return err;
	return msgqueue_send(q, msg, size, push, not_full);
}

u64 msgqueue_hyp_recv(u64 capid, void *buf, size_t *size, bool *not_empty)
{
	void *q;
	u64 err;

	err = cap_lookup(capid, CAP_MSGQUEUE, CAP_RIGHT_MSGQ_RECV, &q);
	if (err) {
		*size = 0;
		*not_empty = false;
		return err;
	}
	return msgqueue_receive(q, buf, size, not_empty);
}

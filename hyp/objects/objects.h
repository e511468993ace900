/* SPDX-License-Identifier: GPL-2.0-only */
/* What rm/ uses of objects/, beyond the hypercalls of plat.h. */
#ifndef HYP_OBJECTS_H
#define HYP_OBJECTS_H

#include "plat.h"

#define ERR_OK			0
#define ERR_ARGUMENT_INVALID	1
#define ERR_OBJECT_STATE	33
#define ERR_CAP_NULL		50
#define ERR_CAP_REVOKED		51
#define ERR_CAP_WRONG_TYPE	52
#define ERR_CAP_RIGHTS		53
#define ERR_MSGQUEUE_EMPTY	60
#define ERR_MSGQUEUE_FULL	61

/* from_zero: ids count up from 0, as in the hypervisor's debug build */
void cspace_init(bool from_zero, u64 base, u64 multiplier);
u32 cap_count(void);

#define MSGQUEUE_DEPTH		8u
#define MSGQUEUE_SIZE		240u

struct msgqueue;

/* A virq of 0 means that the end belongs to the resource manager. */
struct msgqueue *msgqueue_create(u32 send_virq, u32 recv_virq);
u64 msgqueue_send(struct msgqueue *q, const void *msg, size_t size, bool push,
		  bool *not_full);
/* *size: room on entry.  A message that doesn't fit stays: 0, *size = 0. */
u64 msgqueue_receive(struct msgqueue *q, void *buf, size_t *size,
		     bool *not_empty);
bool msgqueue_empty(const struct msgqueue *q);
bool msgqueue_full(const struct msgqueue *q);

struct doorbell;

struct doorbell *doorbell_create(struct guest *g, u32 intid);
void doorbell_destroy(struct doorbell *d);

#endif /* HYP_OBJECTS_H */

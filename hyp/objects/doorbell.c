// SPDX-License-Identifier: GPL-2.0-only
/* Doorbells: 64 flags towards one interrupt of a guest. */
#include "objects.h"

struct doorbell {
	u64 flags;
	u64 enable_mask;
	u64 ack_mask;
	struct guest *guest;
	u32 intid;
};

struct doorbell *doorbell_create(struct guest *g, u32 intid)
{
	struct doorbell *d = plat_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->enable_mask = ~0UL;
	d->guest = g;
	d->intid = intid;
	return d;
}

void doorbell_destroy(struct doorbell *d)
{
	plat_free(d);
}

/* The line follows the enabled flags; a flag that acks itself is one pulse. */
static void update(struct doorbell *d, bool sent)
{
	bool high = d->flags & d->enable_mask;

	if (high)
		d->flags &= ~d->ack_mask;
	if (d->flags & d->enable_mask) {
		guest_virq_level(d->guest, d->intid, true);
		return;
	}
	guest_virq_level(d->guest, d->intid, false);
	if (high || sent)
		guest_virq_pulse(d->guest, d->intid);
}

static u64 lookup(u64 capid, u32 right, struct doorbell **d)
{
	void *object = NULL;
	u64 err = cap_lookup(capid, CAP_DOORBELL, right, &object);

	*d = object;
	return err;
}

u64 doorbell_hyp_send(u64 capid, u64 new_flags, u64 *old)
{
	struct doorbell *d;
	u64 err;

	*old = 0;
	err = lookup(capid, CAP_RIGHT_BELL_SEND, &d);
	if (err)
		return err;
	*old = d->flags;
	d->flags |= new_flags;
	update(d, true);
	return ERR_OK;
}

u64 doorbell_hyp_receive(u64 capid, u64 clear_flags, u64 *old)
{
	struct doorbell *d;
	u64 err;

	*old = 0;
	err = lookup(capid, CAP_RIGHT_BELL_RECV, &d);
	if (err)
		return err;
	if (!clear_flags)
		return ERR_ARGUMENT_INVALID;
	*old = d->flags;
	d->flags &= ~clear_flags;
	guest_virq_level(d->guest, d->intid, d->flags & d->enable_mask);
	return ERR_OK;
}

u64 doorbell_hyp_reset(u64 capid)
{
	struct doorbell *d;
	u64 err;

	err = lookup(capid, CAP_RIGHT_BELL_RECV, &d);
	if (err)
		return err;
	d->flags = 0;
	d->ack_mask = 0;
	d->enable_mask = ~0UL;
	guest_virq_level(d->guest, d->intid, false);
	return ERR_OK;
}

u64 doorbell_hyp_mask(u64 capid, u64 enable_mask, u64 ack_mask)
{
	struct doorbell *d;
	u64 err;

	err = lookup(capid, CAP_RIGHT_BELL_RECV, &d);
	if (err)
		return err;
	d->enable_mask = enable_mask;
	d->ack_mask = ack_mask;
	update(d, false);
	return ERR_OK;
}

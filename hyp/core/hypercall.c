// SPDX-License-Identifier: GPL-2.0-only
/*
 * SMCCC: who is called, and Gunyah's hypercalls (ABI.md A and B).  Argument k
 * is in X(k + 1), result k in Xk.
 */
#include "core.h"

#define UNKNOWN		(~0ull)

#define FN_FAST		BIT(31)
#define FN_64		BIT(30)
#define FN_OWNER(fn)	((fn) >> 24 & 0x3f)
#define FN_RES0(fn)	((fn) >> 17 & 0x7f)
#define FN_CLASS(fn)	((fn) >> 14 & 3)
#define FN_NUMBER(fn)	((fn) & 0x3fff)

#define OWNER_ARCH	0
#define OWNER_STANDARD	4
#define OWNER_VENDOR_HYP 6
#define CLASS_HYPERCALL	2
#define CLASS_SERVICE	3

#define SMCCC_VERSION		0x80000000u
#define SMCCC_ARCH_FEATURES	0x80000001u
#define SERVICE_UID		0x3f01u
#define SERVICE_REVISION	0x3f03u

#define API_INFO	0x5100000000008001ull
#define API_FLAGS	0x10000effull

#define HYP_IDENTIFY	0x00
#define HYP_BELL_SEND	0x12
#define HYP_BELL_RECV	0x13
#define HYP_BELL_RESET	0x14
#define HYP_BELL_MASK	0x15
#define HYP_MSGQ_SEND	0x1b
#define HYP_MSGQ_RECV	0x1c
#define HYP_VCPU_RUN	0x65

#define ERROR_CAP_NULL		50

#define MSG_MAX		1024u

#define PAR_FAULT	BIT(0)
#define PAR_STAGE2	BIT(9)
#define PAR_ADDR	0x000ffffffffff000ull

/* Deployed hypervisors ignore what is reserved; newer ones do not. */
static void must_be_zero(const char *call, u32 reg, u64 val)
{
	if (val)
		plat_violation("%s: reserved argument X%u is %#lx, not 0", call,
			       reg, val);
}

/* Physical address behind a virtual one of the host, as EL1 would see it */
static bool host_translate(u64 va, bool write, u64 *pa)
{
	u64 saved = read_sysreg(par_el1);
	u64 par;

	if (write)
		asm volatile("at s12e1w, %0" : : "r" (va));
	else
		asm volatile("at s12e1r, %0" : : "r" (va));
	isb();
	par = read_sysreg(par_el1);
	write_sysreg(par_el1, saved);

	if ((par & PAR_FAULT) && (par & PAR_STAGE2))
		plat_violation("a message buffer is in lent memory, VA %#lx", va);
	*pa = (par & PAR_ADDR) | (va & (HYP_PAGE_SIZE - 1));
	return !(par & PAR_FAULT);
}

/* Visit [va, va + size) page by page; buf NULL only checks. */
static bool host_copy(u64 va, u8 *buf, u64 size, bool write)
{
	while (size) {
		u64 step = MIN(size, HYP_PAGE_SIZE - va % HYP_PAGE_SIZE);
		u64 pa;

		if (!host_translate(va, write, &pa))
			return false;
		if (buf) {
			u8 *mem = plat_mem(pa);

			for (u64 i = 0; i < step; i++) {
				if (write)
					mem[i] = buf[i];
				else
					buf[i] = mem[i];
			}
			buf += step;
		}
		va += step;
		size -= step;
	}
	return true;
}

static void identify(struct pcpu *p, u64 *x)
{
	(void)p;
	x[0] = API_INFO;
	x[1] = API_FLAGS;
	x[2] = 0;
	x[3] = 0;
}

/*
 * A message that can't be copied, or has no or too many bytes, is dropped
 * with success: a deviation from the manual that drivers have to live with.
 */
static void msgq_send(struct pcpu *p, u64 *x)
{
	u64 capid = x[1], size = x[2], va = x[3], flags = x[4];
	bool not_full = true;
	u8 msg[MSG_MAX];
	void *queue;

	(void)p;
	must_be_zero("msgqueue_send", 4, flags & ~1ull);
	must_be_zero("msgqueue_send", 5, x[5]);

	x[0] = cap_lookup(capid, CAP_MSGQUEUE, CAP_RIGHT_MSGQ_SEND, &queue);
	if (!x[0] && size && size <= MSG_MAX &&
	    host_copy(va, msg, size, false))
		x[0] = msgqueue_hyp_send(capid, msg, size, flags & 1, &not_full);
	x[1] = not_full;
}

static void msgq_recv(struct pcpu *p, u64 *x)
{
	u64 capid = x[1], va = x[2];
	size_t size = MIN(x[3], (u64)MSG_MAX);
	bool not_empty = false;
	u8 msg[MSG_MAX];

	(void)p;
	must_be_zero("msgqueue_receive", 4, x[4]);

	/* No room: the message stays, and that is a success, too. */
	if (!host_copy(va, NULL, size, true))
		size = 0;
	x[0] = msgqueue_hyp_recv(capid, msg, &size, &not_empty);
	if (x[0])
		size = 0;
	host_copy(va, msg, size, true);
	x[1] = size;
	x[2] = not_empty;
}

static void bell_send(struct pcpu *p, u64 *x)
{
	u64 old;

	(void)p;
	must_be_zero("doorbell_send", 3, x[3]);
	x[0] = doorbell_hyp_send(x[1], x[2], &old);
	x[1] = old;
}

static void bell_recv(struct pcpu *p, u64 *x)
{
	u64 old;

	(void)p;
	must_be_zero("doorbell_receive", 3, x[3]);
	x[0] = doorbell_hyp_receive(x[1], x[2], &old);
	x[1] = old;
}

static void bell_reset(struct pcpu *p, u64 *x)
{
	(void)p;
	must_be_zero("doorbell_reset", 2, x[2]);
	x[0] = doorbell_hyp_reset(x[1]);
}

static void bell_mask(struct pcpu *p, u64 *x)
{
	(void)p;
	must_be_zero("doorbell_mask", 4, x[4]);
	x[0] = doorbell_hyp_mask(x[1], x[2], x[3]);
}

static void run(struct pcpu *p, u64 *x)
{
	void *object;
	u64 err;

	must_be_zero("vcpu_run", 5, x[5]);
	/* It works, but then no interrupt of the host can end the run. */
	if (p->host.pstate & PSTATE_I)
		plat_violation("vcpu_run: called with interrupts masked, PC %#lx",
			       p->host.pc);
	err = cap_lookup(x[1], CAP_VCPU,
			 CAP_RIGHT_VCPU_AFFINITY | CAP_RIGHT_VCPU_YIELD_TO,
			 &object);
	if (err)
		x[0] = err;
	else if (!inject_run_error(x))
		vcpu_run(p, object, x);
}

static const struct {
	u32 number;
	void (*call)(struct pcpu *p, u64 *x);
} hypercalls[] = {
	{ HYP_IDENTIFY, identify },
	{ HYP_BELL_SEND, bell_send },
	{ HYP_BELL_RECV, bell_recv },
	{ HYP_BELL_RESET, bell_reset },
	{ HYP_BELL_MASK, bell_mask },
	{ HYP_MSGQ_SEND, msgq_send },
	{ HYP_MSGQ_RECV, msgq_recv },
	{ HYP_VCPU_RUN, run },
};

/* p is NULL for a guest, whose capability space is empty. */
static void hypercall(struct pcpu *p, u64 fn, u64 *x)
{
	for (u32 i = 0; i < ARRAY_SIZE(hypercalls); i++) {
		if (hypercalls[i].number != FN_NUMBER(fn))
			continue;
		if (p && inject_call_error(hypercalls[i].number, x))
			return;
		if (p || hypercalls[i].number == HYP_IDENTIFY)
			hypercalls[i].call(p, x);
		else
			x[0] = ERROR_CAP_NULL;
		return;
	}
	x[0] = UNKNOWN;
}

static void service(u64 fn, u64 *x)
{
	switch (FN_NUMBER(fn)) {
	case SERVICE_UID:
		x[0] = 0xcd8fd5c1;
		x[1] = 0xdb5f53a4;
		x[2] = 0x36ce6592;
		x[3] = 0x145f3d67;
		break;
	case SERVICE_REVISION:
		x[0] = API_INFO;
		break;
	default:
		x[0] = UNKNOWN;
	}
}

/* Calls that are the same for the host and for guests */
static bool common(struct pcpu *p, u64 *x)
{
	u64 fn = (u32)x[0];

	if (FN_RES0(fn)) {
		x[0] = UNKNOWN;
		return true;
	}
	switch (FN_OWNER(fn)) {
	case OWNER_ARCH:
		if (fn == SMCCC_VERSION)
			x[0] = 0x10003;
		else if (fn == SMCCC_ARCH_FEATURES &&
			 ((u32)x[1] == SMCCC_VERSION ||
			  (u32)x[1] == SMCCC_ARCH_FEATURES))
			x[0] = 0;
		else
			x[0] = UNKNOWN;
		return true;
	case OWNER_VENDOR_HYP:
		if (FN_CLASS(fn) == CLASS_HYPERCALL && (fn & FN_FAST) &&
		    (fn & FN_64))
			hypercall(p, fn, x);
		else if (FN_CLASS(fn) == CLASS_SERVICE && (fn & FN_FAST) &&
			 !(fn & FN_64))
			service(fn, x);
		else
			x[0] = UNKNOWN;
		return true;
	case OWNER_STANDARD:
		return false;
	}
	x[0] = UNKNOWN;
	return true;
}

void smccc_host(struct pcpu *p, u64 iss)
{
	u64 *x = p->host.x;

	if (iss & 0xffff) {
		x[0] = UNKNOWN;
	} else if (common(p, x)) {
		if (!p->vcpu)
			rm_poll();
	} else if (!psci_host(p, x)) {
		x[0] = UNKNOWN;
	}
}

void smccc_guest(struct vcpu *v, u64 iss)
{
	u64 *x = v->ctx.x;

	if ((iss & 0xffff) || (!common(NULL, x) && !psci_guest(v, x)))
		x[0] = UNKNOWN;
}

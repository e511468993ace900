// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time: EL1's timers across a world switch, and EL2's own (CNTHP), which ends
 * guests' slices, wakes sleepers and drives rm_poll().
 */
#include "core.h"

#define CTL_ENABLE	BIT(0)
#define CTL_IMASK	BIT(1)

static u64 freq;
static u64 random_state;

void timer_init(void)
{
	freq = read_sysreg(cntfrq_el0);
	if (freq < 1000000)
		plat_panic("the counter's frequency is %lu Hz", freq);
	random_state = option_u64("seed", timer_now() | 1);
	plat_log("seed %#lx, repeat with hyp.seed=%#lx", random_state,
		 random_state);
	if (!random_state)
		random_state = 1;
}

u64 timer_now(void)
{
	isb();
	return read_sysreg(cntpct_el0);
}

u64 plat_now_us(void)
{
	u64 now = timer_now();

	return now / freq * 1000000 + now % freq * 1000000 / freq;
}

u64 timer_from_us(u64 us)
{
	if (us > NEVER / freq)
		return NEVER;
	return us / 1000000 * freq + (us % 1000000 * freq + 999999) / 1000000;
}

u64 plat_random(void)
{
	/* xorshift64* */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

/* Afterwards both timers are off, so that their lines are low. */
void timer_save(struct timer_regs *t)
{
	t->cntv_ctl = read_sysreg(cntv_ctl_el0);
	t->cntv_cval = read_sysreg(cntv_cval_el0);
	t->cntp_ctl = read_sysreg(cntp_ctl_el0);
	t->cntp_cval = read_sysreg(cntp_cval_el0);
	write_sysreg(cntv_ctl_el0, 0);
	write_sysreg(cntp_ctl_el0, 0);
	isb();
}

void timer_load(const struct timer_regs *t)
{
	write_sysreg(cntv_cval_el0, t->cntv_cval);
	write_sysreg(cntp_cval_el0, t->cntp_cval);
	isb();
	write_sysreg(cntv_ctl_el0, t->cntv_ctl & 3);
	write_sysreg(cntp_ctl_el0, t->cntp_ctl & 3);
}

static bool ticking(u64 ctl)
{
	return (ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE;
}

bool timer_line(u64 ctl, u64 cval, u64 now)
{
	return ticking(ctl) && cval <= now;
}

/* The compare value that these timers reach first */
u64 timer_next(const struct timer_regs *t)
{
	u64 v = ticking(t->cntv_ctl) ? t->cntv_cval : NEVER;
	u64 p = ticking(t->cntp_ctl) ? t->cntp_cval : NEVER;

	return MIN(v, p);
}

void timer_arm(struct pcpu *p, u64 when)
{
	p->cnthp = when;
	if (when == NEVER) {
		write_sysreg(cnthp_ctl_el2, 0);
	} else {
		write_sysreg(cnthp_cval_el2, when);
		write_sysreg(cnthp_ctl_el2, CTL_ENABLE);
	}
	isb();
}

void timer_run_due(void)
{
	u64 now = timer_now();

	guests_run_due(now);
	if (timer_from_us(rm_deadline_us()) <= now)
		rm_poll();
}

/*
 * Every CPU that leaves EL2 arms its CNTHP for this, so the CPU that saw the
 * deadline arise is one of them.
 */
u64 timer_deadline(void)
{
	u64 rm = timer_from_us(rm_deadline_us());
	u64 g = guests_deadline();

	return MIN(rm, g);
}

// SPDX-License-Identifier: GPL-2.0-only
/* EL1 state, and exceptions that EL2 gives to EL1. */
#include <string.h>

#include "core.h"

#define SCTLR_EL1_RESET		0x30d00800ull
#define SCTLR_SPAN		BIT(23)
#define SCTLR_DSSBS		BIT(44)

#define PSTATE_EL1H_MASKED	0x3c5ull
#define PSTATE_MODE		0x1full
#define PSTATE_EL0		0x0ull
#define PSTATE_EL1H		0x5ull
#define PSTATE_AARCH32		BIT(4)
#define PSTATE_SSBS		BIT(12)
#define PSTATE_PAN		BIT(22)
#define PSTATE_DIT		BIT(24)
#define PSTATE_NZCV		(0xfull << 28)

#define EC_UNKNOWN		0x00
#define FSC_SEA			0x10
#define FSC_SEA_WALK		0x14

_Static_assert(offsetof(struct context, pc) == 248, "see vectors.S");
_Static_assert(offsetof(struct fp_regs, fpcr) == 512, "see vectors.S");
_Static_assert(offsetof(struct pcpu, stack_top) == 8, "see boot.S");

void el1_save(struct el1_regs *r)
{
#define X(reg) r->reg = read_sysreg(reg);
	EL1_REGS(X)
#undef X
}

/* QEMU drops every translation at a write to some of these, EL2's as well. */
void el1_load(const struct el1_regs *r)
{
#define X(reg)								\
	if (read_sysreg(reg) != r->reg)					\
		write_sysreg(reg, r->reg);
	EL1_REGS(X)
#undef X
}

void context_reset(struct context *c, u64 pc, u64 arg)
{
	memset(c, 0, sizeof(*c));
	c->x[0] = arg;
	c->pc = pc;
	c->pstate = PSTATE_EL1H_MASKED;
	c->el1.sctlr_el1 = SCTLR_EL1_RESET;
}

/* Enter the synchronous vector of EL1; its registers are live. */
static void inject_sync(struct context *c, u64 esr)
{
	u64 mode = c->pstate & PSTATE_MODE;
	u64 sctlr = read_sysreg(sctlr_el1);
	u64 offset, pstate;

	if (mode & PSTATE_AARCH32)
		offset = 0x600;
	else if (mode == PSTATE_EL0)
		offset = 0x400;
	else
		offset = mode == PSTATE_EL1H ? 0x200 : 0;

	write_sysreg(esr_el1, esr);
	write_sysreg(elr_el1, c->pc);
	write_sysreg(spsr_el1, c->pstate);

	pstate = PSTATE_EL1H_MASKED | (c->pstate & (PSTATE_NZCV | PSTATE_DIT));
	if (!(sctlr & SCTLR_SPAN) || (c->pstate & PSTATE_PAN))
		pstate |= PSTATE_PAN;
	if (sctlr & SCTLR_DSSBS)
		pstate |= PSTATE_SSBS;
	c->pstate = pstate;
	c->pc = read_sysreg(vbar_el1) + offset;
}

void inject_undef(struct context *c)
{
	inject_sync(c, (u64)EC_UNKNOWN << 26 | ESR_IL);
}

/* A synchronous external abort in place of the stage-2 abort in esr. */
void inject_abort(struct context *c, u64 esr, u64 far)
{
	u64 iss = ESR_ISS(esr);
	u64 ec = ESR_EC(esr);
	u64 fsc = ABORT_S1PTW(iss) ? FSC_SEA_WALK | (iss & 3) : FSC_SEA;
	u64 mode = c->pstate & PSTATE_MODE;

	if (mode != PSTATE_EL0 && !(mode & PSTATE_AARCH32))
		ec |= 1;		/* abort taken without a change of EL */
	write_sysreg(far_el1, far);
	inject_sync(c, ec << 26 | ESR_IL | fsc |
		    (ec >= EC_DABT_LOW && ABORT_WNR(iss) ? BIT(6) : 0));
}

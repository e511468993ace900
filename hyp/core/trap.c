// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions: EL2's own, which end the test, and those of the lower levels. */
#include "core.h"

u64 fault_ipa(void)
{
	return (read_sysreg(hpfar_el2) & 0xffffffffff0ull) << 8 |
	       (read_sysreg(far_el2) & 0xfff);
}

u64 get_reg(const struct context *c, u32 n)
{
	return n == 31 ? 0 : c->x[n];
}

void set_reg(struct context *c, u32 n, u64 val)
{
	if (n != 31)
		c->x[n] = val;
}

void trap_el2(u64 kind)
{
	plat_panic("exception in EL2, kind %lu: ESR %#lx PC %#lx FAR %#lx",
		   kind, read_sysreg(esr_el2), read_sysreg(elr_el2),
		   read_sysreg(far_el2));
}

void trap_lower(struct pcpu *p, u64 kind)
{
	hyp_lock();
	if (p->vcpu)
		guest_trap(p, kind);
	else
		host_trap(p, kind);
	hyp_unlock();
}

// SPDX-License-Identifier: GPL-2.0-only
/* The host at EL1: EL2's controls for it, and its traps. */
#include <string.h>

#include "core.h"

#define HCR_HOST	(BIT(0) |	/* VM */			\
			 BIT(2) |	/* PTW, as for guests */	\
			 BIT(3) |	/* FMO */			\
			 BIT(4) |	/* IMO */			\
			 BIT(18) |	/* TID3 */			\
			 BIT(19) |	/* TSC */			\
			 BIT(31) |	/* RW */			\
			 BIT(40) |	/* APK */			\
			 BIT(41) |	/* API */			\
			 BIT(53))	/* EnSCXT */

/* Traps SVE and SME: nobody switches their state, so the host has neither. */
#define CPTR_HOST	0x33ffull

#define EC_SVE		0x19
#define EC_SME		0x1d

#define ICC_SGI1R	SYSREG(3, 0, 12, 11, 5)

static u64 nr_pmu_counters(void)
{
	u64 pmu = read_sysreg(id_aa64dfr0_el1) >> 8 & 0xf;

	return pmu && pmu != 0xf ? read_sysreg(pmcr_el0) >> 11 & 0x1f : 0;
}

void host_el2_setup(const struct pcpu *p)
{
	write_sysreg(hcr_el2, HCR_HOST);
	write_sysreg(vtcr_el2, host_s2.vtcr);
	write_sysreg(vttbr_el2, host_s2.vttbr);
	write_sysreg(cptr_el2, CPTR_HOST);
	write_sysreg(mdcr_el2, nr_pmu_counters());
	write_sysreg(vpidr_el2, read_sysreg(midr_el1));
	write_sysreg(vmpidr_el2, BIT(31) | p->mpidr);
	isb();
}

static void host_sysreg(struct pcpu *p, u64 iss)
{
	struct context *c = &p->host;
	u32 reg = SYSREG_ID(iss);

	if (reg == ICC_SGI1R && !SYSREG_READ(iss)) {
		dsb(ishst);
		write_sysreg(icc_sgi1r_el1, get_reg(c, SYSREG_RT(iss)));
		isb();
	} else if (idregs_is_id(reg) && SYSREG_READ(iss)) {
		set_reg(c, SYSREG_RT(iss), idregs_host(reg));
	} else {
		inject_undef(c);
		return;
	}
	c->pc += 4;
}

static void host_abort(struct pcpu *p, u64 esr)
{
	struct context *c = &p->host;
	u64 iss = ESR_ISS(esr);
	bool data = ESR_EC(esr) == EC_DABT_LOW;
	u64 ipa = fault_ipa();

	if (data && (host_gic_access(p, ipa, iss) || door_access(p, ipa, iss)))
		return;
	/* A block was being split, or the page has come back: try again. */
	if (stage2_mapped(&host_s2, ipa))
		return;
	if (!plat_host_ram(ipa, 1))
		plat_violation("the host touched %#lx, where it has nothing: EL%lu, PC %#lx, %s",
			       ipa, c->pstate >> 2 & 3, c->pc,
			       !data ? "fetch" : ABORT_WNR(iss) ? "write" : "read");
	if (!inject_lent_abort())
		plat_violation("the host touched lent memory: IPA %#lx, EL%lu, PC %#lx, %s",
			       ipa, c->pstate >> 2 & 3, c->pc,
			       !data ? "fetch" : ABORT_WNR(iss) ? "write" : "read");
	inject_abort(c, esr, read_sysreg(far_el2));
}

static void host_sync(struct pcpu *p)
{
	u64 esr = read_sysreg(esr_el2);

	switch (ESR_EC(esr)) {
	case EC_SMC64:
		p->host.pc += 4;
		smccc_host(p, ESR_ISS(esr));
		break;
	case EC_HVC64:
		smccc_host(p, ESR_ISS(esr));
		break;
	case EC_SYSREG:
		host_sysreg(p, ESR_ISS(esr));
		break;
	case EC_IABT_LOW:
	case EC_DABT_LOW:
		host_abort(p, esr);
		break;
	case EC_SVE:
	case EC_SME:
		inject_undef(&p->host);
		break;
	default:
		plat_panic("unexpected trap of the host: ESR %#lx PC %#lx",
			   esr, p->host.pc);
	}
}

void host_trap(struct pcpu *p, u64 kind)
{
	u64 deadline;

	if (kind == KIND_SYNC) {
		host_sync(p);
	} else if (kind == KIND_IRQ) {
		host_gic_save(p);
		gic_ack(p);
		host_gic_load(p);
	} else {
		plat_panic("SError or FIQ in the host, ESR %#lx PC %#lx",
			   read_sysreg(esr_el2), p->host.pc);
	}

	timer_run_due();
	if (p->vcpu)
		return;
	deadline = timer_deadline();
	if (deadline != p->cnthp)
		timer_arm(p, deadline);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What trapped system registers say.
 *
 * Of the ID registers the host sees the CPU without the extensions whose state
 * nobody switches here (SVE, SME, MTE and what newer architecture versions add
 * behind HCRX_EL2).  A guest sees what the real hypervisor shows (ABI.md E.3).
 */
#include "sysregs.h"

#define FIELD(lsb)	(0xfull << (lsb))

#define ID(crm, op2)	SYSREG(3, 0, 0, crm, op2)
#define ID_DFR0		ID(1, 2)
#define ID_PFR0		ID(4, 0)
#define ID_PFR1		ID(4, 1)

#define ID_AA64DFR0	ID(5, 0)
#define ID_ISAR0	ID(6, 0)
#define ID_ISAR1	ID(6, 1)
#define ID_ISAR2	ID(6, 2)
#define ID_MMFR0	ID(7, 0)
#define ID_MMFR1	ID(7, 1)
#define ID_MMFR2	ID(7, 2)

#define GUEST_PFR0	0x1100000001001110ull
#define GUEST_MMFR0	0x000000000f001121ull

static struct idregs hw;

void idregs_init(const struct idregs *cpu)
{
	hw = *cpu;
}

/* ID group 3: what HCR_EL2.TID3 traps */
bool idregs_is_id(u32 reg)
{
	u32 crm = reg >> 1 & 0xf;

	return (reg & ~(SYSREG(0, 0, 0, 0xf, 7))) == SYSREG(3, 0, 0, 0, 0) &&
	       crm >= 1 && crm <= 7;
}

static u64 hardware(u32 reg)
{
	return hw.crm[reg >> 1 & 7][reg >> 17 & 7];
}

u64 idregs_host(u32 reg)
{
	u64 val = hardware(reg);

	switch (reg) {
	case ID_PFR0:
		return val & ~(FIELD(32) | FIELD(36) | FIELD(40) | FIELD(44) |
			       FIELD(52));
	case ID_PFR1:			/* BT and SSBS */
		return val & (FIELD(0) | FIELD(4));
	case ID_AA64DFR0:		/* debug, PMU, double lock */
		return val & (FIELD(0) | FIELD(8) | FIELD(12) | FIELD(20) |
			      FIELD(28) | FIELD(36));
	case ID_ISAR1:			/* no LS64 */
		return val & ~FIELD(60);
	case ID_ISAR2:			/* WFxT, RPRES, GPA3, APA3 */
		return val & 0xffffull;
	case ID_MMFR1:			/* up to CMOW */
		return val & 0x0fffffffffffffffull;
	case ID_ISAR0:
	case ID_MMFR0:
	case ID_MMFR2:
		return val;
	}
	/* AArch32's are harmless, other AArch64 ones are for newer features. */
	return (reg >> 1 & 0xf) <= 3 ? val : 0;
}

u64 idregs_guest(u32 reg)
{
	u64 val = hardware(reg);

	switch (reg) {
	case ID_PFR0:
		return GUEST_PFR0 | (val & FIELD(0));
	case ID_PFR1:			/* SSBS */
		return val & FIELD(4);
	case ID_AA64DFR0:		/* ARMv8 debug, the least of each kind */
		return 6;
	case ID_ISAR0:			/* no TME, no RNDR */
		return val & ~(FIELD(24) | FIELD(60));
	case ID_ISAR1:			/* no pointer authentication, no LS64 */
		return val & ~(FIELD(4) | FIELD(8) | FIELD(24) | FIELD(28) |
			       FIELD(56) | FIELD(60));
	case ID_MMFR0:
		return GUEST_MMFR0;
	case ID_MMFR1:			/* HAFDBS, HPDS, PAN */
		return val & (FIELD(0) | FIELD(12) | FIELD(20));
	case ID_MMFR2:			/* CnP, UAO, VARange, CCIDX, ST, AT, TTL, BBM, E0PD */
		return val & (FIELD(0) | FIELD(4) | FIELD(16) | FIELD(20) |
			      FIELD(28) | FIELD(32) | FIELD(48) | FIELD(52) |
			      FIELD(60));
	case ID_DFR0:
		return 0;
	}
	return (reg >> 1 & 0xf) <= 3 ? val : 0;
}

/* --- a guest's other accesses ------------------------------------------------ */

#define SYSREG_OP0(reg)	((reg) >> 20 & 3)
#define DEBUG_OP0	2

#define ICC_SGI1R	SYSREG(3, 0, 12, 11, 5)
#define ICC_ASGI1R	SYSREG(3, 0, 12, 11, 6)
#define ICC_SGI0R	SYSREG(3, 0, 12, 11, 7)
#define ACTLR_EL1	SYSREG(3, 0, 1, 0, 1)
#define LORSA_EL1	SYSREG(3, 0, 10, 4, 0)
#define LORID_EL1	SYSREG(3, 0, 10, 4, 7)
#define DC_ISW		SYSREG(1, 0, 7, 6, 2)
#define DC_CSW		SYSREG(1, 0, 7, 10, 2)
#define DC_CISW		SYSREG(1, 0, 7, 14, 2)

enum sysreg_access guest_sysreg(u32 reg, bool read)
{
	switch (reg) {
	case ICC_SGI1R:
		return read ? SYSREG_UNDEFINED : SYSREG_SGI_GROUP1;
	case ICC_SGI0R:
		return read ? SYSREG_UNDEFINED : SYSREG_SGI_GROUP0;
	case ICC_ASGI1R:		/* to the other security state */
		return read ? SYSREG_UNDEFINED : SYSREG_RAZWI;
	case ACTLR_EL1:
	case DC_ISW:
	case DC_CSW:
	case DC_CISW:
		return SYSREG_RAZWI;
	case LORID_EL1:
		return read ? SYSREG_RAZWI : SYSREG_UNDEFINED;
	}
	if (idregs_is_id(reg))
		return read ? SYSREG_IDENTIFICATION : SYSREG_UNDEFINED;
	if (SYSREG_OP0(reg) == DEBUG_OP0 ||
	    (reg & ~SYSREG(0, 0, 0, 0, 3)) == LORSA_EL1)
		return SYSREG_RAZWI;
	return SYSREG_UNDEFINED;
}

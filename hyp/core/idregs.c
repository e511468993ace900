// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the ID registers say.  The host sees the CPU without the extensions
 * whose state nobody switches here (SVE, SME, MTE and what newer architecture
 * versions add behind HCRX_EL2).  A guest sees what the real hypervisor shows
 * (ABI.md E.3).
 */
#include "core.h"

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

static u64 hw[8][8];

#define READ_1(crm, op2) hw[crm][op2] = read_sysreg(s3_0_c0_c##crm##_##op2);
#define READ_8(crm)							\
	READ_1(crm, 0) READ_1(crm, 1) READ_1(crm, 2) READ_1(crm, 3)	\
	READ_1(crm, 4) READ_1(crm, 5) READ_1(crm, 6) READ_1(crm, 7)

void idregs_init(void)
{
	READ_8(1) READ_8(2) READ_8(3) READ_8(4) READ_8(5) READ_8(6) READ_8(7)
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
	return hw[reg >> 1 & 7][reg >> 17 & 7];
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

/* SPDX-License-Identifier: GPL-2.0-only */
/* System registers that trap: how they are named, and what they say. */
#ifndef HYP_SYSREGS_H
#define HYP_SYSREGS_H

#include "plat.h"

/* As ESR_EL2 describes them */
#define SYSREG_ID(iss)		((iss) & 0x3ffc1e)
#define SYSREG(op0, op1, crn, crm, op2)					\
	((u32)(op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 |	\
	 (crm) << 1)
#define SYSREG_READ(iss)	((iss) & 1)
#define SYSREG_RT(iss)		(((iss) >> 5) & 0x1f)

/* The CPU's own: op0 = 3, op1 = 0, CRn = 0, by CRm and op2 */
struct idregs {
	u64 crm[8][8];
};

void idregs_init(const struct idregs *cpu);
bool idregs_is_id(u32 reg);
u64 idregs_host(u32 reg);
u64 idregs_guest(u32 reg);

/* What a guest's access to a register does, when it traps */
enum sysreg_access {
	SYSREG_UNDEFINED,		/* undefined instruction */
	SYSREG_IDENTIFICATION,		/* reads idregs_guest() */
	SYSREG_RAZWI,			/* reads as zero, ignores writes */
	SYSREG_SGI_GROUP0,		/* sends an SGI */
	SYSREG_SGI_GROUP1,
};

enum sysreg_access guest_sysreg(u32 reg, bool read);

#endif /* HYP_SYSREGS_H */

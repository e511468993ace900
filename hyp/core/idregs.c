// SPDX-License-Identifier: GPL-2.0-only
/* The ID registers of this CPU; guest/sysregs.c decides who sees what of them. */
#include "core.h"

#define READ_1(crm_, op2)						\
	cpu.crm[crm_][op2] = read_sysreg(s3_0_c0_c##crm_##_##op2);
#define READ_8(crm)							\
	READ_1(crm, 0) READ_1(crm, 1) READ_1(crm, 2) READ_1(crm, 3)	\
	READ_1(crm, 4) READ_1(crm, 5) READ_1(crm, 6) READ_1(crm, 7)

void idregs_read(void)
{
	struct idregs cpu = { 0 };

	READ_8(1) READ_8(2) READ_8(3) READ_8(4) READ_8(5) READ_8(6) READ_8(7)
	idregs_init(&cpu);
}

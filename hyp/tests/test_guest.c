// SPDX-License-Identifier: GPL-2.0-only
/* What a guest is told: by system registers that trap, and by PSCI. */
#include "../guest/psci.h"
#include "../guest/sysregs.h"
#include "test.h"

#define ID(crm, op2)	SYSREG(3, 0, 0, crm, op2)
#define ID_PFR0		ID(4, 0)
#define ID_PFR1		ID(4, 1)
#define ID_ZFR0		ID(4, 4)
#define ID_SMFR0	ID(4, 5)
#define ID_DFR0		ID(5, 0)
#define ID_ISAR0	ID(6, 0)
#define ID_ISAR1	ID(6, 1)
#define ID_ISAR2	ID(6, 2)
#define ID_MMFR0	ID(7, 0)
#define ID_MMFR1	ID(7, 1)
#define ID_MMFR2	ID(7, 2)
#define ID32_DFR0	ID(1, 2)
#define ID32_ISAR5	ID(2, 5)

static u32 field(u64 val, u32 lsb)
{
	return val >> lsb & 0xf;
}

/* Every field of every register at its most: what gets through? */
static void cpu_with(u64 every)
{
	struct idregs cpu;

	for (u32 crm = 0; crm < 8; crm++)
		for (u32 op2 = 0; op2 < 8; op2++)
			cpu.crm[crm][op2] = every;
	idregs_init(&cpu);
}

static void id_guest(void)
{
	cpu_with(0x2222222222222222);
	/* what the real hypervisor showed */
	CHECK_EQ(idregs_guest(ID_PFR0), 0x1100000001001112);
	CHECK_EQ(idregs_guest(ID_MMFR0), 0x0f001121);
	/* ARMv8 debug with the least of each kind; no PMU, no trace */
	CHECK_EQ(idregs_guest(ID_DFR0), 6);
	CHECK_EQ(idregs_guest(ID32_DFR0), 0);
	CHECK_EQ(idregs_guest(ID_ZFR0), 0);
	CHECK_EQ(idregs_guest(ID_SMFR0), 0);
	CHECK_EQ(idregs_guest(ID_ISAR2), 0);
	CHECK_EQ(idregs_guest(ID(5, 1)), 0);
	CHECK_EQ(idregs_guest(ID(7, 3)), 0);
	CHECK_EQ(idregs_guest(ID(7, 7)), 0);

	/* only SSBS: no BTI, no MTE, no SME */
	CHECK_EQ(idregs_guest(ID_PFR1), 0x20);
	/* pointer authentication in all its forms, LS64, random numbers, TME */
	CHECK_EQ(field(idregs_guest(ID_ISAR1), 4), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR1), 8), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR1), 24), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR1), 28), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR1), 60), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR1), 0), 2);
	CHECK_EQ(field(idregs_guest(ID_ISAR0), 60), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR0), 24), 0);
	CHECK_EQ(field(idregs_guest(ID_ISAR0), 20), 2);
	/* no VHE, no LORegions, no nested virtualization, no 16-bit VMIDs */
	CHECK_EQ(idregs_guest(ID_MMFR1), 0x202002);
	CHECK_EQ(field(idregs_guest(ID_MMFR2), 24), 0);
	CHECK_EQ(field(idregs_guest(ID_MMFR2), 40), 0);
	/* AArch32's are the CPU's */
	CHECK_EQ(idregs_guest(ID32_ISAR5), 0x2222222222222222);

	/* a small CPU stays small */
	cpu_with(0);
	CHECK_EQ(idregs_guest(ID_PFR0), 0x1100000001001110);
	CHECK_EQ(idregs_guest(ID_MMFR0), 0x0f001121);
	CHECK_EQ(idregs_guest(ID_ISAR0), 0);
	CHECK_EQ(idregs_guest(ID_MMFR2), 0);
}

static void id_host(void)
{
	cpu_with(0x2222222222222222);
	/* no SVE, SME, MTE, AMU, MPAM, RME: nobody switches their state */
	CHECK_EQ(field(idregs_host(ID_PFR0), 32), 0);
	CHECK_EQ(field(idregs_host(ID_PFR0), 40), 0);
	CHECK_EQ(field(idregs_host(ID_PFR0), 44), 0);
	CHECK_EQ(field(idregs_host(ID_PFR0), 52), 0);
	CHECK_EQ(idregs_host(ID_PFR1), 0x22);
	CHECK_EQ(idregs_host(ID_ZFR0), 0);
	CHECK_EQ(idregs_host(ID_SMFR0), 0);
	/* but pointer authentication, the PMU, and the memory system as it is */
	CHECK_EQ(field(idregs_host(ID_ISAR1), 4), 2);
	CHECK_EQ(field(idregs_host(ID_DFR0), 8), 2);
	CHECK_EQ(idregs_host(ID_MMFR0), 0x2222222222222222);
}

static void id_encodings(void)
{
	CHECK(idregs_is_id(ID(1, 0)) && idregs_is_id(ID(7, 7)));
	/* MIDR, MPIDR, REVIDR are not in the group */
	CHECK(!idregs_is_id(ID(0, 0)) && !idregs_is_id(ID(0, 5)));
	CHECK(!idregs_is_id(ID(8, 0)));
	CHECK(!idregs_is_id(SYSREG(3, 1, 0, 4, 0)));
	CHECK(!idregs_is_id(SYSREG(2, 0, 0, 4, 0)));
	/* the ISS of mrs x7, id_aa64pfr0_el1 */
	CHECK_EQ(SYSREG_ID(0x3000e9u), ID_PFR0);
	CHECK_EQ(SYSREG_RT(0x3000e9u), 7);
	CHECK(SYSREG_READ(0x3000e9u));
}

static void sysreg_traps(void)
{
	static const struct {
		const char *name;
		u32 reg;
		enum sysreg_access read, write;
	} regs[] = {
		{ "ID_AA64PFR0_EL1", ID_PFR0, SYSREG_IDENTIFICATION, SYSREG_UNDEFINED },
		{ "ID_AA64MMFR4_EL1", ID(7, 4), SYSREG_IDENTIFICATION, SYSREG_UNDEFINED },
		{ "ICC_SGI1R_EL1", SYSREG(3, 0, 12, 11, 5), SYSREG_UNDEFINED, SYSREG_SGI_GROUP1 },
		{ "ICC_ASGI1R_EL1", SYSREG(3, 0, 12, 11, 6), SYSREG_UNDEFINED, SYSREG_RAZWI },
		{ "ICC_SGI0R_EL1", SYSREG(3, 0, 12, 11, 7), SYSREG_UNDEFINED, SYSREG_SGI_GROUP0 },
		{ "ACTLR_EL1", SYSREG(3, 0, 1, 0, 1), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "DC CISW", SYSREG(1, 0, 7, 14, 2), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "MDSCR_EL1", SYSREG(2, 0, 0, 2, 2), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "OSLAR_EL1", SYSREG(2, 0, 1, 0, 4), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "OSDLR_EL1", SYSREG(2, 0, 1, 3, 4), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "DBGBVR0_EL1", SYSREG(2, 0, 0, 0, 4), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "LORSA_EL1", SYSREG(3, 0, 10, 4, 0), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "LORC_EL1", SYSREG(3, 0, 10, 4, 3), SYSREG_RAZWI, SYSREG_RAZWI },
		{ "LORID_EL1", SYSREG(3, 0, 10, 4, 7), SYSREG_RAZWI, SYSREG_UNDEFINED },
		{ "PMCR_EL0", SYSREG(3, 3, 9, 12, 0), SYSREG_UNDEFINED, SYSREG_UNDEFINED },
		{ "PMUSERENR_EL0", SYSREG(3, 3, 9, 14, 0), SYSREG_UNDEFINED, SYSREG_UNDEFINED },
		{ "AMCR_EL0", SYSREG(3, 3, 13, 2, 0), SYSREG_UNDEFINED, SYSREG_UNDEFINED },
		{ "S3_1_C15_C2_0", SYSREG(3, 1, 15, 2, 0), SYSREG_UNDEFINED, SYSREG_UNDEFINED },
		{ "ZCR_EL1", SYSREG(3, 0, 1, 2, 0), SYSREG_UNDEFINED, SYSREG_UNDEFINED },
	};

	for (u32 i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		if (guest_sysreg(regs[i].reg, true) == regs[i].read &&
		    guest_sysreg(regs[i].reg, false) == regs[i].write)
			continue;
		printf("# %s: read %u, write %u\n", regs[i].name,
		       guest_sysreg(regs[i].reg, true), guest_sysreg(regs[i].reg, false));
		test_failed = true;
	}
}

/* --- PSCI --------------------------------------------------------------------------- */

#define FN64(fn)	((fn) | 0x40000000u)
#define SUCCESS		0ull
#define MINUS(n)	(~0ull - (n) + 1)
#define MINUS32(n)	(0x100000000ull - (n))
#define JUNK		0xdeadbeef00000000ull

static struct psci_vm vm;
static struct psci_action act;
static u64 x[4];

/* X0 afterwards */
static u64 psci(u32 fn, u64 a1, u64 a2, u64 a3)
{
	x[0] = fn;
	x[1] = a1;
	x[2] = a2;
	x[3] = a3;
	memset(&act, 0xff, sizeof(act));
	CHECK(psci_guest_call(&vm, x, &act));
	CHECK_EQ(x[1], a1);
	CHECK_EQ(x[3], a3);
	return x[0];
}

static bool psci_knows(u32 fn)
{
	u64 regs[4] = { fn };

	return psci_guest_call(&vm, regs, &act);
}

static void new_vm(u32 cpus)
{
	vm = (struct psci_vm){ .has_psci = true, .nr_vcpus = cpus, .on = 1 };
}

static void psci_calls(void)
{
	static const struct {
		u32 fn;
		bool narrow, wide;
	} calls[] = {
		{ 0x84000000, true, false },	/* VERSION */
		{ 0x84000001, true, true },	/* CPU_SUSPEND */
		{ 0x84000002, true, false },	/* CPU_OFF */
		{ 0x84000003, true, true },	/* CPU_ON */
		{ 0x84000004, true, true },	/* AFFINITY_INFO */
		{ 0x84000005, false, false },	/* MIGRATE */
		{ 0x84000006, false, false },	/* MIGRATE_INFO_TYPE */
		{ 0x84000008, true, false },	/* SYSTEM_OFF */
		{ 0x84000009, true, false },	/* SYSTEM_RESET */
		{ 0x8400000a, true, false },	/* FEATURES */
		{ 0x8400000b, false, false },	/* CPU_FREEZE */
		{ 0x8400000c, true, true },	/* CPU_DEFAULT_SUSPEND */
		{ 0x8400000e, false, false },	/* SYSTEM_SUSPEND */
		{ 0x84000012, true, true },	/* SYSTEM_RESET2 */
		{ 0x84000050, false, false },	/* TRNG_VERSION */
	};

	new_vm(1);
	for (u32 i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		u32 fn = calls[i].fn;

		CHECK_EQ(psci_knows(fn), calls[i].narrow);
		CHECK_EQ(psci_knows(FN64(fn)), calls[i].wide);
		/* FEATURES agrees */
		CHECK_EQ(psci(0x8400000a, fn, 0, 0), calls[i].narrow ? SUCCESS : MINUS32(1));
		CHECK_EQ(psci(0x8400000a, FN64(fn), 0, 0),
			 calls[i].wide ? SUCCESS : MINUS32(1));
		CHECK_EQ(act.todo, PSCI_NOTHING);
	}
	CHECK_EQ(psci(0x8400000a, 0x80000000, 0, 0), SUCCESS);
	CHECK_EQ(psci(0x84000000, 0, 0, 0), 0x10001);

	/* a VM whose device tree does not ask for PSCI */
	vm.has_psci = false;
	CHECK(!psci_knows(0x84000000) && !psci_knows(0x84000008));
	CHECK_EQ(psci(0x8400000a, 0x84000000, 0, 0), MINUS32(1));
	CHECK_EQ(psci(0x8400000a, 0x8400000a, 0, 0), MINUS32(1));
	CHECK_EQ(psci(0x8400000a, 0x80000000, 0, 0), SUCCESS);
}

static void psci_cpu_on(void)
{
	new_vm(4);
	CHECK_EQ(psci(0xc4000003, 2, 0x80200000, 0x1234567890), SUCCESS);
	CHECK_EQ(act.todo, PSCI_TURN_ON);
	CHECK_EQ(act.cpu, 2);
	CHECK_EQ(act.entry, 0x80200000);
	CHECK_EQ(act.arg, 0x1234567890);

	/* 32 bits, with junk above */
	CHECK_EQ(psci(0x84000003, JUNK | 3, JUNK | 0x80000000, JUNK | 7), SUCCESS);
	CHECK(act.cpu == 3 && act.entry == 0x80000000 && act.arg == 7);

	/* on already; not in this VM; not in any; of another affinity */
	CHECK_EQ(psci(0xc4000003, 0, 0, 0), MINUS(4));
	CHECK_EQ(act.todo, PSCI_NOTHING);
	CHECK_EQ(psci(0xc4000003, 4, 0, 0), MINUS(6));
	CHECK_EQ(psci(0xc4000003, 8, 0, 0), MINUS(2));
	CHECK_EQ(psci(0xc4000003, 0x100, 0, 0), MINUS(2));
	CHECK_EQ(psci(0xc4000003, 0x100000001, 0, 0), MINUS(2));
	CHECK_EQ(psci(0x84000003, 0, 0, 0), MINUS32(4));
	CHECK_EQ(act.todo, PSCI_NOTHING);
	/* bits that are no affinity do not count */
	CHECK_EQ(psci(0xc4000003, 0x81000001, 0, 0), SUCCESS);
	CHECK_EQ(act.cpu, 1);
}

static void psci_others(void)
{
	new_vm(2);
	CHECK_EQ(psci(0xc4000004, 0, 0, 0), 0);
	CHECK_EQ(psci(0xc4000004, 1, 0, 0), 1);
	CHECK_EQ(psci(0xc4000004, 2, 0, 0), MINUS(2));
	CHECK_EQ(psci(0xc4000004, 0, 1, 0), MINUS(2));
	CHECK_EQ(psci(0x84000004, 5, 0, 0), MINUS32(2));
	CHECK_EQ(psci(0x84000004, JUNK | 1, JUNK, 0), 1);

	psci(0x84000002, 0, 0, 0);
	CHECK_EQ(act.todo, PSCI_TURN_OFF);

	CHECK_EQ(psci(0xc4000001, 0x5, 0x1000, 0x2000), SUCCESS);
	CHECK(act.todo == PSCI_SUSPEND && act.state == 5 && !act.powerdown);
	CHECK_EQ(psci(0xc4000001, 0x10003, 0x1000, 0x2000), SUCCESS);
	CHECK(act.powerdown && act.state == 0x10003);
	CHECK(act.entry == 0x1000 && act.arg == 0x2000);
	CHECK_EQ(psci(0xc400000c, 0x3000, 0x4000, 0), SUCCESS);
	CHECK(act.powerdown && act.entry == 0x3000 && act.arg == 0x4000);
}

static void psci_end(void)
{
	new_vm(1);
	psci(0x84000008, 0, 0, 0);
	CHECK(act.todo == PSCI_END && act.why == GUEST_EXIT_OFF);
	psci(0x84000009, 0, 0, 0);
	CHECK(act.todo == PSCI_END && act.why == GUEST_EXIT_RESET);
	CHECK_EQ(act.type, 1ull << 63);
	/* what was measured on the real one */
	psci(0xc4000012, 0x80000001, 0x1122334455, 0);
	CHECK(act.todo == PSCI_END && act.why == GUEST_EXIT_RESET2);
	CHECK_EQ(act.type, 0x4000000080000001);
	CHECK_EQ(act.cookie, 0x1122334455);
	psci(0x84000012, JUNK | 0x80000001, JUNK | 0x55, 0);
	CHECK_EQ(act.type, 0x80000001);
	CHECK_EQ(act.cookie, 0x55);
}

const struct test guest_tests[] = {
	{ "guest_id_registers", id_guest },
	{ "guest_id_registers_of_the_host", id_host },
	{ "guest_id_encodings", id_encodings },
	{ "guest_sysreg_traps", sysreg_traps },
	{ "guest_psci_calls", psci_calls },
	{ "guest_psci_cpu_on", psci_cpu_on },
	{ "guest_psci_others", psci_others },
	{ "guest_psci_end", psci_end },
	{ }
};

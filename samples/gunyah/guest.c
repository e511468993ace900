// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest for gunyah_vmm: says hello, checks the reads that the VMM answers,
 * sleeps until its timer wakes it, starts its other CPUs, and powers off.
 *
 * It runs with the MMU off, where all memory is Device memory: no unaligned
 * accesses and no exclusives.  The hypervisor passes on only what a single load
 * or store of a general register does, so all access to devices goes through
 * the functions below.
 */
#include "guest.h"
#include "sample_vm.h"

#define PSCI_CPU_OFF		0x84000002
#define PSCI_CPU_ON		0xc4000003
#define PSCI_SYSTEM_OFF		0x84000008

#define GICD_CTLR		0x0000
#define GICD_CTLR_ENABLE_GRP1A	0x2
#define GICD_CTLR_ARE_NS	0x10
#define GICR_TYPER		0x0008
#define GICR_TYPER_LAST		0x10
#define GICR_WAKER		0x0014
#define GICR_WAKER_PROCESSOR_SLEEP	0x2
#define GICR_WAKER_CHILDREN_ASLEEP	0x4
/* In the redistributor's second frame of 64 KiB */
#define GICR_IGROUPR0		0x10080
#define GICR_ISENABLER0		0x10100
#define GICR_IPRIORITYR		0x10400

#define TIMER_INTID		27
#define TIMER_ENABLE		0x1

/* Exit status of the VMM: which check failed */
enum result {
	RESULT_OK,
	RESULT_EXCEPTION,
	RESULT_ANSWER,
	RESULT_GIC,
	RESULT_TIMER,
	RESULT_CPU_ON,
	RESULT_CPU_SILENT,
};

/* Written by one CPU, read by another */
static u8 cpu_reported[SAMPLE_MAX_CPUS];

#define read_sysreg(name) ({						\
	u64 value;							\
	asm volatile("mrs %0, " name : "=r" (value));			\
	value;								\
})

#define write_sysreg(name, value) ({					\
	asm volatile("msr " name ", %0\n\tisb" : : "r" ((u64)(value)));	\
})

#define load(insn, reg, addr) ({					\
	u64 value;							\
	asm volatile(insn " %" reg "0, [%1]"				\
		     : "=r" (value) : "r" ((u64)(addr)) : "memory");	\
	value;								\
})

#define store(insn, reg, addr, value) ({				\
	asm volatile(insn " %" reg "0, [%1]"				\
		     : : "r" ((u64)(value)), "r" ((u64)(addr)) : "memory"); \
})

static u64 read32(u64 addr)
{
	return load("ldr", "w", addr);
}

static void write32(u64 addr, u32 value)
{
	store("str", "w", addr, value);
}

static void put_char(char c)
{
	store("strb", "w", SAMPLE_DEV_BASE + SAMPLE_DEV_CONSOLE, c);
}

static void print(const char *text)
{
	while (*text)
		put_char(*text++);
}

static void print_hex(u64 value)
{
	print("0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[(value >> shift) & 0xf]);
}

static void print_cpu(u64 cpu)
{
	print("CPU ");
	put_char('0' + cpu);
}

static void power_off(enum result result)
{
	write32(SAMPLE_DEV_BASE + SAMPLE_DEV_RESULT, result);
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	/* Not reached: the other end of the call is the end of the VM */
	for (;;)
		asm volatile("wfi");
}

void guest_exception(u64 esr, u64 elr, u64 far)
{
	print("exception: ESR ");
	print_hex(esr);
	print(" ELR ");
	print_hex(elr);
	print(" FAR ");
	print_hex(far);
	print("\n");
	power_off(RESULT_EXCEPTION);
}

static void check_answer(const char *insn, u64 got, u64 want)
{
	if (got == want)
		return;

	print(insn);
	print(" of the answer register gave ");
	print_hex(got);
	print(", not ");
	print_hex(want);
	print("\n");
	power_off(RESULT_ANSWER);
}

static void check_answers(void)
{
	u64 addr = SAMPLE_DEV_BASE + SAMPLE_DEV_ANSWER;
	u64 answer = SAMPLE_ANSWER;

	check_answer("ldrb", load("ldrb", "w", addr), (u8)answer);
	check_answer("ldrh", load("ldrh", "w", addr), (u16)answer);
	check_answer("ldr w", load("ldr", "w", addr), (u32)answer);
	check_answer("ldr x", load("ldr", "x", addr), answer);
	check_answer("ldrsb x", load("ldrsb", "x", addr), (signed char)answer);
	check_answer("ldrsh x", load("ldrsh", "x", addr), (short)answer);
	check_answer("ldrsb w", load("ldrsb", "w", addr),
		     (u32)(signed char)answer);
	check_answer("ldrsw", load("ldrsw", "x", addr), (int)answer);
	print("the VMM answers reads of each size\n");
}

/* Enable the timer's interrupt; it stays masked in the CPU and only ends WFI */
static void setup_gic(u64 cpu)
{
	u64 deadline = read_sysreg("cntvct_el0") + read_sysreg("cntfrq_el0");
	u64 gicr = SAMPLE_GICR_BASE;

	write32(SAMPLE_GICD_BASE + GICD_CTLR,
		GICD_CTLR_ARE_NS | GICD_CTLR_ENABLE_GRP1A);

	/* The upper half of GICR_TYPER is the affinity of the frame's CPU */
	while (read32(gicr + GICR_TYPER + 4) != cpu) {
		if (read32(gicr + GICR_TYPER) & GICR_TYPER_LAST) {
			print_cpu(cpu);
			print(" has no redistributor\n");
			power_off(RESULT_GIC);
		}
		gicr += SAMPLE_GICR_SIZE;
	}

	write32(gicr + GICR_WAKER,
		read32(gicr + GICR_WAKER) & ~GICR_WAKER_PROCESSOR_SLEEP);
	while (read32(gicr + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP) {
		if (read_sysreg("cntvct_el0") > deadline) {
			print_cpu(cpu);
			print(": the redistributor does not wake up\n");
			power_off(RESULT_GIC);
		}
	}

	write32(gicr + GICR_IGROUPR0, ~0U);
	store("strb", "w", gicr + GICR_IPRIORITYR + TIMER_INTID, 0x80);
	write32(gicr + GICR_ISENABLER0, 1U << TIMER_INTID);

	write_sysreg("s3_0_c12_c12_5", 1);	/* ICC_SRE_EL1 */
	write_sysreg("s3_0_c4_c6_0", 0xff);	/* ICC_PMR_EL1 */
	write_sysreg("s3_0_c12_c12_7", 1);	/* ICC_IGRPEN1_EL1 */
}

static void sleep_ms(u64 cpu, u64 ms)
{
	u64 freq = read_sysreg("cntfrq_el0");
	u64 end = read_sysreg("cntvct_el0") + freq * ms / 1000;
	u64 now, intid;

	write_sysreg("cntv_cval_el0", end);
	write_sysreg("cntv_ctl_el0", TIMER_ENABLE);

	/* WFI may end for no reason, and the interrupt may come a little late */
	do {
		asm volatile("wfi" : : : "memory");
		intid = read_sysreg("s3_0_c12_c12_0");	/* ICC_IAR1_EL1 */
		now = read_sysreg("cntvct_el0");
		if (intid == TIMER_INTID) {
			if (now >= end)
				write_sysreg("cntv_ctl_el0", 0);
			write_sysreg("s3_0_c12_c12_1", intid);	/* ICC_EOIR1_EL1 */
		} else if (now > end + 5 * freq) {
			print_cpu(cpu);
			print(": the timer interrupt does not come\n");
			power_off(RESULT_TIMER);
		}
	} while (intid != TIMER_INTID || now < end);
}

void guest_secondary(u64 cpu)
{
	setup_gic(cpu);
	sleep_ms(cpu, 10);
	store("strb", "w", &cpu_reported[cpu], 1);
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

static u64 has_reported(u64 cpu)
{
	return load("ldrb", "w", &cpu_reported[cpu]);
}

/* One after the other, so that their lines on the console stay whole */
static void start_secondary(u64 cpu)
{
	long ret = psci(PSCI_CPU_ON, cpu, (u64)secondary_start, cpu);

	if (ret) {
		print("PSCI CPU_ON of ");
		print_cpu(cpu);
		print(" gave ");
		print_hex(ret);
		print("\n");
		power_off(RESULT_CPU_ON);
	}

	for (int i = 0; i < 1000 && !has_reported(cpu); i++)
		sleep_ms(0, 10);

	print_cpu(cpu);
	if (!has_reported(cpu)) {
		print(" was started, but does not report\n");
		power_off(RESULT_CPU_SILENT);
	}
	print(" ran, and slept until its timer fired\n");
}

void guest_main(void)
{
	u64 cpus;

	print("Hello from a Gunyah guest\n");
	check_answers();

	setup_gic(0);
	sleep_ms(0, 10);
	print("CPU 0 slept until its timer fired\n");

	cpus = read32(SAMPLE_DEV_BASE + SAMPLE_DEV_CPUS);
	for (u64 cpu = 1; cpu < cpus; cpu++)
		start_secondary(cpu);

	print("powering off\n");
	power_off(RESULT_OK);
}

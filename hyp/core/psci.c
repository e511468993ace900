// SPDX-License-Identifier: GPL-2.0-only
/* PSCI: the host's goes to QEMU's firmware by SMC, a guest's ends here. */
#include "core.h"

#define PSCI_64			BIT(30)
#define PSCI_VERSION		0x84000000u
#define PSCI_CPU_SUSPEND	0x84000001u
#define PSCI_CPU_OFF		0x84000002u
#define PSCI_CPU_ON		0x84000003u
#define PSCI_AFFINITY_INFO	0x84000004u
#define PSCI_MIGRATE_INFO_TYPE	0x84000006u
#define PSCI_SYSTEM_OFF		0x84000008u
#define PSCI_SYSTEM_RESET	0x84000009u
#define PSCI_FEATURES		0x8400000au
#define PSCI_DEFAULT_SUSPEND	0x8400000cu
#define PSCI_SYSTEM_RESET2	0x84000012u
#define SMCCC_VERSION		0x80000000u

#define PSCI_1_1		0x10001u
#define SUCCESS			0
#define NOT_SUPPORTED		-1
#define INVALID_PARAMETERS	-2
#define ALREADY_ON		-4
#define INTERNAL_FAILURE	-6
#define TOS_NOT_PRESENT		2

#define AFFINITY_ON		0
#define AFFINITY_OFF		1

#define SUSPEND_POWERDOWN	BIT(16)
#define MPIDR_AFFINITY		0xff00ffffffull

#define RESET_PLAIN		BIT(63)
#define RESET2_64		BIT(62)

u64 psci_smc(u64 fn, u64 a1, u64 a2, u64 a3)
{
	register u64 x0 asm("x0") = fn;
	register u64 x1 asm("x1") = a1;
	register u64 x2 asm("x2") = a2;
	register u64 x3 asm("x3") = a3;

	asm volatile("smc #0"
		     : "+r" (x0), "+r" (x1), "+r" (x2), "+r" (x3)
		     : : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
		     "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	return x0;
}

/* --- the host ---------------------------------------------------------------- */

static u64 host_cpu_on(u64 mpidr, u64 entry, u64 arg)
{
	struct pcpu *target = pcpu_by_mpidr(mpidr);
	u64 err;

	if (!target)
		return (u64)INVALID_PARAMETERS;
	if (target->online)
		return (u64)ALREADY_ON;
	target->entry = entry;
	target->arg = arg;
	err = psci_smc(PSCI_CPU_ON | PSCI_64, target->mpidr,
		       (u64)secondary_entry, (u64)target);
	if (!err)
		target->online = true;
	return err;
}

/* Deadlines this CPU was armed for have to find another one. */
static void host_cpu_off(struct pcpu *p)
{
	p->online = false;
	timer_arm(p, NEVER);
	host_gic_give_back(p);
	for (u32 i = 0; i < nr_pcpus; i++) {
		if (pcpus[i].online) {
			gic_kick(&pcpus[i]);
			break;
		}
	}
	write_sysreg(icc_igrpen1_el1, 0);
	hyp_unlock();
	psci_smc(PSCI_CPU_OFF, 0, 0, 0);
	hyp_lock();
	plat_panic("CPU %u came back from CPU_OFF", p->index);
}

/* Function ids as CPU_ON's, in either width: the host's answer to FEATURES */
static bool host_has(u32 fn)
{
	switch (fn & ~(u32)PSCI_64) {
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_ON:
	case PSCI_AFFINITY_INFO:
		return true;
	}
	switch (fn) {
	case PSCI_VERSION:
	case PSCI_CPU_OFF:
	case PSCI_MIGRATE_INFO_TYPE:
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
	case PSCI_FEATURES:
	case SMCCC_VERSION:
		return true;
	}
	return false;
}

bool psci_host(struct pcpu *p, u64 *x)
{
	u32 fn = (u32)x[0];

	if (!host_has(fn))
		return false;

	switch (fn) {
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_SUSPEND | PSCI_64:
		/* Waiting is left to the host, which calls this when idle. */
		x[0] = SUCCESS;
		break;
	case PSCI_CPU_OFF:
		host_cpu_off(p);
		break;
	case PSCI_CPU_ON:
	case PSCI_CPU_ON | PSCI_64:
		x[0] = host_cpu_on(x[1], x[2], x[3]);
		break;
	case PSCI_MIGRATE_INFO_TYPE:
		x[0] = TOS_NOT_PRESENT;
		break;
	case PSCI_FEATURES:
		x[0] = host_has((u32)x[1]) ? SUCCESS : (u64)NOT_SUPPORTED;
		break;
	default:
		x[0] = psci_smc(fn, x[1], x[2], x[3]);
	}
	return true;
}

/* --- guests -------------------------------------------------------------------- */

static s64 guest_cpu_on(struct guest *g, u64 mpidr, u64 entry, u64 arg)
{
	u64 index = mpidr & MPIDR_AFFINITY;

	if (index >= VGIC_MAX_CPUS)
		return INVALID_PARAMETERS;
	if (index >= g->nr_vcpus)
		return INTERNAL_FAILURE;
	if (g->vcpu[index]->on)
		return ALREADY_ON;
	vcpu_power_on(g->vcpu[index], entry, arg);
	return SUCCESS;
}

static s64 guest_affinity_info(const struct guest *g, u64 mpidr, u64 level)
{
	u64 index = mpidr & MPIDR_AFFINITY;

	if (level || index >= g->nr_vcpus)
		return INVALID_PARAMETERS;
	return g->vcpu[index]->on ? AFFINITY_ON : AFFINITY_OFF;
}

/* A wake-up that is pending already makes it return at once. */
static void guest_suspend(struct vcpu *v, u64 state, u64 entry, u64 arg)
{
	v->ctx.x[0] = SUCCESS;
	vcpu_sample_timers(v);
	if (vcpu_pending(v))
		return;
	v->powerdown = state & SUSPEND_POWERDOWN;
	v->resume_pc = entry;
	v->resume_arg = arg;
	vcpu_sleep(v, (u32)state, 2);
}

static void vcpu_ends(struct vcpu *v, enum vcpu_state state,
		      enum guest_exit why, u64 type, u64 cookie)
{
	v->state = state;
	v->data[0] = type;
	v->data[1] = cookie;
	guest_ends(v->guest, why, type, cookie);
}

static bool guest_has(u32 fn)
{
	switch (fn & ~(u32)PSCI_64) {
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_ON:
	case PSCI_AFFINITY_INFO:
	case PSCI_DEFAULT_SUSPEND:
	case PSCI_SYSTEM_RESET2:
		return true;
	}
	switch (fn) {
	case PSCI_VERSION:
	case PSCI_CPU_OFF:
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
	case PSCI_FEATURES:
		return true;
	}
	return false;
}

bool psci_guest(struct vcpu *v, u64 *x)
{
	u32 fn = (u32)x[0];
	u64 a1 = x[1], a2 = x[2], a3 = x[3];
	bool wide = fn & PSCI_64;

	if (!guest_has(fn))
		return false;
	if (!wide) {
		a1 = (u32)a1;
		a2 = (u32)a2;
		a3 = (u32)a3;
	}

	switch (fn & ~(u32)PSCI_64) {
	case PSCI_VERSION:
		x[0] = PSCI_1_1;
		break;
	case PSCI_CPU_SUSPEND:
		guest_suspend(v, a1, a2, a3);
		break;
	case PSCI_DEFAULT_SUSPEND:
		guest_suspend(v, SUSPEND_POWERDOWN, a1, a2);
		break;
	case PSCI_CPU_OFF:
		v->on = false;
		break;
	case PSCI_CPU_ON:
		x[0] = (u64)guest_cpu_on(v->guest, a1, a2, a3);
		break;
	case PSCI_AFFINITY_INFO:
		x[0] = (u64)guest_affinity_info(v->guest, a1, a2);
		break;
	case PSCI_SYSTEM_OFF:
		vcpu_ends(v, VCPU_HALTED, GUEST_EXIT_OFF, 0, 0);
		break;
	case PSCI_SYSTEM_RESET:
		vcpu_ends(v, VCPU_RESET, GUEST_EXIT_RESET, RESET_PLAIN, 0);
		break;
	case PSCI_SYSTEM_RESET2:
		vcpu_ends(v, VCPU_RESET, GUEST_EXIT_RESET2,
			  (u32)a1 | (wide ? RESET2_64 : 0), a2);
		break;
	case PSCI_FEATURES:
		x[0] = guest_has((u32)a1) || (u32)a1 == SMCCC_VERSION ?
		       SUCCESS : (u32)NOT_SUPPORTED;
		break;
	}
	if (!wide)
		x[0] = (u32)x[0];
	return true;
}

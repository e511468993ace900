// SPDX-License-Identifier: GPL-2.0-only
/* PSCI: the host's goes to QEMU's firmware by SMC, a guest's ends here. */
#include "core.h"

#define TOS_NOT_PRESENT		2

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
		return (u64)PSCI_INVALID_PARAMETERS;
	if (target->online)
		return (u64)PSCI_ALREADY_ON;
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
	hyp_lock_early();
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
		x[0] = PSCI_SUCCESS;
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
		x[0] = host_has((u32)x[1]) ? PSCI_SUCCESS :
						 (u64)PSCI_NOT_SUPPORTED;
		break;
	default:
		x[0] = psci_smc(fn, x[1], x[2], x[3]);
	}
	return true;
}

/* --- guests -------------------------------------------------------------------- */

/* A wake-up that is pending already makes it return at once. */
static void guest_suspend(struct vcpu *v, const struct psci_action *a)
{
	vcpu_sample_timers(v);
	if (vcpu_pending(v))
		return;
	v->powerdown = a->powerdown;
	v->resume_pc = a->entry;
	v->resume_arg = a->arg;
	vcpu_sleep(v, a->state, 2);
}

static void guest_end(struct vcpu *v, const struct psci_action *a)
{
	v->state = a->why == GUEST_EXIT_OFF ? VCPU_HALTED : VCPU_RESET;
	v->data[0] = a->type;
	v->data[1] = a->cookie;
	guest_ends(v->guest, a->why, a->type, a->cookie);
}

bool psci_guest(struct vcpu *v, u64 *x)
{
	struct guest *g = v->guest;
	struct psci_vm vm = {
		.has_psci = !g->gic.no_psci,
		.nr_vcpus = g->nr_vcpus,
	};
	struct psci_action action;

	for (u32 i = 0; i < g->nr_vcpus; i++)
		vm.on |= (u32)g->vcpu[i]->on << i;
	if (!psci_guest_call(&vm, x, &action))
		return false;

	switch (action.todo) {
	case PSCI_NOTHING:
		break;
	case PSCI_TURN_ON:
		vcpu_power_on(g->vcpu[action.cpu], action.entry, action.arg);
		break;
	case PSCI_TURN_OFF:
		v->on = false;
		break;
	case PSCI_SUSPEND:
		guest_suspend(v, &action);
		break;
	case PSCI_END:
		guest_end(v, &action);
		break;
	}
	return true;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's PSCI calls: which there are, whether their arguments make sense,
 * and what they return.  core/psci.c does what they ask for.
 */
#include "psci.h"

#define PSCI_1_1		0x10001u

#define AFFINITY_ON		0
#define AFFINITY_OFF		1

#define MPIDR_AFFINITY		0xff00ffffffull
#define MAX_CPUS		8u	/* of any VM */

#define SUSPEND_POWERDOWN	(1u << 16)

#define RESET_PLAIN		(1ull << 63)
#define RESET2_64		(1ull << 62)

static bool is_on(const struct psci_vm *vm, u64 index)
{
	return vm->on >> index & 1;
}

static s64 cpu_on(const struct psci_vm *vm, u64 mpidr, struct psci_action *a)
{
	u64 index = mpidr & MPIDR_AFFINITY;

	if (index >= MAX_CPUS)
		return PSCI_INVALID_PARAMETERS;
	if (index >= vm->nr_vcpus)
		return PSCI_INTERNAL_FAILURE;
	if (is_on(vm, index))
		return PSCI_ALREADY_ON;
	a->todo = PSCI_TURN_ON;
	a->cpu = (u32)index;
	return PSCI_SUCCESS;
}

static s64 affinity_info(const struct psci_vm *vm, u64 mpidr, u64 level)
{
	u64 index = mpidr & MPIDR_AFFINITY;

	if (level || index >= vm->nr_vcpus)
		return PSCI_INVALID_PARAMETERS;
	return is_on(vm, index) ? AFFINITY_ON : AFFINITY_OFF;
}

static void suspend(struct psci_action *a, u32 state, u64 entry, u64 arg)
{
	a->todo = PSCI_SUSPEND;
	a->state = state;
	a->powerdown = state & SUSPEND_POWERDOWN;
	a->entry = entry;
	a->arg = arg;
}

static void end(struct psci_action *a, enum guest_exit why, u64 type, u64 cookie)
{
	a->todo = PSCI_END;
	a->why = why;
	a->type = type;
	a->cookie = cookie;
}

static bool has(const struct psci_vm *vm, u32 fn)
{
	if (!vm->has_psci)
		return fn == PSCI_FEATURES;
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

/* Asked for FEATURES, a VM without PSCI denies all of it. */
static s64 features(const struct psci_vm *vm, u32 fn)
{
	if (fn == SMCCC_VERSION || (vm->has_psci && has(vm, fn)))
		return PSCI_SUCCESS;
	return PSCI_NOT_SUPPORTED;
}

bool psci_guest_call(const struct psci_vm *vm, u64 *x, struct psci_action *action)
{
	u64 a1 = x[1], a2 = x[2], a3 = x[3];
	s64 result = PSCI_SUCCESS;
	u32 fn = (u32)x[0];
	bool wide = fn & PSCI_64;

	*action = (struct psci_action){ .todo = PSCI_NOTHING };
	if (!has(vm, fn))
		return false;
	if (!wide) {
		a1 = (u32)a1;
		a2 = (u32)a2;
		a3 = (u32)a3;
	}

	switch (fn & ~(u32)PSCI_64) {
	case PSCI_VERSION:
		result = PSCI_1_1;
		break;
	case PSCI_CPU_SUSPEND:
		suspend(action, (u32)a1, a2, a3);
		break;
	case PSCI_DEFAULT_SUSPEND:
		suspend(action, SUSPEND_POWERDOWN, a1, a2);
		break;
	case PSCI_CPU_OFF:
		action->todo = PSCI_TURN_OFF;
		break;
	case PSCI_CPU_ON:
		action->entry = a2;
		action->arg = a3;
		result = cpu_on(vm, a1, action);
		break;
	case PSCI_AFFINITY_INFO:
		result = affinity_info(vm, a1, (u32)a2);
		break;
	case PSCI_SYSTEM_OFF:
		end(action, GUEST_EXIT_OFF, 0, 0);
		break;
	case PSCI_SYSTEM_RESET:
		end(action, GUEST_EXIT_RESET, RESET_PLAIN, 0);
		break;
	case PSCI_SYSTEM_RESET2:
		end(action, GUEST_EXIT_RESET2, (u32)a1 | (wide ? RESET2_64 : 0), a2);
		break;
	case PSCI_FEATURES:
		result = features(vm, (u32)a1);
		break;
	}
	x[0] = wide ? (u64)result : (u32)result;
	return true;
}

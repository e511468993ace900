/* SPDX-License-Identifier: GPL-2.0-only */
/* PSCI as a guest sees it: what a call is told, and what has to be done. */
#ifndef HYP_PSCI_H
#define HYP_PSCI_H

#include "plat.h"

#define PSCI_64			(1ull << 30)
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

#define PSCI_SUCCESS		0
#define PSCI_NOT_SUPPORTED	-1
#define PSCI_INVALID_PARAMETERS	-2
#define PSCI_ALREADY_ON		-4
#define PSCI_INTERNAL_FAILURE	-6

struct psci_vm {
	bool has_psci;
	u32 nr_vcpus;			/* MPIDR.Aff0 is the vCPU's number */
	u32 on;				/* one bit for each */
};

/* What is left to do when a call has been answered */
enum psci_todo {
	PSCI_NOTHING,
	PSCI_TURN_ON,			/* vCPU cpu, at entry, with arg */
	PSCI_TURN_OFF,
	PSCI_SUSPEND,			/* until woken; in a power-down state */
					/* it goes on at entry, with arg */
	PSCI_END,			/* the VM: why, and for SYSTEM_RESET and */
					/* SYSTEM_RESET2 type and cookie */
};

struct psci_action {
	enum psci_todo todo;
	u32 cpu;
	u64 entry, arg;
	u32 state;			/* CPU_SUSPEND's argument */
	bool powerdown;
	enum guest_exit why;
	u64 type, cookie;
};

/* x: X0 to X3, with the call, and then with its result.  false: no such call. */
bool psci_guest_call(const struct psci_vm *vm, u64 *x, struct psci_action *action);

#endif /* HYP_PSCI_H */

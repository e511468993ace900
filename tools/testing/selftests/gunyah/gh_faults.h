/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults on request: a hypervisor made for tests has registers to ask for them.
 * Where it has, the device tree says so, in /hypervisor-debug.
 */
#ifndef _GH_FAULTS_H
#define _GH_FAULTS_H

#include "gh_util.h"

/*
 * What can be asked for, with two arguments. A message is the number of a
 * request, and stands for the reply to it as well, or of a notification; in its
 * upper half it has the number of messages that pass before the one that is
 * meant. Each fault happens once.
 */
enum gh_fault {
	GH_FAULT_FAIL = 1,		/* (message, error): refused, nothing is done */
	GH_FAULT_DROP,			/* (message, -) */
	GH_FAULT_DELAY,			/* (message, milliseconds) */
	GH_FAULT_TWICE,			/* (message, -) */
	GH_FAULT_CUT,			/* (message, bytes that are left) */
	GH_FAULT_BREAK,			/* (message, error): fails half-way */
	GH_FAULT_STUCK,			/* (resets, state in which they end, or 0) */
	GH_FAULT_CLEAR,
	GH_FAULT_FLOOD,			/* (number, notification) */

	/* Numbers of what the resource manager has */
	GH_COUNT_PARCELS = 0x20,
	GH_COUNT_VMIDS,
	GH_COUNT_VIRQS,
	GH_COUNT_CAPS,
	GH_COUNT_PAGES = 0x26,		/* in parcels */
	GH_COUNT_LEFT = 0x29,		/* faults that did not happen yet */

	GH_FAULT_RUN_ERROR = 0x100,	/* (error of vcpu_run, how often) */
	GH_FAULT_RUN_STATE,		/* (state that it returns, how often) */
	GH_FAULT_MMIO_SIZE,		/* (size of an access, how often) */
	GH_FAULT_SPURIOUS,		/* (interrupt of the host, -) */
	GH_FAULT_HYP_CLEAR,
	GH_FAULT_CALL,			/* (hypercall, error), counted like messages */
	GH_COUNT_HYP_LEFT,
	GH_FAULT_LENT_ABORT,		/* (1: as a real hypervisor does it, -) */
};

#define GH_NTH(n, message)	((uint64_t)(n) << 32 | (message))

enum gh_rm_message {
	GH_RM_MEM_LEND			= 0x51000012,
	GH_RM_MEM_SHARE			= 0x51000013,
	GH_RM_MEM_RECLAIM		= 0x51000015,
	GH_RM_MEM_APPEND		= 0x51000018,
	GH_RM_VM_ALLOCATE		= 0x56000001,
	GH_RM_VM_DEALLOCATE		= 0x56000002,
	GH_RM_VM_START			= 0x56000004,
	GH_RM_VM_STOP			= 0x56000005,
	GH_RM_VM_RESET			= 0x56000006,
	GH_RM_VM_CONFIG_IMAGE		= 0x56000009,
	GH_RM_VM_INIT			= 0x5600000b,
	GH_RM_VM_GET_STATE		= 0x56000017,
	GH_RM_VM_GET_HYP_RESOURCES	= 0x56000020,
	GH_RM_VM_SET_BOOT_CONTEXT	= 0x56000031,
	GH_RM_VM_EXITED			= 0x56100001,
	GH_RM_VM_STATUS			= 0x56100008,
};

enum gh_rm_error {
	GH_RM_NOMEM		= 1,
	GH_RM_NORESOURCE	= 2,
	GH_RM_DENIED		= 3,
	GH_RM_BUSY		= 5,
	GH_RM_ARGUMENT		= 6,
	GH_RM_MEM_INUSE		= 0xb,
	GH_RM_VM_IN_STATE	= 0x14,
	GH_RM_NO_SUCH_ERROR	= 0x7777,
	GH_RM_UNIMPLEMENTED	= 0xffffffff,
};

/* Returns NULL if there are VMs and faults can be asked for, or why not */
const char *gh_faults_open(void);
uint64_t gh_fault(enum gh_fault fault, uint64_t a, uint64_t b);
/*
 * Number of faults that did not happen yet; they are taken back. What is delayed
 * comes now, and not when the next VM has the number of the one that it is about.
 */
uint64_t gh_faults_clear(void);

/* What must be as before when a VM is gone */
struct gh_figures {
	uint64_t parcels;
	uint64_t vmids;
	uint64_t virqs;
	uint64_t caps;
	uint64_t pages;
	/* By get_user_pages() and its like */
	uint64_t pinned;
};

struct gh_figures gh_figures(void);
bool gh_figures_are(const struct gh_figures *before, const char *when);

/* Pages of the memory that gh_life_prepare() shares: more than a request holds */
#define GH_LIFE_SHARED_PAGES	600
#define GH_LIFE_EDGE_BELL	1
#define GH_LIFE_LEVEL_BELL	2
#define GH_LIFE_IOEVENTFD	gh_dev(0, 0x200)

/*
 * struct gh_life - A VM with all that a VM can have
 * @edge, @level, @io: the eventfds of two irqfds and of an ioeventfd, or -1
 */
struct gh_life {
	struct gh_test_vm vm;
	int edge;
	int level;
	int io;
};

/* Memory that the lives from now on share with their guests */
int gh_life_init(void);
/* All that has to be done before GH_VM_START; gh_life_close() in any case */
int gh_life_prepare(struct gh_life *life);
void gh_life_close(struct gh_life *life);
/*
 * From the beginning to the end. Returns 0 or what failed first, as an errno, or
 * -1 if the VM is not what it should be then; a guest that hangs is taken down
 * after 20 seconds, which is long also where the machine has other things to do.
 */
int gh_live(bool power_off);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GUNYAH_H
#define _LINUX_GUNYAH_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/types.h>

/**
 * enum gh_error - What a Gunyah hypercall returns as its first result
 * @GH_ERROR_OK: the call succeeded
 * @GH_ERROR_UNIMPLEMENTED: this hypervisor does not know the call
 * @GH_ERROR_RETRY: could not be done now, the same call may succeed later
 * @GH_ERROR_ARG_INVAL: an argument has a value which is not allowed, or a
 *			capability ID is outside the range of this VM
 * @GH_ERROR_ARG_SIZE: a size is not allowed
 * @GH_ERROR_ARG_ALIGN: an address or size is not aligned as required
 * @GH_ERROR_NOMEM: the hypervisor has no memory left for this
 * @GH_ERROR_NORESOURCES: a table in the hypervisor is full
 * @GH_ERROR_ADDR_OVFL: address plus size exceeds what an address can hold
 * @GH_ERROR_ADDR_UNFL: an address calculation goes below 0
 * @GH_ERROR_ADDR_INVAL: an address is not mapped, or not with enough rights
 * @GH_ERROR_DENIED: this VM may not do that
 * @GH_ERROR_BUSY: the object is in use, for example a vCPU by another caller
 * @GH_ERROR_IDLE: the object is idle
 * @GH_ERROR_OBJECT_STATE: the object is not active
 * @GH_ERROR_OBJECT_CONFIG: the object's configuration does not fit the call
 * @GH_ERROR_OBJECT_CONFIGURED: the object has been configured before
 * @GH_ERROR_FAILURE: an error inside the hypervisor
 * @GH_ERROR_VIRQ_BOUND: an interrupt is bound to the object
 * @GH_ERROR_VIRQ_NOT_BOUND: no interrupt is bound to the object
 * @GH_ERROR_CSPACE_CAP_NULL: there is no capability of that ID
 * @GH_ERROR_CSPACE_CAP_REVOKED: the capability has been taken away
 * @GH_ERROR_CSPACE_WRONG_OBJ_TYPE: the capability is for another kind of object
 * @GH_ERROR_CSPACE_INSUF_RIGHTS: the capability lacks a right
 * @GH_ERROR_CSPACE_FULL: no room for another capability
 * @GH_ERROR_MSGQUEUE_EMPTY: there is no message to receive
 * @GH_ERROR_MSGQUEUE_FULL: there is no room for another message
 * @GH_ERROR_MEMDB_NOT_OWNER: the memory belongs to somebody else
 * @GH_ERROR_MEMEXTENT_MAPPINGS_FULL: the memory cannot be mapped once more
 * @GH_ERROR_EXISTING_MAPPING: something is mapped at this address
 */
enum gh_error {
	GH_ERROR_OK			= 0,
	GH_ERROR_UNIMPLEMENTED		= -1,
	GH_ERROR_RETRY			= -2,

	GH_ERROR_ARG_INVAL		= 1,
	GH_ERROR_ARG_SIZE		= 2,
	GH_ERROR_ARG_ALIGN		= 3,

	GH_ERROR_NOMEM			= 10,
	GH_ERROR_NORESOURCES		= 11,

	GH_ERROR_ADDR_OVFL		= 20,
	GH_ERROR_ADDR_UNFL		= 21,
	GH_ERROR_ADDR_INVAL		= 22,

	GH_ERROR_DENIED			= 30,
	GH_ERROR_BUSY			= 31,
	GH_ERROR_IDLE			= 32,
	GH_ERROR_OBJECT_STATE		= 33,
	GH_ERROR_OBJECT_CONFIG		= 34,
	GH_ERROR_OBJECT_CONFIGURED	= 35,
	GH_ERROR_FAILURE		= 36,

	GH_ERROR_VIRQ_BOUND		= 40,
	GH_ERROR_VIRQ_NOT_BOUND		= 41,

	GH_ERROR_CSPACE_CAP_NULL	= 50,
	GH_ERROR_CSPACE_CAP_REVOKED	= 51,
	GH_ERROR_CSPACE_WRONG_OBJ_TYPE	= 52,
	GH_ERROR_CSPACE_INSUF_RIGHTS	= 53,
	GH_ERROR_CSPACE_FULL		= 54,

	GH_ERROR_MSGQUEUE_EMPTY		= 60,
	GH_ERROR_MSGQUEUE_FULL		= 61,

	GH_ERROR_MEMDB_NOT_OWNER	= 111,
	GH_ERROR_MEMEXTENT_MAPPINGS_FULL = 120,

	GH_ERROR_EXISTING_MAPPING	= 200,
};

/**
 * enum gh_feature - Features of the hypervisor, by their bit in the first word of
 *		     its API flags
 * @GH_FEATURE_DOORBELL: doorbells
 * @GH_FEATURE_MSGQUEUE: message queues
 * @GH_FEATURE_VCPU_RUN: vCPUs that the host schedules
 */
enum gh_feature {
	GH_FEATURE_DOORBELL		= 1,
	GH_FEATURE_MSGQUEUE		= 2,
	GH_FEATURE_VCPU_RUN		= 11,
};

#define GH_API_INFO_VERSION_MASK	GENMASK_ULL(13, 0)
/* The only version of the interface that exists */
#define GH_API_V1			1

bool gh_is_gunyah(void);
bool gh_hypervisor_has_feature(enum gh_feature feature);

enum gh_error gh_hypercall_bell_send(u64 capid, u64 new_flags);
enum gh_error gh_hypercall_bell_set_mask(u64 capid, u64 enable_mask, u64 ack_mask);

/* Interrupt the receiver even if the queue was not empty before */
#define GH_HYPERCALL_MSGQ_TX_FLAGS_PUSH	BIT_ULL(0)

enum gh_error gh_hypercall_msgq_send(u64 capid, size_t size, const void *buff,
				     u64 tx_flags, bool *ready);
enum gh_error gh_hypercall_msgq_recv(u64 capid, void *buff, size_t size,
				     size_t *recv_size, bool *ready);

/**
 * enum gunyah_resource_type - What the hypervisor can give the host
 * @GUNYAH_RESOURCE_TYPE_BELL_TX: doorbell that the host rings
 * @GUNYAH_RESOURCE_TYPE_BELL_RX: doorbell that the guest rings
 * @GUNYAH_RESOURCE_TYPE_MSGQ_TX: message queue to the guest
 * @GUNYAH_RESOURCE_TYPE_MSGQ_RX: message queue from the guest
 * @GUNYAH_RESOURCE_TYPE_VCPU: vCPU that the host schedules
 *
 * The numbers are those of the resource manager's VM_GET_HYP_RESOURCES; it has
 * more.
 */
enum gunyah_resource_type {
	GUNYAH_RESOURCE_TYPE_BELL_TX	= 0,
	GUNYAH_RESOURCE_TYPE_BELL_RX	= 1,
	GUNYAH_RESOURCE_TYPE_MSGQ_TX	= 2,
	GUNYAH_RESOURCE_TYPE_MSGQ_RX	= 3,
	GUNYAH_RESOURCE_TYPE_VCPU	= 4,
};

/**
 * struct gunyah_resource - What the hypervisor has given the host for a VM
 * @type: what it is
 * @vmid: the resource manager's number for the VM
 * @label: which one of its type; for a vCPU, the index of its node among the cpu
 *	   nodes of the guest's device tree
 * @capid: capability ID to use it with; 0 is a valid one
 * @irq: Linux interrupt that comes from it, or 0 if it has none
 * @may_wakeup: the administrator lets @irq wake the host
 * @list: entry of the VM's list of resources
 *
 * Belongs to the VM manager: comes with GH_VM_START, and goes before the VM is
 * reset.
 */
struct gunyah_resource {
	enum gunyah_resource_type type;
	u16 vmid;
	u32 label;
	u64 capid;
	unsigned int irq;
	bool may_wakeup;
	struct list_head list;
};

/**
 * enum gh_vcpu_state - Why the hypervisor does not run a vCPU any more
 * @GH_VCPU_STATE_READY: it could go on: an interrupt of the host came, or its
 *			 time slice is over
 * @GH_VCPU_STATE_EXPECTS_WAKEUP: it sleeps until its wake-up interrupt
 * @GH_VCPU_STATE_POWERED_OFF: it is off, see GH_VCPU_POWERED_OFF_EXITED
 * @GH_VCPU_STATE_BLOCKED: the hypervisor does something of its own with it
 * @GH_VCPU_STATE_MMIO_READ: it reads from memory that is not there: guest
 *			     address, and size in bytes
 * @GH_VCPU_STATE_MMIO_WRITE: it writes there: guest address, size in bytes, and
 *			      the register, of which the upper part may be
 *			      anything
 * @GH_VCPU_STATE_FAULT: it can't go on
 * @GH_VCPU_STATE_PSCI_SYSTEM_RESET: it asked for a reset of the VM
 */
enum gh_vcpu_state {
	GH_VCPU_STATE_READY		= 0,
	GH_VCPU_STATE_EXPECTS_WAKEUP	= 1,
	GH_VCPU_STATE_POWERED_OFF	= 2,
	GH_VCPU_STATE_BLOCKED		= 3,
	GH_VCPU_STATE_MMIO_READ		= 4,
	GH_VCPU_STATE_MMIO_WRITE	= 5,
	GH_VCPU_STATE_FAULT		= 6,
	GH_VCPU_STATE_PSCI_SYSTEM_RESET	= 0x100,
};

/* A vCPU that is off will not be on again */
#define GH_VCPU_POWERED_OFF_EXITED	BIT_ULL(0)

/**
 * struct gh_hypercall_vcpu_run_resp - What became of a vCPU
 * @state: &enum gh_vcpu_state
 * @state_data: more about it; unused words are not defined
 */
struct gh_hypercall_vcpu_run_resp {
	u64 state;
	u64 state_data[3];
};

enum gh_error gh_hypercall_vcpu_run(u64 capid, const u64 resume_data[3],
				    struct gh_hypercall_vcpu_run_resp *resp);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __GUNYAH_RSC_MGR_H
#define __GUNYAH_RSC_MGR_H

#include <linux/bits.h>
#include <linux/compiler_types.h>
#include <linux/types.h>

struct dentry;
struct device;
struct gh_rm;
struct gh_rm_platform_ops;
struct notifier_block;

/* No VM has this number */
#define GH_VMID_INVAL			0xffff
/* 0 is a valid handle */
#define GH_MEM_HANDLE_INVAL		0xffffffff

/* Notifications, passed to notifier blocks as the action */
#define GH_RM_NOTIFICATION_VM_EXITED	0x56100001
#define GH_RM_NOTIFICATION_VM_STATUS	0x56100008

/**
 * struct gh_rm_vm_exited_payload - Data of GH_RM_NOTIFICATION_VM_EXITED
 * @vmid: the VM that does not run any more
 * @exit_type: how it ended
 * @exit_reason_size: size of @exit_reason in bytes, checked against the size of
 *		      the notification
 * @exit_reason: why it ended; its form depends on @exit_type
 */
struct gh_rm_vm_exited_payload {
	__le16 vmid;
	__le16 exit_type;
	__le32 exit_reason_size;
	u8 exit_reason[] __counted_by_le(exit_reason_size);
} __packed;

/* State of a VM, in struct gh_rm_vm_status_payload and gh_rm_get_vm_state() */
enum gh_rm_vm_status {
	GH_RM_VM_STATUS_NO_STATE	= 0,
	GH_RM_VM_STATUS_INIT		= 1,
	GH_RM_VM_STATUS_READY		= 2,
	GH_RM_VM_STATUS_RUNNING		= 3,
	GH_RM_VM_STATUS_PAUSED		= 4,
	GH_RM_VM_STATUS_LOAD		= 5,
	GH_RM_VM_STATUS_AUTH		= 6,
	GH_RM_VM_STATUS_INIT_FAILED	= 8,
	GH_RM_VM_STATUS_EXITED		= 9,
	GH_RM_VM_STATUS_RESETTING	= 10,
	GH_RM_VM_STATUS_RESET		= 11,
};

/**
 * struct gh_rm_vm_status_payload - Data of GH_RM_NOTIFICATION_VM_STATUS
 * @vmid: the VM that changed its state
 * @reserved: 0
 * @vm_status: new state, &enum gh_rm_vm_status
 * @os_status: what the guest's operating system said about itself
 * @app_status: what an application in the guest said about itself
 */
struct gh_rm_vm_status_payload {
	__le16 vmid;
	u16 reserved;
	u8 vm_status;
	u8 os_status;
	__le16 app_status;
} __packed;

/* Transport: rsc_mgr.c */
int gh_rm_call(struct gh_rm *rm, u32 message_id, const void *req, size_t req_size,
	       void **resp, size_t *resp_size);
int gh_rm_call_killable(struct gh_rm *rm, u32 message_id, const void *req,
			size_t req_size, void **resp, size_t *resp_size);
int gh_rm_notifier_register(struct gh_rm *rm, struct notifier_block *nb);
int gh_rm_notifier_unregister(struct gh_rm *rm, struct notifier_block *nb);
struct device *gh_rm_device(struct gh_rm *rm);

/* Life cycle of a VM: rsc_mgr_rpc.c */
enum gh_rm_vm_auth_mechanism {
	GH_RM_VM_AUTH_NONE		= 0,
};

enum gh_rm_vm_stop_reason {
	GH_RM_VM_STOP_REASON_FORCE_STOP	= 3,
};

/**
 * struct gh_rm_hyp_resource - An object of the hypervisor that belongs to a VM
 * @type: kind of the object
 * @reserved: 0
 * @partner_vmid: the VM at the other end, 0 for a vCPU
 * @resource_handle: not used by released resource managers
 * @resource_label: what the VM's device tree calls it; of a vCPU, its position
 *		    among the cpu nodes
 * @cap_id: capability ID of the host for the object
 * @virq_handle: not used by released resource managers
 * @virq: number of its interrupt at the host's interrupt controller, 0 or all
 *	  ones if it has none
 * @base: address of its registers, if there are any
 * @size: size of its registers in bytes
 */
struct gh_rm_hyp_resource {
	u8 type;
	u8 reserved;
	__le16 partner_vmid;
	__le32 resource_handle;
	__le32 resource_label;
	__le64 cap_id;
	__le32 virq_handle;
	__le32 virq;
	__le64 base;
	__le64 size;
} __packed;

/**
 * struct gh_rm_hyp_resources - All that the host may use of a VM
 * @n_entries: number of @entries
 * @entries: the objects
 */
struct gh_rm_hyp_resources {
	__le32 n_entries;
	struct gh_rm_hyp_resource entries[] __counted_by_le(n_entries);
} __packed;

int gh_rm_alloc_vmid(struct gh_rm *rm, u16 *vmid);
int gh_rm_dealloc_vmid(struct gh_rm *rm, u16 vmid);
int gh_rm_vm_configure(struct gh_rm *rm, u16 vmid, enum gh_rm_vm_auth_mechanism auth,
		       u32 mem_handle, u64 image_offset, u64 image_size,
		       u64 dtb_offset, u64 dtb_size);
int gh_rm_vm_init(struct gh_rm *rm, u16 vmid);
int gh_rm_vm_set_boot_context(struct gh_rm *rm, u16 vmid, u8 reg_set, u8 reg_index,
			      u64 value);
int gh_rm_vm_start(struct gh_rm *rm, u16 vmid);
int gh_rm_vm_stop(struct gh_rm *rm, u16 vmid);
int gh_rm_vm_reset(struct gh_rm *rm, u16 vmid);
int gh_rm_get_vm_state(struct gh_rm *rm, u16 vmid, enum gh_rm_vm_status *status);
int gh_rm_get_hyp_resources(struct gh_rm *rm, u16 vmid,
			    struct gh_rm_hyp_resources **resources);
int gh_rm_get_vmid(struct gh_rm *rm, u16 *vmid);

/* Memory parcels: rsc_mgr_rpc.c */
#define GH_RM_ACL_X			BIT(0)
#define GH_RM_ACL_W			BIT(1)
#define GH_RM_ACL_R			BIT(2)

/**
 * struct gh_rm_mem_acl_entry - A VM that may access a memory parcel
 * @vmid: the VM
 * @perms: GH_RM_ACL_R, alone or with GH_RM_ACL_W and GH_RM_ACL_X
 * @reserved: 0
 */
struct gh_rm_mem_acl_entry {
	__le16 vmid;
	u8 perms;
	u8 reserved;
} __packed;

/**
 * struct gh_rm_mem_entry - A physically contiguous part of a memory parcel
 * @phys_addr: address, a multiple of 4 KiB
 * @size: size in bytes, a multiple of 4 KiB
 */
struct gh_rm_mem_entry {
	__le64 phys_addr;
	__le64 size;
} __packed;

/**
 * struct gh_rm_mem_parcel - Memory that the host lends or shares
 * @label: names the parcel to the guest; 0 is the guest's private memory
 * @n_acl_entries: number of VMs in @acl_entries
 * @acl_entries: who may access the memory, and how
 * @n_mem_entries: number of ranges in @mem_entries
 * @mem_entries: physically contiguous ranges, 4 KiB aligned
 * @mem_handle: the resource manager's name for the parcel, or
 *		GH_MEM_HANDLE_INVAL
 * @held: the resource manager has, or may have, the memory: not even a part of
 *	  it may be touched or freed
 * @vmid: the first VM of @acl_entries
 * @host_vmid: the host's VMID, if there is a platform
 * @platform_ops: the platform that has to know of the parcel, or NULL
 * @n_assigned: number of @mem_entries that the platform has assigned to the VMs
 * @released: the resource manager does not have the memory, the VMs of the
 *	      platform still do
 *
 * gh_rm_mem_lend() and gh_rm_mem_share() set @held in any case, and @mem_handle and
 * what follows @held if that is true; gh_rm_mem_reclaim() needs these and, if there
 * is a platform, the lists, and clears @held when it succeeds.
 */
struct gh_rm_mem_parcel {
	u32 label;
	size_t n_acl_entries;
	struct gh_rm_mem_acl_entry *acl_entries __counted_by_ptr(n_acl_entries);
	size_t n_mem_entries;
	struct gh_rm_mem_entry *mem_entries __counted_by_ptr(n_mem_entries);
	u32 mem_handle;
	bool held;
	u16 vmid;
	u16 host_vmid;
	const struct gh_rm_platform_ops *platform_ops;
	size_t n_assigned;
	bool released;
};

int gh_rm_mem_lend(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel);
int gh_rm_mem_share(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel);
int gh_rm_mem_reclaim(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel);

/* VM manager: vm_mgr.c */
struct gh_vm_mgr;

struct gh_vm_mgr *gh_vm_mgr_init(struct gh_rm *rm, struct dentry *debugfs);
void gh_vm_mgr_exit(struct gh_vm_mgr *mgr);
void gh_vm_mgr_shutdown(struct gh_vm_mgr *mgr);

/* I/O handlers of VMs: vm_io.c */
void gh_vm_io_exit(void);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the resource manager
 */

#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/dev_printk.h>
#include <linux/errno.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sprintf.h>

#include <kunit/static_stub.h>
#include <kunit/visibility.h>

#include "gunyah_platform_hooks.h"
#include "rsc_mgr.h"
#include "rsc_mgr_priv.h"

/* Arguments of most calls about a VM */
struct gh_rm_vm_req {
	__le16 vmid;
	__le16 reserved;
} __packed;

struct gh_rm_vm_stop_req {
	__le16 vmid;
	u8 flags;
	u8 reserved;
	__le32 reason;
} __packed;

/* Turn the VM off now instead of asking the guest to shut down */
#define GH_RM_VM_STOP_FLAG_FORCE	BIT(0)

struct gh_rm_vm_config_image_req {
	__le16 vmid;
	__le16 auth_mechanism;
	__le32 mem_handle;
	__le64 image_offset;
	__le64 image_size;
	__le64 dtb_offset;
	__le64 dtb_size;
} __packed;

struct gh_rm_vm_set_boot_context_req {
	__le16 vmid;
	u8 reg_set;
	u8 reg_index;
	__le32 reserved;
	__le64 value;
} __packed;

/*
 * LEND and SHARE: this, then the lists of VMs, of ranges and of attributes.
 * Each begins with a struct gh_rm_list_header.
 */
struct gh_rm_mem_create_req {
	u8 mem_type;
	u8 reserved0;
	u8 flags;
	u8 reserved1;
	__le32 label;
} __packed;

/* The parcel is not complete: APPEND follows */
#define GH_RM_MEM_CREATE_FLAG_APPEND	BIT(1)

/* APPEND: this, then the list of ranges */
struct gh_rm_mem_append_req {
	__le32 mem_handle;
	u8 flags;
	u8 reserved[3];
} __packed;

/* The parcel is complete */
#define GH_RM_MEM_APPEND_FLAG_LAST	BIT(0)

struct gh_rm_mem_reclaim_req {
	__le32 mem_handle;
	u8 flags;
	u8 reserved[3];
} __packed;

struct gh_rm_list_header {
	__le16 n_entries;
	__le16 reserved;
} __packed;

/* GET_STATE has the states of the guest's software in the upper bits */
#define GH_RM_VM_STATE_MASK		GENMASK(7, 0)

static const char *gh_rm_message_name(u32 message_id)
{
	switch (message_id) {
	case GH_RM_MEM_LEND:
		return "MEM_LEND";
	case GH_RM_MEM_SHARE:
		return "MEM_SHARE";
	case GH_RM_MEM_RECLAIM:
		return "MEM_RECLAIM";
	case GH_RM_MEM_APPEND:
		return "MEM_APPEND";
	case GH_RM_VM_ALLOCATE:
		return "VM_ALLOCATE";
	case GH_RM_VM_DEALLOCATE:
		return "VM_DEALLOCATE";
	case GH_RM_VM_START:
		return "VM_START";
	case GH_RM_VM_STOP:
		return "VM_STOP";
	case GH_RM_VM_RESET:
		return "VM_RESET";
	case GH_RM_VM_CONFIG_IMAGE:
		return "VM_CONFIG_IMAGE";
	case GH_RM_VM_INIT:
		return "VM_INIT";
	case GH_RM_VM_GET_STATE:
		return "VM_GET_STATE";
	case GH_RM_VM_GET_HYP_RESOURCES:
		return "VM_GET_HYP_RESOURCES";
	case GH_RM_VM_GET_VMID:
		return "VM_GET_VMID";
	case GH_RM_VM_SET_BOOT_CONTEXT:
		return "VM_SET_BOOT_CONTEXT";
	default:
		return "unnamed call";
	}
}

/**
 * gh_rm_describe_call() - Say for the log which call it is
 * @text: set to the name and the number of the call, and the VM that it is about
 * @message_id: number of the call
 * @vmid: the VM, or GH_VMID_INVAL if the call is about none
 *
 * Context: Any context.
 * Return: the string in @text
 */
const char *gh_rm_describe_call(struct gh_rm_call_text *text, u32 message_id, u16 vmid)
{
	const char *name = gh_rm_message_name(message_id);

	if (vmid == GH_VMID_INVAL)
		scnprintf(text->s, sizeof(text->s), "%s (%#x)", name, message_id);
	else
		scnprintf(text->s, sizeof(text->s), "%s (%#x, VM %u)", name, message_id, vmid);

	return text->s;
}

/*
 * A VMID which was never allocated is not just an error for RM: it stops for
 * good.  The VMID 0 means "myself" or "any" in some calls.
 */
static bool gh_rm_vmid_valid(u16 vmid)
{
	return vmid && vmid != GH_VMID_INVAL;
}

/* The reply is as long as it should be, but what it says can't be true */
static int gh_rm_bad_reply(struct gh_rm *rm, u32 message_id, u16 vmid)
{
	struct gh_rm_call_text text;

	gh_rm_count(rm, GH_RM_COUNTER_BAD_REPLY);
	dev_err_ratelimited(rm->dev,
			    "reply of the resource manager to %s makes no sense\n",
			    gh_rm_describe_call(&text, message_id, vmid));

	return -EBADMSG;
}

/* Does a call that replies with one 32-bit number */
static int gh_rm_transfer_u32(struct gh_rm *rm, struct gh_rm_xfer *xfer, u32 *value)
{
	__le32 reply;
	int ret;

	xfer->reply = &reply;
	xfer->reply_size = sizeof(reply);
	xfer->min_reply_size = sizeof(reply);

	ret = gh_rm_transfer(rm, xfer);
	if (ret)
		return ret;

	*value = le32_to_cpu(reply);

	return 0;
}

/* Does a call that has a VMID as argument and nothing in the reply */
static int gh_rm_vm_call(struct gh_rm *rm, u32 message_id, u16 vmid)
{
	struct gh_rm_vm_req req = { .vmid = cpu_to_le16(vmid) };

	if (!gh_rm_vmid_valid(vmid))
		return -EINVAL;

	return gh_rm_call(rm, message_id, &req, sizeof(req), NULL, NULL);
}

/**
 * gh_rm_get_vmid() - Get the VMID of the host
 * @rm: the resource manager
 * @vmid: set to the VMID
 *
 * This is VM_GET_VMID, done once: the VMID does not change.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBADMSG if that is no VMID, or see gh_rm_call_killable()
 */
int gh_rm_get_vmid(struct gh_rm *rm, u16 *vmid)
{
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_VM_GET_VMID,
		.vmid = GH_VMID_INVAL,
		.killable = true,
	};
	u32 value;
	int ret;

	value = READ_ONCE(rm->vmid);
	if (value == GH_VMID_INVAL) {
		ret = gh_rm_transfer_u32(rm, &xfer, &value);
		if (ret)
			return ret;
		if (value > U16_MAX || !gh_rm_vmid_valid(value))
			return gh_rm_bad_reply(rm, xfer.message_id, xfer.vmid);
		WRITE_ONCE(rm->vmid, value);
	}

	*vmid = value;

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_get_vmid);

/**
 * gh_rm_alloc_vmid() - Create a VM, which so far has a number and nothing else
 * @rm: the resource manager
 * @vmid: set to the number
 *
 * This is VM_ALLOCATE.  The resource manager chooses the number.  The VM is in
 * state LOAD then.  A notification about that does not come.
 *
 * Context: Process context, may sleep.
 * Return: 0, -ENOSPC if there are as many VMs as there can be, -EBADMSG if the
 * number is not the one of a new VM, or see gh_rm_call_killable()
 */
int gh_rm_alloc_vmid(struct gh_rm *rm, u16 *vmid)
{
	struct gh_rm_vm_req req = {};
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_VM_ALLOCATE,
		.vmid = GH_VMID_INVAL,
		.killable = true,
		.req = &req,
		.req_size = sizeof(req),
	};
	u16 host_vmid;
	u32 value;
	int ret;

	ret = gh_rm_get_vmid(rm, &host_vmid);
	if (ret)
		return ret;

	ret = gh_rm_transfer_u32(rm, &xfer, &value);
	if (xfer.rm_error == GH_RM_ERROR_NORESOURCE)
		return -ENOSPC;
	if (ret)
		return ret;

	if (value > U16_MAX || !gh_rm_vmid_valid(value) || value == host_vmid)
		return gh_rm_bad_reply(rm, xfer.message_id, xfer.vmid);

	*vmid = value;

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_alloc_vmid);

/**
 * gh_rm_dealloc_vmid() - Give back what gh_rm_alloc_vmid() created
 * @rm: the resource manager
 * @vmid: the VM, in state LOAD or RESET
 *
 * This is VM_DEALLOCATE.  The resource manager stops for good if there is no VM
 * of that number, so the caller must be sure.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if the VM is in another state, -EINVAL, or see gh_rm_call()
 */
int gh_rm_dealloc_vmid(struct gh_rm *rm, u16 vmid)
{
	return gh_rm_vm_call(rm, GH_RM_VM_DEALLOCATE, vmid);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_dealloc_vmid);

/**
 * gh_rm_vm_configure() - Tell where the image and the device tree of a VM are
 * @rm: the resource manager
 * @vmid: the VM, in state LOAD
 * @auth: how the image is authenticated
 * @mem_handle: the memory parcel that has both, lent to this VM only
 * @image_offset: where the image begins, in bytes from the start of the parcel
 * @image_size: size of the image in bytes
 * @dtb_offset: where the device tree begins, in bytes from the start of the
 *		parcel, a multiple of 4 KiB
 * @dtb_size: size of the device tree and of free space behind it in bytes, a
 *	      multiple of 4 KiB.  The resource manager adds to the device tree.
 *
 * This is VM_CONFIG_IMAGE.  The VM goes to state INIT.
 *
 * A VM whose configuration fails may be in a state which it can't leave: it can
 * neither be reset nor given back.  So check the arguments before.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if the VM is in another state, -EINVAL, or see
 * gh_rm_call_killable()
 */
int gh_rm_vm_configure(struct gh_rm *rm, u16 vmid, enum gh_rm_vm_auth_mechanism auth,
		       u32 mem_handle, u64 image_offset, u64 image_size,
		       u64 dtb_offset, u64 dtb_size)
{
	struct gh_rm_vm_config_image_req req = {
		.vmid = cpu_to_le16(vmid),
		.auth_mechanism = cpu_to_le16(auth),
		.mem_handle = cpu_to_le32(mem_handle),
		.image_offset = cpu_to_le64(image_offset),
		.image_size = cpu_to_le64(image_size),
		.dtb_offset = cpu_to_le64(dtb_offset),
		.dtb_size = cpu_to_le64(dtb_size),
	};

	BUILD_BUG_ON(sizeof(req) != 40);

	if (!gh_rm_vmid_valid(vmid) || mem_handle == GH_MEM_HANDLE_INVAL)
		return -EINVAL;

	return gh_rm_call_killable(rm, GH_RM_VM_CONFIG_IMAGE, &req, sizeof(req), NULL, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_vm_configure);

/**
 * gh_rm_vm_init() - Have a VM created as its device tree says
 * @rm: the resource manager
 * @vmid: the VM, in state INIT
 *
 * This is VM_INIT.  The VM goes to state READY, or to INIT_FAILED.  It can be
 * reset from both, but not from INIT.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if the VM is in another state, -EINVAL, or see gh_rm_call()
 */
int gh_rm_vm_init(struct gh_rm *rm, u16 vmid)
{
	return gh_rm_vm_call(rm, GH_RM_VM_INIT, vmid);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_vm_init);

/**
 * gh_rm_vm_set_boot_context() - Set a register of the boot vCPU of a VM
 * @rm: the resource manager
 * @vmid: the VM, in state READY
 * @reg_set: which kind of register, GH_VM_BOOT_REG_SET_*
 * @reg_index: which one of its kind
 * @value: value that the register is to have when the vCPU starts
 *
 * This is VM_SET_BOOT_CONTEXT, which released resource managers do not have.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EOPNOTSUPP if the resource manager does not have the call, -EINVAL,
 * or see gh_rm_transfer()
 */
int gh_rm_vm_set_boot_context(struct gh_rm *rm, u16 vmid, u8 reg_set, u8 reg_index,
			      u64 value)
{
	struct gh_rm_vm_set_boot_context_req req = {
		.vmid = cpu_to_le16(vmid),
		.reg_set = reg_set,
		.reg_index = reg_index,
		.value = cpu_to_le64(value),
	};
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_VM_SET_BOOT_CONTEXT,
		.vmid = vmid,
		.killable = true,
		.no_news = GH_RM_ERROR_UNIMPLEMENTED,
		.req = &req,
		.req_size = sizeof(req),
	};

	KUNIT_STATIC_STUB_REDIRECT(gh_rm_vm_set_boot_context, rm, vmid, reg_set, reg_index, value);
	BUILD_BUG_ON(sizeof(req) != 16);

	if (!gh_rm_vmid_valid(vmid))
		return -EINVAL;

	return gh_rm_transfer(rm, &xfer);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_vm_set_boot_context);

/**
 * gh_rm_vm_start() - Let the boot vCPU of a VM run
 * @rm: the resource manager
 * @vmid: the VM, in state READY
 *
 * This is VM_START.  The VM takes over its memory parcels and goes to state
 * RUNNING, or to INIT_FAILED.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if the VM is in another state, -ENODEV if the VM can't use
 * its memory, -EINVAL, or see gh_rm_call_killable()
 */
int gh_rm_vm_start(struct gh_rm *rm, u16 vmid)
{
	struct gh_rm_vm_req req = { .vmid = cpu_to_le16(vmid) };

	if (!gh_rm_vmid_valid(vmid))
		return -EINVAL;

	return gh_rm_call_killable(rm, GH_RM_VM_START, &req, sizeof(req), NULL, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_vm_start);

/**
 * gh_rm_vm_stop() - Turn a VM off
 * @rm: the resource manager
 * @vmid: the VM, in state RUNNING
 *
 * This is VM_STOP, without asking the guest.  The VM is in state EXITED when the
 * call succeeds.  The notifications about it have come by then, but for those
 * that a full queue held up.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if the VM is in another state, for example since it turned
 * itself off, -EINVAL, or see gh_rm_call()
 */
int gh_rm_vm_stop(struct gh_rm *rm, u16 vmid)
{
	struct gh_rm_vm_stop_req req = {
		.vmid = cpu_to_le16(vmid),
		.flags = GH_RM_VM_STOP_FLAG_FORCE,
		.reason = cpu_to_le32(GH_RM_VM_STOP_REASON_FORCE_STOP),
	};
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_VM_STOP,
		.vmid = vmid,
		/* The guest's own end was faster */
		.no_news = GH_RM_ERROR_VM_STATE,
		.req = &req,
		.req_size = sizeof(req),
	};

	if (!gh_rm_vmid_valid(vmid))
		return -EINVAL;

	return gh_rm_transfer(rm, &xfer);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_vm_stop);

/**
 * gh_rm_vm_reset() - Have a VM taken apart
 * @rm: the resource manager
 * @vmid: the VM, in state EXITED, READY or INIT_FAILED
 *
 * This is VM_RESET.  It starts the work; the notification that the VM is in
 * state RESET tells the end of it.  That may come before this function returns.
 * Only then the parcels of the VM can be reclaimed.
 *
 * The resource manager stops for good if the VM was never configured or has been
 * reset already, so the caller must be sure.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if the VM is in another state, -EINVAL, or see gh_rm_call()
 */
int gh_rm_vm_reset(struct gh_rm *rm, u16 vmid)
{
	return gh_rm_vm_call(rm, GH_RM_VM_RESET, vmid);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_vm_reset);

/**
 * gh_rm_get_vm_state() - Ask for the state of a VM
 * @rm: the resource manager
 * @vmid: the VM
 * @status: set to the state
 *
 * This is VM_GET_STATE.
 *
 * Context: Process context, may sleep.
 * Return: 0, -ENODEV if there is no such VM, -EINVAL, or see gh_rm_transfer()
 */
int gh_rm_get_vm_state(struct gh_rm *rm, u16 vmid, enum gh_rm_vm_status *status)
{
	struct gh_rm_vm_req req = { .vmid = cpu_to_le16(vmid) };
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_VM_GET_STATE,
		.vmid = vmid,
		.req = &req,
		.req_size = sizeof(req),
	};
	u32 value;
	int ret;

	if (!gh_rm_vmid_valid(vmid))
		return -EINVAL;

	ret = gh_rm_transfer_u32(rm, &xfer, &value);
	if (ret)
		return ret;

	*status = value & GH_RM_VM_STATE_MASK;

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_get_vm_state);

/**
 * gh_rm_get_hyp_resources() - Get the objects that the host may use of a VM
 * @rm: the resource manager
 * @vmid: the VM, in state READY or later
 * @resources: set to the list; the caller frees it with kfree()
 *
 * This is VM_GET_HYP_RESOURCES.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBADMSG if the list is not as long as it says, -EINVAL, or see
 * gh_rm_call_killable()
 */
int gh_rm_get_hyp_resources(struct gh_rm *rm, u16 vmid,
			    struct gh_rm_hyp_resources **resources)
{
	void *resp __free(kfree) = NULL;
	struct gh_rm_vm_req req = { .vmid = cpu_to_le16(vmid) };
	struct gh_rm_hyp_resources *list;
	size_t resp_size;
	int ret;

	BUILD_BUG_ON(sizeof(struct gh_rm_hyp_resource) != 44);

	if (!gh_rm_vmid_valid(vmid))
		return -EINVAL;

	ret = gh_rm_call_killable(rm, GH_RM_VM_GET_HYP_RESOURCES, &req, sizeof(req),
				  &resp, &resp_size);
	if (ret)
		return ret;

	list = resp;
	if (resp_size < sizeof(*list) ||
	    resp_size != struct_size(list, entries, le32_to_cpu(list->n_entries)))
		return gh_rm_bad_reply(rm, GH_RM_VM_GET_HYP_RESOURCES, vmid);

	*resources = no_free_ptr(resp);

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_get_hyp_resources);

/* Appends a list to a message and returns where the message goes on */
static void *gh_rm_put_list(void *msg, const void *entries, size_t n_entries, size_t entry_size)
{
	struct gh_rm_list_header header = { .n_entries = cpu_to_le16(n_entries) };

	memcpy(msg, &header, sizeof(header));
	msg += sizeof(header);
	if (n_entries)
		memcpy(msg, entries, n_entries * entry_size);

	return msg + n_entries * entry_size;
}

/* Creates the parcel with the first of its ranges */
static int gh_rm_mem_create(struct gh_rm *rm, u32 message_id, struct gh_rm_mem_parcel *parcel,
			    void *msg)
{
	size_t n = min_t(size_t, parcel->n_mem_entries, GH_RM_MAX_LIST_ENTRIES);
	struct gh_rm_mem_create_req req = {
		.flags = n < parcel->n_mem_entries ? GH_RM_MEM_CREATE_FLAG_APPEND : 0,
		.label = cpu_to_le32(parcel->label),
	};
	struct gh_rm_xfer xfer = {
		.message_id = message_id,
		.vmid = parcel->vmid,
		.killable = true,
		.req = msg,
	};
	u32 mem_handle;
	void *p = msg;
	int ret;

	memcpy(p, &req, sizeof(req));
	p += sizeof(req);
	p = gh_rm_put_list(p, parcel->acl_entries, parcel->n_acl_entries,
			   sizeof(*parcel->acl_entries));
	p = gh_rm_put_list(p, parcel->mem_entries, n, sizeof(*parcel->mem_entries));
	/* Attributes would have to match what RM expects of the VM's memory: none */
	p = gh_rm_put_list(p, NULL, 0, 0);
	xfer.req_size = p - msg;

	ret = gh_rm_transfer_u32(rm, &xfer, &mem_handle);
	parcel->held = xfer.acted;
	if (ret)
		return ret;

	if (mem_handle == GH_MEM_HANDLE_INVAL)
		return gh_rm_bad_reply(rm, message_id, parcel->vmid);

	parcel->mem_handle = mem_handle;

	return 0;
}

/*
 * Adds the other ranges.  A fatal signal is looked for only between messages, and
 * the caller then takes back what has been added.
 */
static int gh_rm_mem_append(struct gh_rm *rm, const struct gh_rm_mem_parcel *parcel, void *msg)
{
	struct gh_rm_mem_append_req req = { .mem_handle = cpu_to_le32(parcel->mem_handle) };
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_MEM_APPEND,
		.vmid = parcel->vmid,
		.req = msg,
	};
	size_t done, n;
	void *p;
	int ret;

	for (done = GH_RM_MAX_LIST_ENTRIES; done < parcel->n_mem_entries; done += n) {
		if (fatal_signal_pending(current))
			return -EINTR;

		n = min_t(size_t, parcel->n_mem_entries - done, GH_RM_MAX_LIST_ENTRIES);
		if (done + n == parcel->n_mem_entries)
			req.flags = GH_RM_MEM_APPEND_FLAG_LAST;

		memcpy(msg, &req, sizeof(req));
		p = gh_rm_put_list(msg + sizeof(req), &parcel->mem_entries[done], n,
				   sizeof(*parcel->mem_entries));
		xfer.req_size = p - msg;

		ret = gh_rm_transfer(rm, &xfer);
		if (ret)
			return ret;
	}

	return 0;
}

/* The resource manager does not have the parcel: now the platform's part */
static int gh_rm_mem_release(struct gh_rm_mem_parcel *parcel)
{
	const struct gh_rm_platform_ops *ops = parcel->platform_ops;
	int ret;

	if (ops) {
		ret = ops->post_mem_reclaim(parcel);
		if (ret) {
			parcel->released = true;
			parcel->held = true;
			return ret;
		}
		parcel->platform_ops = NULL;
	}

	parcel->released = false;
	parcel->held = false;

	return 0;
}

/* Tell the platform, if there is one, before the resource manager */
static int gh_rm_mem_prepare(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel)
{
	int ret;

	parcel->n_assigned = 0;
	parcel->released = false;
	parcel->platform_ops = gh_rm_platform_get();
	if (!parcel->platform_ops)
		return 0;

	ret = gh_rm_get_vmid(rm, &parcel->host_vmid);
	if (!ret)
		ret = parcel->platform_ops->pre_mem(parcel);
	if (ret)
		gh_rm_mem_release(parcel);

	return ret;
}

static int gh_rm_mem_lend_or_share(struct gh_rm *rm, u32 message_id,
				   struct gh_rm_mem_parcel *parcel)
{
	size_t n_mem_entries = min_t(size_t, parcel->n_mem_entries, GH_RM_MAX_LIST_ENTRIES);
	size_t size;
	int ret;

	parcel->mem_handle = GH_MEM_HANDLE_INVAL;
	parcel->held = false;

	if (!parcel->n_mem_entries || !parcel->n_acl_entries ||
	    parcel->n_acl_entries > GH_RM_MAX_LIST_ENTRIES)
		return -EINVAL;

	parcel->vmid = le16_to_cpu(parcel->acl_entries[0].vmid);

	/* For all messages: after the first one it's too late to run out of memory */
	size = sizeof(struct gh_rm_mem_create_req) + 3 * sizeof(struct gh_rm_list_header) +
	       parcel->n_acl_entries * sizeof(*parcel->acl_entries) +
	       n_mem_entries * sizeof(*parcel->mem_entries);

	void *msg __free(kfree) = kmalloc(size, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;

	if (!atomic_add_unless(&rm->parcels, 1, GH_RM_MAX_PARCELS))
		return -ENOSPC;

	ret = gh_rm_mem_prepare(rm, parcel);
	if (ret) {
		atomic_dec(&rm->parcels);
		return ret;
	}

	ret = gh_rm_mem_create(rm, message_id, parcel, msg);
	if (ret) {
		if (!parcel->held) {
			atomic_dec(&rm->parcels);
			gh_rm_mem_release(parcel);
		}
		return ret;
	}

	ret = gh_rm_mem_append(rm, parcel, msg);
	/* RM keeps a parcel that is not complete until it is reclaimed */
	if (ret)
		gh_rm_mem_reclaim(rm, parcel);

	return ret;
}

/**
 * gh_rm_mem_lend() - Give memory of the host to a VM
 * @rm: the resource manager
 * @parcel: the memory, and the VM that is to use it
 *
 * This is MEM_LEND, with as many MEM_APPEND as there are ranges for.  The host
 * has no access to the memory from then on, until gh_rm_mem_reclaim().  The VM
 * must be allocated.
 *
 * If only a part could be lent, that part is reclaimed before the function
 * returns.  Should that fail too, @held of @parcel is still true.
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno, with @held of @parcel saying whether the resource
 * manager may have the memory nevertheless:
 *
 * * -EINVAL: a list is empty, or memory or VM are not as they have to be
 * * -ENOSPC: the resource manager can't keep another parcel
 * * -ENOMEM: no memory, here or in the resource manager
 * * -EINTR: a fatal signal
 * * others: what the platform returned, or see gh_rm_transfer()
 */
int gh_rm_mem_lend(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel)
{
	return gh_rm_mem_lend_or_share(rm, GH_RM_MEM_LEND, parcel);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_mem_lend);

/**
 * gh_rm_mem_share() - Let a VM use memory of the host together with the host
 * @rm: the resource manager
 * @parcel: the memory, and the VMs that are to use it; the host is one of them
 *
 * This is MEM_SHARE, with as many MEM_APPEND as there are ranges for.
 *
 * Context: Process context, may sleep.
 * Return: see gh_rm_mem_lend()
 */
int gh_rm_mem_share(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel)
{
	return gh_rm_mem_lend_or_share(rm, GH_RM_MEM_SHARE, parcel);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_mem_share);

/**
 * gh_rm_mem_reclaim() - Take memory back
 * @rm: the resource manager
 * @parcel: what was lent or shared, and is not used by a VM any more
 *
 * This is MEM_RECLAIM, and then the platform's part.  What the VM wrote to the
 * memory is still there.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY if a VM still uses the memory, -EIO if the resource manager
 * never returned a handle or can't be reached, what the platform returned, or see
 * gh_rm_call().  After an error the memory still must not be used.
 */
int gh_rm_mem_reclaim(struct gh_rm *rm, struct gh_rm_mem_parcel *parcel)
{
	struct gh_rm_mem_reclaim_req req = { .mem_handle = cpu_to_le32(parcel->mem_handle) };
	struct gh_rm_xfer xfer = {
		.message_id = GH_RM_MEM_RECLAIM,
		.vmid = parcel->vmid,
		/* The caller tries again, and says so if that is in vain */
		.no_news = GH_RM_ERROR_MEM_INUSE,
		.req = &req,
		.req_size = sizeof(req),
	};
	int ret;

	if (!parcel->held)
		return 0;

	if (parcel->released)
		return gh_rm_mem_release(parcel);

	if (parcel->mem_handle == GH_MEM_HANDLE_INVAL)
		return -EIO;

	ret = gh_rm_transfer(rm, &xfer);
	if (ret)
		return ret;

	parcel->mem_handle = GH_MEM_HANDLE_INVAL;
	atomic_dec(&rm->parcels);

	return gh_rm_mem_release(parcel);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_mem_reclaim);

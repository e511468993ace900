/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GUNYAH_VM_MGR_H
#define _LINUX_GUNYAH_VM_MGR_H

#include <linux/device/driver.h>
#include <linux/gunyah.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/stringify.h>
#include <linux/types.h>

#include <uapi/linux/gunyah.h>

struct gh_vm;
struct gh_vm_function_instance;

void gh_vm_get(struct gh_vm *ghvm);
void gh_vm_put(struct gh_vm *ghvm);

int gh_vm_ensure_started(struct gh_vm *ghvm);
bool gh_vm_has_exited(struct gh_vm *ghvm);
int gh_vm_exit_register(struct gh_vm *ghvm, struct notifier_block *nb);
void gh_vm_exit_unregister(struct gh_vm *ghvm, struct notifier_block *nb);

/**
 * struct gh_vm_exit_status - How a VM ended
 * @status: GH_VM_STATUS_*
 * @info: what the resource manager said of it
 */
struct gh_vm_exit_status {
	u32 status;
	struct gh_vm_exit_info info;
};

int gh_vm_get_exit_status(struct gh_vm *ghvm, struct gh_vm_exit_status *status);

/**
 * struct gh_vm_function_type - A kind of function that VMs can have
 * @type: its number, GH_FN_*
 * @owner: module that provides it; each instance holds a reference
 * @bind: makes an instance from @argp of the instance, of the size that the VM
 *	  manager has checked.  What it returns is the result of the ioctl, and
 *	  nothing may fail after it has handed out a file descriptor.
 * @unbind: undoes @bind; nothing of the instance may be used afterwards
 * @compare: is this the instance that GH_VM_REMOVE_FUNCTION means by @arg?
 *
 * All three are called in process context, one at a time per VM, and may
 * sleep.
 */
struct gh_vm_function_type {
	u32 type;
	struct module *owner;
	long (*bind)(struct gh_vm_function_instance *f);
	void (*unbind)(struct gh_vm_function_instance *f);
	bool (*compare)(const struct gh_vm_function_instance *f, const void *arg);
};

/**
 * struct gh_vm_function_instance - A function that a VM has
 * @fn: what kind of function it is
 * @ghvm: the VM; it lives as long as the instance does
 * @argp: argument, freed with the instance
 * @data: for the function's own use
 * @list: entry of the VM's list of functions
 *
 * Lives from GH_VM_ADD_FUNCTION to GH_VM_REMOVE_FUNCTION or the end of the VM.
 * It holds no reference to the VM: one that hands out a file descriptor has to
 * take its own for the file.
 */
struct gh_vm_function_instance {
	const struct gh_vm_function_type *fn;
	struct gh_vm *ghvm;
	void *argp;
	void *data;
	struct list_head list;
};

int gh_vm_function_register(const struct gh_vm_function_type *fn);
void gh_vm_function_unregister(const struct gh_vm_function_type *fn);

/**
 * DECLARE_GUNYAH_VM_FUNCTION_INIT() - Make a module of a type of function
 * @_fn: struct gh_vm_function_type
 */
#define DECLARE_GUNYAH_VM_FUNCTION_INIT(_fn)				\
	module_driver(_fn, gh_vm_function_register, gh_vm_function_unregister)

/**
 * MODULE_ALIAS_GUNYAH_VM_FUNCTION() - Have a module loaded for its function
 * @_number: number of the type of function, as a literal
 */
#define MODULE_ALIAS_GUNYAH_VM_FUNCTION(_number)			\
	MODULE_ALIAS("ghfunc:" __stringify(_number))

/**
 * struct gh_vm_resource_ticket - Somebody who wants a resource of a VM
 * @type: kind of the resource
 * @label: which one of the kind, by the label that the resource manager gives
 * @owner: module whose functions these are
 * @populate: the resource is there.  Returns 0 to take it, 1 if it is not what
 *	      the ticket is for after all, or a negative errno: what brought
 *	      ticket and resource together, GH_VM_START for example, fails then.
 * @unpopulate: the resource is about to go: must not be used once this returns
 * @rsc: the resource that @populate took, or NULL; the VM manager's own
 * @list: entry of the VM's list of tickets; the VM manager's own
 *
 * A ticket is added before or after the resource comes, and lives until it is
 * removed, which unpopulates it first.  Both functions may sleep and must not
 * add or remove tickets.
 */
struct gh_vm_resource_ticket {
	enum gunyah_resource_type type;
	u32 label;
	struct module *owner;
	int (*populate)(struct gh_vm_resource_ticket *ticket,
			struct gunyah_resource *rsc);
	void (*unpopulate)(struct gh_vm_resource_ticket *ticket,
			   struct gunyah_resource *rsc);
	struct gunyah_resource *rsc;
	struct list_head list;
};

int gh_vm_add_resource_ticket(struct gh_vm *ghvm,
			      struct gh_vm_resource_ticket *ticket);
void gh_vm_remove_resource_ticket(struct gh_vm *ghvm,
				  struct gh_vm_resource_ticket *ticket);

struct gh_vm_io_handler;

/**
 * struct gh_vm_io_handler_ops - What an I/O handler does
 * @write: the guest wrote @data; called in the thread that runs the vCPU, which
 *	   may sleep, but whoever removes a handler waits for it
 */
struct gh_vm_io_handler_ops {
	void (*write)(struct gh_vm_io_handler *handler, u64 data);
};

/**
 * struct gh_vm_io_handler - Takes guest writes before user space sees them
 * @addr: guest address
 * @len: size of the access in bytes: 1, 2, 4 or 8, or 0 for any
 * @datamatch: take only writes of @data
 * @data: see @datamatch
 * @ops: what to do with a write
 */
struct gh_vm_io_handler {
	u64 addr;
	u8 len;
	bool datamatch;
	u64 data;
	const struct gh_vm_io_handler_ops *ops;
};

int gh_vm_add_io_handler(struct gh_vm *ghvm, struct gh_vm_io_handler *handler);
void gh_vm_remove_io_handler(struct gh_vm *ghvm,
			     struct gh_vm_io_handler *handler);
bool gh_vm_mgr_mmio_write(struct gh_vm *ghvm, u64 addr, u32 len, u64 data);

#endif /* _LINUX_GUNYAH_VM_MGR_H */

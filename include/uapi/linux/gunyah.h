/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_GUNYAH_H
#define _UAPI_LINUX_GUNYAH_H

/*
 * Virtual machines of the Gunyah hypervisor: /dev/gunyah, VM files and vCPU
 * files.  Documentation/virt/gunyah/vm-manager.rst has the calls in order,
 * with the errors each of them returns.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#define GH_IOCTL_TYPE			'G'

/*
 * ioctls of /dev/gunyah
 */

/**
 * define GH_CREATE_VM - Make a VM
 *
 * A call of /dev/gunyah.  The argument must be 0.
 *
 * Return: a new VM file, which is closed on execve(), or -EINVAL, -ENOMEM,
 * -EMFILE, -ENFILE or -ESHUTDOWN.
 */
#define GH_CREATE_VM			_IO(GH_IOCTL_TYPE, 0x0)

/**
 * struct gh_create_mem_args - Arguments of GH_CREATE_GUEST_MEM
 * @flags: any of GH_GUEST_MEM_CLOEXEC and GH_GUEST_MEM_ALLOW_HUGEPAGE
 * @size: size of the memory in bytes, a multiple of the host's page size
 * @reserved: must be 0
 */
struct gh_create_mem_args {
	__aligned_u64 flags;
	__aligned_u64 size;
	__aligned_u64 reserved[6];
};

/* Close the file on execve() */
#define GH_GUEST_MEM_CLOEXEC		0x1
/* Allocate blocks of the size of a huge page, as far as there are any */
#define GH_GUEST_MEM_ALLOW_HUGEPAGE	0x2

/**
 * define GH_CREATE_GUEST_MEM - Make a guest memory
 *
 * A call of /dev/gunyah.  The argument is a struct gh_create_mem_args.
 *
 * Return: a new guest memory file, or -EFAULT, -EINVAL, -ENOMEM, -EINTR, -EMFILE
 * or -ENFILE.
 */
#define GH_CREATE_GUEST_MEM		_IOW(GH_IOCTL_TYPE, 0x8, \
					     struct gh_create_mem_args)

/**
 * define GH_CHECK_EXTENSION - Ask what there is
 *
 * A call of /dev/gunyah.  The argument is a number, GH_CAP_*.
 *
 * Return: a value above 0 if what it names is there, and 0 if it is not, or not
 * known.
 */
#define GH_CHECK_EXTENSION		_IO(GH_IOCTL_TYPE, 0xb)

/* GH_CREATE_GUEST_MEM and GH_VM_MAP_MEM */
#define GH_CAP_GUEST_MEM		1
/* GH_VM_SET_USER_MEM_REGION without GH_MEM_LENT */
#define GH_CAP_USER_MEM			2
/* GH_VM_SET_USER_MEM_REGION with GH_MEM_LENT */
#define GH_CAP_USER_MEM_LENT		3
/* Functions of type GH_FN_VCPU */
#define GH_CAP_VCPU			4
/* Functions of type GH_FN_IRQFD */
#define GH_CAP_IRQFD			5
/* Functions of type GH_FN_IOEVENTFD */
#define GH_CAP_IOEVENTFD		6
/* GH_VM_SET_BOOT_CONTEXT */
#define GH_CAP_BOOT_CONTEXT		7

/*
 * ioctls of a VM file
 */

/**
 * struct gh_userspace_memory_region - Arguments of GH_VM_SET_USER_MEM_REGION
 * @label: names the region in the guest's device tree
 * @flags: any of GH_MEM_ALLOW_READ, GH_MEM_ALLOW_WRITE, GH_MEM_ALLOW_EXEC and
 *	   GH_MEM_LENT
 * @guest_phys_addr: where the guest's device tree has the region
 * @memory_size: size of the region in bytes, a multiple of the page size
 * @userspace_addr: page-aligned address of the memory in the caller
 */
struct gh_userspace_memory_region {
	__u32 label;
	__u32 flags;
	__aligned_u64 guest_phys_addr;
	__aligned_u64 memory_size;
	__aligned_u64 userspace_addr;
};

#define GH_MEM_ALLOW_READ		0x1
#define GH_MEM_ALLOW_WRITE		0x2
#define GH_MEM_ALLOW_EXEC		0x4
#define GH_MEM_LENT			0x8

/**
 * define GH_VM_SET_USER_MEM_REGION - Give a VM memory of the calling process
 *
 * A call of a VM file.  The argument is a struct gh_userspace_memory_region.
 *
 * Return: 0, or -EFAULT, -EINVAL, -EPERM, -EEXIST, -EOPNOTSUPP, -ENOMEM or -EINTR.
 */
#define GH_VM_SET_USER_MEM_REGION	_IOW(GH_IOCTL_TYPE, 0x1, \
					     struct gh_userspace_memory_region)

/**
 * struct gh_vm_dtb_config - Arguments of GH_VM_SET_DTB_CONFIG
 * @guest_phys_addr: page-aligned guest address of the device tree blob
 * @size: size in bytes, a multiple of the page size, of the room for the
 *	  device tree: the resource manager adds to it
 */
struct gh_vm_dtb_config {
	__aligned_u64 guest_phys_addr;
	__aligned_u64 size;
};

/**
 * define GH_VM_SET_DTB_CONFIG - Say where a VM's device tree is
 *
 * A call of a VM file.  The argument is a struct gh_vm_dtb_config.
 *
 * Return: 0, or -EFAULT, -EINVAL, -EBUSY or -EINTR.
 */
#define GH_VM_SET_DTB_CONFIG		_IOW(GH_IOCTL_TYPE, 0x2, \
					     struct gh_vm_dtb_config)

/**
 * struct gh_vm_boot_context - Arguments of GH_VM_SET_BOOT_CONTEXT
 * @reg: a register of the boot vCPU, GH_VM_BOOT_CONTEXT_REG()
 * @reserved: must be 0
 * @value: its value when the vCPU starts
 */
struct gh_vm_boot_context {
	__u32 reg;
	__u32 reserved;
	__aligned_u64 value;
};

#define GH_VM_BOOT_REG_SET_SHIFT	8
#define GH_VM_BOOT_REG_INDEX_MASK	0xff
/* Register index of a set */
#define GH_VM_BOOT_CONTEXT_REG(set, index) \
	((set) << GH_VM_BOOT_REG_SET_SHIFT | (index))

/* X0 to X30 */
#define GH_VM_BOOT_REG_SET_X		0
/* Index 0 */
#define GH_VM_BOOT_REG_SET_PC		1
/* SP_EL0, SP_EL1 and SP_EL2 */
#define GH_VM_BOOT_REG_SET_SP		2

/**
 * define GH_VM_SET_BOOT_CONTEXT - Set a register of a VM's boot vCPU
 *
 * A call of a VM file.  The argument is a struct gh_vm_boot_context.
 *
 * Return: 0, or -EFAULT, -EINVAL or -EINTR.
 */
#define GH_VM_SET_BOOT_CONTEXT		_IOW(GH_IOCTL_TYPE, 0xa, \
					     struct gh_vm_boot_context)

/**
 * define GH_VM_START - Start a VM
 *
 * A call of a VM file.  It has no argument.
 *
 * Return: 0, also if the VM has been started before, or -EINVAL, -EOPNOTSUPP,
 * -ENOSPC, -ENODEV, -ENOMEM, -EPERM, -EBUSY, -EIO, -EHWPOISON, -ESHUTDOWN or
 * -EINTR.
 */
#define GH_VM_START			_IO(GH_IOCTL_TYPE, 0x3)

/**
 * struct gh_map_mem_args - Arguments of GH_VM_MAP_MEM
 * @guest_addr: page-aligned guest address
 * @flags: how to map, GH_MAP_MEM_*
 * @guest_mem_fd: file from GH_CREATE_GUEST_MEM
 * @offset: page-aligned offset in the guest memory
 * @size: size in bytes, a multiple of the page size
 */
struct gh_map_mem_args {
	__aligned_u64 guest_addr;
	__u32 flags;
	__u32 guest_mem_fd;
	__aligned_u64 offset;
	__aligned_u64 size;
};

/* The guest alone has the memory while it runs: the default */
#define GH_MAP_MEM_FORCE_LEND		0x1
/* The host keeps its access */
#define GH_MAP_MEM_FORCE_SHARE		0x2
#define GH_MAP_MEM_ALLOW_READ		0x10
#define GH_MAP_MEM_ALLOW_WRITE		0x20
#define GH_MAP_MEM_ALLOW_EXEC		0x40
/* Undo the call that had the same other arguments */
#define GH_MAP_MEM_UNMAP		0x100

/**
 * define GH_VM_MAP_MEM - Give a VM a part of a guest memory, or undo that
 *
 * A call of a VM file.  The argument is a struct gh_map_mem_args.
 *
 * Return: 0, or -EFAULT, -EINVAL, -EBADF, -EEXIST, -ENOENT, -EOPNOTSUPP, -ENOMEM
 * or -EINTR.
 */
#define GH_VM_MAP_MEM			_IOW(GH_IOCTL_TYPE, 0x9, \
					     struct gh_map_mem_args)

/*
 * Functions: what a VM has besides memory.  A function has a number and a
 * name, and the argument of each is the same in both ways to add it.
 */
#define GH_FN_VCPU			1
#define GH_FN_IRQFD			2
#define GH_FN_IOEVENTFD			3

/**
 * struct gh_fn_vcpu_arg - Argument of GH_FN_VCPU, "vcpu"
 * @vcpu_id: index of the vCPU's node among the cpu nodes of the guest's device
 *	     tree
 *
 * Adding a vCPU returns a new vCPU file, which is closed on execve(), or -EEXIST,
 * -EOPNOTSUPP, -ENOMEM, -EMFILE or -ENFILE.
 */
struct gh_fn_vcpu_arg {
	__u32 vcpu_id;
};

/**
 * struct gh_fn_irqfd_arg - Argument of GH_FN_IRQFD, "irqfd"
 * @fd: eventfd that is to interrupt the guest
 * @label: label of the doorbell in the guest's device tree
 * @flags: 0 or GH_IRQFD_LEVEL
 * @padding: must be 0
 *
 * Adding an irqfd returns 0, or -EINVAL, -EBADF, -EEXIST, -EBUSY, -EACCES, -EIO,
 * -EOPNOTSUPP or -ENOMEM.
 */
struct gh_fn_irqfd_arg {
	__u32 fd;
	__u32 label;
	__u32 flags;
	__u32 padding;
};

/* The guest takes the interrupt as level-triggered */
#define GH_IRQFD_LEVEL			0x1

/**
 * struct gh_fn_ioeventfd_arg - Argument of GH_FN_IOEVENTFD, "ioeventfd"
 * @datamatch: the value that has to be written, with GH_IOEVENTFD_DATAMATCH
 * @addr: guest address
 * @len: size of the write in bytes: 1, 2, 4 or 8, or 0 for any
 * @fd: eventfd that the write is to signal
 * @flags: 0 or GH_IOEVENTFD_DATAMATCH
 * @padding: must be 0
 *
 * Adding an ioeventfd returns 0, or -EINVAL, -EBADF, -EEXIST, -ENOSPC or -ENOMEM.
 */
struct gh_fn_ioeventfd_arg {
	__aligned_u64 datamatch;
	__aligned_u64 addr;
	__u32 len;
	__s32 fd;
	__u32 flags;
	__u32 padding;
};

/* Only a write of the value datamatch */
#define GH_IOEVENTFD_DATAMATCH		0x1

#define GH_FN_NAME_SIZE			32
#define GH_FN_MAX_ARG_SIZE		1024

/**
 * struct gh_vm_function - A function by its name
 * @name: NUL-terminated name of the function
 * @vcpu: argument of "vcpu"
 * @irqfd: argument of "irqfd"
 * @ioeventfd: argument of "ioeventfd"
 * @data: argument of any function; what the function does not use must be 0
 */
struct gh_vm_function {
	char name[GH_FN_NAME_SIZE];
	union {
		struct gh_fn_vcpu_arg vcpu;
		struct gh_fn_irqfd_arg irqfd;
		struct gh_fn_ioeventfd_arg ioeventfd;
		char data[GH_FN_MAX_ARG_SIZE];
	};
};

/**
 * define GH_VM_ADD_FUNCTION - Add a function to a VM, by its name
 *
 * A call of a VM file.  The argument is a struct gh_vm_function.
 *
 * Return: what the function returns, or -EFAULT, -EINVAL, -ENOENT, -EEXIST,
 * -ENOSPC, -ENOMEM or -EINTR.
 */
#define GH_VM_ADD_FUNCTION		_IOW(GH_IOCTL_TYPE, 0x4, \
					     struct gh_vm_function)

/**
 * struct gh_fn_desc - A function by its number
 * @type: GH_FN_*
 * @arg_size: size in bytes of what @arg points to
 * @arg: pointer to the argument
 */
struct gh_fn_desc {
	__u32 type;
	__u32 arg_size;
	__aligned_u64 arg;
};

/**
 * define GH_VM_ADD_FUNCTION_DESC - Add a function to a VM, by its number
 *
 * A call of a VM file.  The argument is a struct gh_fn_desc.
 *
 * Return: what the function returns, or -EFAULT, -EINVAL, -ENOENT, -EEXIST,
 * -ENOSPC, -ENOMEM or -EINTR.
 */
#define GH_VM_ADD_FUNCTION_DESC		_IOW(GH_IOCTL_TYPE, 0x4, \
					     struct gh_fn_desc)

/**
 * define GH_VM_REMOVE_FUNCTION - Remove a function of a VM
 *
 * A call of a VM file.  The argument is a struct gh_fn_desc.
 *
 * Return: 0, or -EFAULT, -EINVAL, -ENOENT, -ENOMEM or -EINTR.
 */
#define GH_VM_REMOVE_FUNCTION		_IOW(GH_IOCTL_TYPE, 0x7, \
					     struct gh_fn_desc)

/*
 * ioctls of a vCPU file
 */

/* exit_reason of struct gh_vcpu_run */
#define GH_VCPU_EXIT_UNKNOWN		0
#define GH_VCPU_EXIT_MMIO		1
#define GH_VCPU_EXIT_STATUS		2

/* resume_action of an MMIO exit: the access is done */
#define GH_VCPU_RESUME_HANDLED		0

/* status of a STATUS exit */
#define GH_VM_STATUS_LOAD_FAILED	1
#define GH_VM_STATUS_EXITED		2
#define GH_VM_STATUS_CRASHED		3

/* type of struct gh_vm_exit_info: how the VM ended */
#define GH_VM_EXIT_TYPE_VM_EXIT		0
#define GH_VM_EXIT_TYPE_PSCI_POWER_OFF	1
#define GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET	2
#define GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET2	3
#define GH_VM_EXIT_TYPE_WDT_BITE	4
#define GH_VM_EXIT_TYPE_HYP_ERROR	5
#define GH_VM_EXIT_TYPE_ASYNC_EXT_ABORT	6
#define GH_VM_EXIT_TYPE_VM_FORCE_STOPPED	7
/* The resource manager did not say */
#define GH_VM_EXIT_TYPE_UNKNOWN		0xffff

#define GH_VM_MAX_EXIT_REASON_SIZE	8

/**
 * struct gh_vm_exit_info - How a VM ended
 * @type: GH_VM_EXIT_TYPE_*
 * @padding: 0
 * @reason_size: number of bytes in @reason
 * @reason: what the resource manager gave as the reason; little endian, its
 *	    meaning depends on @type
 */
struct gh_vm_exit_info {
	__u16 type;
	__u16 padding;
	__u32 reason_size;
	__u8 reason[GH_VM_MAX_EXIT_REASON_SIZE];
};

/**
 * struct gh_vcpu_run - What user space and GH_VCPU_RUN tell each other
 * @immediate_exit: in: not 0 makes GH_VCPU_RUN take in the reply to the last
 *		    exit, and return -EINTR before it runs the vCPU
 * @padding: not used
 * @exit_reason: out: why GH_VCPU_RUN returned, GH_VCPU_EXIT_*
 * @padding2: not used
 * @mmio: the guest accessed memory that user space emulates
 * @mmio.phys_addr: out: guest address
 * @mmio.data: the bytes written, or those that user space gives as read
 * @mmio.len: out: size of the access: 1, 2, 4 or 8 bytes
 * @mmio.is_write: out: 1 for a write, 0 for a read
 * @mmio.resume_action: in: what to do with the access, GH_VCPU_RESUME_*
 * @mmio.padding: not used
 * @status: the VM has ended
 * @status.status: out: GH_VM_STATUS_*
 * @status.exit_info: out: how it ended
 * @status.padding: not used
 *
 * Mapped from offset 0 of the vCPU file.
 */
struct gh_vcpu_run {
	__u8 immediate_exit;
	__u8 padding[7];

	__u32 exit_reason;
	__u32 padding2;

	union {
		struct {
			__aligned_u64 phys_addr;
			__u8 data[8];
			__u32 len;
			__u8 is_write;
			__u8 resume_action;
			__u8 padding[2];
		} mmio;
		struct {
			__u32 status;
			struct gh_vm_exit_info exit_info;
			__u32 padding;
		} status;
	};
};

/**
 * define GH_VCPU_RUN - Run a vCPU until there is something to do for it
 *
 * A call of a vCPU file.  It has no argument: see struct gh_vcpu_run.
 *
 * Return: 0 if there is an exit, or -EINTR, -ENODEV, -EINVAL or -EIO.
 */
#define GH_VCPU_RUN			_IO(GH_IOCTL_TYPE, 0x5)

/**
 * define GH_VCPU_MMAP_SIZE - Ask for the size of a vCPU's mapping
 *
 * A call of a vCPU file.  It has no argument.
 *
 * Return: the size in bytes of what is mapped from offset 0 of the file.
 */
#define GH_VCPU_MMAP_SIZE		_IO(GH_IOCTL_TYPE, 0x6)

#endif /* _UAPI_LINUX_GUNYAH_H */

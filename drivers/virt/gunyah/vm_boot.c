// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boot context: what the boot vCPU of a VM has in its registers when it starts.
 */

#include <linux/array_size.h>
#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/lockdep.h>

#include <kunit/visibility.h>

#include "vm_mgr.h"

/* Number of registers in each set */
static const u8 gh_boot_set_size[] = {
	[GH_VM_BOOT_REG_SET_X]	= GH_VM_BOOT_NR_X,
	[GH_VM_BOOT_REG_SET_PC]	= GH_VM_BOOT_NR_PC,
	[GH_VM_BOOT_REG_SET_SP]	= GH_VM_BOOT_NR_SP,
};

/* Position of a register in struct gh_vm_boot */
static unsigned int gh_boot_pos(unsigned int set, unsigned int index)
{
	while (set)
		index += gh_boot_set_size[--set];
	return index;
}

/**
 * gh_vm_set_boot_context() - GH_VM_SET_BOOT_CONTEXT
 * @ghvm: the VM
 * @args: register and value
 *
 * Context: ghvm->lock is held.
 * Return: 0, or -EINVAL if there is no such register.
 */
int gh_vm_set_boot_context(struct gh_vm *ghvm, const struct gh_vm_boot_context *args)
{
	unsigned int set = args->reg >> GH_VM_BOOT_REG_SET_SHIFT;
	unsigned int index = args->reg & GH_VM_BOOT_REG_INDEX_MASK;
	unsigned int pos;

	lockdep_assert_held(&ghvm->lock);

	if (args->reserved || set >= ARRAY_SIZE(gh_boot_set_size) ||
	    index >= gh_boot_set_size[set])
		return -EINVAL;

	pos = gh_boot_pos(set, index);
	__set_bit(pos, ghvm->boot.is_set);
	ghvm->boot.value[pos] = args->value;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_set_boot_context);

static bool gh_boot_pc_in_image(const struct gh_vm_image *image, u64 pc)
{
	return pc >= image->base && pc - image->base < image->size;
}

/**
 * gh_vm_boot_image_offset() - Find out where the image of a VM begins
 * @ghvm: the VM
 * @image: memory that has the image
 *
 * The resource manager starts the boot vCPU at the beginning of the image,
 * unless it is told to use another PC, which not every version can be.
 *
 * Context: ghvm->lock is held.
 * Return: offset in bytes from the beginning of the memory.
 */
u64 gh_vm_boot_image_offset(struct gh_vm *ghvm, const struct gh_vm_image *image)
{
	unsigned int pos = gh_boot_pos(GH_VM_BOOT_REG_SET_PC, 0);
	u64 pc = ghvm->boot.value[pos];

	lockdep_assert_held(&ghvm->lock);

	if (!test_bit(pos, ghvm->boot.is_set) || !gh_boot_pc_in_image(image, pc))
		return 0;
	return pc - image->base;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_boot_image_offset);

/* Does the register have the value by what CONFIG_IMAGE said? */
static bool gh_boot_reg_is_there(struct gh_vm *ghvm, const struct gh_vm_image *image,
				 unsigned int set, unsigned int index, u64 value)
{
	switch (set) {
	case GH_VM_BOOT_REG_SET_PC:
		return gh_boot_pc_in_image(image, value);
	case GH_VM_BOOT_REG_SET_X:
		return !index && value == ghvm->dtb_config.guest_phys_addr;
	default:
		return false;
	}
}

static int gh_boot_apply_reg(struct gh_vm *ghvm, const struct gh_vm_image *image,
			     unsigned int set, unsigned int index, u64 value)
{
	int ret;

	ret = gh_rm_vm_set_boot_context(ghvm->rm, ghvm->vmid, set, index, value);
	if (ret != -EOPNOTSUPP)
		return ret;

	if (gh_boot_reg_is_there(ghvm, image, set, index, value))
		return 0;

	dev_err_ratelimited(gh_rm_device(ghvm->rm),
			    "VM %u: this resource manager can't set boot register %#x to %#llx: only the PC inside the private memory, and X0 to the device tree\n",
			    ghvm->vmid, set << GH_VM_BOOT_REG_SET_SHIFT | index, value);
	return -EOPNOTSUPP;
}

/**
 * gh_vm_apply_boot_context() - Set the registers of a VM's boot vCPU
 * @ghvm: the VM, which the resource manager has initialised
 * @image: memory that has the image and the device tree
 *
 * Context: May sleep.  ghvm->lock is held.
 * Return: 0, -EOPNOTSUPP if the resource manager can't set a register, or what
 *	   it said of the value.
 */
int gh_vm_apply_boot_context(struct gh_vm *ghvm, const struct gh_vm_image *image)
{
	unsigned int set, index, pos;
	int ret;

	lockdep_assert_held(&ghvm->lock);

	for (set = 0; set < ARRAY_SIZE(gh_boot_set_size); set++) {
		for (index = 0; index < gh_boot_set_size[set]; index++) {
			pos = gh_boot_pos(set, index);
			if (!test_bit(pos, ghvm->boot.is_set))
				continue;

			ret = gh_boot_apply_reg(ghvm, image, set, index,
						ghvm->boot.value[pos]);
			if (ret)
				return ret;
		}
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_apply_boot_context);

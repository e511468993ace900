/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VMM, the guest and its device tree agree on.  Included from C,
 * assembly, device tree source and the guest's linker script: #define only.
 */
#ifndef _SAMPLE_VM_H
#define _SAMPLE_VM_H

/* As many as sample_vm.dts has cpu nodes */
#define SAMPLE_MAX_CPUS		8

/* The guest image is at the start of the memory, the device tree behind it */
#define SAMPLE_RAM_BASE		0x80000000
#define SAMPLE_DTB_OFFSET	0x00200000
/* The resource manager adds to the device tree in place: leave it room */
#define SAMPLE_DTB_ROOM		0x00020000

/*
 * The hypervisor emulates the interrupt controller.  It passes any other
 * access below 1 GiB to the VMM, and none above.
 */
#define SAMPLE_GICD_BASE	0x3fff0000
#define SAMPLE_GICD_SIZE	0x00010000
#define SAMPLE_GICR_BASE	0x3fe00000
/* Per CPU */
#define SAMPLE_GICR_SIZE	0x00020000

/* The VMM's device */
#define SAMPLE_DEV_BASE		0x0a000000
/* Write: a character for the console */
#define SAMPLE_DEV_CONSOLE	0x00
/* Read: number of CPUs of the guest */
#define SAMPLE_DEV_CPUS		0x08
/* Read, in any size: the low bytes of SAMPLE_ANSWER */
#define SAMPLE_DEV_ANSWER	0x10
/* Write: what the VMM is to return as its exit status */
#define SAMPLE_DEV_RESULT	0x18

/* Each size of it is negative as a signed number */
#define SAMPLE_ANSWER		0xf1e2d3c4b5a69788

#endif

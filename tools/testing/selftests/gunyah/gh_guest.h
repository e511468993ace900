/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest of the tests.  It has no program of its own: it reads a command
 * and its arguments from the emulated device, executes it, writes the result
 * to the device, and starts again.  Every CPU has a device.
 */
#ifndef _GH_GUEST_H
#define _GH_GUEST_H

#define GUEST_RAM		0x80000000
#define GUEST_RAM_SIZE		0x00400000
#define GUEST_DTB_OFFSET	0x00200000
#define GUEST_DTB_ROOM		0x00020000

#define GUEST_GICD		0x3fff0000
#define GUEST_GICR		0x3fe00000

/* Neither memory nor device */
#define GUEST_NOWHERE		0x70000000

#define GUEST_DEV		0x0a000000
#define GUEST_DEV_SHIFT		12
/* Read by the guest */
#define GUEST_DEV_CMD		0x00
#define GUEST_DEV_ARG0		0x08
#define GUEST_DEV_ARG1		0x10
#define GUEST_DEV_ARG2		0x18
/* Written by the guest */
#define GUEST_DEV_RESULT	0x20
/* Written instead of a result: ESR_EL1 of an exception */
#define GUEST_DEV_EXCEPTION	0x28
/* For the tests */
#define GUEST_DEV_SCRATCH	0x100

/* The result is what the load left in the 64-bit register */
#define GUEST_READ8		0	/* (address) */
#define GUEST_READ16		1
#define GUEST_READ32		2
#define GUEST_READ64		3
#define GUEST_READS8		4
#define GUEST_READS16		5
#define GUEST_READS32		6
/* The result is 0 */
#define GUEST_WRITE8		7	/* (address, value) */
#define GUEST_WRITE16		8
#define GUEST_WRITE32		9
#define GUEST_WRITE64		10
/* Sum of so many 64-bit reads of one address */
#define GUEST_SUM		11	/* (address, count) */
/* 64-bit writes to one address: count, count - 1, ... 1 */
#define GUEST_COUNTDOWN		12	/* (address, count) */
/* The result is the hypercall's */
#define GUEST_HVC		13	/* (function, argument, argument) */
/* Sleep until the timer fires; the result is the microseconds that took */
#define GUEST_SLEEP		14	/* (microseconds) */
/* No result: these do not end */
#define GUEST_WFI		15
#define GUEST_SPIN		16
/* Prepare for an SPI; the result is 0 */
#define GUEST_IRQ_ENABLE	17	/* (interrupt ID, is it edge-triggered?) */
/* Sleep until there is an interrupt, and take it; the result is its ID */
#define GUEST_IRQ_WAIT		18
/* The same without sleeping, or 1023 if there is none */
#define GUEST_IRQ_POLL		19
/* What X0 or X1 was at the guest's entry */
#define GUEST_BOOT_X		20	/* (0 or 1) */
/* Ends in a loop of exceptions; there is no result */
#define GUEST_CRASH		21
#define GUEST_NR_COMMANDS	22

#define GUEST_NO_IRQ		1023

#endif

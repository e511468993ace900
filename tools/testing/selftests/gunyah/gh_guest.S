/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs at EL1 with the MMU off; see gh_guest.h. */
#include "gh_guest.h"

	.section .rodata
	.balign	0x800
	.globl	gh_guest_start
gh_guest_start:
	/* Entry of all CPUs. x19: the CPU's device, x20: its number */
	mov	x21, x0
	mov	x22, x1
	mrs	x20, mpidr_el1
	and	x20, x20, #0xff
	ldr	x19, =GUEST_DEV
	add	x19, x19, x20, lsl #GUEST_DEV_SHIFT
	adr	x0, vectors
	msr	vbar_el1, x0
	isb

next:
	ldr	x0, [x19, #GUEST_DEV_CMD]
	ldr	x1, [x19, #GUEST_DEV_ARG0]
	ldr	x2, [x19, #GUEST_DEV_ARG1]
	ldr	x3, [x19, #GUEST_DEV_ARG2]
	cmp	x0, #GUEST_NR_COMMANDS
	b.hs	next
	adr	x4, commands
	ldrsw	x5, [x4, x0, lsl #2]
	add	x4, x4, x5
	br	x4

result:
	str	x0, [x19, #GUEST_DEV_RESULT]
	b	next

commands:
	.long	read8 - commands
	.long	read16 - commands
	.long	read32 - commands
	.long	read64 - commands
	.long	reads8 - commands
	.long	reads16 - commands
	.long	reads32 - commands
	.long	write8 - commands
	.long	write16 - commands
	.long	write32 - commands
	.long	write64 - commands
	.long	sum - commands
	.long	countdown - commands
	.long	hypercall - commands
	.long	sleep - commands
	.long	wait - commands
	.long	spin - commands
	.long	irq_enable - commands
	.long	irq_wait - commands
	.long	irq_poll - commands
	.long	boot_x - commands
	.long	crash - commands

read8:	ldrb	w0, [x1]
	b	result
read16:	ldrh	w0, [x1]
	b	result
read32:	ldr	w0, [x1]
	b	result
read64:	ldr	x0, [x1]
	b	result
reads8:	ldrsb	x0, [x1]
	b	result
reads16: ldrsh	x0, [x1]
	b	result
reads32: ldrsw	x0, [x1]
	b	result
write8:	strb	w2, [x1]
	mov	x0, #0
	b	result
write16: strh	w2, [x1]
	mov	x0, #0
	b	result
write32: str	w2, [x1]
	mov	x0, #0
	b	result
write64: str	x2, [x1]
	mov	x0, #0
	b	result

sum:	mov	x0, #0
1:	cbz	x2, result
	ldr	x4, [x1]
	add	x0, x0, x4
	sub	x2, x2, #1
	b	1b

countdown:
	mov	x0, #0
1:	cbz	x2, result
	str	x2, [x1]
	sub	x2, x2, #1
	b	1b

hypercall:
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, #0
	hvc	#0
	b	result

boot_x:	cmp	x1, #0
	csel	x0, x21, x22, eq
	b	result

	/* There is nothing at the vectors either */
crash:	ldr	x0, =GUEST_NOWHERE
	msr	vbar_el1, x0
	isb
	ldr	x0, [x0]
	b	.

wait:	wfi
	b	wait

spin:	b	spin

	/* Prepare distributor and CPU. x4: the CPU's GICR_SGI_base */
gic:	ldr	x4, =GUEST_GICD
	mov	w5, #0x12			/* ARE_NS, EnableGrp1A */
	str	w5, [x4]
	ldr	x4, =GUEST_GICR
	add	x4, x4, x20, lsl #17
	str	wzr, [x4, #0x14]		/* GICR_WAKER */
1:	ldr	w5, [x4, #0x14]
	tbnz	w5, #2, 1b			/* ChildrenAsleep */
	add	x4, x4, #0x10, lsl #12
	mov	x5, #1
	msr	s3_0_c12_c12_5, x5		/* ICC_SRE_EL1 */
	isb
	mov	x5, #0xff
	msr	s3_0_c4_c6_0, x5		/* ICC_PMR_EL1 */
	mov	x5, #1
	msr	s3_0_c12_c12_7, x5		/* ICC_IGRPEN1_EL1 */
	isb
	ret

	/* An SPI that stays masked in the CPU, like the timer below */
irq_enable:
	bl	gic
	ldr	x4, =GUEST_GICD
	lsr	x5, x1, #5
	lsl	x5, x5, #2			/* A word for 32 of them */
	and	x6, x1, #31
	mov	x7, #1
	lsl	x7, x7, x6
	add	x8, x4, x5
	ldr	w9, [x8, #0x80]			/* GICD_IGROUPR */
	orr	w9, w9, w7
	str	w9, [x8, #0x80]
	add	x9, x4, #0x400			/* GICD_IPRIORITYR */
	mov	w10, #0x80
	strb	w10, [x9, x1]
	mov	x9, #0x6000			/* GICD_IROUTER: to CPU 0 */
	add	x9, x9, x1, lsl #3
	str	xzr, [x4, x9]
	lsr	x9, x1, #4
	add	x9, x4, x9, lsl #2
	and	x10, x1, #15
	lsl	x10, x10, #1
	add	x10, x10, #1
	mov	w11, #1
	lsl	w11, w11, w10
	ldr	w10, [x9, #0xc00]		/* GICD_ICFGR */
	bic	w10, w10, w11
	cbz	x2, 1f
	orr	w10, w10, w11
1:	str	w10, [x9, #0xc00]
	str	w7, [x8, #0x100]		/* GICD_ISENABLER */
	mov	x0, #0
	b	result

irq_wait:
1:	mrs	x0, s3_0_c12_c12_0		/* ICC_IAR1_EL1 */
	cmp	x0, #1020
	b.lo	2f
	wfi
	b	1b
irq_poll:
	mrs	x0, s3_0_c12_c12_0		/* ICC_IAR1_EL1 */
	cmp	x0, #1020
	b.hs	3f
2:	msr	s3_0_c12_c12_1, x0		/* ICC_EOIR1_EL1 */
	isb
3:	b	result

	/*
	 * The timer's PPI is enabled in the redistributor and stays masked in
	 * the CPU, where it ends the WFI.
	 */
sleep:	bl	gic
	mov	w5, #-1
	str	w5, [x4, #0x80]			/* GICR_IGROUPR0 */
	mov	w5, #0x80
	add	x6, x4, #0x400
	strb	w5, [x6, #27]			/* GICR_IPRIORITYR */
	mov	w5, #1 << 27
	str	w5, [x4, #0x100]		/* GICR_ISENABLER0 */

	ldr	x8, =1000000
	mrs	x9, cntfrq_el0
	mrs	x10, cntvct_el0
	mul	x1, x1, x9
	udiv	x1, x1, x8
	add	x1, x1, x10
	msr	cntv_cval_el0, x1
	mov	x5, #1
	msr	cntv_ctl_el0, x5
	isb

	/* Until it is really late enough: the interrupt may be an old one */
2:	wfi
	mrs	x6, s3_0_c12_c12_0		/* ICC_IAR1_EL1 */
	cmp	x6, #27
	b.ne	2b
	isb
	mrs	x7, cntvct_el0
	cmp	x7, x1
	b.lo	3f
	msr	cntv_ctl_el0, xzr
	isb
3:	msr	s3_0_c12_c12_1, x6		/* ICC_EOIR1_EL1 */
	isb
	cmp	x7, x1
	b.lo	2b

	sub	x0, x7, x10
	mul	x0, x0, x8
	udiv	x0, x0, x9
	b	result

	.balign	0x800
vectors:
	.rept	16
	.balign	0x80
	mrs	x0, esr_el1
	str	x0, [x19, #GUEST_DEV_EXCEPTION]
	adr	x0, next
	msr	elr_el1, x0
	eret
	.endr

	.ltorg
	.globl	gh_guest_end
gh_guest_end:

	.section .note.GNU-stack, "", %progbits

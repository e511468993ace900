/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs at EL1 with the MMU off; see gh_guest.h. */
#include "gh_guest.h"

	.section .rodata
	.balign	0x800
	.globl	gh_guest_start
gh_guest_start:
	/* Entry of all CPUs. x19: the CPU's device, x20: its number */
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

wait:	wfi
	b	wait

spin:	b	spin

	/*
	 * The timer's PPI is enabled in the redistributor and stays masked in
	 * the CPU, where it ends the WFI.
	 */
sleep:	ldr	x4, =GUEST_GICD
	mov	w5, #0x12			/* ARE_NS, EnableGrp1A */
	str	w5, [x4]
	ldr	x4, =GUEST_GICR
	add	x4, x4, x20, lsl #17
	str	wzr, [x4, #0x14]		/* GICR_WAKER */
1:	ldr	w5, [x4, #0x14]
	tbnz	w5, #2, 1b			/* ChildrenAsleep */
	add	x4, x4, #0x10, lsl #12
	mov	w5, #-1
	str	w5, [x4, #0x80]			/* GICR_IGROUPR0 */
	mov	w5, #0x80
	add	x6, x4, #0x400
	strb	w5, [x6, #27]			/* GICR_IPRIORITYR */
	mov	w5, #1 << 27
	str	w5, [x4, #0x100]		/* GICR_ISENABLER0 */
	mov	x5, #1
	msr	s3_0_c12_c12_5, x5		/* ICC_SRE_EL1 */
	isb
	mov	x5, #0xff
	msr	s3_0_c4_c6_0, x5		/* ICC_PMR_EL1 */
	mov	x5, #1
	msr	s3_0_c12_c12_7, x5		/* ICC_IGRPEN1_EL1 */
	isb

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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry points of the guest.  The hypervisor starts a vCPU at EL1 with the MMU
 * and the caches off and all interrupts masked; they stay like this.
 */
#include "sample_vm.h"

#define STACK_SHIFT	12

	.section .head.text, "ax"
	.globl _start
_start:
	mov	x0, #0
	b	1f

	/* x0: number of the CPU, from the context of PSCI CPU_ON */
	.globl secondary_start
secondary_start:
1:	adrp	x1, stacks
	add	x1, x1, :lo12:stacks
	add	x2, x0, #1
	add	x1, x1, x2, lsl #STACK_SHIFT
	mov	sp, x1
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	isb
	cbnz	x0, 2f
	bl	guest_main
	b	3f
2:	bl	guest_secondary
3:	wfi
	b	3b

	/* long psci(function, arg0, arg1, arg2) */
	.globl psci
psci:
	hvc	#0
	ret

	/*
	 * Nothing here is meant to cause an exception, and interrupts stay
	 * masked: whatever arrives is reported.
	 */
	.balign	0x800
vectors:
	.rept	16
	.balign	0x80
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	b	guest_exception
	.endr

	.section .bss, "aw", %nobits
	.balign	16
stacks:
	.skip	SAMPLE_MAX_CPUS << STACK_SHIFT

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry from the boot loader (an arm64 Image, x0 = device tree) and from
 * PSCI CPU_ON (x0 = struct pcpu), both at EL2 with the MMU off.
 */

	.section .head.text, "ax"
	.global _start
_start:
	b	primary
	nop
	.quad	0			/* text_offset: loaded at RAM + 2 MiB */
	.quad	_image_size
	.quad	0x2			/* little endian, 4 KiB pages */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

	.text

primary:
	mov	x19, x0
	mrs	x0, CurrentEL
	cmp	x0, #(2 << 2)
	b.ne	wrong_el
	bl	mmu_on
	adrp	x0, bss_start
	add	x0, x0, :lo12:bss_start
	adrp	x1, bss_end
	add	x1, x1, :lo12:bss_end
1:	cmp	x0, x1
	b.hs	2f
	stp	xzr, xzr, [x0], #16
	b	1b
2:	adrp	x0, boot_stack_top
	mov	sp, x0
	mov	x0, x19
	bl	hyp_main
	/* not reached */

/* There is no console yet: stay here, where a debugger finds it. */
wrong_el:
	wfe
	b	wrong_el

	.global secondary_entry
secondary_entry:
	mov	x19, x0
	bl	mmu_on
	ldr	x1, [x19, #8]		/* pcpu.stack_top */
	mov	sp, x1
	mov	x0, x19
	bl	hyp_secondary
	/* not reached */

/* One table of 1 GiB blocks, identity. */
mmu_on:
	adrp	x0, el2_table
	msr	ttbr0_el2, x0
	mov	x0, #0xff00		/* 0: Device-nGnRnE, 1: Normal WB */
	msr	mair_el2, x0
	/* 39-bit VA, 4 KiB, inner shareable, write-back */
	ldr	x0, =(1 << 31 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25)
	mrs	x1, id_aa64mmfr0_el1
	and	x1, x1, #0x7
	cmp	x1, #5
	mov	x2, #5
	csel	x1, x1, x2, lo
	orr	x0, x0, x1, lsl #16
	msr	tcr_el2, x0
	msr	hcr_el2, xzr
	isb
	ic	iallu
	tlbi	alle2
	dsb	sy
	isb
	ldr	x0, =0x30c51835		/* RES1, I, SA off, C, M */
	msr	sctlr_el2, x0
	isb
	ret

	.data
	.balign	4096
	.global el2_table
el2_table:
	.quad	0x0000000000000441 | 1 << 54		/* devices, XN */
	.quad	0x0000000040000745			/* RAM */
	.fill	510, 8, 0

	.bss
	.balign	4096
	.space	16384
boot_stack_top:
	.balign	4096

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest is linked to the start of its memory and entered at its first
 * byte.  Zeroed data is a part of the image: nobody clears it otherwise.
 */
#include "sample_vm.h"

OUTPUT_FORMAT("elf64-littleaarch64")
OUTPUT_ARCH(aarch64)
ENTRY(_start)

SECTIONS
{
	. = SAMPLE_RAM_BASE;
	.text : {
		*(.head.text)
		*(.text .text.*)
	}
	.rodata : { *(.rodata .rodata.*) }
	. = ALIGN(4096);
	.data : {
		*(.data .data.*)
		*(.bss .bss.* COMMON)
	}
	/DISCARD/ : {
		*(.comment)
		*(.note .note.*)
		*(.eh_frame .eh_frame_hdr)
	}
}

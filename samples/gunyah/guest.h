/* SPDX-License-Identifier: GPL-2.0-only */
/* Between guest_start.S and guest.c */
#ifndef _GUEST_H
#define _GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

/* In guest_start.S */
long psci(u64 function, u64 arg0, u64 arg1, u64 arg2);
void secondary_start(void);

/* In guest.c, called with the stack set up */
void guest_main(void);
void guest_secondary(u64 cpu);
void guest_exception(u64 esr, u64 elr, u64 far);

#endif

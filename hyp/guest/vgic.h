/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's GICv3: the state of its distributor and redistributors, and what
 * goes into the list registers.  No hardware access, so that it also builds
 * natively for unit tests.
 */
#ifndef HYP_VGIC_H
#define HYP_VGIC_H

#include "plat.h"

#define VGIC_MAX_CPUS	8
#define VGIC_MAX_LRS	4
#define VGIC_PRIVATE	32u
#define VGIC_NR_IRQS	1020u		/* INTIDs 0 .. 1019: 988 SPIs */
#define VGIC_GICD_SIZE	0x10000u
#define VGIC_GICR_SIZE	0x20000u	/* per CPU: RD_base, SGI_base */

struct vgic_irq {
	bool enabled;
	bool group1;
	bool edge;
	bool latch;			/* pending until taken or cleared */
	bool line;			/* level of the wire */
	bool active;
	bool in_lr;			/* in a list register of a running CPU ... */
	bool lr_latch;			/* ... and the latch moved there */
	bool lr_active;			/* ... with this state, to see a change */
	u8 prio;
	u8 owner;			/* CPU that has it active or in an LR */
	u8 target;			/* SPIs: CPU it is routed to, or 0xff */
	u64 route;			/* SPIs: GICD_IROUTER */
};

struct vgic_cpu {
	struct vgic_irq irq[VGIC_PRIVATE];
	u32 busy;
	bool asleep;			/* GICR_WAKER.ProcessorSleep */
};

struct vgic {
	u32 nr_cpus;
	u32 ctlr;
	struct vgic_cpu cpu[VGIC_MAX_CPUS];
	struct vgic_irq spi[VGIC_NR_IRQS - VGIC_PRIVATE];
	u32 busy[VGIC_NR_IRQS / 32 + 1];
	u32 busy_words;			/* a bit for each that is not 0 */
	/* This CPU has an interrupt to take, or one to take back. */
	void (*notify)(struct vgic *v, u32 cpu);
};

void vgic_init(struct vgic *v, void (*notify)(struct vgic *v, u32 cpu));
void vgic_add_cpu(struct vgic *v);

void vgic_set_line(struct vgic *v, u32 cpu, u32 intid, bool level);
void vgic_assert(struct vgic *v, u32 cpu, u32 intid);
void vgic_pulse(struct vgic *v, u32 cpu, u32 intid);
/* A write to ICC_SGI1R_EL1, or, for group 0, to ICC_SGI0R_EL1 */
void vgic_sgi(struct vgic *v, u32 self, u64 val, bool group1);

/* Fold the list registers of a CPU that stopped back into the state. */
void vgic_sync(struct vgic *v, u32 cpu, const u64 *lr, u32 nr);
/*
 * Fill them before it runs.  PPIs in hw are linked to the physical interrupt
 * of the same number.  True when something had to stay outside.
 */
bool vgic_flush(struct vgic *v, u32 cpu, u64 *lr, u32 nr, u32 hw);
/* Is there an interrupt that this CPU would take?  vmcr is its ICH_VMCR_EL2. */
bool vgic_pending(struct vgic *v, u32 cpu, u64 vmcr);

/* Register accesses; size 1, 2, 4 or 8, naturally aligned. */
u64 vgic_gicd_read(struct vgic *v, u32 off, u32 size);
void vgic_gicd_write(struct vgic *v, u32 off, u32 size, u64 val);
u64 vgic_gicr_read(struct vgic *v, u32 off, u32 size);
void vgic_gicr_write(struct vgic *v, u32 off, u32 size, u64 val);

#endif /* HYP_VGIC_H */

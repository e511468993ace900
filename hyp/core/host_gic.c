// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's interrupts.  The host has the real GIC; EL2 takes every
 * interrupt and passes it on in a list register, linked to the physical one.
 *
 * The distributor is trapped, so that it can look larger than it is: INTIDs
 * 960 to 1023 of the host are 224 to 287 of the machine, which no device
 * uses.  A virq of the hypervisor is then one write to GICD_ISPENDR, and its
 * mask, routing and trigger are the hardware's.
 *
 * The SGI frames are trapped to keep EL2's own PPIs and SGI out of reach.
 */
#include "core.h"

#define VIRQ_PHYS	224u
#define VIRQ_SHIFT	(HOST_VIRQ_BASE - VIRQ_PHYS)

#define OWN_PRIVATE	((u32)(BIT(SGI_KICK) | BIT(PPI_MAINT) | BIT(PPI_CNTHP)))

#define GICD_CTLR	0x0000
#define GICD_TYPER	0x0004
#define GIC_IGROUPR	0x0080
#define GIC_ISENABLER	0x0100
#define GIC_ISPENDR	0x0200
#define GIC_ISACTIVER	0x0300
#define GIC_ICACTIVER	0x0380
#define GIC_IPRIORITYR	0x0400
#define GIC_ICFGR	0x0c00
#define GIC_IGRPMODR	0x0d00
#define GIC_NSACR	0x0e00
#define GIC_SGI_END	0x0f00
#define GICD_IROUTER	0x6000
#define GICD_IROUTER_END 0x8000

#define GICR_TYPER	0x0008
#define GICR_WAKER	0x0014
#define GICR_SGI	0x10000
#define WAKER_ASLEEP	BIT(1)
#define WAKER_CHILDREN	BIT(2)
#define TYPER_LAST	BIT(4)

#define CTLR_GRP1	BIT(1)
#define CTLR_ARE	BIT(4)
#define CTLR_RWP	BIT(31)

#define ICH_EN		BIT(0)
#define ICH_UIE		BIT(1)
#define ICH_VENG1	BIT(1)

#define LR_PENDING	BIT(62)
#define LR_ACTIVE	BIT(63)
#define LR_STATE	(LR_PENDING | LR_ACTIVE)
#define LR_HW		BIT(61)
#define LR_GROUP1	BIT(60)
#define LR_INTID(lr)	((u32)(lr))
#define LR_PINTID(lr)	((u32)((lr) >> 32) & 0x3ff)

#define PRIO_KICK	0x00
#define PRIO_ONLY_KICK	0x08
#define PRIO_OWN	0x80

#define FIRST_SPECIAL	1020u
#define FIRST_LPI	8192u

static u32 nr_lrs;

static volatile u32 *reg32(u64 addr)
{
	return (volatile u32 *)addr;
}

u32 gic_nr_lrs(void)
{
	return nr_lrs;
}

#define EACH_LR(X) X(0) X(1) X(2) X(3)

static void lrs_save(u64 *lr)
{
#define X(n) if (n < nr_lrs) lr[n] = read_sysreg(ich_lr##n##_el2);
	EACH_LR(X)
#undef X
}

static void lrs_load(const u64 *lr)
{
#define X(n) if (n < nr_lrs) write_sysreg(ich_lr##n##_el2, lr[n]);
	EACH_LR(X)
#undef X
}

void gic_save(struct gic_regs *g)
{
	lrs_save(g->lr);
	g->vmcr = read_sysreg(ich_vmcr_el2);
	g->ap0r = read_sysreg(ich_ap0r0_el2);
	g->ap1r = read_sysreg(ich_ap1r0_el2);
}

void gic_load(const struct gic_regs *g, u64 underflow)
{
	lrs_load(g->lr);
	write_sysreg(ich_vmcr_el2, g->vmcr);
	write_sysreg(ich_ap0r0_el2, g->ap0r);
	write_sysreg(ich_ap1r0_el2, g->ap1r);
	write_sysreg(ich_hcr_el2, ICH_EN | (underflow ? ICH_UIE : 0));
	isb();
}

void gic_init(void)
{
	u64 vtr = read_sysreg(ich_vtr_el2);

	nr_lrs = (u32)MIN((vtr & 0x1f) + 1, (u64)MAX_LRS);
	if ((vtr >> 26 & 7) > 4)
		plat_panic("the GIC has more than 5 bits of virtual preemption");

	*reg32(machine.gicd + GICD_CTLR) = CTLR_ARE | CTLR_GRP1;
	while (*reg32(machine.gicd + GICD_CTLR) & CTLR_RWP)
		;
}

static u64 find_redistributor(u64 mpidr)
{
	u32 affinity = (u32)((mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff));
	u64 end = machine.gicr + machine.gicr_size;

	for (u64 base = machine.gicr; base < end; base += VGIC_GICR_SIZE) {
		if (*reg32(base + GICR_TYPER + 4) == affinity)
			return base;
		if (*reg32(base + GICR_TYPER) & TYPER_LAST)
			break;
	}
	plat_panic("CPU %#lx has no redistributor", mpidr);
}

void gic_init_cpu(struct pcpu *p)
{
	u64 sgi;

	write_sysreg(icc_sre_el2, 0xf);
	isb();
	write_sysreg(icc_sre_el1, 0x7);
	isb();

	p->gicr = find_redistributor(p->mpidr);
	sgi = p->gicr + GICR_SGI;
	*reg32(p->gicr + GICR_WAKER) &= ~(u32)WAKER_ASLEEP;
	while (*reg32(p->gicr + GICR_WAKER) & WAKER_CHILDREN)
		;
	*reg32(sgi + GIC_IGROUPR) |= OWN_PRIVATE;
	for (u32 i = 0; i < 32; i++) {
		if (OWN_PRIVATE & BIT(i))
			((volatile u8 *)(sgi + GIC_IPRIORITYR))[i] =
				i == SGI_KICK ? PRIO_KICK : PRIO_OWN;
	}
	*reg32(sgi + GIC_ISENABLER) = OWN_PRIVATE;

	write_sysreg(icc_pmr_el1, 0xff);
	write_sysreg(icc_bpr1_el1, 0);
	write_sysreg(icc_ctlr_el1, 2);		/* EOImode: split */
	write_sysreg(icc_igrpen1_el1, 1);
	write_sysreg(ich_hcr_el2, 0);
	isb();
}

void gic_kick(struct pcpu *p)
{
	u64 m = p->mpidr;

	dsb(ishst);
	write_sysreg(icc_sgi1r_el1,
		     (m >> 32 & 0xff) << 48 | (m >> 16 & 0xff) << 32 |
		     (m >> 8 & 0xff) << 16 | (m >> 4 & 0xf) << 44 |
		     (u64)SGI_KICK << 24 | BIT(m & 0xf));
	isb();
}

/*
 * Sleep until a kick.  What else is pending, and brought the CPU here maybe,
 * would end the sleep at once: for so long nothing else is urgent enough.
 */
void gic_wait_for_kick(void)
{
	u64 pmr = read_sysreg(icc_pmr_el1), hcr = read_sysreg(ich_hcr_el2);
	u32 intid;

	write_sysreg(ich_hcr_el2, 0);
	write_sysreg(icc_pmr_el1, PRIO_ONLY_KICK);
	isb();
	asm volatile("wfi" : : : "memory");
	intid = (u32)read_sysreg(icc_iar1_el1) & 0xffffff;
	if (intid == SGI_KICK) {
		isb();
		write_sysreg(icc_eoir1_el1, SGI_KICK);
		isb();
		write_sysreg(icc_dir_el1, SGI_KICK);
	} else if (intid < FIRST_SPECIAL || intid >= FIRST_LPI) {
		plat_panic("the host made interrupt %u as urgent as the hypervisor's own",
			   intid);
	}
	write_sysreg(icc_pmr_el1, pmr);
	write_sysreg(ich_hcr_el2, hcr);
	isb();
}

void gic_ppi_set_active(struct pcpu *p, u32 mask, bool active)
{
	*reg32(p->gicr + GICR_SGI +
	       (active ? GIC_ISACTIVER : GIC_ICACTIVER)) = mask;
	dsb(sy);
}

void gic_ppi_enable(struct pcpu *p, u32 mask)
{
	*reg32(p->gicr + GICR_SGI + GIC_ISENABLER) = mask;
}

void plat_host_virq_raise(u32 intid)
{
	u32 phys = intid - VIRQ_SHIFT;

	if (intid < HOST_VIRQ_BASE || intid >= HOST_VIRQ_BASE + HOST_VIRQ_COUNT)
		plat_panic("virq %u is not the host's", intid);
	dsb(ishst);
	*reg32(machine.gicd + GIC_ISPENDR + phys / 32 * 4) = 1u << (phys % 32);
}

/* --- list registers ---------------------------------------------------------- */

/* Give it to the host; its registers are in p->host.gic. */
static void host_gic_add(struct pcpu *p, u64 new)
{
	u64 *lr = p->host.gic.lr;
	s64 free = -1;

	for (u32 i = 0; i < nr_lrs; i++) {
		if (!(lr[i] & LR_STATE)) {
			free = free < 0 ? (s64)i : free;
		} else if (LR_INTID(lr[i]) == LR_INTID(new)) {
			lr[i] |= LR_PENDING;
			return;
		}
	}
	for (u32 i = 0; i < p->host_queued; i++) {
		if (LR_INTID(p->host_queue[i]) == LR_INTID(new))
			return;
	}
	if (free >= 0)
		lr[free] = new;
	else if (p->host_queued < HOST_QUEUE)
		p->host_queue[p->host_queued++] = new;
	else
		plat_panic("more than %d interrupts wait for the host",
			   HOST_QUEUE);
}

static void host_gic_refill(struct pcpu *p)
{
	u64 *lr = p->host.gic.lr;
	u32 taken = 0;

	for (u32 i = 0; i < nr_lrs && taken < p->host_queued; i++) {
		if (!(lr[i] & LR_STATE))
			lr[i] = p->host_queue[taken++];
	}
	p->host_queued -= taken;
	for (u32 i = 0; taken && i < p->host_queued; i++)
		p->host_queue[i] = p->host_queue[i + taken];
}

bool gic_ack(struct pcpu *p)
{
	bool for_host = false;

	for (;;) {
		u32 intid = (u32)read_sysreg(icc_iar1_el1) & 0xffffff;
		u64 lr = LR_PENDING | LR_GROUP1;
		bool own;

		if (intid >= FIRST_SPECIAL && intid < FIRST_LPI)
			break;
		lr |= (read_sysreg(icc_rpr_el1) & 0xff) << 48;
		own = intid < 32 && (OWN_PRIVATE & BIT(intid));

		/* EL2's own are levels: lower them, or they come back at once. */
		if (intid == PPI_CNTHP)
			timer_arm(p, NEVER);
		else if (intid == PPI_MAINT)
			write_sysreg(ich_hcr_el2, 0);
		isb();
		write_sysreg(icc_eoir1_el1, intid);
		isb();
		if (own || intid < 16)
			write_sysreg(icc_dir_el1, intid);
		if (own)
			continue;

		for_host = true;
		if (intid >= 16 && intid < FIRST_LPI)
			lr |= LR_HW | (u64)intid << 32;
		host_gic_add(p, lr | (intid >= VIRQ_PHYS && intid < FIRST_LPI ?
				      intid + VIRQ_SHIFT : intid));
	}
	return for_host;
}

bool host_gic_pending(const struct pcpu *p)
{
	if (!(p->host.gic.vmcr & ICH_VENG1))
		return false;
	for (u32 i = 0; i < nr_lrs; i++) {
		if (p->host.gic.lr[i] & LR_PENDING)
			return true;
	}
	return false;
}

/* Is the physical interrupt the host's business at the moment? */
bool host_gic_holds(const struct pcpu *p, u32 pintid)
{
	for (u32 i = 0; i < nr_lrs; i++) {
		u64 lr = p->host.gic.lr[i];

		if ((lr & LR_STATE) && (lr & LR_HW) && LR_PINTID(lr) == pintid)
			return true;
	}
	for (u32 i = 0; i < p->host_queued; i++) {
		if ((p->host_queue[i] & LR_HW) &&
		    LR_PINTID(p->host_queue[i]) == pintid)
			return true;
	}
	return false;
}

static void give_back(u64 lr)
{
	u32 pintid = LR_PINTID(lr);
	u32 word = pintid / 32 * 4, bit = 1u << (pintid % 32);
	u32 cfg;

	if (!(lr & LR_PENDING) || !(lr & LR_HW) || pintid < 32)
		return;
	cfg = *reg32(machine.gicd + GIC_ICFGR + pintid / 16 * 4);
	if (cfg >> (pintid % 16 * 2 + 1) & 1)
		*reg32(machine.gicd + GIC_ISPENDR + word) = bit;
	*reg32(machine.gicd + GIC_ICACTIVER + word) = bit;
}

/*
 * The CPU goes away.  SPIs that the host did not take yet become pending
 * again, for the CPU that they are routed to by now.
 */
void host_gic_give_back(struct pcpu *p)
{
	host_gic_save(p);
	for (u32 i = 0; i < nr_lrs; i++)
		give_back(p->host.gic.lr[i]);
	for (u32 i = 0; i < p->host_queued; i++)
		give_back(p->host_queue[i]);
	p->host_queued = 0;
}

void host_gic_save(struct pcpu *p)
{
	gic_save(&p->host.gic);
}

void host_gic_load(struct pcpu *p)
{
	host_gic_refill(p);
	gic_load(&p->host.gic, p->host_queued);
}

/* --- trapped registers --------------------------------------------------------- */

static u64 mmio_read(u64 addr, u32 size)
{
	switch (size) {
	case 1:
		return *(volatile u8 *)addr;
	case 2:
		return *(volatile u16 *)addr;
	case 4:
		return *(volatile u32 *)addr;
	}
	return *(volatile u64 *)addr;
}

static void mmio_write(u64 addr, u32 size, u64 val)
{
	switch (size) {
	case 1:
		*(volatile u8 *)addr = (u8)val;
		break;
	case 2:
		*(volatile u16 *)addr = (u16)val;
		break;
	case 4:
		*(volatile u32 *)addr = (u32)val;
		break;
	default:
		*(volatile u64 *)addr = val;
	}
}

/* The first register of the array that off is in, and its bits per INTID */
static u32 array_of(u64 off, u64 *base)
{
	static const struct {
		u16 base, end;
		u8 bits;
	} arrays[] = {
		{ GIC_IGROUPR, GIC_IPRIORITYR, 1 },
		{ GIC_IPRIORITYR, GIC_ICFGR, 8 },
		{ GIC_ICFGR, GIC_IGRPMODR, 2 },
		{ GIC_IGRPMODR, GIC_NSACR, 1 },
		{ GIC_NSACR, GIC_SGI_END, 2 },
		{ GICD_IROUTER, GICD_IROUTER_END, 64 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(arrays); i++) {
		u64 span = arrays[i].bits * 1024u / 8;

		if (off >= arrays[i].base && off < arrays[i].end) {
			*base = arrays[i].base +
				(off - arrays[i].base) / span * span;
			return arrays[i].bits;
		}
	}
	return 0;
}

/* Offset in the real distributor; false if nothing is there. */
static bool gicd_translate(u64 *off)
{
	u64 base, intid;
	u32 bits = array_of(*off, &base);

	if (!bits)
		return true;
	intid = (*off - base) * 8 / bits;
	if (intid < VIRQ_PHYS)
		return true;
	if (intid < HOST_VIRQ_BASE)
		return false;
	*off -= VIRQ_SHIFT * bits / 8;
	return true;
}

static u64 gicd_read(u64 off, u32 size)
{
	bool typer = off == GICD_TYPER;
	u64 val;

	if (!gicd_translate(&off))
		return 0;
	val = mmio_read(machine.gicd + off, size);
	return typer ? val | 0x1f : val;	/* ITLinesNumber: up to 1019 */
}

/* A write to an SGI frame, without effect on EL2's own interrupts */
static void gicr_write(u64 addr, u64 off, u32 size, u64 val)
{
	u64 own = OWN_PRIVATE;

	if (off == GIC_IGROUPR) {
		val |= own;
	} else if (off >= GIC_ISENABLER && off < GIC_IPRIORITYR) {
		val &= ~own;
	} else if (off >= GIC_IPRIORITYR && off < GIC_IPRIORITYR + 32) {
		for (u32 i = 0; i < size; i++, val >>= 8) {
			if (!(own & BIT(off - GIC_IPRIORITYR + i)))
				mmio_write(addr + i, 1, val & 0xff);
		}
		return;
	}
	mmio_write(addr, size, val);
}

bool host_gic_access(struct pcpu *p, u64 ipa, u64 iss)
{
	u64 gicr_end = machine.gicr + nr_pcpus * VGIC_GICR_SIZE;
	bool gicd = ipa - machine.gicd < VGIC_GICD_SIZE;
	u32 size = ABORT_SIZE(iss), rt = ABORT_SRT(iss);
	u64 off;

	if (!gicd && (ipa < machine.gicr || ipa >= gicr_end))
		return false;
	if (!ABORT_ISV(iss))
		plat_violation("the host touched the GIC at %#lx with an instruction that does not decode, PC %#lx",
			       ipa, p->host.pc);
	if (gicd)
		off = ipa - machine.gicd;
	else
		off = (ipa - machine.gicr) & 0xffff;

	if (!ABORT_WNR(iss)) {
		set_reg(&p->host, rt, gicd ? gicd_read(off, size) :
					     mmio_read(ipa, size));
	} else if (!gicd) {
		gicr_write(ipa, off, size, get_reg(&p->host, rt));
	} else if (gicd_translate(&off)) {
		mmio_write(machine.gicd + off, size, get_reg(&p->host, rt));
	}
	p->host.pc += 4;
	return true;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's GICv3.  One structure per interrupt says what the guest
 * configured and where the interrupt stands; list registers are made from it
 * before a vCPU runs and folded back when it stops.
 *
 * An interrupt in a list register of a running vCPU belongs to that one.  What
 * others change about it takes effect when it stops, so it is told to.
 */
#include <string.h>

#include "vgic.h"

#define LR_PENDING	(1ull << 62)
#define LR_ACTIVE	(1ull << 63)
#define LR_HW		(1ull << 61)
#define LR_GROUP1	(1ull << 60)
#define LR_EOI		(1ull << 41)
#define LR_PRIO(p)	((u64)(p) << 48)
#define LR_PINTID(n)	((u64)(n) << 32)

#define VMCR_VENG0	(1u << 0)
#define VMCR_VENG1	(1u << 1)
#define VMCR_PMR(v)	((v) >> 24 & 0xff)

#define PRIO_MASK	0xf8u		/* 5 bits */
#define NO_TARGET	0xffu

#define GICD_CTLR	0x0000u
#define GICD_TYPER	0x0004u
#define GICD_IIDR	0x0008u
#define GIC_IGROUPR	0x0080u
#define GIC_ISENABLER	0x0100u
#define GIC_ICENABLER	0x0180u
#define GIC_ISPENDR	0x0200u
#define GIC_ICPENDR	0x0280u
#define GIC_ISACTIVER	0x0300u
#define GIC_ICACTIVER	0x0380u
#define GIC_IPRIORITYR	0x0400u
#define GIC_IPRIO_END	0x0800u
#define GIC_ICFGR	0x0c00u
#define GIC_ICFGR_END	0x0d00u
#define GICD_IROUTER	0x6000u
#define GICD_IROUTER_END 0x7fe0u
#define GIC_PIDR2	0xffe8u

#define GICR_CTLR	0x0000u
#define GICR_IIDR	0x0004u
#define GICR_TYPER	0x0008u
#define GICR_WAKER	0x0014u
#define GICR_SGI	0x10000u

#define CTLR_GRP0	(1u << 0)
#define CTLR_GRP1	(1u << 1)
#define CTLR_ARE	(1u << 4)
#define CTLR_DS		(1u << 6)

/* 988 SPIs, 10 bits of INTID, no 1-of-N */
#define TYPER_VALUE	(31u | 9u << 19 | 1u << 25)
#define IIDR_VALUE	((u32)'G' << 24 | 0x43b)
#define PIDR2_GICV3	0x30u
#define GICR_TYPER_LAST	(1u << 4)
#define WAKER_ASLEEP	(1u << 1)
#define WAKER_CHILDREN	(1u << 2)

void vgic_init(struct vgic *v, void (*notify)(struct vgic *v, u32 cpu))
{
	memset(v, 0, sizeof(*v));
	v->notify = notify;
}

void vgic_add_cpu(struct vgic *v)
{
	struct vgic_cpu *c = &v->cpu[v->nr_cpus++];

	c->asleep = true;
	for (u32 i = 0; i < 16; i++)
		c->irq[i].edge = true;
}

static struct vgic_irq *irq_at(struct vgic *v, u32 cpu, u32 intid)
{
	return intid < VGIC_PRIVATE ? &v->cpu[cpu].irq[intid] :
				      &v->spi[intid - VGIC_PRIVATE];
}

/* The CPU that an interrupt concerns, or NO_TARGET */
static u32 cpu_of(const struct vgic_irq *irq, u32 cpu, u32 intid)
{
	if (intid < VGIC_PRIVATE)
		return cpu;
	return irq->active || irq->in_lr ? irq->owner : irq->target;
}

static bool is_pending(const struct vgic_irq *irq)
{
	return irq->latch || (!irq->edge && irq->line);
}

static bool wanted(const struct vgic *v, const struct vgic_irq *irq)
{
	return is_pending(irq) && irq->enabled &&
	       (v->ctlr & (irq->group1 ? CTLR_GRP1 : CTLR_GRP0));
}

/* Something changed: note that it is worth a look, and tell its CPU. */
static void changed(struct vgic *v, u32 cpu, u32 intid)
{
	struct vgic_irq *irq = irq_at(v, cpu, intid);
	u32 target = cpu_of(irq, cpu, intid);

	if (intid < VGIC_PRIVATE) {
		v->cpu[cpu].busy |= 1u << intid;
	} else {
		v->busy[intid / 32] |= 1u << (intid % 32);
		v->busy_words |= 1u << (intid / 32);
	}
	if ((wanted(v, irq) || irq->in_lr) && target < v->nr_cpus)
		v->notify(v, target);
}

void vgic_set_line(struct vgic *v, u32 cpu, u32 intid, bool level)
{
	struct vgic_irq *irq = irq_at(v, cpu, intid);

	if (irq->line == level)
		return;
	irq->line = level;
	if (level && irq->edge)
		irq->latch = true;
	changed(v, cpu, intid);
}

/* A source says once more that it is high: an edge again where edges count. */
void vgic_assert(struct vgic *v, u32 cpu, u32 intid)
{
	struct vgic_irq *irq = irq_at(v, cpu, intid);

	irq->line = true;
	if (irq->edge)
		irq->latch = true;
	changed(v, cpu, intid);
}

void vgic_pulse(struct vgic *v, u32 cpu, u32 intid)
{
	irq_at(v, cpu, intid)->latch = true;
	changed(v, cpu, intid);
}

/* Affinity is linear, Aff0 is the vCPU's number. */
void vgic_sgi(struct vgic *v, u32 self, u64 val, bool group1)
{
	u32 intid = val >> 24 & 0xf;
	bool all_others = val >> 40 & 1;
	bool elsewhere = (val & 0x00ff00ff00ff0000ull) || (val >> 44 & 0xf);

	for (u32 cpu = 0; cpu < v->nr_cpus; cpu++) {
		if (v->cpu[cpu].irq[intid].group1 != group1)
			continue;
		if (all_others ? cpu != self : !elsewhere && (val >> cpu & 1))
			vgic_pulse(v, cpu, intid);
	}
}

/* --- list registers ------------------------------------------------------------- */

void vgic_sync(struct vgic *v, u32 cpu, const u64 *lr, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		struct vgic_irq *irq;
		u32 intid = (u32)lr[i];
		bool active;

		/* An empty register that was used keeps its INTID. */
		if (!lr[i] || intid >= VGIC_NR_IRQS)
			continue;
		irq = irq_at(v, cpu, intid);
		if (!irq->in_lr)
			continue;
		active = lr[i] & LR_ACTIVE;
		/* If others wrote it meanwhile, that counts. */
		if (active != irq->lr_active)
			irq->active = active;
		if ((lr[i] & LR_PENDING) && irq->lr_latch)
			irq->latch = true;
		irq->lr_latch = false;
		irq->in_lr = false;
		/* It may have been sent elsewhere. */
		if (cpu_of(irq, cpu, intid) != cpu)
			changed(v, cpu, intid);
	}
}

struct choice {
	u32 intid;
	u32 rank;
};

/* Keep the best nr of what is offered; true if one fell out. */
static bool choose(struct choice *best, u32 nr, u32 *used, u32 intid, u32 rank)
{
	bool full = *used == nr;
	u32 i;

	if (full && best[nr - 1].rank <= rank)
		return true;
	i = full ? nr - 1 : (*used)++;
	for (; i && best[i - 1].rank > rank; i--)
		best[i] = best[i - 1];
	best[i].intid = intid;
	best[i].rank = rank;
	return full;
}

/* Visit an interrupt marked busy; false when nothing is left to remember. */
static bool consider(struct vgic *v, u32 cpu, u32 intid, struct choice *best,
		     u32 nr, u32 *used, bool *more)
{
	struct vgic_irq *irq = irq_at(v, cpu, intid);

	if (cpu_of(irq, cpu, intid) == cpu) {
		if (irq->active)
			*more |= choose(best, nr, used, intid, irq->prio);
		else if (wanted(v, irq))
			*more |= choose(best, nr, used, intid,
					0x100u + irq->prio);
	}
	return is_pending(irq) || irq->active || irq->in_lr;
}

static u64 make_lr(struct vgic *v, u32 cpu, u32 intid, u32 hw)
{
	struct vgic_irq *irq = irq_at(v, cpu, intid);
	bool linked = intid < VGIC_PRIVATE && (hw >> intid & 1);
	u64 lr = intid | LR_PRIO(irq->prio);

	irq->owner = (u8)cpu;
	irq->in_lr = true;
	irq->lr_active = irq->active;
	if (irq->group1)
		lr |= LR_GROUP1;
	if (irq->active)
		lr |= LR_ACTIVE;
	/* A level that is still high shows after the EOI, not before. */
	if (wanted(v, irq) && !(irq->active && (linked || !irq->edge))) {
		lr |= LR_PENDING;
		irq->lr_latch = irq->latch;
		irq->latch = false;
	}
	if (linked)
		lr |= LR_HW | LR_PINTID(intid);
	else if (!irq->edge)
		lr |= LR_EOI;
	return lr;
}

bool vgic_flush(struct vgic *v, u32 cpu, u64 *lr, u32 nr, u32 hw)
{
	struct choice best[VGIC_MAX_LRS];
	struct vgic_cpu *c = &v->cpu[cpu];
	bool more = false;
	u32 used = 0;

	for (u32 rest = c->busy; rest; rest &= rest - 1) {
		u32 intid = (u32)__builtin_ctz(rest);

		if (!consider(v, cpu, intid, best, nr, &used, &more))
			c->busy &= ~(1u << intid);
	}
	for (u32 words = v->busy_words; words; words &= words - 1) {
		u32 word = (u32)__builtin_ctz(words);

		for (u32 rest = v->busy[word]; rest; rest &= rest - 1) {
			u32 bit = (u32)__builtin_ctz(rest);

			if (!consider(v, cpu, word * 32 + bit, best, nr, &used,
				      &more))
				v->busy[word] &= ~(1u << bit);
		}
		if (!v->busy[word])
			v->busy_words &= ~(1u << word);
	}

	for (u32 i = 0; i < nr; i++)
		lr[i] = i < used ? make_lr(v, cpu, best[i].intid, hw) : 0;
	return more;
}

static bool takes(const struct vgic *v, const struct vgic_irq *irq, u64 vmcr)
{
	return wanted(v, irq) && !irq->active && !irq->in_lr &&
	       irq->prio < VMCR_PMR(vmcr) &&
	       (vmcr & (irq->group1 ? VMCR_VENG1 : VMCR_VENG0));
}

bool vgic_pending(struct vgic *v, u32 cpu, u64 vmcr)
{
	for (u32 rest = v->cpu[cpu].busy; rest; rest &= rest - 1) {
		if (takes(v, &v->cpu[cpu].irq[__builtin_ctz(rest)], vmcr))
			return true;
	}
	for (u32 words = v->busy_words; words; words &= words - 1) {
		u32 word = (u32)__builtin_ctz(words);

		for (u32 rest = v->busy[word]; rest; rest &= rest - 1) {
			u32 intid = word * 32 + (u32)__builtin_ctz(rest);
			struct vgic_irq *irq = irq_at(v, cpu, intid);

			if (irq->target == cpu && takes(v, irq, vmcr))
				return true;
		}
	}
	return false;
}

/* --- registers --------------------------------------------------------------------- */

/* One bit per interrupt: 32 of them from first on */
static u32 read_bits(struct vgic *v, u32 cpu, u32 reg, u32 first)
{
	u32 val = 0;

	for (u32 i = 0; i < 32 && first + i < VGIC_NR_IRQS; i++) {
		const struct vgic_irq *irq = irq_at(v, cpu, first + i);
		bool bit = false;

		switch (reg) {
		case GIC_IGROUPR:
			bit = irq->group1;
			break;
		case GIC_ISENABLER:
		case GIC_ICENABLER:
			bit = irq->enabled;
			break;
		case GIC_ISPENDR:
		case GIC_ICPENDR:
			bit = is_pending(irq) || irq->lr_latch;
			break;
		case GIC_ISACTIVER:
		case GIC_ICACTIVER:
			bit = irq->active;
			break;
		}
		val |= (u32)bit << i;
	}
	return val;
}

static void write_bits(struct vgic *v, u32 cpu, u32 reg, u32 first, u32 val)
{
	for (u32 i = 0; i < 32 && first + i < VGIC_NR_IRQS; i++) {
		struct vgic_irq *irq = irq_at(v, cpu, first + i);

		if (reg == GIC_IGROUPR)
			irq->group1 = val >> i & 1;
		else if (!(val >> i & 1))
			continue;

		switch (reg) {
		case GIC_ISENABLER:
			irq->enabled = true;
			break;
		case GIC_ICENABLER:
			irq->enabled = false;
			break;
		case GIC_ISPENDR:
			irq->latch = true;
			break;
		case GIC_ICPENDR:
			irq->latch = false;
			irq->lr_latch = false;
			break;
		case GIC_ISACTIVER:
			if (!irq->active && !irq->in_lr)
				irq->owner = first ? irq->target : (u8)cpu;
			irq->active = irq->owner < v->nr_cpus;
			irq->lr_active = false;
			break;
		case GIC_ICACTIVER:
			irq->active = false;
			irq->lr_active = true;
			break;
		}
		changed(v, cpu, first + i);
	}
}

/*
 * The registers that exist both in the distributor (SPIs) and in the SGI
 * frame (private interrupts); cpu says whose.
 */
static u32 bank_read(struct vgic *v, u32 cpu, u32 off)
{
	u32 val = 0;

	if (off < GIC_IPRIORITYR)
		return read_bits(v, cpu, off & ~0x7fu, (off & 0x7f) * 8);
	if (off < GIC_IPRIO_END) {
		for (u32 i = 0; i < 4 && off - GIC_IPRIORITYR + i < VGIC_NR_IRQS; i++)
			val |= (u32)irq_at(v, cpu, off - GIC_IPRIORITYR + i)->prio
			       << i * 8;
	} else {
		u32 first = (off - GIC_ICFGR) * 4;

		for (u32 i = 0; i < 16 && first + i < VGIC_NR_IRQS; i++)
			val |= (u32)irq_at(v, cpu, first + i)->edge << (i * 2 + 1);
	}
	return val;
}

static void bank_write(struct vgic *v, u32 cpu, u32 off, u32 val)
{
	if (off < GIC_IPRIORITYR) {
		write_bits(v, cpu, off & ~0x7fu, (off & 0x7f) * 8, val);
	} else if (off < GIC_IPRIO_END) {
		for (u32 i = 0; i < 4 && off - GIC_IPRIORITYR + i < VGIC_NR_IRQS; i++)
			irq_at(v, cpu, off - GIC_IPRIORITYR + i)->prio =
				val >> i * 8 & PRIO_MASK;
	} else {
		u32 first = (off - GIC_ICFGR) * 4;

		if (!first)
			return;			/* SGIs are edges */
		for (u32 i = 0; i < 16 && first + i < VGIC_NR_IRQS; i++)
			irq_at(v, cpu, first + i)->edge = val >> (i * 2 + 1) & 1;
	}
}

/* Does off belong to interrupts of this kind? */
static bool in_bank(u32 off, bool private)
{
	u32 per_private;

	if (off >= GIC_IGROUPR && off < GIC_IPRIORITYR)
		per_private = off & 0x7f ? 0 : 1;
	else if (off >= GIC_IPRIORITYR && off < GIC_IPRIO_END)
		per_private = off < GIC_IPRIORITYR + VGIC_PRIVATE;
	else if (off >= GIC_ICFGR && off < GIC_ICFGR_END)
		per_private = off < GIC_ICFGR + VGIC_PRIVATE / 4;
	else
		return false;
	return per_private == private;
}

static void set_route(struct vgic *v, u32 intid, u64 route)
{
	struct vgic_irq *irq = irq_at(v, 0, intid);

	irq->route = route & 0xff80ffffffull;
	irq->target = NO_TARGET;
	if (route >> 31 & 1)			/* any CPU */
		irq->target = 0;
	else if (!(route & 0xff00ffff00ull) && (route & 0xff) < v->nr_cpus)
		irq->target = (u8)route;
	changed(v, 0, intid);
}

static u32 gicd_read32(struct vgic *v, u32 off)
{
	switch (off) {
	case GICD_CTLR:
		return v->ctlr | CTLR_ARE | CTLR_DS;
	case GICD_TYPER:
		return TYPER_VALUE;
	case GICD_IIDR:
		return IIDR_VALUE;
	case GIC_PIDR2:
		return PIDR2_GICV3;
	}
	if (in_bank(off, false))
		return bank_read(v, 0, off);
	if (off >= GICD_IROUTER + VGIC_PRIVATE * 8 && off < GICD_IROUTER_END) {
		u64 route = irq_at(v, 0, (off - GICD_IROUTER) / 8)->route;

		return (u32)(off & 4 ? route >> 32 : route);
	}
	return 0;
}

static void gicd_write32(struct vgic *v, u32 off, u32 val)
{
	if (off == GICD_CTLR) {
		v->ctlr = val & (CTLR_GRP0 | CTLR_GRP1);
		for (u32 cpu = 0; cpu < v->nr_cpus; cpu++)
			v->notify(v, cpu);
	} else if (in_bank(off, false)) {
		bank_write(v, 0, off, val);
	} else if (off >= GICD_IROUTER + VGIC_PRIVATE * 8 &&
		   off < GICD_IROUTER_END) {
		u32 intid = (off - GICD_IROUTER) / 8;
		u64 route = irq_at(v, 0, intid)->route;

		if (off & 4)
			route = (u32)route | (u64)val << 32;
		else
			route = (route & ~0xffffffffull) | val;
		set_route(v, intid, route);
	}
}

static u32 gicr_read32(struct vgic *v, u32 off)
{
	u32 cpu = off / VGIC_GICR_SIZE;

	off %= VGIC_GICR_SIZE;
	if (cpu >= v->nr_cpus)
		return 0;
	switch (off) {
	case GICR_CTLR:
		return 0;
	case GICR_IIDR:
		return IIDR_VALUE;
	case GICR_TYPER:
		return cpu << 8 | (cpu + 1 == v->nr_cpus ? GICR_TYPER_LAST : 0);
	case GICR_TYPER + 4:
		return cpu;
	case GICR_WAKER:
		return v->cpu[cpu].asleep ? WAKER_ASLEEP | WAKER_CHILDREN : 0;
	case GIC_PIDR2:
	case GICR_SGI + GIC_PIDR2:
		return PIDR2_GICV3;
	}
	if (off >= GICR_SGI && in_bank(off - GICR_SGI, true))
		return bank_read(v, cpu, off - GICR_SGI);
	return 0;
}

static void gicr_write32(struct vgic *v, u32 off, u32 val)
{
	u32 cpu = off / VGIC_GICR_SIZE;

	off %= VGIC_GICR_SIZE;
	if (cpu >= v->nr_cpus)
		return;
	if (off == GICR_WAKER)
		v->cpu[cpu].asleep = val & WAKER_ASLEEP;
	else if (off >= GICR_SGI && in_bank(off - GICR_SGI, true))
		bank_write(v, cpu, off - GICR_SGI, val);
}

/* Bytes exist only in the priority arrays, and there a word is four of them. */
static bool is_prio(u32 off)
{
	return off >= GIC_IPRIORITYR && off < GIC_IPRIO_END;
}

static u64 read_any(struct vgic *v, u32 off, u32 size,
		    u32 (*read32)(struct vgic *v, u32 off))
{
	u64 val = read32(v, off & ~3u);

	if (size == 8)
		return val | (u64)read32(v, off + 4) << 32;
	if (size == 4)
		return val;
	return val >> (off & 3) * 8 & ((1u << size * 8) - 1);
}

static void write_any(struct vgic *v, u32 off, u32 size, u64 val, bool prio,
		      u32 (*read32)(struct vgic *v, u32 off),
		      void (*write32)(struct vgic *v, u32 off, u32 val))
{
	if (size >= 4) {
		write32(v, off, (u32)val);
		if (size == 8)
			write32(v, off + 4, (u32)(val >> 32));
	} else if (prio) {
		u32 mask = ((1u << size * 8) - 1) << (off & 3) * 8;
		u32 old = read32(v, off & ~3u);

		write32(v, off & ~3u, (old & ~mask) |
			((u32)val << (off & 3) * 8 & mask));
	}
}

u64 vgic_gicd_read(struct vgic *v, u32 off, u32 size)
{
	return read_any(v, off, size, gicd_read32);
}

void vgic_gicd_write(struct vgic *v, u32 off, u32 size, u64 val)
{
	write_any(v, off, size, val, is_prio(off), gicd_read32, gicd_write32);
}

u64 vgic_gicr_read(struct vgic *v, u32 off, u32 size)
{
	return read_any(v, off, size, gicr_read32);
}

void vgic_gicr_write(struct vgic *v, u32 off, u32 size, u64 val)
{
	write_any(v, off, size, val, is_prio(off % 0x10000), gicr_read32,
		  gicr_write32);
}

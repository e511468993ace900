// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's interrupt controller: registers, and what reaches which CPU.  The
 * CPUs are played here: each has list registers, from which it takes the most
 * urgent interrupt, and in which it ends what it has taken.
 */
#include "../guest/vgic.h"
#include "test.h"

#define GICD_CTLR	0x0000u
#define GICD_TYPER	0x0004u
#define GICD_IIDR	0x0008u
#define IGROUPR		0x0080u
#define ISENABLER	0x0100u
#define ICENABLER	0x0180u
#define ISPENDR		0x0200u
#define ICPENDR		0x0280u
#define ISACTIVER	0x0300u
#define ICACTIVER	0x0380u
#define IPRIORITYR	0x0400u
#define ICFGR		0x0c00u
#define IROUTER		0x6000u
#define PIDR2		0xffe8u
#define GICR_TYPER	0x0008u
#define GICR_WAKER	0x0014u
#define SGI_FRAME	0x10000u

#define LR_PENDING	(1ull << 62)
#define LR_ACTIVE	(1ull << 63)
#define LR_HW		(1ull << 61)
#define LR_GROUP1	(1ull << 60)
#define LR_EOI		(1ull << 41)
#define LR_PINTID(lr)	((u32)((lr) >> 32) & 0x3ff)
#define LR_PRIO(lr)	((u32)((lr) >> 48) & 0xff)

#define N_LRS		4u
#define N_CPUS		4u
#define VMCR		(0xf0ull << 24 | 2)	/* PMR as Linux has it, group 1 */
#define NONE		1023u

static struct vgic v;
static u32 told[VGIC_MAX_CPUS];
static u64 lr[VGIC_MAX_CPUS][N_LRS];
static bool runs[VGIC_MAX_CPUS];
static bool more[VGIC_MAX_CPUS];

static void notify(struct vgic *vgic, u32 cpu)
{
	CHECK(vgic == &v);
	told[cpu]++;
}

static void stop_cpu(u32 cpu)
{
	if (runs[cpu])
		vgic_sync(&v, cpu, lr[cpu], N_LRS);
	runs[cpu] = false;
}

static void run_cpu_hw(u32 cpu, u32 hw)
{
	stop_cpu(cpu);
	more[cpu] = vgic_flush(&v, cpu, lr[cpu], N_LRS, hw);
	runs[cpu] = true;
}

static void run_cpu(u32 cpu)
{
	run_cpu_hw(cpu, 0);
}

static u64 *find_lr(u32 cpu, u32 intid)
{
	for (u32 i = 0; i < N_LRS; i++)
		if (lr[cpu][i] && (u32)lr[cpu][i] == intid)
			return &lr[cpu][i];
	return NULL;
}

/* ICC_IAR1_EL1 */
static u32 take(u32 cpu)
{
	u64 *best = NULL;

	for (u32 i = 0; i < N_LRS; i++) {
		u64 *l = &lr[cpu][i];

		if ((*l & (LR_PENDING | LR_ACTIVE)) == LR_PENDING &&
		    (!best || LR_PRIO(*l) < LR_PRIO(*best)))
			best = l;
	}
	if (!best)
		return NONE;
	*best = (*best & ~LR_PENDING) | LR_ACTIVE;
	return (u32)*best;
}

/* ICC_EOIR1_EL1; true when it makes a maintenance interrupt */
static bool end_of(u32 cpu, u32 intid)
{
	u64 *l = find_lr(cpu, intid);

	CHECK(l && (*l & LR_ACTIVE));
	if (!l)
		return false;
	*l &= ~LR_ACTIVE;
	return !(*l & (LR_PENDING | LR_HW)) && (*l & LR_EOI);
}

static void set32(u32 reg, u32 intid, bool private_of, u32 cpu)
{
	u32 off = reg + intid / 32 * 4;

	if (private_of)
		vgic_gicr_write(&v, cpu * VGIC_GICR_SIZE + SGI_FRAME + off, 4,
				1u << intid % 32);
	else
		vgic_gicd_write(&v, off, 4, 1u << intid % 32);
}

static void spi(u32 reg, u32 intid)
{
	set32(reg, intid, false, 0);
}

static void ppi(u32 reg, u32 cpu, u32 intid)
{
	set32(reg, intid, true, cpu);
}

static bool spi_bit(u32 reg, u32 intid)
{
	return vgic_gicd_read(&v, reg + intid / 32 * 4, 4) >> intid % 32 & 1;
}

static bool ppi_bit(u32 reg, u32 cpu, u32 intid)
{
	return vgic_gicr_read(&v, cpu * VGIC_GICR_SIZE + SGI_FRAME + reg, 4) >>
	       intid & 1;
}

static void set_prio(u32 intid, u8 prio)
{
	vgic_gicd_write(&v, IPRIORITYR + intid, 1, prio);
}

static void set_edge(u32 intid)
{
	u32 off = ICFGR + intid / 16 * 4;
	u32 old = (u32)vgic_gicd_read(&v, off, 4);

	vgic_gicd_write(&v, off, 4, old | 2u << intid % 16 * 2);
}

static void route(u32 intid, u64 affinity)
{
	vgic_gicd_write(&v, IROUTER + intid * 8, 8, affinity);
}

/* As Linux does it: everything in group 1, SPIs to the first CPU, nothing on */
static void boot(void)
{
	vgic_init(&v, notify);
	for (u32 cpu = 0; cpu < N_CPUS; cpu++)
		vgic_add_cpu(&v);

	CHECK_EQ(vgic_gicd_read(&v, PIDR2, 4) >> 4, 3);
	vgic_gicd_write(&v, GICD_CTLR, 4, 0);
	for (u32 i = 32; i < VGIC_NR_IRQS; i += 32) {
		vgic_gicd_write(&v, IGROUPR + i / 8, 4, ~0u);
		vgic_gicd_write(&v, ICACTIVER + i / 8, 4, ~0u);
		vgic_gicd_write(&v, ICENABLER + i / 8, 4, ~0u);
	}
	for (u32 i = 32; i < VGIC_NR_IRQS; i += 4)
		vgic_gicd_write(&v, IPRIORITYR + i, 4, 0xa0a0a0a0u);
	vgic_gicd_write(&v, GICD_CTLR, 4, 0x13);
	CHECK_EQ(vgic_gicd_read(&v, GICD_CTLR, 4), 0x53);
	for (u32 i = 32; i < VGIC_NR_IRQS; i++)
		route(i, 0);

	for (u32 cpu = 0; cpu < N_CPUS; cpu++) {
		u32 rd = cpu * VGIC_GICR_SIZE, sgi = rd + SGI_FRAME;
		u64 typer = vgic_gicr_read(&v, rd + GICR_TYPER, 8);

		CHECK_EQ(typer >> 32, cpu);
		CHECK_EQ(typer >> 8 & 0xffff, cpu);
		CHECK_EQ(typer >> 4 & 1, cpu == N_CPUS - 1);
		CHECK_EQ(vgic_gicr_read(&v, rd + PIDR2, 4) >> 4, 3);
		CHECK_EQ(vgic_gicr_read(&v, rd + GICR_WAKER, 4), 6);
		vgic_gicr_write(&v, rd + GICR_WAKER, 4, 0);
		CHECK_EQ(vgic_gicr_read(&v, rd + GICR_WAKER, 4), 0);
		vgic_gicr_write(&v, sgi + IGROUPR, 4, ~0u);
		vgic_gicr_write(&v, sgi + ICENABLER, 4, ~0u);
		for (u32 i = 0; i < 32; i += 4)
			vgic_gicr_write(&v, sgi + IPRIORITYR + i, 4, 0xa0a0a0a0u);
		vgic_gicr_write(&v, sgi + ISENABLER, 4, 0xffff);
	}
	memset(told, 0, sizeof(told));
}

/* --- registers ------------------------------------------------------------------- */

static void distributor(void)
{
	boot();
	/* lines up to 1019, 10 bits of INTID, no LPIs, no extended SPIs */
	CHECK_EQ(vgic_gicd_read(&v, GICD_TYPER, 4), 0x0248001f);
	CHECK_EQ(vgic_gicd_read(&v, GICD_IIDR, 4) >> 24, 'G');
	CHECK_EQ(vgic_gicd_read(&v, 0xc, 4), 0);

	CHECK(!spi_bit(ISENABLER, 32));
	spi(ISENABLER, 32);
	spi(ISENABLER, 1019);
	CHECK(spi_bit(ISENABLER, 32) && spi_bit(ICENABLER, 32));
	CHECK(spi_bit(ISENABLER, 1019) && !spi_bit(ISENABLER, 33));
	spi(ICENABLER, 33);
	CHECK(spi_bit(ISENABLER, 32));
	spi(ICENABLER, 32);
	CHECK(!spi_bit(ISENABLER, 32));
	CHECK(spi_bit(IGROUPR, 32));

	/* 1020 to 1023 do not exist */
	vgic_gicd_write(&v, ISENABLER + 31 * 4, 4, ~0u);
	CHECK_EQ(vgic_gicd_read(&v, ISENABLER + 31 * 4, 4), 0x0fffffff);
	vgic_gicd_write(&v, IPRIORITYR + 1020, 4, ~0u);
	CHECK_EQ(vgic_gicd_read(&v, IPRIORITYR + 1020, 4), 0);
	vgic_gicd_write(&v, IROUTER + 1020 * 8, 8, 1);
	CHECK_EQ(vgic_gicd_read(&v, IROUTER + 1020 * 8, 8), 0);

	/* what is private is not in the distributor */
	vgic_gicd_write(&v, ISENABLER, 4, ~0u);
	CHECK_EQ(vgic_gicd_read(&v, ISENABLER, 4), 0);
	CHECK_EQ(vgic_gicd_read(&v, IPRIORITYR + 4, 4), 0);
	CHECK_EQ(vgic_gicr_read(&v, SGI_FRAME + ISENABLER, 4), 0xffff);
	CHECK_EQ(vgic_gicr_read(&v, SGI_FRAME + ISENABLER + 4, 4), 0);
	/* nor is there a frame for a CPU that is not there */
	CHECK_EQ(vgic_gicr_read(&v, N_CPUS * VGIC_GICR_SIZE + GICR_TYPER, 8), 0);
	vgic_gicr_write(&v, N_CPUS * VGIC_GICR_SIZE + GICR_WAKER, 4, 0);
}

static void access_sizes(void)
{
	boot();
	vgic_gicd_write(&v, IPRIORITYR + 40, 4, 0x10203040);
	vgic_gicd_write(&v, IPRIORITYR + 41, 1, 0x88);
	CHECK_EQ(vgic_gicd_read(&v, IPRIORITYR + 40, 4), 0x10208840);
	CHECK_EQ(vgic_gicd_read(&v, IPRIORITYR + 41, 1), 0x88);
	CHECK_EQ(vgic_gicd_read(&v, IPRIORITYR + 42, 2), 0x1020);
	vgic_gicd_write(&v, IPRIORITYR + 42, 2, 0xffff);
	/* 5 bits */
	CHECK_EQ(vgic_gicd_read(&v, IPRIORITYR + 40, 4), 0xf8f88840);
	vgic_gicr_write(&v, SGI_FRAME + IPRIORITYR + 27, 1, 0x50);
	CHECK_EQ(vgic_gicr_read(&v, SGI_FRAME + IPRIORITYR + 24, 4), 0x50a0a0a0);

	/* elsewhere a byte does nothing */
	vgic_gicd_write(&v, ISENABLER + 4, 1, 0xff);
	CHECK_EQ(vgic_gicd_read(&v, ISENABLER + 4, 4), 0);
	CHECK_EQ(vgic_gicd_read(&v, GICD_TYPER + 3, 1), 0x02);

	/* a route in halves */
	vgic_gicd_write(&v, IROUTER + 40 * 8 + 4, 4, 0xff);
	vgic_gicd_write(&v, IROUTER + 40 * 8, 4, 3);
	CHECK_EQ(vgic_gicd_read(&v, IROUTER + 40 * 8, 8), 0xff00000003);
	CHECK_EQ(vgic_gicd_read(&v, IROUTER + 40 * 8 + 4, 4), 0xff);

	vgic_gicd_write(&v, ICFGR + 8, 4, ~0u);
	CHECK_EQ(vgic_gicd_read(&v, ICFGR + 8, 4), 0xaaaaaaaa);
	/* SGIs are edges, whatever is written */
	vgic_gicr_write(&v, SGI_FRAME + ICFGR, 4, 0);
	CHECK_EQ(vgic_gicr_read(&v, SGI_FRAME + ICFGR, 4), 0xaaaaaaaa);
	CHECK_EQ(vgic_gicr_read(&v, SGI_FRAME + ICFGR + 4, 4), 0);
	vgic_gicr_write(&v, SGI_FRAME + ICFGR + 4, 4, 0x00800000);
	CHECK_EQ(vgic_gicr_read(&v, SGI_FRAME + ICFGR + 4, 4), 0x00800000);
}

/* --- one interrupt ------------------------------------------------------------------ */

static void edge(void)
{
	boot();
	set_edge(40);
	spi(ISENABLER, 40);
	CHECK(!vgic_pending(&v, 0, VMCR));
	vgic_pulse(&v, 0, 40);
	vgic_pulse(&v, 0, 40);
	CHECK_EQ(told[0], 2);
	CHECK(vgic_pending(&v, 0, VMCR) && spi_bit(ISPENDR, 40));

	run_cpu(0);
	CHECK(!more[0]);
	CHECK_EQ(lr[0][0], 40 | LR_PENDING | LR_GROUP1 | 0xa0ull << 48);
	CHECK(spi_bit(ISPENDR, 40));
	CHECK_EQ(take(0), 40);
	stop_cpu(0);
	CHECK(!spi_bit(ISPENDR, 40) && spi_bit(ISACTIVER, 40));
	CHECK(!vgic_pending(&v, 0, VMCR));

	/* another edge before the end: active and pending */
	vgic_pulse(&v, 0, 40);
	run_cpu(0);
	CHECK((lr[0][0] & (LR_PENDING | LR_ACTIVE)) == (LR_PENDING | LR_ACTIVE));
	CHECK_EQ(take(0), NONE);
	CHECK(!end_of(0, 40));
	CHECK_EQ(take(0), 40);
	CHECK(!end_of(0, 40));
	run_cpu(0);
	CHECK_EQ(lr[0][0], 0);

	/* not taken: still there after a stop, and can be withdrawn */
	vgic_pulse(&v, 0, 40);
	run_cpu(0);
	stop_cpu(0);
	CHECK(spi_bit(ISPENDR, 40) && vgic_pending(&v, 0, VMCR));
	spi(ICPENDR, 40);
	CHECK(!spi_bit(ISPENDR, 40) && !vgic_pending(&v, 0, VMCR));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
}

static void level(void)
{
	boot();
	spi(ISENABLER, 41);
	vgic_assert(&v, 0, 41);
	CHECK_EQ(told[0], 1);
	/* software can't lower the line */
	spi(ICPENDR, 41);
	CHECK(spi_bit(ISPENDR, 41));

	run_cpu(0);
	CHECK(lr[0][0] & LR_EOI);
	CHECK_EQ(take(0), 41);
	run_cpu(0);
	/* active, and not again before the end */
	CHECK_EQ(lr[0][0] & (LR_ACTIVE | LR_PENDING), LR_ACTIVE);
	CHECK(end_of(0, 41));
	run_cpu(0);
	CHECK_EQ(take(0), 41);
	vgic_set_line(&v, 0, 41, false);
	CHECK(end_of(0, 41));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);

	/* lowered before it was taken: nothing is left */
	vgic_assert(&v, 0, 41);
	vgic_set_line(&v, 0, 41, false);
	CHECK(!vgic_pending(&v, 0, VMCR));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);

	vgic_set_line(&v, 0, 41, true);
	CHECK(vgic_pending(&v, 0, VMCR));
	vgic_set_line(&v, 0, 41, false);
	CHECK(!spi_bit(ISPENDR, 41) && !vgic_pending(&v, 0, VMCR));

	/* a pulse, and software, count once even here */
	vgic_pulse(&v, 0, 41);
	run_cpu(0);
	CHECK_EQ(take(0), 41);
	CHECK(end_of(0, 41));
	spi(ISPENDR, 41);
	run_cpu(0);
	CHECK_EQ(take(0), 41);
	end_of(0, 41);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);

	/* a line is an edge when it rises, if that is what counts */
	set_edge(41);
	vgic_set_line(&v, 0, 41, true);
	vgic_set_line(&v, 0, 41, true);
	run_cpu(0);
	CHECK_EQ(take(0), 41);
	end_of(0, 41);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	vgic_assert(&v, 0, 41);
	run_cpu(0);
	CHECK_EQ(take(0), 41);
}

/* The timer: linked to the physical interrupt */
static void linked(void)
{
	boot();
	ppi(ISENABLER, 1, 27);
	vgic_set_line(&v, 1, 27, true);
	CHECK_EQ(told[1], 1);
	run_cpu_hw(1, 1u << 27);
	CHECK((lr[1][0] & LR_HW) && LR_PINTID(lr[1][0]) == 27 && !(lr[1][0] & LR_EOI));
	CHECK_EQ(take(1), 27);
	run_cpu_hw(1, 1u << 27);
	CHECK_EQ(lr[1][0] & (LR_ACTIVE | LR_PENDING), LR_ACTIVE);
	vgic_set_line(&v, 1, 27, false);
	CHECK(!end_of(1, 27));
	run_cpu_hw(1, 0);
	CHECK_EQ(take(1), NONE);
	CHECK(!ppi_bit(ISACTIVER, 1, 27) && !ppi_bit(ISPENDR, 1, 27));
	/* nobody else's */
	CHECK(!vgic_pending(&v, 0, VMCR));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
}

static void what_masks(void)
{
	boot();
	set_edge(40);
	vgic_pulse(&v, 0, 40);
	CHECK_EQ(told[0], 0);
	CHECK(!vgic_pending(&v, 0, VMCR));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	/* but it waits */
	spi(ISENABLER, 40);
	CHECK_EQ(told[0], 1);
	CHECK(vgic_pending(&v, 0, VMCR));

	/* the CPU's own masks */
	CHECK(!vgic_pending(&v, 0, VMCR & ~2ull));
	CHECK(!vgic_pending(&v, 0, 0xa0ull << 24 | 2));
	CHECK(vgic_pending(&v, 0, 0xa8ull << 24 | 2));

	/* the distributor's */
	vgic_gicd_write(&v, GICD_CTLR, 4, 0x11);
	CHECK(!vgic_pending(&v, 0, VMCR));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	vgic_gicd_write(&v, GICD_CTLR, 4, 0x12);
	CHECK(vgic_pending(&v, 0, VMCR));

	/* group 0 has an enable of its own, and no mark in the list register */
	vgic_gicd_write(&v, IGROUPR + 4, 4, ~(1u << 8));
	CHECK(!vgic_pending(&v, 0, VMCR));
	vgic_gicd_write(&v, GICD_CTLR, 4, 0x13);
	CHECK(!vgic_pending(&v, 0, VMCR));
	CHECK(vgic_pending(&v, 0, VMCR | 1));
	run_cpu(0);
	CHECK_EQ(lr[0][0], 40 | LR_PENDING | 0xa0ull << 48);
}

static void active_by_hand(void)
{
	boot();
	set_edge(40);
	spi(ISENABLER, 40);
	route(40, 2);
	spi(ISACTIVER, 40);
	CHECK(spi_bit(ISACTIVER, 40));
	vgic_pulse(&v, 0, 40);
	CHECK(!vgic_pending(&v, 2, VMCR));
	run_cpu(2);
	CHECK_EQ(lr[2][0] & (LR_ACTIVE | LR_PENDING), LR_ACTIVE | LR_PENDING);
	stop_cpu(2);
	spi(ICACTIVER, 40);
	CHECK(vgic_pending(&v, 2, VMCR));
	run_cpu(2);
	CHECK_EQ(take(2), 40);

	ppi(ISACTIVER, 3, 30);
	CHECK(ppi_bit(ISACTIVER, 3, 30) && !ppi_bit(ISACTIVER, 2, 30));
	ppi(ICACTIVER, 3, 30);
	CHECK(!ppi_bit(ISACTIVER, 3, 30));
}

/* --- several CPUs ----------------------------------------------------------------------- */

static u64 sgi_value(u32 intid, u16 targets)
{
	return (u64)intid << 24 | targets;
}

static void sgis(void)
{
	boot();
	vgic_sgi(&v, 0, sgi_value(3, 0x6), true);
	CHECK(!told[0] && told[1] && told[2] && !told[3]);
	CHECK(ppi_bit(ISPENDR, 1, 3) && ppi_bit(ISPENDR, 2, 3));
	for (u32 cpu = 1; cpu <= 2; cpu++) {
		run_cpu(cpu);
		CHECK_EQ(take(cpu), 3);
		CHECK(!end_of(cpu, 3));
		run_cpu(cpu);
		CHECK_EQ(take(cpu), NONE);
	}

	/* all the others */
	vgic_sgi(&v, 2, sgi_value(15, 0) | 1ull << 40, true);
	for (u32 cpu = 0; cpu < N_CPUS; cpu++)
		CHECK_EQ(ppi_bit(ISPENDR, cpu, 15), cpu != 2);

	/* to itself */
	vgic_sgi(&v, 2, sgi_value(0, 1 << 2), true);
	run_cpu(2);
	CHECK_EQ(take(2), 0);

	/* to CPUs that are not there, and of another affinity */
	vgic_sgi(&v, 0, sgi_value(7, 0xfff0), true);
	vgic_sgi(&v, 0, sgi_value(7, 0xf) | 1ull << 16, true);
	vgic_sgi(&v, 0, sgi_value(7, 0xf) | 1ull << 32, true);
	vgic_sgi(&v, 0, sgi_value(7, 0xf) | 1ull << 48, true);
	vgic_sgi(&v, 0, sgi_value(7, 0xf) | 1ull << 44, true);
	/* of the other group */
	vgic_sgi(&v, 0, sgi_value(7, 0xf), false);
	for (u32 cpu = 0; cpu < N_CPUS; cpu++)
		CHECK(!ppi_bit(ISPENDR, cpu, 7));
	vgic_gicr_write(&v, VGIC_GICR_SIZE + SGI_FRAME + IGROUPR, 4, ~(1u << 7));
	vgic_sgi(&v, 0, sgi_value(7, 0xf), true);
	CHECK(ppi_bit(ISPENDR, 0, 7) && !ppi_bit(ISPENDR, 1, 7));
	vgic_sgi(&v, 0, sgi_value(7, 0xf), false);
	CHECK(ppi_bit(ISPENDR, 1, 7));
}

static void routes(void)
{
	boot();
	set_edge(50);
	spi(ISENABLER, 50);
	route(50, 1);
	vgic_pulse(&v, 0, 50);
	CHECK(!told[0] && told[1] == 1);
	CHECK(!vgic_pending(&v, 0, VMCR) && vgic_pending(&v, 1, VMCR));

	/* it moves while it waits */
	route(50, 3);
	CHECK(told[3]);
	CHECK(!vgic_pending(&v, 1, VMCR) && vgic_pending(&v, 3, VMCR));
	run_cpu(1);
	CHECK_EQ(take(1), NONE);
	run_cpu(3);
	CHECK_EQ(take(3), 50);

	/* an active one stays where it is, with what comes meanwhile */
	stop_cpu(3);
	route(50, 0);
	vgic_pulse(&v, 0, 50);
	CHECK(!vgic_pending(&v, 0, VMCR));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	run_cpu(3);
	CHECK(!end_of(3, 50));
	told[0] = 0;
	stop_cpu(3);
	CHECK_EQ(told[0], 1);
	run_cpu(3);
	CHECK_EQ(take(3), NONE);
	run_cpu(0);
	CHECK_EQ(take(0), 50);
	end_of(0, 50);
	stop_cpu(0);

	/* any CPU will do; nobody */
	route(50, 1ull << 31);
	vgic_pulse(&v, 0, 50);
	CHECK(vgic_pending(&v, 0, VMCR));
	route(50, 9);
	for (u32 cpu = 0; cpu < N_CPUS; cpu++)
		CHECK(!vgic_pending(&v, cpu, VMCR));
	route(50, 1ull << 32);
	CHECK(!vgic_pending(&v, 0, VMCR));
	route(50, 2);
	CHECK(vgic_pending(&v, 2, VMCR));
}

/* What others do to an interrupt in a list register of a CPU that runs */
static void changed_while_in_lr(void)
{
	boot();
	set_edge(50);
	spi(ISENABLER, 50);

	/* another CPU is to have it: one of the two takes it, not both */
	vgic_pulse(&v, 0, 50);
	run_cpu(0);
	told[0] = 0;
	told[1] = 0;
	route(50, 1);
	CHECK(told[0]);
	CHECK(!vgic_pending(&v, 1, VMCR));
	run_cpu(1);
	CHECK_EQ(take(1), NONE);
	stop_cpu(0);
	CHECK_EQ(told[1], 1);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	run_cpu(1);
	CHECK_EQ(take(1), 50);
	end_of(1, 50);
	stop_cpu(1);

	/* masked */
	route(50, 0);
	vgic_pulse(&v, 0, 50);
	run_cpu(0);
	told[0] = 0;
	spi(ICENABLER, 50);
	CHECK_EQ(told[0], 1);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	spi(ISENABLER, 50);
	run_cpu(0);
	CHECK_EQ(take(0), 50);

	/* made inactive while its handler runs */
	spi(ICACTIVER, 50);
	run_cpu(0);
	CHECK_EQ(lr[0][0], 0);
	CHECK(!spi_bit(ISACTIVER, 50));

	/* withdrawn */
	vgic_pulse(&v, 0, 50);
	run_cpu(0);
	spi(ICPENDR, 50);
	CHECK(!spi_bit(ISPENDR, 50));
	run_cpu(0);
	CHECK_EQ(take(0), NONE);

	/* a second edge, before and after the first was taken */
	vgic_pulse(&v, 0, 50);
	run_cpu(0);
	vgic_pulse(&v, 0, 50);
	CHECK_EQ(take(0), 50);
	run_cpu(0);
	end_of(0, 50);
	CHECK_EQ(take(0), 50);
	end_of(0, 50);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);

	/* the line of a level falls: withdrawn as soon as the CPU stops */
	spi(ISENABLER, 51);
	vgic_assert(&v, 0, 51);
	run_cpu(0);
	told[0] = 0;
	vgic_set_line(&v, 0, 51, false);
	CHECK_EQ(told[0], 1);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
}

/* --- more than there are list registers ------------------------------------------------- */

static void overflow(void)
{
	static const u8 prio[10] = { 0xa0, 0x50, 0xa0, 0x90, 0x10, 0xa0, 0x98, 0xa0, 0x20, 0xa0 };
	u32 order[10];

	boot();
	for (u32 i = 0; i < 10; i++) {
		set_edge(60 + i);
		set_prio(60 + i, prio[i]);
		spi(ISENABLER, 60 + i);
		vgic_pulse(&v, 0, 60 + i);
	}
	for (u32 i = 0; i < 10; i++) {
		run_cpu(0);
		CHECK_EQ(more[0], 10 - i > N_LRS);
		order[i] = take(0);
		end_of(0, order[i]);
	}
	CHECK_EQ(order[0], 64);
	CHECK_EQ(order[1], 68);
	CHECK_EQ(order[2], 61);
	CHECK_EQ(order[3], 63);
	CHECK_EQ(order[4], 66);
	for (u32 i = 5; i < 10; i++)
		CHECK_EQ(prio[order[i] - 60], 0xa0);
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
	CHECK(!more[0]);

	/* what is active keeps its register: its end must find it */
	set_prio(60, 0xf0);
	vgic_pulse(&v, 0, 60);
	run_cpu(0);
	CHECK_EQ(take(0), 60);
	for (u32 i = 1; i < 10; i++)
		vgic_pulse(&v, 0, 60 + i);
	run_cpu(0);
	CHECK(more[0] && find_lr(0, 60));
	CHECK_EQ(take(0), 64);
	CHECK(!end_of(0, 64));
	CHECK(!end_of(0, 60));
	/* the rest is pending, inside and outside */
	stop_cpu(0);
	for (u32 i = 1; i < 10; i++)
		CHECK_EQ(spi_bit(ISPENDR, 60 + i), i != 4);
	for (u32 i = 0; i < 8; i++) {
		run_cpu(0);
		CHECK(end_of(0, take(0)) || true);
	}
	run_cpu(0);
	CHECK_EQ(take(0), NONE);
}

/* --- random: nothing is lost, nothing is doubled ------------------------------------------ */

#define FIRST		32u
#define N_SPIS		40u

static struct {
	bool wanted;			/* raised, and not taken since */
	bool maybe;			/* raised twice: before it was taken? */
	u32 holder;			/* CPU that has it active, or NONE */
} model[FIRST + N_SPIS];

static bool is_level(u32 intid)
{
	return intid % 3 == 0;
}

static void take_one(u32 cpu)
{
	u32 intid = take(cpu);

	if (intid == NONE)
		return;
	CHECK(intid >= FIRST && intid < FIRST + N_SPIS);
	CHECK_EQ(model[intid].holder, NONE);
	CHECK(model[intid].wanted || model[intid].maybe);
	model[intid].holder = cpu;
	if (!is_level(intid) && model[intid].wanted)
		model[intid].wanted = false;
	else
		model[intid].maybe = false;
}

static void end_one(u32 cpu)
{
	for (u32 intid = FIRST; intid < FIRST + N_SPIS; intid++) {
		if (model[intid].holder != cpu)
			continue;
		/* the handler of a level makes its source let go */
		if (is_level(intid)) {
			vgic_set_line(&v, 0, intid, false);
			model[intid].wanted = false;
		}
		if (end_of(cpu, intid))
			run_cpu(cpu);
		model[intid].holder = NONE;
		return;
	}
}

static void random_step(void)
{
	u32 intid = FIRST + (u32)rm_random(0, N_SPIS - 1);
	u32 cpu = (u32)rm_random(0, N_CPUS - 1);

	switch (rm_random(0, 9)) {
	case 0:
	case 1:
	case 2:
		model[intid].maybe |= model[intid].wanted && !is_level(intid);
		model[intid].wanted = true;
		if (is_level(intid))
			vgic_assert(&v, 0, intid);
		else
			vgic_pulse(&v, 0, intid);
		break;
	case 3:
		route(intid, cpu);
		break;
	case 4:
		set_prio(intid, (u8)rm_random(0, 0xe0));
		break;
	case 5:
		spi(rm_random(0, 1) ? ISENABLER : ICENABLER, intid);
		break;
	case 6:
		run_cpu(cpu);
		break;
	case 7:
		stop_cpu(cpu);
		break;
	case 8:
		if (runs[cpu])
			take_one(cpu);
		break;
	case 9:
		if (runs[cpu])
			end_one(cpu);
		break;
	}
	for (u32 c = 0; c < N_CPUS; c++) {
		for (u32 i = 0; runs[c] && i < N_LRS; i++) {
			CHECK(!lr[c][i] || find_lr(c, (u32)lr[c][i]) == &lr[c][i]);
		}
	}
}

static void random_traffic(u32 seed)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", seed);
	fake_option("seed", text);
	host_boot();
	boot();
	for (u32 i = FIRST; i < FIRST + N_SPIS; i++) {
		if (!is_level(i))
			set_edge(i);
		spi(ISENABLER, i);
		model[i].holder = NONE;
	}
	for (u32 i = 0; i < 50000 && !test_failed; i++)
		random_step();

	/* everything still wanted arrives */
	for (u32 i = FIRST; i < FIRST + N_SPIS; i++)
		spi(ISENABLER, i);
	for (u32 round = 0; round < N_SPIS * 4; round++) {
		for (u32 cpu = 0; cpu < N_CPUS; cpu++) {
			run_cpu(cpu);
			take_one(cpu);
			end_one(cpu);
		}
	}
	for (u32 i = FIRST; i < FIRST + N_SPIS; i++)
		CHECK(!model[i].wanted && model[i].holder == NONE);
	for (u32 cpu = 0; cpu < N_CPUS; cpu++) {
		stop_cpu(cpu);
		CHECK(!vgic_pending(&v, cpu, VMCR));
	}
}

static void random_interrupts(void)
{
	for (u32 seed = 0; seed < 10; seed++)
		CHECK(in_child(random_traffic, seed));
}

const struct test vgic_tests[] = {
	{ "vgic_distributor", distributor },
	{ "vgic_access_sizes", access_sizes },
	{ "vgic_edge", edge },
	{ "vgic_level", level },
	{ "vgic_linked", linked },
	{ "vgic_what_masks", what_masks },
	{ "vgic_active_by_hand", active_by_hand },
	{ "vgic_sgis", sgis },
	{ "vgic_routes", routes },
	{ "vgic_changed_while_in_lr", changed_while_in_lr },
	{ "vgic_overflow", overflow },
	{ "vgic_random_interrupts", random_interrupts },
	{ }
};

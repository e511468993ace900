// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_run: the world switch, a guest's traps while it runs, and what the host
 * is told when it stops (ABI.md B.4, F.1).
 */
#include "core.h"

#define HCR_GUEST	(BIT(0) |	/* VM */			\
			 BIT(1) |	/* SWIO */			\
			 BIT(2) |	/* PTW */			\
			 BIT(3) |	/* FMO */			\
			 BIT(4) |	/* IMO */			\
			 BIT(5) |	/* AMO */			\
			 BIT(9) |	/* FB */			\
			 BIT(10) |	/* BSU: inner shareable */	\
			 BIT(13) |	/* TWI */			\
			 BIT(18) |	/* TID3 */			\
			 BIT(19) |	/* TSC */			\
			 BIT(20) |	/* TIDCP */			\
			 BIT(21) |	/* TACR */			\
			 BIT(22) |	/* TSW */			\
			 BIT(31) |	/* RW */			\
			 BIT(35))	/* TLOR */

#define CPTR_GUEST	(0x33ffull | BIT(20) | BIT(30))	/* + TTA, TAM */
#define MDCR_TRAPS	(BIT(5) | BIT(6) | BIT(9) | BIT(10) | BIT(11) | BIT(19))
#define MDCR_HPMN	0x1full

#define GUEST_MIDR	0x000f0480u
#define MPIDR_RES1	BIT(31)

#define WFX_TI(iss)	((iss) & 3)
#define TI_WFI		0

#define EC_CP15_32	0x03		/* these four: AArch32 at EL0 */
#define EC_CP15_64	0x04
#define EC_CP14_32	0x05
#define EC_CP14_64	0x0c
#define EC_FP		0x07
#define EC_PAUTH	0x09
#define EC_SVE		0x19
#define EC_SME		0x1d

#define ERROR_BUSY	31u
#define RESUME_FAULT	2u

/* One in so many runs, what the real thing does now and then. */
#define RARELY		64
#define SLICE_US	100
/*
 * An emulated CPU can be slow enough to spend a slice on the way into the
 * guest.  A slice that ends where it began is repeated, longer, this often.
 */
#define MAX_EXTENSIONS	3

void guest_el2_setup(const struct vcpu *v)
{
	write_sysreg(hcr_el2, HCR_GUEST);
	write_sysreg(vtcr_el2, v->guest->s2.vtcr);
	write_sysreg(vttbr_el2, v->guest->s2.vttbr);
	write_sysreg(cptr_el2, CPTR_GUEST);
	write_sysreg(mdcr_el2, (read_sysreg(mdcr_el2) & MDCR_HPMN) | MDCR_TRAPS);
	write_sysreg(vpidr_el2, GUEST_MIDR);
	write_sysreg(vmpidr_el2, MPIDR_RES1 | v->label);
	isb();
}

/* --- the switch -------------------------------------------------------------------- */

static void start_slice(struct pcpu *p)
{
	static u64 slice;

	if (!slice)
		slice = timer_from_us(option_u64("slice", SLICE_US));
	p->slice_end = timer_now() + (slice << p->extensions);
}

/*
 * From the guest's state in memory to a CPU that may run it.
 *
 * A timer of the guest whose line is high would interrupt at once and for
 * ever.  Its physical interrupt is therefore made active, and the list
 * register linked to it: the guest's EOI deactivates both, and a line that is
 * high again then interrupts again.
 */
static void resume(struct pcpu *p, struct vcpu *v)
{
	struct vgic *vgic = &v->guest->vgic;
	const u32 ppis[] = { PPI_CNTV, PPI_CNTP };
	u64 next, deadline;
	u32 hw = 0;
	bool more;

	vcpu_sample_timers(v);
	for (u32 i = 0; i < ARRAY_SIZE(ppis); i++) {
		if (vgic->cpu[v->label].irq[ppis[i]].line &&
		    !host_gic_holds(p, ppis[i]))
			hw |= 1u << ppis[i];
	}
	if (hw)
		gic_ppi_set_active(p, hw, true);
	p->ppi_active = hw;
	/* The host does not use this timer and leaves its interrupt off. */
	if (v->ctx.timer.cntp_ctl & 1)
		gic_ppi_enable(p, 1u << PPI_CNTP);

	more = vgic_flush(vgic, v->label, v->ctx.gic.lr, gic_nr_lrs(), hw);
	gic_load(&v->ctx.gic, more);
	timer_load(&v->ctx.timer);

	next = timer_next(&p->host.timer);
	deadline = timer_deadline();
	if (p->slice_end == NEVER)
		start_slice(p);
	next = MIN(next, deadline);
	timer_arm(p, MIN(next, p->slice_end));
}

/* The opposite, before anything else is done on a trap. */
static void pause(struct pcpu *p, struct vcpu *v)
{
	timer_save(&v->ctx.timer);
	gic_save(&v->ctx.gic);
	write_sysreg(ich_hcr_el2, 0);
	if (p->ppi_active)
		gic_ppi_set_active(p, p->ppi_active, false);
	p->ppi_active = 0;
	vgic_sync(&v->guest->vgic, v->label, v->ctx.gic.lr, gic_nr_lrs());
}

/*
 * vCPUs of one guest share a VMID, but not what only one of them had in its
 * TLB: to the guest each is a CPU of its own.
 */
static void flush_sibling(const struct pcpu *p, struct vcpu *v)
{
	struct vcpu **last = &v->guest->last[p->index];

	if (*last && *last != v) {
		asm volatile("tlbi vmalle1" : : : "memory");
		dsb(nsh);
		isb();
	}
	*last = v;
}

static bool extend_slice(struct pcpu *p, const struct vcpu *v)
{
	if (v->ctx.pc != p->entry_pc || p->extensions == MAX_EXTENSIONS)
		return false;
	p->extensions++;
	p->slice_end = NEVER;
	return true;
}

static void set_result(struct vcpu *v, u64 *x, enum run_state state, u64 d0,
		       u64 d1, u64 d2)
{
	x[0] = 0;
	x[1] = state;
	x[2] = d0;
	x[3] = d1;
	x[4] = d2;
	v->last_run = state;
	inject_run_result(x);
}

/* What a vCPU that can't run says */
static void set_state_result(struct vcpu *v, u64 *x)
{
	if (!v->on) {
		set_result(v, x, RUN_POWERED_OFF, 0, 0, 0);
		return;
	}
	switch (v->state) {
	case VCPU_SLEEPING:
		set_result(v, x, RUN_EXPECTS_WAKEUP, v->data[0], v->data[1], 0);
		break;
	case VCPU_MMIO_READ:
		set_result(v, x, RUN_VMMIO_READ, v->data[0], v->data[1], 0);
		break;
	case VCPU_MMIO_WRITE:
		set_result(v, x, RUN_VMMIO_WRITE, v->data[0], v->data[1],
			   v->data[2]);
		break;
	case VCPU_RESET:
		set_result(v, x, RUN_SYSTEM_RESET, v->data[0], v->data[1], 0);
		break;
	case VCPU_PAGE_FAULT:
		set_result(v, x, RUN_PAGE_FAULT, v->data[0], v->data[1], 0);
		break;
	case VCPU_FAULT:
		set_result(v, x, RUN_FAULT, 0, 0, 0);
		break;
	case VCPU_HALTED:
		set_result(v, x, RUN_POWERED_OFF, 0, 0, 0);
		break;
	case VCPU_RUNNABLE:
		set_result(v, x, RUN_READY, 0, 0, 0);
		break;
	}
}

/* Back to the host, with the result in its registers */
static void leave(struct pcpu *p, struct vcpu *v)
{
	u64 *x = p->host.x;

	el1_save(&v->ctx.el1);
	fp_save(&v->ctx.fp);
	v->pcpu = NULL;
	p->vcpu = NULL;
	p->current = &p->host;

	host_el2_setup(p);
	el1_load(&p->host.el1);
	fp_load(&p->host.fp);
	timer_load(&p->host.timer);
	host_gic_load(p);

	if (v->killed) {
		vcpu_stopped(v);
		set_result(v, x, RUN_BLOCKED, 0, 0, 0);
	} else {
		set_state_result(v, x);
		if (x[1] == RUN_READY && plat_random() % RARELY == 0)
			plat_host_virq_raise(v->wakeup_virq);
	}
	rm_poll();
	timer_arm(p, timer_deadline());
}

static void enter(struct pcpu *p, struct vcpu *v)
{
	el1_save(&p->host.el1);
	fp_save(&p->host.fp);
	timer_save(&p->host.timer);

	p->vcpu = v;
	p->current = &v->ctx;
	v->pcpu = p;
	guest_el2_setup(v);
	flush_sibling(p, v);
	el1_load(&v->ctx.el1);
	fp_load(&v->ctx.fp);
	guest_abort_decided(v);
	p->entry_pc = v->ctx.pc;
	p->extensions = 0;
	p->slice_end = NEVER;
	if (v->state == VCPU_RUNNABLE)
		resume(p, v);
	else
		leave(p, v);
}

/* --- the hypercall --------------------------------------------------------------------- */

/*
 * What newer firmware does about a page fault.  Which of the two words says so
 * is not known for certain, so each will do.
 */
static void resume_page_fault(struct vcpu *v, const u64 *x)
{
	if (x[2] > RESUME_FAULT || x[3] > RESUME_FAULT || x[4])
		plat_violation("vcpu_run: %#lx, %#lx, %#lx is no answer to a page fault",
			       x[2], x[3], x[4]);
	if (v->state != VCPU_PAGE_FAULT)
		return;
	v->fault.inject = x[2] == RESUME_FAULT || x[3] == RESUME_FAULT;
	v->state = VCPU_RUNNABLE;
}

/* Deployed hypervisors ignore resume words that have no meaning yet. */
static void check_resume_words(const struct vcpu *v, const u64 *x)
{
	for (u32 i = v->last_run == RUN_VMMIO_READ ? 1 : 0; i < 3; i++) {
		if (x[2 + i])
			plat_violation("vcpu_run: resume_data_%u is %#lx after state %u",
				       i, x[2 + i], v->last_run);
	}
}

static void finish_sleep(struct vcpu *v)
{
	v->deadline = NEVER;
	if (v->powerdown)
		vcpu_power_on(v, v->resume_pc, v->resume_arg);
	v->powerdown = false;
	v->state = VCPU_RUNNABLE;
}

/* Moving between CPUs takes the real hypervisor a grace period. */
static bool is_blocked(struct pcpu *p, struct vcpu *v)
{
	if (v->last_pcpu && v->last_pcpu != p)
		v->blocked = 1 + (u32)(plat_random() % 3);
	else if (!v->blocked && plat_random() % RARELY == 0)
		v->blocked = 1;
	v->last_pcpu = p;
	if (!v->blocked)
		return false;
	v->blocked--;
	return true;
}

void vcpu_run(struct pcpu *p, struct vcpu *v, u64 *x)
{
	if (v->pcpu) {
		x[0] = ERROR_BUSY;
		return;
	}
	if (v->last_run == RUN_PAGE_FAULT)
		resume_page_fault(v, x);
	else
		check_resume_words(v, x);

	if (v->exited) {
		set_result(v, x, RUN_POWERED_OFF, 1, 0, 0);
		return;
	}
	if (v->killed) {
		/* On a forced stop RM runs it itself, until it has unwound. */
		if (!v->guest->ended && plat_random() % 4 == 0)
			x[0] = ERROR_BUSY;
		else
			set_result(v, x, RUN_BLOCKED, 0, 0, 0);
		return;
	}

	if (v->last_run == RUN_VMMIO_READ || v->last_run == RUN_VMMIO_WRITE)
		vmmio_complete(v, x[2]);
	if (v->on && v->state == VCPU_SLEEPING) {
		/* A timer seen here needs no wake-up: somebody is looking. */
		v->pcpu = p;
		vcpu_sample_timers(v);
		v->pcpu = NULL;
		if (vcpu_pending(v))
			finish_sleep(v);
		else
			vcpu_sleep(v, v->data[0], v->data[1]);
	}
	if (!v->on || v->state != VCPU_RUNNABLE) {
		set_state_result(v, x);
		return;
	}
	if (is_blocked(p, v)) {
		set_result(v, x, RUN_BLOCKED, 0, 0, 0);
		return;
	}

	host_gic_save(p);
	if (host_gic_pending(p))
		set_result(v, x, RUN_READY, 0, 0, 0);
	else
		enter(p, v);
}

/* --- traps of a running guest ------------------------------------------------------------ */

static void guest_wfx(struct vcpu *v, u64 esr)
{
	if (WFX_TI(ESR_ISS(esr)) != TI_WFI) {
		inject_undef(&v->ctx);
		return;
	}
	v->ctx.pc += esr & ESR_IL ? 4 : 2;
	vcpu_sample_timers(v);
	if (!vcpu_pending(v))
		vcpu_sleep(v, 0, 1);
}

static void guest_sysreg_trap(struct vcpu *v, u64 iss)
{
	struct context *c = &v->ctx;
	u32 reg = SYSREG_ID(iss);
	bool read = SYSREG_READ(iss);
	u64 rt = SYSREG_RT(iss);
	enum sysreg_access access = guest_sysreg(reg, read);

	switch (access) {
	case SYSREG_UNDEFINED:
		inject_undef(c);
		return;
	case SYSREG_IDENTIFICATION:
		set_reg(c, rt, idregs_guest(reg));
		break;
	case SYSREG_RAZWI:
		if (read)
			set_reg(c, rt, 0);
		break;
	case SYSREG_SGI_GROUP0:
	case SYSREG_SGI_GROUP1:
		vgic_sgi(&v->guest->vgic, v->label, get_reg(c, rt),
			 access == SYSREG_SGI_GROUP1);
		break;
	}
	c->pc += 4;
}

static void guest_sync(struct vcpu *v)
{
	u64 esr = read_sysreg(esr_el2);
	u64 iss = ESR_ISS(esr);

	switch (ESR_EC(esr)) {
	case EC_WFX:
		guest_wfx(v, esr);
		break;
	case EC_SMC64:
		v->ctx.pc += 4;
		smccc_guest(v, iss);
		break;
	case EC_HVC64:
		smccc_guest(v, iss);
		break;
	case EC_SYSREG:
		guest_sysreg_trap(v, iss);
		break;
	case EC_IABT_LOW:
	case EC_DABT_LOW:
		guest_abort(v, esr);
		break;
	case EC_CP15_32:
	case EC_CP15_64:
	case EC_CP14_32:
	case EC_CP14_64:
	case EC_FP:
	case EC_PAUTH:
	case EC_SVE:
	case EC_SME:
		inject_undef(&v->ctx);
		break;
	default:
		plat_log("VM %u vCPU %u: unexpected trap, ESR %#lx PC %#lx",
			 v->guest->vmid, v->label, esr, v->ctx.pc);
		v->state = VCPU_FAULT;
		guest_ends(v->guest, GUEST_EXIT_FAULT, 0, 0);
	}
}

void guest_trap(struct pcpu *p, u64 kind)
{
	struct vcpu *v = p->vcpu;
	bool for_host = false;
	u64 now;

	pause(p, v);
	if (kind == KIND_SYNC)
		guest_sync(v);
	else if (kind == KIND_IRQ)
		for_host = gic_ack(p);
	else
		plat_panic("SError or FIQ in VM %u, ESR %#lx PC %#lx",
			   v->guest->vmid, read_sysreg(esr_el2), v->ctx.pc);

	timer_run_due();
	now = timer_now();
	if (for_host || v->killed || !v->on || v->state != VCPU_RUNNABLE ||
	    timer_next(&p->host.timer) <= now ||
	    (now >= p->slice_end && !extend_slice(p, v)))
		leave(p, v);
	else
		resume(p, v);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Guests and their vCPUs: made, started, woken, killed. */
#include "core.h"

#define GUEST_IPA_BITS	36
#define FIRST_VMID	2u		/* of the hardware; 1 is the host's */

#define UNWIND_MIN_US	50u
#define UNWIND_SPAN_US	400u

static struct guest *guests[MAX_GUESTS];
static u32 guest_slots;			/* that were ever in use */

static struct guest *guest_of(struct vgic *vgic)
{
	return (struct guest *)((char *)vgic - offsetof(struct guest, vgic));
}

static void vgic_notify(struct vgic *vgic, u32 cpu)
{
	struct vcpu *v = guest_of(vgic)->vcpu[cpu];

	if (v && (v->pcpu || vcpu_pending(v)))
		vcpu_wake(v);
}

struct guest *guest_create(u16 vmid, const struct guest_gic *gic)
{
	struct guest *g;
	u32 slot = 0;

	while (slot < MAX_GUESTS && guests[slot])
		slot++;
	if (slot == MAX_GUESTS)
		return NULL;
	g = plat_alloc(sizeof(*g));
	if (!g)
		return NULL;
	if (!stage2_create(&g->s2, GUEST_IPA_BITS, FIRST_VMID + slot)) {
		plat_free(g);
		return NULL;
	}
	g->vmid = vmid;
	g->gic = *gic;
	vgic_init(&g->vgic, vgic_notify);
	guests[slot] = g;
	if (slot == guest_slots)
		guest_slots++;
	return g;
}

struct vcpu *guest_add_vcpu(struct guest *g, u32 label, u32 wakeup_virq,
			    bool on_at_start)
{
	struct vcpu *v;

	if (g->nr_vcpus == VGIC_MAX_CPUS)
		return NULL;
	if (label != g->nr_vcpus)
		plat_panic("vCPU %u of VM %u comes after %u vCPUs", label,
			   g->vmid, g->nr_vcpus);
	v = plat_alloc(sizeof(*v));
	if (!v)
		return NULL;
	v->guest = g;
	v->label = label;
	v->wakeup_virq = wakeup_virq;
	v->on_at_start = on_at_start;
	v->deadline = NEVER;
	v->unwound = NEVER;
	v->last_run = RUN_READY;
	g->vcpu[g->nr_vcpus++] = v;
	vgic_add_cpu(&g->vgic);
	return v;
}

bool guest_map(struct guest *g, u64 ipa, u64 pa, u64 size, u32 rights)
{
	u64 attrs = (rights & MEM_R ? S2_R : 0) | (rights & MEM_W ? S2_W : 0) |
		    (rights & MEM_X ? 0 : S2_XN);

	if (ipa + size < ipa || (ipa + size - 1) >> GUEST_IPA_BITS)
		return false;
	plat_flush(pa, size);
	return stage2_map(&g->s2, ipa, pa, size, attrs);
}

void guest_unmap(struct guest *g, u64 ipa, u64 size)
{
	stage2_unmap(&g->s2, ipa, size);
}

void guest_set_vmmio(struct guest *g, u64 base, u64 size)
{
	g->vmmio_base = base;
	g->vmmio_size = size;
}

void vcpu_power_on(struct vcpu *v, u64 pc, u64 arg)
{
	context_reset(&v->ctx, pc, arg);
	v->state = VCPU_RUNNABLE;
	v->on = true;
	vcpu_wake(v);
}

#define BOOT_PC		BOOT_XREGS
#define BOOT_SP		(BOOT_PC + 1)

bool guest_set_boot_reg(struct guest *g, u32 set, u32 index, u64 value)
{
	struct boot_regs *r = &g->boot;

	if (set == 0 && index < BOOT_XREGS) {
		r->x[index] = value;
		r->set |= BIT(index);
	} else if (set == 1 && !index) {
		r->pc = value;
		r->set |= BIT(BOOT_PC);
	} else if (set == 2 && index < ARRAY_SIZE(r->sp)) {
		r->sp[index] = value;
		r->set |= BIT(BOOT_SP + index);
	} else {
		return false;
	}
	return true;
}

static void apply_boot_regs(const struct boot_regs *r, struct context *c)
{
	for (u32 i = 0; i < BOOT_XREGS; i++) {
		if (r->set & BIT(i))
			c->x[i] = r->x[i];
	}
	if (r->set & BIT(BOOT_PC))
		c->pc = r->pc;
	if (r->set & BIT(BOOT_SP))
		c->el1.sp_el0 = r->sp[0];
	if (r->set & BIT(BOOT_SP + 1))
		c->el1.sp_el1 = r->sp[1];
}

void guest_start(struct guest *g, u64 entry, u64 arg)
{
	for (u32 i = 0; i < g->nr_vcpus; i++) {
		if (!g->vcpu[i]->on_at_start)
			continue;
		vcpu_power_on(g->vcpu[i], entry, arg);
		apply_boot_regs(&g->boot, &g->vcpu[i]->ctx);
	}
}

/* Make a vCPU look at its interrupts and its state again. */
void vcpu_wake(struct vcpu *v)
{
	if (!v->pcpu)
		plat_host_virq_raise(v->wakeup_virq);
	else if (v->pcpu->mpidr != (read_sysreg(mpidr_el1) & 0xff00ffffffull))
		gic_kick(v->pcpu);
}

void vcpu_sample_timers(struct vcpu *v)
{
	const struct timer_regs *t = &v->ctx.timer;
	u64 now = timer_now();
	struct vgic *vgic = &v->guest->vgic;

	vgic_set_line(vgic, v->label, PPI_CNTV,
		      timer_line(t->cntv_ctl, t->cntv_cval, now));
	vgic_set_line(vgic, v->label, PPI_CNTP,
		      timer_line(t->cntp_ctl, t->cntp_cval, now));
}

bool vcpu_pending(struct vcpu *v)
{
	return vgic_pending(&v->guest->vgic, v->label, v->ctx.gic.vmcr);
}

/*
 * The compare value that ends the sleep.  A timer whose line is high already
 * did not wake it, one that is masked in the GIC never will.
 */
static u64 sleep_end(struct vcpu *v, u32 ppi, u64 ctl, u64 cval)
{
	const struct vgic_irq *irq = &v->guest->vgic.cpu[v->label].irq[ppi];

	return timer_line(ctl, 0, 0) && irq->enabled && !irq->line ? cval : NEVER;
}

/* Call vcpu_sample_timers() and vcpu_pending() before. */
void vcpu_sleep(struct vcpu *v, u64 type, u64 cause)
{
	const struct timer_regs *t = &v->ctx.timer;
	u64 virt = sleep_end(v, PPI_CNTV, t->cntv_ctl, t->cntv_cval);
	u64 phys = sleep_end(v, PPI_CNTP, t->cntp_ctl, t->cntp_cval);

	v->deadline = MIN(virt, phys);
	v->state = VCPU_SLEEPING;
	v->data[0] = type;
	v->data[1] = cause;
}

/* A doorbell's interrupt: an SPI, or a private one of the first vCPU */
void guest_virq_level(struct guest *g, u32 intid, bool high)
{
	if (high)
		vgic_assert(&g->vgic, 0, intid);
	else
		vgic_set_line(&g->vgic, 0, intid, false);
}

void guest_virq_pulse(struct guest *g, u32 intid)
{
	vgic_pulse(&g->vgic, 0, intid);
}

/* --- the end ---------------------------------------------------------------------- */

void guest_ends(struct guest *g, enum guest_exit why, u64 type, u64 cookie)
{
	g->ended = true;
	rm_guest_exited(g, why, type, cookie);
}

/* A killed vCPU has left its CPU: in a moment it is gone. */
void vcpu_stopped(struct vcpu *v)
{
	v->unwound = timer_now() +
		     timer_from_us(UNWIND_MIN_US +
				   plat_random() % UNWIND_SPAN_US);
}

void guest_kill(struct guest *g)
{
	for (u32 i = 0; i < g->nr_vcpus; i++) {
		struct vcpu *v = g->vcpu[i];

		if (v->killed)
			continue;
		v->killed = true;
		v->deadline = NEVER;
		if (!v->pcpu)
			vcpu_stopped(v);
		vcpu_wake(v);
	}
}

bool guest_stopped(struct guest *g)
{
	for (u32 i = 0; i < g->nr_vcpus; i++) {
		if (!g->vcpu[i]->exited)
			return false;
	}
	return true;
}

void guest_destroy(struct guest *g)
{
	for (u32 i = 0; i < guest_slots; i++) {
		if (guests[i] == g)
			guests[i] = NULL;
	}
	for (u32 i = 0; i < g->nr_vcpus; i++) {
		if (g->vcpu[i]->pcpu)
			plat_panic("VM %u is destroyed while vCPU %u runs",
				   g->vmid, i);
		plat_free(g->vcpu[i]);
	}
	stage2_destroy(&g->s2);
	plat_free(g);
}

/* --- deadlines: sleepers, and killed vCPUs that unwind ------------------------------- */

u64 guests_deadline(void)
{
	u64 next = NEVER;

	for (u32 i = 0; i < guest_slots; i++) {
		for (u32 j = 0; guests[i] && j < guests[i]->nr_vcpus; j++) {
			const struct vcpu *v = guests[i]->vcpu[j];
			u64 when = v->killed ? v->unwound : v->deadline;

			next = MIN(next, when);
		}
	}
	return next;
}

void guests_run_due(u64 now)
{
	bool poll = false;

	for (u32 i = 0; i < guest_slots; i++) {
		for (u32 j = 0; guests[i] && j < guests[i]->nr_vcpus; j++) {
			struct vcpu *v = guests[i]->vcpu[j];

			if (v->killed && v->unwound <= now) {
				v->unwound = NEVER;
				v->exited = true;
				poll = true;
				vcpu_wake(v);
			} else if (!v->killed && !v->pcpu && v->deadline <= now) {
				/* One that is on its way to sleep comes next time. */
				v->deadline = NEVER;
				vcpu_wake(v);
			}
		}
	}
	if (poll)
		rm_poll();
}

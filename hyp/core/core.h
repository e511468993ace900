/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of core/ share.  Everything runs at EL2 with interrupts
 * masked and hyp_lock held, from the exception vector to the return.
 */
#ifndef HYP_CORE_H
#define HYP_CORE_H

#include "../guest/psci.h"
#include "../guest/sysregs.h"
#include "../guest/vgic.h"
#include "plat.h"

#define BIT(n)		(1ull << (n))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MAX_PCPUS	16
#define MAX_GUESTS	63
#define NEVER		(~0ull)

#define read_sysreg(r) ({						\
	u64 val_;							\
	asm volatile("mrs %0, " #r : "=r" (val_) : : "memory");		\
	val_;								\
})
#define write_sysreg(r, v) \
	asm volatile("msr " #r ", %0" : : "r" ((u64)(v)) : "memory")
#define isb()		asm volatile("isb" : : : "memory")
#define dsb(kind)	asm volatile("dsb " #kind : : : "memory")

/* --- contexts ------------------------------------------------------------ */

#define EL1_REGS(X)							\
	X(sctlr_el1) X(actlr_el1) X(cpacr_el1) X(ttbr0_el1)		\
	X(ttbr1_el1) X(tcr_el1) X(mair_el1) X(amair_el1) X(vbar_el1)	\
	X(contextidr_el1) X(esr_el1) X(far_el1) X(afsr0_el1)		\
	X(afsr1_el1) X(par_el1) X(sp_el0) X(sp_el1) X(elr_el1)		\
	X(spsr_el1) X(tpidr_el0) X(tpidrro_el0) X(tpidr_el1)		\
	X(csselr_el1) X(mdscr_el1) X(cntkctl_el1)

struct el1_regs {
#define X(r) u64 r;
	EL1_REGS(X)
#undef X
};

struct fp_regs {
	u64 q[64] __attribute__((aligned(16)));
	u64 fpcr, fpsr;
};

struct timer_regs {
	u64 cntv_ctl, cntv_cval, cntp_ctl, cntp_cval;
};

#define MAX_LRS 4

struct gic_regs {
	u64 lr[MAX_LRS];
	u64 vmcr, ap0r, ap1r;
};

/* The first 33 words are known to vectors.S. */
struct context {
	u64 x[31];
	u64 pc, pstate;
	struct el1_regs el1;
	struct fp_regs fp;
	struct timer_regs timer;
	struct gic_regs gic;
};

#define HOST_QUEUE	512

/* A physical CPU.  The first two words are known to boot.S and vectors.S. */
struct pcpu {
	struct context *current;	/* &host or &vcpu->ctx */
	u64 stack_top;
	u32 index;
	u64 mpidr;
	u64 gicr;			/* its redistributor */
	bool online;
	u64 entry, arg;			/* where the host wants it to start */

	struct context host;
	u64 host_queue[HOST_QUEUE];	/* list-register values */
	u32 host_queued;

	struct vcpu *vcpu;		/* running here, or NULL */
	u64 slice_end;			/* NEVER: has not begun */
	u64 entry_pc;
	u32 extensions;			/* of this slice */
	u32 ppi_active;			/* physical PPIs set active for it */
	u64 cnthp;			/* armed compare value, or NEVER */
};

enum vcpu_state {
	VCPU_RUNNABLE,
	VCPU_SLEEPING,
	VCPU_MMIO_READ,
	VCPU_MMIO_WRITE,
	VCPU_HALTED,			/* after SYSTEM_OFF */
	VCPU_RESET,			/* after SYSTEM_RESET or RESET2 */
	VCPU_PAGE_FAULT,		/* newer firmware lets the host decide */
	VCPU_FAULT,
};

/* What vcpu_run says: X1. */
enum run_state {
	RUN_READY = 0,
	RUN_EXPECTS_WAKEUP = 1,
	RUN_POWERED_OFF = 2,
	RUN_BLOCKED = 3,
	RUN_VMMIO_READ = 4,
	RUN_VMMIO_WRITE = 5,
	RUN_FAULT = 6,
	RUN_PAGE_FAULT = 7,
	RUN_SYSTEM_RESET = 0x100,
};

struct vcpu {
	struct context ctx;
	struct guest *guest;
	u32 label;
	u32 wakeup_virq;
	bool on_at_start;
	bool on;
	enum vcpu_state state;
	u64 data[3];			/* state data that goes with the state */
	u64 resume_pc, resume_arg;	/* after a power-down suspend */
	bool powerdown;
	struct pcpu *pcpu;		/* where it runs, or NULL */
	struct pcpu *last_pcpu;
	u32 blocked;			/* BLOCKED results still to hand out */
	u32 last_run;			/* enum run_state the host saw last */
	u64 deadline;			/* counter value that ends the sleep */
	bool killed, exited;
	u64 unwound;			/* counter value, once killed */
	struct {
		u8 rt, size;
		bool sign_extend, is_64bit;
	} mmio;
	struct {
		u64 esr, far;
		bool inject;		/* as an abort, before it runs again */
	} fault;
};

#define BOOT_XREGS 31

/* Registers that are not what guest_start() makes of them */
struct boot_regs {
	u64 x[BOOT_XREGS], pc, sp[2];
	u64 set;			/* a bit for each of the above */
};

struct stage2 {
	u64 *root;
	u32 ipa_bits;
	u64 vttbr, vtcr;
};

struct guest {
	u16 vmid;
	struct guest_gic gic;
	struct stage2 s2;
	u64 vmmio_base, vmmio_size;
	struct boot_regs boot;
	bool ended;			/* by itself, not by RM */
	u32 nr_vcpus;
	struct vcpu *vcpu[VGIC_MAX_CPUS];
	struct vcpu *last[MAX_PCPUS];	/* that ran on each CPU */
	struct vgic vgic;
};

/* --- boot.S, vectors.S, context.c ---------------------------------------- */

extern char hyp_base[], hyp_end[], heap_start[];
extern char vectors[];
extern u64 el2_table[];
void secondary_entry(void);
void hyp_main(void *fdt) __attribute__((noreturn));
void hyp_secondary(struct pcpu *p) __attribute__((noreturn));
void enter_lower(struct pcpu *p) __attribute__((noreturn));
void fp_save(struct fp_regs *fp);
void fp_load(const struct fp_regs *fp);

void el1_save(struct el1_regs *r);
void el1_load(const struct el1_regs *r);
void context_reset(struct context *c, u64 pc, u64 arg);
void inject_undef(struct context *c);
void inject_abort(struct context *c, u64 esr, u64 far);

/* --- init.c, heap.c, fdt.c ------------------------------------------------ */

extern struct pcpu pcpus[MAX_PCPUS];
extern u32 nr_pcpus;
struct pcpu *pcpu_by_mpidr(u64 mpidr);
void pcpu_start_host(struct pcpu *p) __attribute__((noreturn));

void heap_init(void);
void *page_alloc(void);			/* zeroed, or NULL */
void page_free(void *page);

struct machine {
	u64 uart, gicd, gicr, gicr_size;
	struct { u64 base, size; } ram[8];
	u32 nr_ram;
};

extern struct machine machine;
void fdt_read_machine(const void *fdt);
void fdt_prepare_host(void *fdt);
u64 option_u64(const char *name, u64 fallback);

/* --- stage2.c -------------------------------------------------------------- */

#define S2_R	BIT(6)
#define S2_W	BIT(7)
#define S2_XN	BIT(54)
#define S2_RWX	(S2_R | S2_W)

void stage2_init_host(void);
bool stage2_create(struct stage2 *s2, u32 ipa_bits, u32 vmid);
void stage2_destroy(struct stage2 *s2);
bool stage2_map(struct stage2 *s2, u64 ipa, u64 pa, u64 size, u64 rights);
void stage2_unmap(struct stage2 *s2, u64 ipa, u64 size);
bool stage2_mapped(const struct stage2 *s2, u64 ipa);
extern struct stage2 host_s2;

/* --- trap.c, host.c, psci.c, hypercall.c, idregs.c ------------------------- */

#define ESR_EC(esr)	(((esr) >> 26) & 0x3f)
#define ESR_ISS(esr)	((esr) & 0x1ffffff)
#define ESR_IL		BIT(25)

#define EC_WFX		0x01
#define EC_HVC64	0x16
#define EC_SMC64	0x17
#define EC_SYSREG	0x18
#define EC_IABT_LOW	0x20
#define EC_DABT_LOW	0x24

#define ABORT_FSC_TYPE(iss)	((iss) & 0x3c)
#define FSC_TRANSLATION		0x04
#define ABORT_WNR(iss)		(((iss) >> 6) & 1)
#define ABORT_S1PTW(iss)	(((iss) >> 7) & 1)
#define ABORT_SF(iss)		(((iss) >> 15) & 1)
#define ABORT_SRT(iss)		(((iss) >> 16) & 0x1f)
#define ABORT_SSE(iss)		(((iss) >> 21) & 1)
#define ABORT_SIZE(iss)		(1u << (((iss) >> 22) & 3))
#define ABORT_ISV(iss)		(((iss) >> 24) & 1)

u64 fault_ipa(void);
u64 get_reg(const struct context *c, u32 n);
void set_reg(struct context *c, u32 n, u64 val);

#define PSTATE_I	BIT(7)

#define KIND_SYNC	0
#define KIND_IRQ	1
#define KIND_OTHER	2

void trap_lower(struct pcpu *p, u64 kind);
void trap_el2(u64 kind) __attribute__((noreturn));
void host_trap(struct pcpu *p, u64 kind);
void guest_trap(struct pcpu *p, u64 kind);

void host_el2_setup(const struct pcpu *p);
void guest_el2_setup(const struct vcpu *v);

void smccc_host(struct pcpu *p, u64 iss);
void smccc_guest(struct vcpu *v, u64 iss);
u64 psci_smc(u64 fn, u64 a1, u64 a2, u64 a3);
bool psci_host(struct pcpu *p, u64 *x);
bool psci_guest(struct vcpu *v, u64 *x);

void idregs_read(void);

/* --- host_gic.c ------------------------------------------------------------- */

#define SGI_KICK	15u
#define PPI_MAINT	25u
#define PPI_CNTHP	26u
#define PPI_CNTV	27u
#define PPI_CNTP	30u

void gic_init(void);
void gic_init_cpu(struct pcpu *p);
void gic_save(struct gic_regs *g);
void gic_load(const struct gic_regs *g, u64 hcr);
u32 gic_nr_lrs(void);
void gic_kick(struct pcpu *p);
void gic_wait_for_kick(void);
/* Acknowledge what is pending; true if any of it is for the host. */
bool gic_ack(struct pcpu *p);
bool host_gic_pending(const struct pcpu *p);
void host_gic_save(struct pcpu *p);
void host_gic_load(struct pcpu *p);
void host_gic_give_back(struct pcpu *p);
bool host_gic_access(struct pcpu *p, u64 ipa, u64 iss);
void gic_ppi_set_active(struct pcpu *p, u32 mask, bool active);
void gic_ppi_enable(struct pcpu *p, u32 mask);
bool host_gic_holds(const struct pcpu *p, u32 pintid);

/* --- timer.c ------------------------------------------------------------------ */

void timer_init(void);
u64 timer_now(void);
u64 timer_from_us(u64 us);
void timer_save(struct timer_regs *t);
void timer_load(const struct timer_regs *t);
bool timer_line(u64 ctl, u64 cval, u64 now);
u64 timer_next(const struct timer_regs *t);
void timer_arm(struct pcpu *p, u64 when);
/* Do what is due; the earliest thing that is not. */
void timer_run_due(void);
u64 timer_deadline(void);

/* --- vcpu.c, run.c, vmmio.c ----------------------------------------------------- */

void vcpu_power_on(struct vcpu *v, u64 pc, u64 arg);
void vcpu_wake(struct vcpu *v);
void vcpu_sample_timers(struct vcpu *v);
bool vcpu_pending(struct vcpu *v);
void vcpu_stopped(struct vcpu *v);
void guest_ends(struct guest *g, enum guest_exit why, u64 type, u64 cookie);
u64 guests_deadline(void);
void guests_run_due(u64 now);

void vcpu_run(struct pcpu *p, struct vcpu *v, u64 *x);
void vcpu_sleep(struct vcpu *v, u64 type, u64 cause);
void guest_abort(struct vcpu *v, u64 esr);
void guest_abort_decided(struct vcpu *v);
void vmmio_complete(struct vcpu *v, u64 val);

/* --- inject.c: faults that a test asks for ------------------------------------------ */

bool inject_call_error(u32 number, u64 *x);
bool inject_lent_abort(void);
bool inject_run_error(u64 *x);
void inject_run_result(u64 *x);
u64 inject_debug(u64 op, u64 a, u64 b);
void inject_from_options(void);

/* --- door.c: how the test reaches it -------------------------------------------------- */

int door_host_dt(void *fdt);
void door_init(void);
bool door_access(struct pcpu *p, u64 ipa, u64 iss);

/* --- console.c, string.c ---------------------------------------------------------- */

void console_init(u64 uart);
int core_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int core_snprintf(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- lock.c ------------------------------------------------------------------------ */

void hyp_lock(void);
void hyp_lock_early(void);
void hyp_unlock(void);

#endif /* HYP_CORE_H */

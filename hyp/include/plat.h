/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line between the two halves of the test hypervisor.
 *
 * core/ owns the machine: exception levels, stage 2, the interrupt
 * controller, timers and the world switch.  objects/ and rm/ are what the
 * machine is used for: capabilities, message queues, memory parcels and the
 * resource manager.  They are plain C over the functions below, so they also
 * build natively, over tests/fake_plat.c, and are unit-tested there.
 *
 * Everything here runs at EL2 under one lock (the "hyp lock"): neither side
 * takes locks of its own, and no call blocks.
 */
#ifndef HYP_PLAT_H
#define HYP_PLAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define HYP_PAGE_SIZE	4096UL

/* --- log and end of the test; core/ ------------------------------------ */

void plat_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The host broke the ABI in a way the real thing does not survive. */
void plat_violation(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void plat_panic(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* --- time, randomness, heap; core/ -------------------------------------- */

u64 plat_now_us(void);
u64 plat_random(void);
void *plat_alloc(size_t size);		/* zeroed, 16-byte aligned, NULL when full */
void plat_free(void *p);
/* Value of "hyp.NAME=" in the host's command line, or NULL. */
const char *plat_option(const char *name);

/* --- the host's memory; core/ ------------------------------------------- */

/* Is every page of [ipa, ipa + size) RAM that the host was given at boot? */
bool plat_host_ram(u64 ipa, u64 size);
/* Take pages from, or give them back to, the host's stage 2 (4 KiB steps). */
void plat_host_unmap(u64 ipa, u64 size);
void plat_host_map(u64 ipa, u64 size);
/* EL2's own, cacheable view of host RAM (identity: PA == host IPA). */
void *plat_mem(u64 pa);
/* Clean and invalidate to the point of coherency. */
void plat_flush(u64 pa, u64 size);

/* --- the host's interrupts; core/ ---------------------------------------- */

#define HOST_VIRQ_BASE	960u
#define HOST_VIRQ_COUNT	60u
/* One edge on the host's virtual INTID (960 .. 1019). */
void plat_host_virq_raise(u32 intid);

/* --- guests: a stage 2 and vCPUs; core/ ---------------------------------- */

struct guest;
struct vcpu;

#define MEM_R	4u
#define MEM_W	2u
#define MEM_X	1u

struct guest_gic {
	u64 gicd_base;
	u64 gicr_base;			/* 128 KiB per vCPU */
	bool no_psci;			/* every PSCI call returns -1 */
};

/* NULL when out of memory.  vmid is RM's number, for messages. */
struct guest *guest_create(u16 vmid, const struct guest_gic *gic);
/* label = index in device-tree order; MPIDR.Aff0 == label */
struct vcpu *guest_add_vcpu(struct guest *g, u32 label, u32 wakeup_virq,
			    bool on_at_start);
bool guest_map(struct guest *g, u64 ipa, u64 pa, u64 size, u32 rights);
void guest_unmap(struct guest *g, u64 ipa, u64 size);
/* Accesses in [base, base + size) that miss stage 2 become VMMIO exits. */
void guest_set_vmmio(struct guest *g, u64 base, u64 size);
/*
 * What a register of the vCPUs that are on at start begins with; false when
 * there is no such register.  set 0: X0 to X30, 1: the PC, 2: SP_EL0, SP_EL1.
 */
bool guest_set_boot_reg(struct guest *g, u32 set, u32 index, u64 value);
/* Power on those vCPUs; before it, PC = entry and X0 = arg are all they have. */
void guest_start(struct guest *g, u64 entry, u64 arg);
/* Begin to kill every vCPU; guest_stopped() says when the last has unwound. */
void guest_kill(struct guest *g);
bool guest_stopped(struct guest *g);
/* After guest_stopped(): frees stage 2 and vCPUs. */
void guest_destroy(struct guest *g);
/* The line of a doorbell to an SPI (or PPI of vCPU 0) of the guest. */
void guest_virq_level(struct guest *g, u32 intid, bool high);
/* Make it pending once, whatever its trigger mode. */
void guest_virq_pulse(struct guest *g, u32 intid);

/* --- what core/ calls in rm/ --------------------------------------------- */

enum guest_exit {
	GUEST_EXIT_OFF = 1,		/* PSCI SYSTEM_OFF */
	GUEST_EXIT_RESET = 2,		/* PSCI SYSTEM_RESET */
	GUEST_EXIT_RESET2 = 3,		/* PSCI SYSTEM_RESET2 */
	GUEST_EXIT_FAULT = 5,		/* a vCPU that can't go on */
};

/* Called once at boot, before rm_host_dt() and before the host runs. */
void rm_init(void);
/* hyp.firmware=new: what later firmware does, as far as that is known */
bool rm_firmware_is_new(void);
/*
 * Edit the host's device tree: /hypervisor and its children, in the form
 * "hyp.dt=rm" (what the real RM writes) or "hyp.dt=upstream" (the binding's).
 * Returns 0 or a libfdt error.  Core has opened it with room to spare.
 */
int rm_host_dt(void *fdt);
/* Time passes: deliver what is due.  Core calls it after every hypercall and
 * when plat_now_us() has reached rm_deadline_us() (~0 = nothing is due). */
void rm_poll(void);
u64 rm_deadline_us(void);
/*
 * A guest ended by itself; rm_ kills its vCPUs from rm_poll().  For
 * GUEST_EXIT_RESET2 reset_type is the state word that vcpu_run returns: bit 62
 * for the 64-bit call, the type in bits 31:0.
 */
void rm_guest_exited(struct guest *g, enum guest_exit why, u64 reset_type,
		     u64 cookie);

/*
 * Fault injection and statistics, for tests, only when the option hyp.debug=1
 * is set (core/door.c); rm/debug.c lists the ops.
 */
u64 rm_debug(u64 op, u64 a, u64 b);
/* The first request in the text of hyp.fault; the rest of it, or NULL. */
const char *debug_parse(const char *text, u64 *op, u64 *a, u64 *b);

/* --- hypercalls that objects/ serves; core/ decodes registers and calls --- */

/*
 * Capability spaces.  Only the host has one.  Types and rights are the real
 * hypervisor's; errors are the values of ABI.md A.3 (0, 1, 33, 50 .. 53).
 */
enum cap_type { CAP_NONE, CAP_MSGQUEUE, CAP_DOORBELL, CAP_VCPU, CAP_ADDRSPACE,
		CAP_MEMEXTENT };

#define CAP_RIGHT_MSGQ_SEND	(1u << 0)
#define CAP_RIGHT_MSGQ_RECV	(1u << 1)
#define CAP_RIGHT_BELL_SEND	(1u << 0)
#define CAP_RIGHT_BELL_RECV	(1u << 1)
#define CAP_RIGHT_VCPU_AFFINITY	(1u << 1)
#define CAP_RIGHT_VCPU_YIELD_TO	(1u << 4)

/* false when no slot is free; every 64-bit value can be an id, also 0 */
bool cap_create(enum cap_type type, u32 rights, void *object, u64 *capid);
/* Lookups fail with error from now on: 33 (object not active), 51 (revoked). */
void cap_disable(u64 capid, u64 error);
/* Lookups fail with 50, until the slot is used again. */
void cap_delete(u64 capid);
/* returns an ABI error; *object is set on 0 */
u64 cap_lookup(u64 capid, enum cap_type type, u32 rights, void **object);

/*
 * Message queues of the host: objects/msgqueue.c.  The buffer has been copied
 * from the host by core (which implements the silent-OK oddities of ABI.md
 * B.3: a failed copy never reaches these).
 */
u64 msgqueue_hyp_send(u64 capid, const void *msg, size_t size, bool push,
		      bool *not_full);
/* *size: room in buf on entry, bytes stored on return */
u64 msgqueue_hyp_recv(u64 capid, void *buf, size_t *size, bool *not_empty);

/* Doorbells: objects/doorbell.c.  *old: the flags before the call. */
u64 doorbell_hyp_send(u64 capid, u64 new_flags, u64 *old);
u64 doorbell_hyp_receive(u64 capid, u64 clear_flags, u64 *old);
u64 doorbell_hyp_reset(u64 capid);
u64 doorbell_hyp_mask(u64 capid, u64 enable_mask, u64 ack_mask);

/*
 * vcpu_run's capability check: rm/ creates the cap with the vcpu as object,
 * core's hypercall uses cap_lookup(capid, CAP_VCPU, both rights, &vcpu).
 */

#endif /* HYP_PLAT_H */

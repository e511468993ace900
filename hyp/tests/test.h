/* SPDX-License-Identifier: GPL-2.0-only */
/* The native tests: a fake platform, a host that talks RPC, and checks. */
#ifndef HYP_TEST_H
#define HYP_TEST_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../objects/objects.h"
#include "../rm/rm.h"
#include "plat.h"

/* --- fake_plat.c ------------------------------------------------------------ */

#define RAM_BASE	0x40000000UL
#define RAM_SIZE	0x08000000UL
#define RAM_PAGES	(RAM_SIZE / HYP_PAGE_SIZE)

struct vcpu {
	u32 label;
	u32 virq;
	bool on_at_start;
};

struct mapping {
	u64 ipa;
	u64 pa;
	u64 size;
	u32 rights;
};

struct guest {
	u16 vmid;
	struct guest_gic gic;
	struct vcpu vcpu[MAX_VCPUS];
	u32 n_vcpus;
	struct mapping map[4096];
	u32 n_maps;
	u64 vmmio_base;
	u64 vmmio_size;
	bool started;
	u64 entry;
	u64 arg;
	u64 boot[3][31];
	bool killed;
	u32 polls;			/* of guest_stopped() since the kill */
	bool level[1024];
	u32 pulses[1024];
};

extern u64 fake_now;
extern u32 fake_virqs[HOST_VIRQ_COUNT];
extern bool fake_host_mapped[RAM_PAGES];
extern struct guest *fake_guests[64];	/* by creation, NULL when destroyed */
extern size_t fake_allocated;
extern u32 fake_stop_polls;		/* before a killed guest has stopped */
extern size_t fake_fail_size;		/* allocations from here on fail, 0 = none */
extern u32 fake_fail_map;		/* the nth guest_map() from now */
extern bool fake_verbose;
extern jmp_buf fake_violation_jump;
extern bool fake_expect_violation;
extern char fake_violation[256];

void fake_option(const char *name, const char *value);
/* With hyp.seed, the random numbers begin anew. */
void fake_boot_random(void);

/* true when the statement ended in plat_violation() */
#define VIOLATES(statement) ({						\
	bool hit_;							\
	fake_expect_violation = true;					\
	if (!setjmp(fake_violation_jump)) {				\
		statement;						\
		hit_ = false;						\
	} else {							\
		hit_ = true;						\
	}								\
	fake_expect_violation = false;					\
	hit_;								\
})

/* --- host.c ------------------------------------------------------------------- */

struct note {
	u32 id;
	u16 seq;
	u32 order;			/* among all messages received */
	u32 len;
	u8 data[64];
};

#define NO_REPLY	0xfffffffeu

extern struct note notes[4096];
extern u32 n_notes;
extern u32 reply_order;
extern u8 reply_data[16384];
extern u32 reply_len;			/* without the error word */
extern u32 reply_packets;
extern u16 reply_seq;
extern u32 n_replies;
extern u32 tx_waits;			/* for a queue that was full */

void host_boot(void);
/* One packet, as it is. */
u64 host_packet(const void *packet, size_t size, bool *not_full);
void host_send(u32 id, u16 seq, const void *data, size_t len);
/* Let time pass until nothing is due, at most us; take in what arrives. */
void host_run(u64 us);
/* The same, but read nothing. */
void host_run_deaf(u64 us);
void host_drain(void);
/* Send, wait for the reply, return its error. */
u32 call(u32 id, const void *data, size_t len);
u32 call_vmid(u32 id, u16 vmid);
u32 vm_state_of(u16 vmid);
struct note *find_note(u32 id, u32 from);
/* A STATUS with that state */
struct note *find_status(u16 vmid, u8 state, u32 from);

struct sgl {
	u64 ipa;
	u64 size;
};

struct acl {
	u16 vmid;
	u8 rights;
	u8 zero;
};

struct attr {
	u16 attr;
	u16 vmid;
};

struct create {
	u8 type;
	u8 flags;
	u32 label;
	u32 n_acl;
	struct acl acl[600];
	u32 n_sgl;
	struct sgl sgl[600];
	u32 n_attr;
	struct attr attr[600];
	bool no_attr_list;
	u32 extra;			/* bytes too many */
};

u32 mem_call(u32 id, const struct create *c, u32 *handle);
u32 lend(u16 vmid, u32 label, u64 ipa, u64 size, u32 *handle);
u32 reclaim(u32 handle);
u32 append(u32 handle, u8 flags, const struct sgl *sgl, u32 n);

struct dt {
	u64 base;
	const char *image_name;
	const char *affinity;
	const char *vdev_type;		/* of a device that RM doesn't know */
	u32 cpus;
	const char *cpu_method;		/* enable-method of every cpu */
	const char *cpu1_status;
	bool no_psci;
	bool no_chosen;
	bool no_config;
	bool hypervisor;
	const char *memory_name;
	u32 address_cells;		/* of the vm-config; 0 = 2 */
	bool gic_without_reg;
	bool no_gic;
	u64 gicd;
	u32 doorbells;
	bool source_can_clear;
	bool no_label;
	u32 shm_label;			/* 0 = none */
	u64 shm_base;			/* 0 = allocate-base */
	u32 reserved_label;
	u64 reserved_base;
	u64 reserved_size;
	u32 padding;			/* bytes in a property */
};

extern const struct dt good_dt;
/* Returns its size; written into the host's memory at ipa. */
u32 dt_build(const struct dt *dt, u64 ipa);

struct setup {
	u16 vmid;
	u32 handle;
	u64 ipa;			/* of the image parcel */
	u64 size;
	u64 dtb_offset;
	u64 dtb_size;
	u16 auth;
};

#define IMAGE_IPA	0x41000000UL
#define IMAGE_SIZE	0x00400000UL
#define DTB_OFFSET	0x00200000UL
#define DTB_SIZE	0x00010000UL

u32 config(const struct setup *s);
/* ALLOCATE, LEND, device tree, CONFIG_IMAGE; everything must succeed. */
struct setup vm_configured(const struct dt *dt);
struct setup vm_ready(const struct dt *dt);
struct setup vm_running(const struct dt *dt);
struct guest *guest_of(u16 vmid);
u32 stop(u16 vmid, u8 flags);
/* RESET and wait for STATUS(RESET) */
void reset(u16 vmid);
/* RESET if needed, RECLAIM, DEALLOCATE */
void vm_gone(const struct setup *s);

/* --- checks -------------------------------------------------------------------- */

extern bool test_failed;

/* Runs it in a process of its own: nothing remains.  true when it passed. */
bool in_child(void (*run)(u32 arg), u32 arg);

#define CHECK(condition) do {						\
	if (!(condition)) {						\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
		test_failed = true;					\
	}								\
} while (0)

#define CHECK_EQ(left, right) do {					\
	u64 l_ = (u64)(left), r_ = (u64)(right);			\
	if (l_ != r_) {							\
		printf("# %s:%d: %s is 0x%lx, expected %s = 0x%lx\n",	\
		       __FILE__, __LINE__, #left, l_, #right, r_);	\
		test_failed = true;					\
	}								\
} while (0)

struct test {
	const char *name;
	void (*run)(void);
};

extern const struct test object_tests[], rpc_tests[], parcel_tests[], vm_tests[],
	dt_tests[], debug_tests[], vgic_tests[], guest_tests[], firmware_tests[];

#endif /* HYP_TEST_H */

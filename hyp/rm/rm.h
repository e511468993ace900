/* SPDX-License-Identifier: GPL-2.0-only */
/* Internals of the resource manager. */
#ifndef HYP_RM_H
#define HYP_RM_H

#include "../objects/objects.h"
#include "plat.h"

#define VMID_HOST		3u
#define VMID_STATIC_FIRST	4u
#define VMID_STATIC_LAST	31u
#define VMID_DYNAMIC_FIRST	0x80u
#define VMID_DYNAMIC_LAST	0xbeu

enum rm_error {
	RM_OK = 0,
	RM_NOMEM = 1,
	RM_NORESOURCE = 2,
	RM_DENIED = 3,
	RM_MSG_INVALID = 4,
	RM_ARGUMENT_INVALID = 6,
	RM_HANDLE_INVALID = 7,
	RM_VALIDATE_FAILED = 8,
	RM_MEM_INVALID = 0x0a,
	RM_MEM_INUSE = 0x0b,
	RM_VMID_INVALID = 0x0d,
	RM_VM_STATE = 0x14,
};
#define RM_UNIMPLEMENTED	0xffffffffu
/* Returned by a handler that answers by itself, later. */
#define RM_LATER		0x10000u

enum rm_call {
	MEM_DONATE = 0x51000010,
	MEM_LEND = 0x51000012,
	MEM_SHARE = 0x51000013,
	MEM_RECLAIM = 0x51000015,
	MEM_APPEND = 0x51000018,
	VM_ALLOCATE = 0x56000001,
	VM_DEALLOCATE = 0x56000002,
	VM_START = 0x56000004,
	VM_STOP = 0x56000005,
	VM_RESET = 0x56000006,
	VM_CONFIG_IMAGE = 0x56000009,
	VM_AUTH_IMAGE = 0x5600000a,
	VM_INIT = 0x5600000b,
	VM_GET_STATE = 0x56000017,
	VM_GET_HYP_RESOURCES = 0x56000020,
	VM_GET_VMID = 0x56000024,
	VM_SET_BOOT_CONTEXT = 0x56000031,
	VM_HOST_GET_TYPE = 0x560000a0,
};

enum rm_notification {
	MEM_RELEASED = 0x51100012,
	VM_EXITED = 0x56100001,
	VM_STATUS = 0x56100008,
};

enum vm_state {
	VM_STATE_INIT = 1,
	VM_STATE_READY = 2,
	VM_STATE_RUNNING = 3,
	VM_STATE_LOAD = 5,
	VM_STATE_AUTH = 6,
	VM_STATE_INIT_FAILED = 8,
	VM_STATE_EXITED = 9,
	VM_STATE_RESETTING = 10,
	VM_STATE_RESET = 11,
};

#define EXIT_VM_STOP_FORCED	7u

/* --- rm.c ----------------------------------------------------------------- */

struct request {
	u32 id;
	u16 seq;
	u32 len;
	const u8 *data;
};

#define RM_REPLY_MAX	2048u

struct reply {
	u32 len;
	u8 data[RM_REPLY_MAX];
};

u32 rm_dispatch(const struct request *req, struct reply *rep);
/* These end the test when the host breaks them. */
void rm_must_be_zero(const struct request *req, u32 at, u32 len);
void rm_known_flags(const struct request *req, u8 flags, u8 known);
u16 get16(const u8 *p);
u32 get32(const u8 *p);
u64 get64(const u8 *p);
void put16(u8 *p, u16 v);
void put32(u8 *p, u32 v);
/* Pseudo-random, from hyp.seed= or a seed of this boot. */
u64 rm_random(u64 from, u64 to);
/* Heap whose use is counted. */
void *rm_alloc(size_t size);
void rm_free(void *p);
size_t rm_heap_used(void);

/* --- rpc.c ---------------------------------------------------------------- */

#define RPC_MAX_LEN	(63u * 232u)

bool rpc_init(void);
void rpc_host_caps(u64 *tx, u64 *rx);
/* Send what is due; take in and answer a request if there is one. */
void rpc_deliver(u64 now);
void rpc_serve(u64 now);
void rpc_transmit(u64 now);
u64 rpc_deadline(bool serving);
void rpc_reply(u32 id, u16 seq, u32 error, const void *data, size_t len,
	       u64 delay_us);
void rpc_notify(u32 id, const void *data, size_t len);

struct rpc_stats {
	u64 requests;
	u64 dropped_replies;
	u64 dropped_notifications;
};

const struct rpc_stats *rpc_stats(void);

/* --- debug.c -------------------------------------------------------------- */

struct debug_output {
	bool drop;
	bool duplicate;
	u64 delay_us;
	size_t len;
};

/* true: don't execute, answer with *error */
bool debug_fail_request(const struct request *req, u32 *error);
void debug_output(u32 id, struct debug_output *out);
bool debug_reset_stuck(u32 *state);

/* --- parcel.c ------------------------------------------------------------- */

struct region {
	u64 ipa;
	u64 size;
};

struct acl_entry {
	u16 vmid;
	u8 rights;
	bool accepted;
	u64 ipa;			/* in the guest, when accepted */
};

struct parcel {
	struct parcel *next;
	u32 handle;
	u32 label;
	u8 type;			/* of memory */
	u32 how;			/* MEM_LEND, MEM_SHARE, MEM_DONATE */
	bool complete;			/* no append is missing */
	bool sanitize;			/* wipe at reclaim */
	u32 n_attrs;
	u32 n_acl;
	struct acl_entry *acl;
	u64 size;
	u32 n_regions;
	u32 max_regions;
	struct region *regions;
	u32 phandle;			/* of its node, while a DT is written */
};

struct vm;

/* The next parcel that names the VM, in order of creation. */
struct parcel *parcel_next(struct parcel *after, u16 vmid);
struct parcel *parcel_for_vm(u32 handle, u16 vmid);
struct acl_entry *parcel_acl(const struct parcel *p, u16 vmid);
bool parcel_is_private(const struct parcel *p, u16 vmid);
/* Map all of it, contiguously, into the guest. */
u32 parcel_accept(struct parcel *p, struct vm *vm, u64 ipa);
/* Undo every accept of the VM, with MEM_RELEASED. */
void parcel_release_all(struct vm *vm);
bool parcel_read(const struct parcel *p, u64 offset, void *buf, u64 len);
bool parcel_write(const struct parcel *p, u64 offset, const void *buf, u64 len);
u32 parcel_count(void);
u64 parcel_pages(void);

u32 mem_create(const struct request *req, struct reply *rep);
u32 mem_append(const struct request *req, struct reply *rep);
u32 mem_reclaim(const struct request *req, struct reply *rep);

/* --- vm.c ----------------------------------------------------------------- */

#define MAX_VCPUS	8u
#define MAX_VDEVS	32u
#define MAX_RANGES	160u

enum vdev_type {
	VDEV_DOORBELL,
	VDEV_SHM,
};

struct vdev {
	enum vdev_type type;
	u32 label;
	char generate[96];		/* "" = the guest gets no node */
	char compatible[128];		/* push-compatible, a string list */
	u32 compatible_len;
	/* doorbell */
	bool source_can_clear;
	u32 intid;			/* 0 = RM picks one */
	bool edge;
	struct doorbell *bell;
	u64 capid;
	/* shm */
	u64 base;
	bool allocate;
};

/*
 * Newer firmware: the address space and the four extents that memory moves
 * between when a host maps it by hypercalls.  No call here uses them.
 */
#define N_MAPPING_CAPS	5u

struct vm_vcpu {
	char path[128];
	bool on_at_start;
	u32 virq;
	u64 capid;
};

/* What the device tree asks for, and what was made of it. */
struct vm_config {
	char image_name[80];
	u64 base;
	u64 size_min;
	u64 size_max;
	bool psci;
	bool has_gic;
	bool patch_gic;
	char gic_path[128];
	struct guest_gic gic;
	u32 n_vcpus;
	struct vm_vcpu vcpu[MAX_VCPUS];
	u32 n_vdevs;
	struct vdev vdev[MAX_VDEVS];
	u32 n_mapping_caps;
	u64 mapping_cap[N_MAPPING_CAPS];
	u32 n_ranges;			/* of the guest's address space in use */
	struct region range[MAX_RANGES];
};

struct vm {
	u16 vmid;
	enum vm_state state;
	bool peer;			/* the owner gets STATUS */
	bool configured;		/* CONFIG_IMAGE succeeded, not reset since */
	u8 auth;
	u32 image_handle;
	u64 image_offset;
	u64 dtb_offset;
	u64 dtb_size;
	u64 mem_size;			/* image and private parcels */
	struct vm_config *cfg;
	struct guest *guest;

	u64 exit_due;			/* 0 = none */
	u16 exit_type;
	u32 exit_reason[4];
	u32 exit_words;

	u32 reset_stage;
	u64 reset_due;
};

struct vm *vm_find(u32 vmid);
u32 vm_count(void);
void vm_set_state(struct vm *vm, enum vm_state state);
/* A VM is being killed: RM runs its vCPUs and does nothing else. */
bool vm_kill_pending(void);
void vm_poll(u64 now);
u64 vm_deadline(void);

u32 vm_allocate(const struct request *req, struct reply *rep);
u32 vm_deallocate(const struct request *req, struct reply *rep);
u32 vm_config_image(const struct request *req, struct reply *rep);
u32 vm_auth_image(const struct request *req, struct reply *rep);
u32 vm_init(const struct request *req, struct reply *rep);
u32 vm_set_boot_context(const struct request *req, struct reply *rep);
u32 vm_start(const struct request *req, struct reply *rep);
u32 vm_stop(const struct request *req, struct reply *rep);
u32 vm_reset(const struct request *req, struct reply *rep);
u32 vm_get_state(const struct request *req, struct reply *rep);

/* --- resources.c ---------------------------------------------------------- */

#define RES_ENTRY_SIZE	44u

void virq_init(void);
u32 virq_alloc(void);			/* 0 = none left */
void virq_free(u32 virq);
u32 virq_count(void);
/* Guest, vCPUs, doorbells, capabilities: all that VM_INIT creates. */
u32 resources_create(struct vm *vm);
/* The host can't use them any more, but they are still there. */
void resources_disable(struct vm *vm);
void resources_destroy(struct vm *vm);
/* The guest's address space: take this range, or the lowest free one. */
bool range_take(struct vm_config *cfg, u64 ipa, u64 size);
bool range_pick(struct vm_config *cfg, u64 size, u64 *ipa);
void range_release(struct vm_config *cfg, u64 ipa);
u32 vm_get_hyp_resources(const struct request *req, struct reply *rep);

/* --- dt_parse.c, dt_write.c ----------------------------------------------- */

/* Copy the VM's DTB out of its memory. */
u32 dt_read(struct vm *vm, void **dtb);
bool dt_parse(const void *fdt, struct vm_config *cfg);
u32 dt_cells(const void *fdt, int node, const char *name, u32 otherwise);
u32 dt_write(struct vm *vm);

#endif /* HYP_RM_H */

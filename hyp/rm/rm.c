// SPDX-License-Identifier: GPL-2.0-only
/* The resource manager: start, its one loop, and its table of calls. */
#include <string.h>

#include "rm.h"

static u64 random_state;

u64 rm_random(u64 from, u64 to)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return from + ((random_state * 0x2545f4914f6cdd1dUL) >> 16) % (to - from + 1);
}

/* A header keeps the size and the 16-byte alignment. */
#define HEAP_HEADER	16u

static size_t heap_used;

void *rm_alloc(size_t size)
{
	u8 *p = plat_alloc(size + HEAP_HEADER);

	if (!p)
		return NULL;
	*(size_t *)p = size;
	heap_used += size;
	return p + HEAP_HEADER;
}

void rm_free(void *p)
{
	u8 *start = p;

	if (!p)
		return;
	start -= HEAP_HEADER;
	heap_used -= *(size_t *)start;
	plat_free(start);
}

size_t rm_heap_used(void)
{
	return heap_used;
}

u16 get16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

u32 get32(const u8 *p)
{
	return get16(p) | (u32)get16(p + 2) << 16;
}

u64 get64(const u8 *p)
{
	return get32(p) | (u64)get32(p + 4) << 32;
}

void put16(u8 *p, u16 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

void put32(u8 *p, u32 v)
{
	put16(p, (u16)v);
	put16(p + 2, (u16)(v >> 16));
}

static u32 vm_get_vmid(const struct request *req, struct reply *rep)
{
	(void)req;
	put32(rep->data, VMID_HOST);
	rep->len = 4;
	return RM_OK;
}

static u32 vm_host_get_type(const struct request *req, struct reply *rep)
{
	(void)req;
	/* AArch64, Gunyah with a resource manager, version 1 */
	put32(rep->data, 0x01000164);
	rep->len = 4;
	return RM_OK;
}

#define ANY_LEN	0xffffffffu

static const struct {
	u32 id;
	u32 len;
	u32 zero_at, zero_len;		/* reserved bytes */
	u32 (*handle)(const struct request *req, struct reply *rep);
} calls[] = {
	{ MEM_DONATE,		ANY_LEN, 0, 0, mem_create },
	{ MEM_LEND,		ANY_LEN, 0, 0, mem_create },
	{ MEM_SHARE,		ANY_LEN, 0, 0, mem_create },
	{ MEM_RECLAIM,		8,	 5, 3, mem_reclaim },
	{ MEM_APPEND,		ANY_LEN, 5, 3, mem_append },
	{ VM_ALLOCATE,		4,	 2, 2, vm_allocate },
	{ VM_DEALLOCATE,	4,	 2, 2, vm_deallocate },
	{ VM_START,		4,	 2, 2, vm_start },
	{ VM_STOP,		8,	 3, 1, vm_stop },
	{ VM_RESET,		4,	 2, 2, vm_reset },
	{ VM_CONFIG_IMAGE,	40,	 0, 0, vm_config_image },
	{ VM_AUTH_IMAGE,	ANY_LEN, 0, 0, vm_auth_image },
	{ VM_INIT,		4,	 0, 0, vm_init },
	{ VM_GET_STATE,		4,	 2, 2, vm_get_state },
	{ VM_GET_HYP_RESOURCES,	4,	 2, 2, vm_get_hyp_resources },
	{ VM_GET_VMID,		0,	 0, 0, vm_get_vmid },
	{ VM_SET_BOOT_CONTEXT,	16,	 0, 0, vm_set_boot_context },
	{ VM_HOST_GET_TYPE,	0,	 0, 0, vm_host_get_type },
};

/* Deployed managers ignore what is reserved; newer ones give it a meaning. */
void rm_must_be_zero(const struct request *req, u32 at, u32 len)
{
	for (u32 i = at; i < at + len && i < req->len; i++) {
		if (req->data[i])
			plat_violation("call 0x%x: reserved byte %u is 0x%x, not 0",
				       req->id, i, req->data[i]);
	}
}

void rm_known_flags(const struct request *req, u8 flags, u8 known)
{
	if (flags & ~known)
		plat_violation("call 0x%x: flags 0x%x, of which only 0x%x have a meaning",
			       req->id, flags, known);
}

static bool firmware_is_new;

bool rm_firmware_is_new(void)
{
	return firmware_is_new;
}

u32 rm_dispatch(const struct request *req, struct reply *rep)
{
	u32 error;

	rep->len = 0;
	if (debug_fail_request(req, &error))
		return error;
	if (req->id == VM_SET_BOOT_CONTEXT && !firmware_is_new)
		return RM_UNIMPLEMENTED;
	for (u32 i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].id != req->id)
			continue;
		if (calls[i].len != ANY_LEN && calls[i].len != req->len)
			return RM_MSG_INVALID;
		rm_must_be_zero(req, calls[i].zero_at, calls[i].zero_len);
		return calls[i].handle(req, rep);
	}
	plat_log("rm: call 0x%x is not implemented", req->id);
	return RM_UNIMPLEMENTED;
}

static bool is_option(const char *name, const char *value)
{
	const char *v = plat_option(name);

	return v && !strcmp(v, value);
}

void rm_init(void)
{
	/* The seed of the boot is behind this one, too. */
	random_state = plat_random() | 1;
	firmware_is_new = is_option("firmware", "new");
	if (!firmware_is_new && plat_option("firmware") &&
	    !is_option("firmware", "2023"))
		plat_panic("hyp.firmware=%s: it is 2023 or new", plat_option("firmware"));
	plat_log("rm: firmware %s", firmware_is_new ? "new" : "2023");
	cspace_init(is_option("capids", "zero"),
		    rm_random(0, 0xffffffff) << 32 | rm_random(0, 0xffffffff),
		    rm_random(0, 0xffff));
	virq_init();
	if (!rpc_init())
		plat_panic("rm: no memory for the message queues");
}

void rm_poll(void)
{
	u64 now = plat_now_us();

	rpc_deliver(now);
	vm_poll(now);
	if (!vm_kill_pending())
		rpc_serve(now);
	rpc_transmit(now);
}

u64 rm_deadline_us(void)
{
	u64 rpc = rpc_deadline(!vm_kill_pending());
	u64 vm = vm_deadline();

	return rpc < vm ? rpc : vm;
}

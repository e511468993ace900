// SPDX-License-Identifier: GPL-2.0-only
/* The life of a VM: every call in every state, notifications, exits, leaks. */
#include "test.h"

#define SHARED_IPA	0x42000000UL

/* --- the state table ------------------------------------------------------------ */

enum at {
	AT_LOAD,
	AT_AUTH,
	AT_INIT,
	AT_READY,
	AT_RUNNING,
	AT_EXITED,
	AT_INIT_FAILED,
	AT_LOST,			/* CONFIG_IMAGE failed */
	AT_RESETTING,
	AT_RESET,
	N_AT,
};

#define S	RM_VM_STATE
#define KILL	0xdeadu			/* would kill the real resource manager */

static const char *const at_name[N_AT] = {
	"LOAD", "AUTH", "INIT", "READY", "RUNNING", "EXITED", "INIT_FAILED", "lost",
	"RESETTING", "RESET",
};

static const struct {
	u32 id;
	const char *name;
	u32 expected[N_AT];
} table[] = {
	/*			LOAD AUTH INIT READY RUNNING EXITED FAILED lost RESETTING RESET */
	{ VM_DEALLOCATE, "DEALLOCATE",
				{ 0, S, S, S, S, S, S, S, S, 0 } },
	{ VM_CONFIG_IMAGE, "CONFIG_IMAGE",
				{ 0, S, S, S, S, S, S, S, S, 0 } },
	{ VM_AUTH_IMAGE, "AUTH_IMAGE",
				{ S, RM_VALIDATE_FAILED, S, S, S, S, S, S, S, S } },
	{ VM_INIT, "INIT",	{ S, S, 0, S, S, S, S, S, S, S } },
	{ VM_START, "START",	{ S, S, S, 0, S, S, S, S, S, S } },
	{ VM_STOP, "STOP",	{ S, S, S, S, 0, S, S, S, S, S } },
	{ VM_RESET, "RESET",	{ KILL, S, S, 0, S, 0, 0, KILL, S, KILL } },
	{ VM_GET_HYP_RESOURCES, "GET_HYP_RESOURCES",
				{ 2, 0, 0, 0, 0, 0, 0, 2, 0, 2 } },
};

static const u8 number[N_AT] = { 5, 6, 1, 2, 3, 9, 8, 8, 10, 11 };

static const u8 state_after[][2] = {
	{ VM_CONFIG_IMAGE & 0xff, VM_STATE_INIT },
	{ VM_AUTH_IMAGE & 0xff, VM_STATE_INIT_FAILED },
	{ VM_INIT & 0xff, VM_STATE_READY },
	{ VM_START & 0xff, VM_STATE_RUNNING },
	{ VM_STOP & 0xff, VM_STATE_EXITED },
	{ VM_RESET & 0xff, VM_STATE_RESETTING },
};

static struct setup bring_to(enum at at)
{
	struct dt bad = good_dt;
	struct setup s = {
		.vmid = 0x80,
		.ipa = IMAGE_IPA,
		.size = IMAGE_SIZE,
		.dtb_offset = DTB_OFFSET,
		.dtb_size = DTB_SIZE,
		.auth = at == AT_AUTH,
	};

	bad.memory_name = "memory@80000000";
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	dt_build(at == AT_INIT_FAILED ? &bad : &good_dt, s.ipa + s.dtb_offset);
	CHECK_EQ(lend(s.vmid, 0, s.ipa, s.size, &s.handle), 0);
	if (at == AT_LOAD)
		return s;
	if (at == AT_LOST) {
		struct setup wrong = s;

		wrong.handle = 77;
		CHECK_EQ(config(&wrong), RM_MEM_INVALID);
		return s;
	}
	CHECK_EQ(config(&s), 0);
	if (at == AT_AUTH || at == AT_INIT)
		return s;
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), at == AT_INIT_FAILED ? RM_MEM_INVALID : 0);
	if (at == AT_READY || at == AT_INIT_FAILED)
		return s;
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	if (at == AT_RUNNING)
		return s;
	CHECK_EQ(stop(s.vmid, 1), 0);
	if (at == AT_EXITED)
		return s;
	if (at == AT_RESETTING) {
		rm_debug(7, 1, 0);
		CHECK_EQ(call_vmid(VM_RESET, s.vmid), 0);
		host_run(100000);
		return s;
	}
	reset(s.vmid);
	return s;
}

static u32 do_call(u32 id, const struct setup *s)
{
	switch (id) {
	case VM_CONFIG_IMAGE:
		return config(s);
	case VM_STOP:
		return stop(s->vmid, 1);
	default:
		return call_vmid(id, s->vmid);
	}
}

static void cell(u32 arg)
{
	u32 row = arg / N_AT;
	enum at at = arg % N_AT;
	u32 expected = table[row].expected[at];
	u32 id = table[row].id;
	volatile u32 got = KILL;
	volatile u32 state = number[at];
	struct setup s;
	u32 from;

	host_boot();
	s = bring_to(at);
	CHECK_EQ(vm_state_of(s.vmid), state);
	from = n_notes;
	if (!VIOLATES(got = do_call(id, &s)))
		CHECK(got != KILL);
	CHECK_EQ(got, expected);
	if (got == KILL) {
		CHECK(strstr(fake_violation, "kills the resource manager"));
		return;
	}
	if (id == VM_DEALLOCATE && !got) {
		CHECK_EQ(call_vmid(VM_GET_STATE, s.vmid), RM_NORESOURCE);
		return;
	}
	if (got == RM_VM_STATE)
		CHECK_EQ(n_notes, from);
	else
		for (u32 i = 0; i < sizeof(state_after) / 2; i++)
			if (state_after[i][0] == (id & 0xff))
				state = state_after[i][1];
	if (id == VM_RESET && !got)
		CHECK(find_status(s.vmid, VM_STATE_RESETTING, from));
	else
		CHECK_EQ(vm_state_of(s.vmid), state);
}

static void state_table(void)
{
	for (u32 row = 0; row < sizeof(table) / sizeof(table[0]); row++) {
		for (u32 at = 0; at < N_AT; at++) {
			if (in_child(cell, row * N_AT + at))
				continue;
			printf("# %s in state %s\n", table[row].name, at_name[at]);
			test_failed = true;
		}
	}
}

/* --- killers and traps --------------------------------------------------------------- */

static void killer_deallocate_unknown(void)
{
	host_boot();
	CHECK(VIOLATES(call_vmid(VM_DEALLOCATE, 0x85)));
	CHECK(strstr(fake_violation, "VM 133"));
}

static void killer_reset_twice(void)
{
	struct setup s;

	host_boot();
	s = vm_running(&good_dt);
	CHECK_EQ(stop(s.vmid, 1), 0);
	reset(s.vmid);
	CHECK(VIOLATES(call_vmid(VM_RESET, s.vmid)));
}

static void unknown_vmid(void)
{
	struct setup s = { .vmid = 0x99 };

	host_boot();
	CHECK_EQ(call_vmid(VM_START, 0x99), RM_VMID_INVALID);
	CHECK_EQ(call_vmid(VM_RESET, 0x99), RM_VMID_INVALID);
	CHECK_EQ(call_vmid(VM_INIT, 0x99), RM_VMID_INVALID);
	CHECK_EQ(stop(0x99, 1), RM_VMID_INVALID);
	CHECK_EQ(config(&s), RM_VMID_INVALID);
	CHECK_EQ(call_vmid(VM_AUTH_IMAGE, 0x99), RM_VMID_INVALID);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, 0x99), RM_ARGUMENT_INVALID);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, 3), RM_ARGUMENT_INVALID);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, 0xffff), RM_ARGUMENT_INVALID);
}

static void stuck_in_init(void)
{
	struct setup s;

	host_boot();
	s = bring_to(AT_INIT);
	CHECK_EQ(call_vmid(VM_RESET, s.vmid), RM_VM_STATE);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s.vmid), RM_VM_STATE);
	/* the way out */
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	vm_gone(&s);
	CHECK_EQ(vm_count(), 0);
}

static void lost_vmid(void)
{
	struct setup s;

	host_boot();
	s = bring_to(AT_LOST);
	CHECK(find_status(s.vmid, VM_STATE_INIT_FAILED, 0));
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s.vmid), RM_VM_STATE);
	/* only its memory comes back */
	CHECK_EQ(reclaim(s.handle), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(get32(reply_data), 0x81);
}

static void config_checks(void)
{
	static const struct {
		s64 image_size, dtb_offset, dtb_size;
		u16 auth;
		u32 expected;
	} cases[] = {
		{ 0, 0, 0, 0, 0 },
		{ 1, 0, 0, 0, RM_ARGUMENT_INVALID },
		{ 0, IMAGE_SIZE - DTB_OFFSET, 0, 0, RM_ARGUMENT_INVALID },
		{ 0, 0, IMAGE_SIZE, 0, RM_ARGUMENT_INVALID },
		{ 0, 0, 0, 3, RM_ARGUMENT_INVALID },
	};

	host_boot();
	for (u32 i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct setup s = bring_to(AT_LOAD);

		s.vmid = (u16)(0x80 + i);
		CHECK_EQ(reclaim(s.handle), 0);
		CHECK_EQ(lend(s.vmid, 0, s.ipa, s.size, &s.handle), 0);
		s.size += (u64)cases[i].image_size;
		s.dtb_offset += (u64)cases[i].dtb_offset;
		s.dtb_size += (u64)cases[i].dtb_size;
		s.auth = cases[i].auth;
		CHECK_EQ(config(&s), cases[i].expected);
		CHECK_EQ(vm_state_of(s.vmid), cases[i].expected ? 8 : 1);
		CHECK_EQ(reclaim(s.handle), 0);
	}
}

static void image_of_another_vm(void)
{
	struct setup s;

	host_boot();
	s = bring_to(AT_LOAD);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s.vmid = 0x81;
	CHECK_EQ(config(&s), RM_MEM_INVALID);
}

/* --- VMIDs and interrupts --------------------------------------------------------------- */

static void vmid_pool(void)
{
	host_boot();
	for (u32 i = 0; i < 63; i++) {
		CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
		CHECK_EQ(get32(reply_data), 0x80 + i);
	}
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), RM_NORESOURCE);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, 0x90), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(get32(reply_data), 0x90);
	/* a named one answers without data */
	CHECK_EQ(call_vmid(VM_ALLOCATE, 4), 0);
	CHECK_EQ(reply_len, 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 4), RM_NORESOURCE);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 31), 0);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 32), RM_NORESOURCE);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 3), RM_NORESOURCE);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0x80), RM_NORESOURCE);
	CHECK_EQ(vm_count(), 65);
}

static struct setup small_vm(u32 n, u32 cpus, u32 *error)
{
	struct dt dt = good_dt;
	struct setup s = {
		.ipa = 0x41000000 + n * 0x10000UL,
		.size = 0x10000,
		.dtb_size = 0x10000,
	};

	dt.cpus = cpus;
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s.vmid = (u16)get32(reply_data);
	dt_build(&dt, s.ipa);
	CHECK_EQ(lend(s.vmid, 0, s.ipa, s.size, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	*error = call_vmid(VM_INIT, s.vmid);
	return s;
}

static void virq_pool(void)
{
	struct setup s[8];
	u32 error;

	host_boot();
	for (u32 i = 0; i < 7; i++) {
		s[i] = small_vm(i, 8, &error);
		CHECK_EQ(error, 0);
	}
	CHECK_EQ(virq_count(), 58);
	/* two are left for eight vCPUs */
	s[7] = small_vm(7, 8, &error);
	CHECK_EQ(error, RM_NORESOURCE);
	CHECK_EQ(vm_state_of(s[7].vmid), VM_STATE_INIT_FAILED);
	CHECK_EQ(virq_count(), 60);
	vm_gone(&s[7]);
	CHECK_EQ(virq_count(), 58);
	for (u32 i = 0; i < 7; i++)
		vm_gone(&s[i]);
	CHECK_EQ(virq_count(), 2);
	CHECK_EQ(cap_count(), 2);
	/* and from the beginning */
	s[0] = small_vm(0, 2, &error);
	CHECK_EQ(guest_of(s[0].vmid)->vcpu[1].virq, 963);
}

static void resources(void)
{
	struct dt dt = good_dt;
	struct setup s;
	struct guest *g;
	void *object;
	u64 capid;
	u64 old;
	u8 *e;

	host_boot();
	dt.cpus = 2;
	dt.doorbells = 2;
	s = vm_ready(&dt);
	g = guest_of(s.vmid);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(reply_len, 4 + 4 * 44);
	CHECK_EQ(get32(reply_data), 4);
	for (u32 i = 0; i < 2; i++) {
		e = reply_data + 4 + i * 44;
		CHECK_EQ(e[0], 4);
		CHECK_EQ(e[1], 0);
		CHECK_EQ(get16(e + 2), 0);
		CHECK_EQ(get32(e + 4), 0);
		CHECK_EQ(get32(e + 8), i);
		CHECK_EQ(get32(e + 20), 0);
		CHECK_EQ(get32(e + 24), 962 + i);
		CHECK_EQ(get64(e + 28), 0);
		CHECK_EQ(get64(e + 36), 0);
		capid = get64(e + 12);
		CHECK_EQ(cap_lookup(capid, CAP_VCPU,
				    CAP_RIGHT_VCPU_AFFINITY | CAP_RIGHT_VCPU_YIELD_TO,
				    &object), 0);
		CHECK(object == &g->vcpu[i]);
		CHECK_EQ(cap_lookup(capid, CAP_VCPU, 1, &object), 53);
	}
	/* the first in the tree is the boot CPU */
	CHECK(g->vcpu[0].on_at_start && !g->vcpu[1].on_at_start);
	CHECK_EQ(g->vcpu[1].label, 1);

	e = reply_data + 4 + 2 * 44;
	CHECK_EQ(e[0], 0);
	CHECK_EQ(get16(e + 2), s.vmid);
	CHECK_EQ(get32(e + 8), 100);
	CHECK_EQ(get32(e + 24), 0);
	capid = get64(e + 12);
	CHECK_EQ(doorbell_hyp_send(capid, 1, &old), 0);
	CHECK(g->level[48]);
	CHECK_EQ(doorbell_hyp_mask(capid, 1, 1), 53);
	/* the second has no interrupts property: the lowest SPI that is free */
	CHECK_EQ(doorbell_hyp_send(get64(e + 44 + 12), 1, &old), 0);
	CHECK(g->level[32]);
}

static void source_can_clear(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.doorbells = 1;
	dt.source_can_clear = true;
	s = vm_ready(&dt);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(doorbell_hyp_mask(get64(reply_data + 4 + 44 + 12), 1, 1), 0);
}

/* --- START and the end --------------------------------------------------------------------- */

static const struct mapping *map_at(const struct guest *g, u64 ipa)
{
	for (u32 i = 0; i < g->n_maps; i++)
		if (g->map[i].ipa <= ipa && ipa < g->map[i].ipa + g->map[i].size)
			return &g->map[i];
	return NULL;
}

static void start(void)
{
	struct setup s;
	struct guest *g;
	const struct mapping *m;

	host_boot();
	s = vm_running(&good_dt);
	g = guest_of(s.vmid);
	CHECK(g->started);
	CHECK_EQ(g->entry, 0x80000000);
	CHECK_EQ(g->arg, 0x80200000);
	CHECK_EQ(g->gic.gicd_base, 0x3fff0000);
	CHECK_EQ(g->gic.gicr_base, 0x3ffd0000);
	CHECK(!g->gic.no_psci);
	CHECK_EQ(g->vmmio_base, 0);
	CHECK_EQ(g->vmmio_size, 0x40000000);
	m = map_at(g, 0x80000000);
	CHECK(m && m->pa == IMAGE_IPA && m->size == IMAGE_SIZE && m->rights == 7);
	m = map_at(g, 0x40000000);
	CHECK(m && m->size == 0x1000 && m->rights == 4);
	CHECK_EQ(g->n_maps, 2);
}

static void scattered_image(void)
{
	static struct create c;
	struct setup s;
	struct guest *g;

	host_boot();
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s = (struct setup){
		.vmid = 0x80,
		.size = 0x30000,
		.dtb_offset = 0x10000,
		.dtb_size = 0x10000,
	};
	/* The DTB lies in single pages, in reverse order. */
	c.n_acl = 1;
	c.acl[0] = (struct acl){ s.vmid, 7, 0 };
	c.n_sgl = 0x30;
	for (u32 i = 0; i < 0x30; i++)
		c.sgl[i] = (struct sgl){ 0x41100000 - i * 0x1000UL, 0x1000 };
	dt_build(&good_dt, 0x42000000);
	for (u32 i = 0; i < 0x10; i++)
		memcpy(plat_mem(0x41100000 - (i + 0x10) * 0x1000UL),
		       plat_mem(0x42000000 + i * 0x1000UL), 0x1000);
	CHECK_EQ(mem_call(MEM_LEND, &c, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	g = guest_of(s.vmid);
	CHECK_EQ(g->n_maps, 0x31);
	CHECK_EQ(map_at(g, 0x80010000)->pa, 0x410f0000);
	vm_gone(&s);
}

static u32 start_image(u32 how, u32 n_acl, u8 rights, u32 n_attr)
{
	static struct create c;
	struct setup s = { .ipa = IMAGE_IPA, .size = 0x20000, .dtb_size = 0x20000 };
	u32 error;

	c = (struct create){ .n_acl = n_acl, .n_attr = n_attr, .n_sgl = 1 };
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s.vmid = (u16)get32(reply_data);
	dt_build(&good_dt, s.ipa);
	c.acl[0] = (struct acl){ s.vmid, rights, 0 };
	c.acl[1] = (struct acl){ VMID_HOST, 7, 0 };
	c.attr[0] = (struct attr){ 0, s.vmid };
	c.sgl[0] = (struct sgl){ s.ipa, s.size };
	CHECK_EQ(mem_call(how, &c, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	error = call_vmid(VM_START, s.vmid);
	CHECK_EQ(vm_state_of(s.vmid), error ? VM_STATE_INIT_FAILED : VM_STATE_RUNNING);
	vm_gone(&s);
	return error;
}

static void image_parcel_rules(void)
{
	host_boot();
	CHECK_EQ(start_image(MEM_LEND, 1, 7, 0), 0);
	CHECK_EQ(start_image(MEM_SHARE, 2, 7, 0), RM_NORESOURCE);
	CHECK_EQ(start_image(MEM_LEND, 1, 6, 0), RM_NORESOURCE);
	CHECK_EQ(start_image(MEM_LEND, 1, 7, 1), RM_NORESOURCE);
	CHECK_EQ(start_image(MEM_DONATE, 1, 7, 0), RM_NORESOURCE);
}

static void second_private_parcel(void)
{
	struct setup s;
	struct guest *g;
	u32 second;

	host_boot();
	s = vm_configured(&good_dt);
	CHECK_EQ(lend(s.vmid, 0, SHARED_IPA, 0x10000, &second), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_DENIED);
	CHECK_EQ(vm_state_of(s.vmid), VM_STATE_INIT_FAILED);
	/* it had been accepted behind the image */
	g = guest_of(s.vmid);
	CHECK(!g->started);
	CHECK_EQ(map_at(g, 0x80000000 + IMAGE_SIZE)->pa, SHARED_IPA);
	CHECK_EQ(reclaim(second), RM_MEM_INUSE);
	reset(s.vmid);
	CHECK_EQ(reclaim(second), 0);
	vm_gone(&s);
}

static void image_gone_before_start(void)
{
	struct setup s;

	host_boot();
	s = vm_ready(&good_dt);
	CHECK_EQ(reclaim(s.handle), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_NORESOURCE);
	reset(s.vmid);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s.vmid), 0);
}

static void check_exit(enum guest_exit why, u64 type, u64 cookie, u32 words,
		       const u32 *reason)
{
	u32 from = n_notes;
	struct note *n;
	struct setup s;

	s = vm_running(&good_dt);
	rm_guest_exited(guest_of(s.vmid), why, type, cookie);
	/* the host may be told before the state changes */
	CHECK_EQ(vm_find(s.vmid)->state, VM_STATE_RUNNING);
	host_run(20000);
	CHECK(!find_note(VM_EXITED, from) || guest_of(s.vmid)->killed);
	n = find_note(VM_EXITED, from);
	if (!n) {
		CHECK(n);
		return;
	}
	CHECK_EQ(n->len, 8 + words * 4);
	CHECK_EQ(get16(n->data), s.vmid);
	CHECK_EQ(get16(n->data + 2), why);
	CHECK_EQ(get32(n->data + 4), words * 4);
	for (u32 i = 0; i < words; i++)
		CHECK_EQ(get32(n->data + 8 + i * 4), reason[i]);
	CHECK(find_status(s.vmid, VM_STATE_EXITED, from)->order < n->order);
	CHECK(!find_note(VM_EXITED, (u32)(n - notes) + 1));
	CHECK_EQ(stop(s.vmid, 1), RM_VM_STATE);
	vm_gone(&s);
}

static void exits(void)
{
	static const u32 plain[] = { 0 };
	static const u32 reset2[] = { 0x8000, 0x80000001, 0x55667788, 0x11223344 };
	static const u32 reset2_32[] = { 0, 0x80000001, 0x55667788, 0 };

	host_boot();
	check_exit(GUEST_EXIT_OFF, 0, 0, 1, plain);
	check_exit(GUEST_EXIT_RESET, 1UL << 63, 0, 1, plain);
	check_exit(GUEST_EXIT_RESET2, (1UL << 62) | 0x80000001, 0x1122334455667788, 4,
		   reset2);
	check_exit(GUEST_EXIT_RESET2, 0x80000001, 0x1122334455667788, 4, reset2_32);
	check_exit(GUEST_EXIT_FAULT, 0, 0, 1, plain);
}

static void forced_stop(void)
{
	struct setup s;
	struct note *n;
	u32 from;

	host_boot();
	s = vm_running(&good_dt);
	/* without force nothing happens, the guest has no RM link */
	CHECK_EQ(stop(s.vmid, 0), 0);
	CHECK_EQ(vm_state_of(s.vmid), VM_STATE_RUNNING);
	from = n_notes;
	/* RM does nothing else until the last vCPU has unwound */
	fake_stop_polls = 40;
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK(guest_of(s.vmid)->polls > 40);
	n = find_note(VM_EXITED, from);
	CHECK(n && get16(n->data + 2) == 7);
	CHECK_EQ(n->len, 12);
	CHECK_EQ(get32(n->data + 8), 0);
	fake_stop_polls = 0;
	vm_gone(&s);
}

static void exit_races_with_stop(void)
{
	struct setup s;
	u32 from;

	host_boot();
	for (u32 i = 0; i < 20; i++) {
		struct note *n;

		s = vm_running(&good_dt);
		from = n_notes;
		rm_guest_exited(guest_of(s.vmid), GUEST_EXIT_OFF, 0, 0);
		host_run(i * 100);
		stop(s.vmid, 1);
		host_run(20000);
		n = find_note(VM_EXITED, from);
		/* one of the two, once */
		CHECK(n && (get16(n->data + 2) == 1 || get16(n->data + 2) == 7));
		CHECK(!find_note(VM_EXITED, (u32)(n - notes) + 1));
		vm_gone(&s);
	}
}

/* --- RESET ---------------------------------------------------------------------------------- */

static void reset_orders(void)
{
	u32 released_first = 0, reply_first = 0, reply_last = 0, after_release = 0;

	host_boot();
	for (u32 i = 0; i < 60; i++) {
		struct setup s = vm_running(&good_dt);
		const struct note *resetting, *released, *done;
		u64 began;
		u32 from;

		CHECK_EQ(stop(s.vmid, 1), 0);
		n_notes = 0;
		from = n_notes;
		began = fake_now;
		CHECK_EQ(call_vmid(VM_RESET, s.vmid), 0);
		host_run(50000);
		resetting = find_status(s.vmid, VM_STATE_RESETTING, from);
		released = find_note(MEM_RELEASED, from);
		done = find_status(s.vmid, VM_STATE_RESET, from);
		CHECK(resetting && released && done);
		CHECK_EQ(resetting, &notes[0]);
		CHECK(resetting->order < reply_order);
		CHECK(released->order < done->order);
		CHECK_EQ(n_notes, 3);
		CHECK(fake_now > began);
		released_first += released->order < reply_order;
		reply_first += reply_order < released->order;
		after_release += released->order < reply_order &&
				 reply_order < done->order;
		reply_last += done->order < reply_order;
		vm_gone(&s);
	}
	CHECK(released_first > 5);
	CHECK(reply_first > 5);
	CHECK(reply_last > 5);
	CHECK(after_release > 0);
}

static void reset_takes_turns(void)
{
	struct setup s;
	u64 capid, began;
	void *object;
	u32 turns = 0;
	bool saw_error = false;

	host_boot();
	s = vm_running(&good_dt);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	capid = get64(reply_data + 4 + 12);
	CHECK_EQ(stop(s.vmid, 1), 0);
	began = fake_now;
	host_send(VM_RESET, 1, "\x80\0\0", 4);
	while (vm_find(s.vmid)->state != VM_STATE_RESET && turns < 1000) {
		u64 err;

		fake_now = rm_deadline_us() > fake_now ? rm_deadline_us() : fake_now + 1;
		rm_poll();
		host_drain();
		err = cap_lookup(capid, CAP_VCPU, 0, &object);
		CHECK(err == 0 || err == 33 || err == 50 || err == 51);
		if (err == 33 || err == 51)
			saw_error = true;
		turns++;
	}
	CHECK(turns >= 6);
	CHECK(fake_now - began >= 1200);
	CHECK(saw_error);
	CHECK_EQ(cap_lookup(capid, CAP_VCPU, 0, &object), 50);
	CHECK(!guest_of(s.vmid));
}

static void no_peer_after_reset(void)
{
	struct setup s;

	host_boot();
	s = vm_running(&good_dt);
	CHECK_EQ(stop(s.vmid, 1), 0);
	reset(s.vmid);
	n_notes = 0;
	/* it works again, but nobody hears of it */
	dt_build(&good_dt, s.ipa + s.dtb_offset);
	CHECK_EQ(config(&s), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	CHECK_EQ(n_notes, 0);
	CHECK_EQ(stop(s.vmid, 1), 0);
	CHECK_EQ(call_vmid(VM_RESET, s.vmid), 0);
	host_run(50000);
	CHECK(!find_note(VM_STATUS, 0));
	CHECK_EQ(reclaim(s.handle), 0);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s.vmid), 0);
}

static void no_leaks(void)
{
	struct dt dt = good_dt;
	size_t heap, allocated;

	host_boot();
	dt.cpus = 3;
	dt.doorbells = 5;
	dt.shm_label = 7;
	heap = rm_heap_used();
	allocated = fake_allocated;
	for (u32 i = 0; i < 60; i++) {
		struct setup s;
		u32 shared;

		n_notes = 0;
		s = vm_configured(&dt);
		CHECK_EQ(s.vmid, 0x80);
		CHECK_EQ(lend(s.vmid, 7, SHARED_IPA, 0x5000, &shared), 0);
		CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
		if (i % 3)
			CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
		if (i % 3 == 2) {
			rm_guest_exited(guest_of(s.vmid), GUEST_EXIT_OFF, 0, 0);
			host_run(20000);
		}
		if (i % 3 != 1)
			reset(s.vmid);
		else {
			CHECK_EQ(stop(s.vmid, 1), 0);
			reset(s.vmid);
		}
		CHECK_EQ(reclaim(shared), 0);
		vm_gone(&s);
		CHECK_EQ(rm_heap_used(), heap);
		CHECK_EQ(fake_allocated, allocated);
		CHECK_EQ(cap_count(), 2);
		CHECK_EQ(virq_count(), 2);
		CHECK_EQ(parcel_pages(), 0);
		CHECK_EQ(vm_count(), 0);
	}
	for (u32 i = 0; i < RAM_PAGES; i++)
		CHECK(fake_host_mapped[i]);
}

/* --- nothing left ----------------------------------------------------------------------------- */

static u32 fill_cspace(u64 *ids, u32 leave)
{
	static int object;
	u32 n = 0;

	while (cap_create(CAP_DOORBELL, 0, &object, &ids[n]))
		n++;
	while (leave--)
		cap_delete(ids[--n]);
	return n;
}

static void check_clean(void)
{
	CHECK_EQ(cap_count(), 2);
	CHECK_EQ(virq_count(), 2);
	CHECK_EQ(parcel_pages(), 0);
	CHECK_EQ(vm_count(), 0);
}

static void no_capability_left(void)
{
	static u64 ids[1024];
	struct dt dt = good_dt;
	u32 n;

	dt.cpus = 2;
	dt.doorbells = 2;
	host_boot();
	for (u32 leave = 0; leave < 4; leave++) {
		struct setup s = vm_configured(&dt);

		n = fill_cspace(ids, leave);
		CHECK_EQ(call_vmid(VM_INIT, s.vmid), RM_NORESOURCE);
		while (n)
			cap_delete(ids[--n]);
		vm_gone(&s);
		check_clean();
	}
}

static void no_memory_for_init(void)
{
	size_t heap, allocated;

	host_boot();
	heap = rm_heap_used();
	allocated = fake_allocated;
	for (u32 i = 0; i < 2; i++) {
		struct setup s = vm_configured(&good_dt);

		/* the configuration is larger than the DTB; the guest than both */
		fake_fail_size = i ? sizeof(struct guest) : sizeof(struct vm_config);
		CHECK_EQ(call_vmid(VM_INIT, s.vmid), i ? RM_NORESOURCE : RM_NOMEM);
		fake_fail_size = 0;
		CHECK_EQ(vm_state_of(s.vmid), VM_STATE_INIT_FAILED);
		vm_gone(&s);
		check_clean();
		CHECK_EQ(rm_heap_used(), heap);
		CHECK_EQ(fake_allocated, allocated);
	}
}

static void no_memory_for_start(void)
{
	struct setup s;

	host_boot();
	s = vm_ready(&good_dt);
	/* for the device tree */
	fake_fail_size = 0x8000;
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_NORESOURCE);
	fake_fail_size = 0;
	vm_gone(&s);
	/* for the guest's stage 2 */
	s = vm_ready(&good_dt);
	fake_fail_map = 1;
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_NORESOURCE);
	/* nothing was accepted */
	CHECK_EQ(reclaim(s.handle), 0);
	reset(s.vmid);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s.vmid), 0);
	check_clean();
}

static void no_memory_for_scattered_image(void)
{
	struct setup s;
	struct sgl rest[4];
	struct create c = {
		.flags = 2,
		.n_acl = 1,
		.acl = { { 0x80, 7, 0 } },
		.n_sgl = 1,
		.sgl = { { IMAGE_IPA, 0x10000 } },
	};

	host_boot();
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s = (struct setup){ .vmid = 0x80, .size = 0x10000, .dtb_size = 0x10000 };
	dt_build(&good_dt, IMAGE_IPA);
	for (u32 i = 0; i < 4; i++)
		rest[i] = (struct sgl){ SHARED_IPA + i * 0x10000, 0x1000 };
	CHECK_EQ(mem_call(MEM_LEND, &c, &s.handle), 0);
	CHECK_EQ(append(s.handle, 1, rest, 4), 0);
	CHECK_EQ(config(&s), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	/* the fourth of five ranges */
	fake_fail_map = 4;
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_NORESOURCE);
	CHECK_EQ(guest_of(s.vmid)->n_maps, 1);
	CHECK_EQ(reclaim(s.handle), 0);
}

static void unfinished_image(void)
{
	struct setup s;
	struct create c = {
		.flags = 2,
		.n_acl = 1,
		.acl = { { 0x80, 7, 0 } },
		.n_sgl = 1,
		.sgl = { { IMAGE_IPA, 0x10000 } },
	};

	host_boot();
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s = (struct setup){ .vmid = 0x80, .size = 0x10000, .dtb_size = 0x10000 };
	dt_build(&good_dt, IMAGE_IPA);
	CHECK_EQ(mem_call(MEM_LEND, &c, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), RM_MEM_INVALID);
	vm_gone(&s);
	check_clean();
}

const struct test vm_tests[] = {
	{ "vm_state_table", state_table },
	{ "vm_killer_deallocate_unknown", killer_deallocate_unknown },
	{ "vm_killer_reset_twice", killer_reset_twice },
	{ "vm_unknown_vmid", unknown_vmid },
	{ "vm_stuck_in_init", stuck_in_init },
	{ "vm_lost_vmid", lost_vmid },
	{ "vm_config_checks", config_checks },
	{ "vm_image_of_another_vm", image_of_another_vm },
	{ "vm_vmid_pool", vmid_pool },
	{ "vm_virq_pool", virq_pool },
	{ "vm_resources", resources },
	{ "vm_source_can_clear", source_can_clear },
	{ "vm_start", start },
	{ "vm_scattered_image", scattered_image },
	{ "vm_image_parcel_rules", image_parcel_rules },
	{ "vm_second_private_parcel", second_private_parcel },
	{ "vm_image_gone_before_start", image_gone_before_start },
	{ "vm_exits", exits },
	{ "vm_forced_stop", forced_stop },
	{ "vm_exit_races_with_stop", exit_races_with_stop },
	{ "vm_reset_orders", reset_orders },
	{ "vm_reset_takes_turns", reset_takes_turns },
	{ "vm_no_peer_after_reset", no_peer_after_reset },
	{ "vm_no_leaks", no_leaks },
	{ "vm_no_capability_left", no_capability_left },
	{ "vm_no_memory_for_init", no_memory_for_init },
	{ "vm_no_memory_for_start", no_memory_for_start },
	{ "vm_no_memory_for_scattered_image", no_memory_for_scattered_image },
	{ "vm_unfinished_image", unfinished_image },
	{ }
};

// SPDX-License-Identifier: GPL-2.0-only
/* The host's end of the RPC, device trees, and the usual sequences of calls. */
#include <libfdt.h>

#include "test.h"

struct note notes[4096];
u32 n_notes;
u32 reply_order;
u8 reply_data[16384];
u32 reply_len;
u32 reply_packets;
u16 reply_seq;
u32 n_replies;
u32 tx_waits;

static u64 tx_cap, rx_cap;
static u32 n_messages;
static u16 next_seq = 0x1234;
static u32 reply_error;

static struct {
	u8 data[16384];
	u32 len;
	u32 left;
	u32 packets;
	u32 id;
	u16 seq;
	u8 type;
	u8 count;
} in;

void host_boot(void)
{
	plat_mem(RAM_BASE);
	fake_boot_random();
	rm_init();
	rpc_host_caps(&tx_cap, &rx_cap);
}

u64 host_packet(const void *packet, size_t size, bool *not_full)
{
	u64 err = msgqueue_hyp_send(tx_cap, packet, size, true, not_full);

	rm_poll();
	return err;
}

static void message_in(void)
{
	n_messages++;
	if (in.type == 2) {
		n_replies++;
		reply_error = in.len >= 4 ? get32(in.data) : NO_REPLY;
		reply_len = in.len >= 4 ? in.len - 4 : 0;
		memcpy(reply_data, in.data + 4, reply_len);
		reply_order = n_messages;
		reply_packets = in.packets;
		reply_seq = in.seq;
		return;
	}
	CHECK_EQ(in.type, 3);
	if (n_notes == 4096)
		return;
	notes[n_notes] = (struct note){ in.id, in.seq, n_messages, in.len, { 0 } };
	memcpy(notes[n_notes].data, in.data, in.len < 64 ? in.len : 64);
	n_notes++;
}

void host_drain(void)
{
	bool empty = false;

	for (;;) {
		u8 packet[240];
		size_t size = sizeof(packet);
		bool not_empty;
		u64 err = msgqueue_hyp_recv(rx_cap, packet, &size, &not_empty);

		rm_poll();

		if (err) {
			CHECK_EQ(err, ERR_MSGQUEUE_EMPTY);
			/* rm_poll() may have sent something since */
			if (empty)
				return;
			empty = true;
			continue;
		}
		empty = false;
		CHECK(size >= 8);
		CHECK_EQ(packet[0], 0x21);
		if (packet[1] & 3) {
			CHECK_EQ(in.left, 0);
			in.type = packet[1] & 3;
			in.count = packet[1] >> 2;
			in.left = in.count + 1u;
			in.len = 0;
			in.packets = 0;
			in.seq = get16(packet + 2);
			in.id = get32(packet + 4);
		}
		CHECK(in.left);
		CHECK_EQ(packet[1] >> 2, in.count);
		CHECK_EQ(get16(packet + 2), in.seq);
		CHECK_EQ(get32(packet + 4), in.id);
		memcpy(in.data + in.len, packet + 8, size - 8);
		in.len += (u32)size - 8;
		in.packets++;
		if (--in.left)
			CHECK_EQ(size, 240);
		else
			message_in();
	}
}

static void run(u64 us, bool read)
{
	u64 end = fake_now + us;

	for (;;) {
		u64 due;

		rm_poll();
		if (read)
			host_drain();
		due = rm_deadline_us();
		if (due > end)
			break;
		if (due > fake_now)
			fake_now = due;
		else
			fake_now++;
	}
	fake_now = end;
}

void host_run(u64 us)
{
	run(us, true);
}

void host_run_deaf(u64 us)
{
	run(us, false);
}

void host_send(u32 id, u16 seq, const void *data, size_t len)
{
	u32 count = len ? (u32)((len - 1) / 232) : 0;
	const u8 *d = data;
	size_t pos = 0;

	for (u32 i = 0; i <= count; i++) {
		size_t size = len - pos < 232 ? len - pos : 232;
		u8 packet[240] = { 0x21, (u8)((i ? 0 : 1) | count << 2) };
		bool not_full;
		u64 err;

		put16(packet + 2, seq);
		put32(packet + 4, id);
		if (size)
			memcpy(packet + 8, d + pos, size);
		for (;;) {
			u32 before = fake_virqs[0];

			err = host_packet(packet, size + 8, &not_full);
			if (err != ERR_MSGQUEUE_FULL)
				break;
			tx_waits++;
			/* As a driver does: sleep until the interrupt. */
			for (u32 n = 0; n < 1000 && fake_virqs[0] == before; n++) {
				fake_now += 10;
				rm_poll();
			}
			CHECK_EQ(fake_virqs[0], before + 1);
		}
		CHECK_EQ(err, 0);
		pos += size;
	}
}

u32 call(u32 id, const void *data, size_t len)
{
	u32 before = n_replies;
	u16 seq = next_seq++;
	u64 limit = fake_now + 1000000;

	host_send(id, seq, data, len);
	while (n_replies == before && fake_now < limit) {
		u64 due = rm_deadline_us();

		fake_now = due > fake_now && due < limit ? due : fake_now + 1;
		if (due == ~0UL)
			fake_now = limit;
		rm_poll();
		host_drain();
	}
	if (n_replies == before)
		return NO_REPLY;
	CHECK_EQ(reply_seq, seq);
	return reply_error;
}

u32 call_vmid(u32 id, u16 vmid)
{
	u8 data[4] = { 0 };

	put16(data, vmid);
	return call(id, data, sizeof(data));
}

u32 vm_state_of(u16 vmid)
{
	CHECK_EQ(call_vmid(VM_GET_STATE, vmid), 0);
	CHECK_EQ(reply_len, 4);
	return get32(reply_data);
}

struct note *find_note(u32 id, u32 from)
{
	for (u32 i = from; i < n_notes; i++)
		if (notes[i].id == id)
			return &notes[i];
	return NULL;
}

struct note *find_status(u16 vmid, u8 state, u32 from)
{
	for (u32 i = from; i < n_notes; i++)
		if (notes[i].id == VM_STATUS && get16(notes[i].data) == vmid &&
		    notes[i].data[4] == state)
			return &notes[i];
	return NULL;
}

/* --- memory ----------------------------------------------------------------- */

static u8 *put_list(u8 *p, const void *list, u32 n, size_t size)
{
	put16(p, (u16)n);
	put16(p + 2, 0);
	if (n)
		memcpy(p + 4, list, n * size);
	return p + 4 + n * size;
}

u32 mem_call(u32 id, const struct create *c, u32 *handle)
{
	static u8 msg[32768];
	u8 *p = msg + 8;
	u32 err;

	memset(msg, 0, sizeof(msg));
	msg[0] = c->type;
	msg[2] = c->flags;
	put32(msg + 4, c->label);
	p = put_list(p, c->acl, c->n_acl, sizeof(c->acl[0]));
	p = put_list(p, c->sgl, c->n_sgl, sizeof(c->sgl[0]));
	if (!c->no_attr_list)
		p = put_list(p, c->attr, c->n_attr, sizeof(c->attr[0]));
	err = call(id, msg, (size_t)(p - msg) + c->extra);
	if (!err) {
		CHECK_EQ(reply_len, 4);
		if (handle)
			*handle = get32(reply_data);
	}
	return err;
}

u32 lend(u16 vmid, u32 label, u64 ipa, u64 size, u32 *handle)
{
	struct create c = {
		.label = label,
		.n_acl = 1,
		.acl = { { vmid, 7, 0 } },
		.n_sgl = 1,
		.sgl = { { ipa, size } },
	};

	return mem_call(MEM_LEND, &c, handle);
}

u32 reclaim(u32 handle)
{
	u8 msg[8] = { 0 };

	put32(msg, handle);
	return call(MEM_RECLAIM, msg, sizeof(msg));
}

u32 append(u32 handle, u8 flags, const struct sgl *sgl, u32 n)
{
	static u8 msg[16384];

	memset(msg, 0, sizeof(msg));
	put32(msg, handle);
	msg[4] = flags;
	return call(MEM_APPEND, msg,
		    (size_t)(put_list(msg + 8, sgl, n, sizeof(*sgl)) - msg));
}

/* --- device trees ---------------------------------------------------------------- */

const struct dt good_dt = {
	.base = 0x80000000,
	.image_name = "test",
	.affinity = "proxy",
	.cpus = 1,
	.cpu_method = "psci",
	.gicd = 0x3fff0000,
};

#define DO(x) do {							\
	int err_ = (x);							\
									\
	if (err_ < 0) {							\
		printf("# %s: %d\n", #x, err_);				\
		exit(1);						\
	}								\
} while (0)

static void u64_prop(void *fdt, int node, const char *name, u64 a, u64 b, bool two)
{
	fdt64_t v[2] = { cpu_to_fdt64(a), cpu_to_fdt64(b) };

	DO(fdt_setprop(fdt, node, name, v, two ? 16 : 8));
}

static int sub(void *fdt, int parent, const char *name)
{
	int node = fdt_add_subnode(fdt, parent, name);

	DO(node);
	return node;
}

static void build_cpus(void *fdt, const struct dt *dt)
{
	int cpus = sub(fdt, 0, "cpus");
	char name[16];

	DO(fdt_setprop_u32(fdt, cpus, "#address-cells", 1));
	DO(fdt_setprop_u32(fdt, cpus, "#size-cells", 0));
	for (u32 i = dt->cpus; i-- > 0; ) {
		int cpu;

		snprintf(name, sizeof(name), "cpu@%u", i);
		cpu = sub(fdt, cpus, name);
		DO(fdt_setprop_string(fdt, cpu, "device_type", "cpu"));
		DO(fdt_setprop_u32(fdt, cpu, "reg", i));
		if (dt->cpu_method)
			DO(fdt_setprop_string(fdt, cpu, "enable-method", dt->cpu_method));
		if (i == 1 && dt->cpu1_status)
			DO(fdt_setprop_string(fdt, cpu, "status", dt->cpu1_status));
	}
}

static void build_vdevs(void *fdt, int config, const struct dt *dt)
{
	int vdevs = sub(fdt, config, "vdevices");
	char name[64];
	int node;

	/* libfdt puts each new node before the others */
	for (u32 i = dt->doorbells; i-- > 0; ) {
		fdt32_t irq[3] = { 0, cpu_to_fdt32(16 + i), cpu_to_fdt32(1) };

		snprintf(name, sizeof(name), "bell-%u", i);
		node = sub(fdt, vdevs, name);
		DO(fdt_setprop_string(fdt, node, "vdevice-type", "doorbell"));
		snprintf(name, sizeof(name), "/hypervisor/bell-%u", i);
		DO(fdt_setprop_string(fdt, node, "generate", name));
		if (!dt->no_label)
			DO(fdt_setprop_u32(fdt, node, "qcom,label", i + 100));
		DO(fdt_setprop_empty(fdt, node, "peer-default"));
		if (dt->source_can_clear)
			DO(fdt_setprop_empty(fdt, node, "source-can-clear"));
		/* the last one leaves the interrupt to RM */
		if (i + 1 < dt->doorbells || i == 0)
			DO(fdt_setprop(fdt, node, "interrupts", irq, sizeof(irq)));
	}
	if (dt->shm_label) {
		node = sub(fdt, vdevs, "shm-0");
		DO(fdt_setprop_string(fdt, node, "vdevice-type", "shm"));
		DO(fdt_setprop_string(fdt, node, "generate", "/hypervisor/shm-0"));
		DO(fdt_setprop_string(fdt, node, "push-compatible", "test,shared"));
		DO(fdt_setprop_empty(fdt, node, "peer-default"));
		node = sub(fdt, node, "memory");
		DO(fdt_setprop_u32(fdt, node, "qcom,label", dt->shm_label));
		if (dt->shm_base)
			u64_prop(fdt, node, "base", dt->shm_base, 0, false);
		else
			DO(fdt_setprop_empty(fdt, node, "allocate-base"));
	}
	if (dt->vdev_type) {
		node = sub(fdt, vdevs, "other");
		DO(fdt_setprop_string(fdt, node, "vdevice-type", dt->vdev_type));
	}
}

u32 dt_build(const struct dt *dt, u64 ipa)
{
	static u8 fdt[0x40000];
	int config, node;

	DO(fdt_create_empty_tree(fdt, sizeof(fdt)));
	DO(fdt_setprop_u32(fdt, 0, "#address-cells", 2));
	DO(fdt_setprop_u32(fdt, 0, "#size-cells", 2));
	if (dt->padding) {
		static u8 zeros[0x20000];

		DO(fdt_setprop(fdt, 0, "padding", zeros, (int)dt->padding));
	}
	if (!dt->no_chosen)
		sub(fdt, 0, "chosen");
	if (dt->hypervisor)
		sub(fdt, 0, "hypervisor");
	if (dt->memory_name) {
		node = sub(fdt, 0, dt->memory_name);
		DO(fdt_setprop_string(fdt, node, "device_type", "memory"));
	}
	if (dt->reserved_size) {
		char name[32];

		node = sub(fdt, 0, "reserved-memory");
		DO(fdt_setprop_u32(fdt, node, "#address-cells", 2));
		DO(fdt_setprop_u32(fdt, node, "#size-cells", 2));
		DO(fdt_setprop_empty(fdt, node, "ranges"));
		snprintf(name, sizeof(name), "shared@%lx", dt->reserved_base);
		node = sub(fdt, node, name);
		u64_prop(fdt, node, "reg", dt->reserved_base, dt->reserved_size, true);
		if (dt->reserved_label)
			DO(fdt_setprop_u32(fdt, node, "qcom,label", dt->reserved_label));
	}
	if (!dt->no_psci) {
		node = sub(fdt, 0, "psci");
		DO(fdt_setprop_string(fdt, node, "compatible", "arm,psci-1.0"));
	}
	node = sub(fdt, 0, "gic");
	DO(fdt_setprop_string(fdt, node, "compatible", "arm,gic-v3"));
	DO(fdt_setprop_u32(fdt, node, "#interrupt-cells", 3));
	DO(fdt_setprop_empty(fdt, node, "interrupt-controller"));
	if (!dt->gic_without_reg) {
		u64 gicr_size = 0x20000UL * dt->cpus;
		fdt64_t reg[4] = {
			cpu_to_fdt64(dt->gicd), cpu_to_fdt64(0x10000),
			cpu_to_fdt64(dt->gicd - gicr_size), cpu_to_fdt64(gicr_size),
		};

		DO(fdt_setprop(fdt, node, "reg", reg, sizeof(reg)));
	}
	build_cpus(fdt, dt);

	if (!dt->no_config) {
		config = sub(fdt, 0, "gunyah-vm-config");
		DO(fdt_setprop_u32(fdt, config, "#address-cells",
				   dt->address_cells ? dt->address_cells : 2));
		DO(fdt_setprop_u32(fdt, config, "#size-cells", 2));
		if (dt->image_name)
			DO(fdt_setprop_string(fdt, config, "image-name", dt->image_name));
		build_vdevs(fdt, config, dt);
		node = sub(fdt, config, "memory");
		u64_prop(fdt, node, "base-address", dt->base, 0, false);
		node = sub(fdt, config, "vcpus");
		if (dt->affinity)
			DO(fdt_setprop_string(fdt, node, "affinity", dt->affinity));
		if (!dt->no_gic) {
			node = sub(fdt, config, "interrupts");
			DO(fdt_setprop_string(fdt, node, "config", "/gic"));
		}
	}
	DO(fdt_pack(fdt));
	memcpy(plat_mem(ipa), fdt, fdt_totalsize(fdt));
	return fdt_totalsize(fdt);
}

/* --- VMs ------------------------------------------------------------------------------ */

u32 config(const struct setup *s)
{
	u8 msg[40] = { 0 };

	put16(msg, s->vmid);
	put16(msg + 2, s->auth);
	put32(msg + 4, s->handle);
	put32(msg + 16, (u32)s->size);
	put32(msg + 24, (u32)s->dtb_offset);
	put32(msg + 32, (u32)s->dtb_size);
	return call(VM_CONFIG_IMAGE, msg, sizeof(msg));
}

struct setup vm_configured(const struct dt *dt)
{
	struct setup s = {
		.ipa = IMAGE_IPA,
		.size = IMAGE_SIZE,
		.dtb_offset = DTB_OFFSET,
		.dtb_size = DTB_SIZE,
	};

	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(reply_len, 4);
	s.vmid = (u16)get32(reply_data);
	dt_build(dt, s.ipa + s.dtb_offset);
	CHECK_EQ(lend(s.vmid, 0, s.ipa, s.size, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	return s;
}

struct setup vm_ready(const struct dt *dt)
{
	struct setup s = vm_configured(dt);

	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	return s;
}

struct setup vm_running(const struct dt *dt)
{
	struct setup s = vm_ready(dt);

	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	return s;
}

struct guest *guest_of(u16 vmid)
{
	for (u32 i = 0; i < 64; i++)
		if (fake_guests[i] && fake_guests[i]->vmid == vmid)
			return fake_guests[i];
	return NULL;
}

u32 stop(u16 vmid, u8 flags)
{
	u8 msg[8] = { 0 };

	put16(msg, vmid);
	msg[2] = flags;
	put32(msg + 4, 3);
	return call(VM_STOP, msg, sizeof(msg));
}

void reset(u16 vmid)
{
	u32 before = n_notes;

	CHECK_EQ(call_vmid(VM_RESET, vmid), 0);
	host_run(50000);
	CHECK(find_status(vmid, VM_STATE_RESET, before));
}

void vm_gone(const struct setup *s)
{
	u32 state = vm_state_of(s->vmid);

	if (state == VM_STATE_RUNNING) {
		CHECK_EQ(stop(s->vmid, 1), 0);
		state = VM_STATE_EXITED;
	}
	if (state != VM_STATE_RESET)
		reset(s->vmid);
	CHECK_EQ(reclaim(s->handle), 0);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, s->vmid), 0);
}

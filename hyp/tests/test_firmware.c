// SPDX-License-Identifier: GPL-2.0-only
/* hyp.firmware=new: what later resource managers do otherwise */
#include "test.h"

static u32 set_reg(u16 vmid, u8 set, u8 index, u64 value)
{
	u8 req[16] = { 0 };

	put16(req, vmid);
	req[2] = set;
	req[3] = index;
	put32(req + 8, (u32)value);
	put32(req + 12, (u32)(value >> 32));
	return call(VM_SET_BOOT_CONTEXT, req, sizeof(req));
}

static void boot_new(void)
{
	fake_option("firmware", "new");
	host_boot();
}

static void not_in_2023(void)
{
	struct setup s;

	fake_option("firmware", "2023");
	host_boot();
	CHECK(!rm_firmware_is_new());
	s = vm_ready(&good_dt);
	CHECK_EQ(set_reg(s.vmid, 0, 0, 1), RM_UNIMPLEMENTED);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(get32(reply_data), 1);
}

static void boot_context(void)
{
	u8 req[17] = { 0x80 };
	struct setup s;
	struct guest *g;

	boot_new();
	CHECK_EQ(set_reg(0x80, 0, 0, 1), RM_VMID_INVALID);
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	CHECK_EQ(set_reg(0x80, 0, 0, 1), RM_VM_STATE);
	CHECK_EQ(call_vmid(VM_DEALLOCATE, 0x80), 0);

	s = vm_ready(&good_dt);
	g = guest_of(s.vmid);
	CHECK_EQ(set_reg(s.vmid, 0, 0, 0x123456789abcdef0), 0);
	CHECK_EQ(set_reg(s.vmid, 0, 30, 30), 0);
	CHECK_EQ(set_reg(s.vmid, 1, 0, 0x80000044), 0);
	CHECK_EQ(set_reg(s.vmid, 2, 1, 0x81000000), 0);
	CHECK_EQ(set_reg(s.vmid, 0, 31, 0), RM_ARGUMENT_INVALID);
	CHECK_EQ(set_reg(s.vmid, 3, 0, 0), RM_ARGUMENT_INVALID);
	CHECK_EQ(call(VM_SET_BOOT_CONTEXT, req, 15), RM_MSG_INVALID);
	CHECK_EQ(call(VM_SET_BOOT_CONTEXT, req, 17), RM_MSG_INVALID);
	req[4] = 1;
	CHECK_EQ(call(VM_SET_BOOT_CONTEXT, req, 16), RM_ARGUMENT_INVALID);
	CHECK_EQ(g->boot[0][0], 0x123456789abcdef0);
	CHECK_EQ(g->boot[0][30], 30);
	CHECK_EQ(g->boot[1][0], 0x80000044);
	CHECK_EQ(g->boot[2][1], 0x81000000);

	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	CHECK_EQ(set_reg(s.vmid, 0, 0, 1), RM_VM_STATE);
	vm_gone(&s);
}

static void resources(void)
{
	struct dt dt = good_dt;
	struct setup s;
	void *object;

	boot_new();
	dt.doorbells = 1;
	s = vm_ready(&dt);
	CHECK_EQ(call_vmid(VM_GET_HYP_RESOURCES, s.vmid), 0);
	CHECK_EQ(get32(reply_data), 7);
	for (u32 i = 0; i < 5; i++) {
		const u8 *e = reply_data + 4 + (2 + i) * 44;

		CHECK_EQ(e[0], i ? 9 : 10);
		CHECK_EQ(get32(e + 8), i ? i - 1 : 0);
		CHECK_EQ(get32(e + 24), 0);
		/* there, but no vCPU */
		CHECK_EQ(cap_lookup(get64(e + 12), CAP_VCPU, 0, &object), 52);
	}
	CHECK_EQ(rm_debug(0x23, 0, 0), 2 + 7);
	vm_gone(&s);
	CHECK_EQ(rm_debug(0x23, 0, 0), 2);
}

/* INIT fails for want of each of the capabilities, and nothing stays behind. */
static void no_capability_left(void)
{
	struct setup s;
	u64 id[1024];
	u32 n = 0;

	boot_new();
	while (cap_create(CAP_MEMEXTENT, 0, NULL, &id[n]))
		n++;
	for (u32 free = 0; free <= 6; free++) {
		for (u32 i = 0; i < free; i++)
			cap_delete(id[--n]);
		s = vm_configured(&good_dt);
		CHECK_EQ(call_vmid(VM_INIT, s.vmid), free < 6 ? RM_NORESOURCE : 0);
		vm_gone(&s);
		CHECK_EQ(cap_count(), n + 2);
		while (cap_create(CAP_MEMEXTENT, 0, NULL, &id[n]))
			n++;
	}
}

const struct test firmware_tests[] = {
	{ "firmware_not_in_2023", not_in_2023 },
	{ "firmware_boot_context", boot_context },
	{ "firmware_resources", resources },
	{ "firmware_no_capability_left", no_capability_left },
	{ }
};

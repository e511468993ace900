// SPDX-License-Identifier: GPL-2.0-only
/* Device trees: what INIT and START reject, what START writes, the host's own. */
#include <libfdt.h>

#include "test.h"

#define SHARED_IPA	0x42000000UL

/* --- rejections ------------------------------------------------------------------- */

struct verdict {
	u32 init;
	u32 start;
};

static struct verdict try(const struct dt *dt, u64 dtb_offset, u64 dtb_size)
{
	struct verdict v = { 0 };
	struct setup s = {
		.ipa = IMAGE_IPA,
		.size = IMAGE_SIZE,
		.dtb_offset = dtb_offset,
		.dtb_size = dtb_size,
	};

	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s.vmid = (u16)get32(reply_data);
	if (dt)
		dt_build(dt, s.ipa + dtb_offset);
	else
		memset(plat_mem(s.ipa + dtb_offset), 0x55, 0x1000);
	CHECK_EQ(lend(s.vmid, 0, s.ipa, s.size, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	v.init = call_vmid(VM_INIT, s.vmid);
	CHECK_EQ(vm_state_of(s.vmid), v.init ? VM_STATE_INIT_FAILED : VM_STATE_READY);
	if (!v.init) {
		v.start = call_vmid(VM_START, s.vmid);
		CHECK_EQ(vm_state_of(s.vmid),
			 v.start ? VM_STATE_INIT_FAILED : VM_STATE_RUNNING);
	}
	vm_gone(&s);
	CHECK_EQ(virq_count(), 2);
	CHECK_EQ(cap_count(), 2);
	return v;
}

static void expect(const char *what, struct dt dt, u32 init, u32 start)
{
	struct verdict v = try(&dt, DTB_OFFSET, DTB_SIZE);

	if (v.init == init && v.start == start)
		return;
	printf("# %s: INIT 0x%x START 0x%x, expected 0x%x 0x%x\n", what, v.init, v.start,
	       init, start);
	test_failed = true;
}

/* good_dt with a change */
#define WITH(...) ({ struct dt dt_ = good_dt; dt_.__VA_ARGS__; dt_; })

static void rejections(void)
{
	static const char long_name[] =
		"0123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789";
	struct dt dt;

	host_boot();
	expect("good", good_dt, 0, 0);
	expect("no vm-config", WITH(no_config = true), RM_MEM_INVALID, 0);
	expect("no image-name", WITH(image_name = NULL), RM_MEM_INVALID, 0);
	expect("image-name of 80", WITH(image_name = long_name), RM_MEM_INVALID, 0);
	expect("image-name of 79", WITH(image_name = long_name + 1), 0, 0);
	expect("memory@", WITH(memory_name = "memory@80000000"), RM_MEM_INVALID, 0);
	expect("/memory", WITH(memory_name = "memory"), 0, 0);
	expect("no /chosen", WITH(no_chosen = true), 0, RM_NORESOURCE);
	expect("/hypervisor", WITH(hypervisor = true), 0, RM_NORESOURCE);
	expect("no affinity", WITH(affinity = NULL), RM_MEM_INVALID, 0);
	expect("affinity static", WITH(affinity = "static"), RM_MEM_INVALID, 0);
	expect("no cpu", WITH(cpus = 0), RM_MEM_INVALID, 0);
	expect("8 cpus", WITH(cpus = 8), 0, 0);
	expect("9 cpus", WITH(cpus = 9), RM_MEM_INVALID, 0);
	expect("boot cpu without enable-method", WITH(cpu_method = NULL), 0, 0);
	dt = WITH(cpu_method = NULL);
	dt.cpus = 2;
	expect("secondary without enable-method", dt, RM_MEM_INVALID, 0);
	dt.cpu_method = "spin-table";
	expect("spin-table", dt, RM_MEM_INVALID, 0);
	dt.cpu_method = "psci";
	dt.cpu1_status = "weird";
	expect("unknown status", dt, RM_MEM_INVALID, 0);
	dt.cpu1_status = "fail-sss";
	expect("failed cpu", dt, 0, 0);
	expect("no interrupts config", WITH(no_gic = true), 0, RM_NORESOURCE);
	expect("GIC without reg", WITH(gic_without_reg = true), 0, 0);
	expect("unaligned GIC", WITH(gicd = 0x3fff1000), RM_ARGUMENT_INVALID, 0);
	dt = WITH(doorbells = 1);
	expect("doorbell", dt, 0, 0);
	dt.no_label = true;
	expect("doorbell without label", dt, RM_MEM_INVALID, 0);
	expect("too many doorbells", WITH(doorbells = 33), RM_MEM_INVALID, 0);
	expect("unknown device", WITH(vdev_type = "vrtc-pl031"), 0, 0);
	dt = WITH(reserved_size = 0x10000);
	dt.reserved_base = 0x90000000;
	expect("reserved memory without a parcel", dt, 0, RM_NORESOURCE);
	dt.reserved_base = 0x80000000;
	dt.reserved_size = IMAGE_SIZE;
	expect("reserved memory that is the image", dt, 0, 0);
	expect("RAM at the info page", WITH(base = 0x40000000), 0, RM_NORESOURCE);
	expect("RAM behind it", WITH(base = 0x40200000), 0, 0);
	expect("RAM beyond 36 bits", WITH(base = 0xfffe00000), 0, RM_NORESOURCE);
	expect("RAM at the GIC", WITH(base = 0x3fe00000), 0, RM_NORESOURCE);
	/* in bytes these are the 8 of two cells again */
	expect("2^30 + 2 address cells", WITH(address_cells = 0x40000002), 0, 0);
	expect("unaligned RAM", WITH(base = 0x80000800), RM_MEM_INVALID, 0);
	expect("RAM not at 2 MiB", WITH(base = 0x80001000), 0, 0);
}

static void dtb_area(void)
{
	struct verdict v;

	host_boot();
	v = try(&good_dt, DTB_OFFSET + 0x100, DTB_SIZE);
	CHECK_EQ(v.init, RM_MEM_INVALID);
	v = try(&good_dt, DTB_OFFSET, 4104);
	CHECK_EQ(v.init, RM_MEM_INVALID);
	v = try(&good_dt, DTB_OFFSET, 0);
	CHECK_EQ(v.init, RM_MEM_INVALID);
	v = try(NULL, DTB_OFFSET, DTB_SIZE);
	CHECK_EQ(v.init, RM_MEM_INVALID);
	/* a page is enough for a small one */
	v = try(&good_dt, DTB_OFFSET, 0x1000);
	CHECK_EQ(v.init, 0);
	CHECK_EQ(v.start, 0);
}

static void dtb_slack(void)
{
	struct dt dt = good_dt;
	struct verdict v;
	u32 size;

	host_boot();
	/* fits as it is, but not with what RM adds */
	size = dt_build(&dt, IMAGE_IPA);
	dt.padding = (0x2000 - 64 - size) & ~3u;
	CHECK(dt_build(&dt, IMAGE_IPA) <= 0x2000);
	v = try(&dt, DTB_OFFSET, 0x2000);
	CHECK_EQ(v.init, 0);
	CHECK_EQ(v.start, RM_NORESOURCE);
	v = try(&dt, DTB_OFFSET, 0x3000);
	CHECK_EQ(v.start, 0);
	/* doesn't fit at all */
	v = try(&dt, DTB_OFFSET, 0x1000);
	CHECK_EQ(v.init, RM_MEM_INVALID);
	/* above 16 KiB: twice its size */
	dt.padding = 0x4000;
	v = try(&dt, DTB_OFFSET, 0x8000);
	CHECK_EQ(v.start, RM_NORESOURCE);
	v = try(&dt, DTB_OFFSET, 0xb000);
	CHECK_EQ(v.start, 0);
	dt.padding = 0x10000;
	v = try(&dt, DTB_OFFSET, 0x20000);
	CHECK_EQ(v.start, RM_NORESOURCE);
	v = try(&dt, DTB_OFFSET, 0x30000);
	CHECK_EQ(v.start, 0);
}

/* --- content -------------------------------------------------------------------------- */

static const void *result;

static int node(const char *path)
{
	int n = fdt_path_offset(result, path);

	if (n < 0) {
		printf("# no node %s\n", path);
		test_failed = true;
		n = 0;
	}
	return n;
}

static u32 cell(const char *path, const char *name, u32 i)
{
	int len = 0;
	const fdt32_t *v = fdt_getprop(result, node(path), name, &len);

	if (!v || len < (int)(i + 1) * 4) {
		printf("# %s/%s has no cell %u\n", path, name, i);
		test_failed = true;
		return 0;
	}
	return fdt32_to_cpu(v[i]);
}

static u64 cell64(const char *path, const char *name, u32 i)
{
	return (u64)cell(path, name, i) << 32 | cell(path, name, i + 1);
}

static bool has(const char *path, const char *name)
{
	return fdt_getprop(result, node(path), name, NULL);
}

static int length(const char *path, const char *name)
{
	int len = -1;

	fdt_getprop(result, node(path), name, &len);
	return len;
}

static bool compatible(const char *path, const char *name)
{
	return !fdt_node_check_compatible(result, node(path), name);
}

static void edits(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.doorbells = 2;
	dt.memory_name = "memory";
	s = vm_running(&dt);
	result = plat_mem(s.ipa + s.dtb_offset);
	CHECK_EQ(fdt_check_header(result), 0);
	CHECK_EQ(length("/chosen", "kaslr-seed"), 8);
	CHECK_EQ(cell64("/memory", "reg", 0), 0x80000000);
	CHECK_EQ(cell64("/memory", "reg", 2), IMAGE_SIZE);
	CHECK_EQ(length("/memory", "reg"), 16);
	CHECK(compatible("/vsoc", "simple-bus"));
	CHECK(has("/reserved-memory", "ranges"));
	CHECK_EQ(cell("/hypervisor", "#address-cells", 0), 2);
	CHECK_EQ(cell("/hypervisor", "#size-cells", 0), 0);
	CHECK(compatible("/hypervisor", "gunyah-hypervisor"));
	CHECK(compatible("/hypervisor", "qcom,gunyah-hypervisor-1.0"));
	CHECK(compatible("/hypervisor", "simple-bus"));
	CHECK_EQ(cell("/hypervisor/qcom,gunyah-vm", "qcom,vmid", 0), s.vmid);
	CHECK_EQ(cell("/hypervisor/qcom,gunyah-vm", "qcom,owner-vmid", 0), 3);
	CHECK(!strcmp(fdt_getprop(result, node("/hypervisor/qcom,gunyah-vm"),
				  "qcom,image-name", NULL), "test"));
	CHECK(compatible("/hypervisor/bell-0@0000000000000000", "qcom,gunyah-doorbell"));
	CHECK_EQ(cell("/hypervisor/bell-0@0000000000000000", "label", 0), 100);
	CHECK_EQ(cell("/hypervisor/bell-0@0000000000000000", "interrupts", 1), 16);
	CHECK_EQ(cell("/hypervisor/bell-1@0000000000000001", "interrupts", 0), 0);
	CHECK_EQ(cell("/hypervisor/bell-1@0000000000000001", "interrupts", 1), 0);
	CHECK_EQ(cell("/hypervisor/bell-1@0000000000000001", "interrupts", 2), 1);
	CHECK_EQ(cell("/hypervisor/bell-1@0000000000000001", "qcom,label", 0), 101);
	/* what was there stays there */
	CHECK(!strcmp(fdt_getprop(result, node("/cpus/cpu@0"), "enable-method", NULL),
		      "psci"));
}

static void gic_is_placed(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.gic_without_reg = true;
	dt.cpus = 3;
	s = vm_running(&dt);
	result = plat_mem(s.ipa + s.dtb_offset);
	CHECK_EQ(cell64("/gic", "reg", 0), guest_of(s.vmid)->gic.gicd_base);
	CHECK_EQ(cell64("/gic", "reg", 4), guest_of(s.vmid)->gic.gicr_base);
	CHECK_EQ(cell64("/gic", "reg", 6), 0x60000);
	CHECK(guest_of(s.vmid)->gic.gicr_base < 0x40000000);
}

static const struct mapping *map_at(const struct guest *g, u64 ipa)
{
	for (u32 i = 0; i < g->n_maps; i++)
		if (g->map[i].ipa == ipa)
			return &g->map[i];
	return NULL;
}

static u32 share(u16 vmid, u32 label, u64 ipa, u64 size)
{
	struct create c = {
		.label = label,
		.n_acl = 2,
		.acl = { { vmid, 6, 0 }, { VMID_HOST, 6, 0 } },
		.n_sgl = 1,
		.sgl = { { ipa, size } },
	};
	u32 handle = 0;

	CHECK_EQ(mem_call(MEM_SHARE, &c, &handle), 0);
	return handle;
}

static void shared_parcels(void)
{
	static const char buffer[] = "/reserved-memory/buffer@40001000";
	static const char second[] = "/reserved-memory/buffer@40003000";
	struct dt dt = good_dt;
	const struct mapping *m;
	struct setup s;
	struct guest *g;
	u32 any, shm;

	host_boot();
	dt.shm_label = 33;
	dt.shm_base = 0xa0000000;
	dt.reserved_label = 44;
	dt.reserved_base = 0xb0000000;
	dt.reserved_size = 0x4000;
	s = vm_configured(&dt);
	any = share(s.vmid, 55, SHARED_IPA, 0x2000);
	shm = share(s.vmid, 33, SHARED_IPA + 0x10000, 0x3000);
	share(s.vmid, 44, SHARED_IPA + 0x20000, 0x4000);
	share(s.vmid, 66, SHARED_IPA + 0x30000, 0x1000);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	g = guest_of(s.vmid);
	result = plat_mem(s.ipa + s.dtb_offset);

	/* the address of the shm device */
	m = map_at(g, 0xa0000000);
	CHECK(m && m->pa == SHARED_IPA + 0x10000 && m->size == 0x3000 && m->rights == 6);
	CHECK(compatible("/reserved-memory/buffer@a0000000", "test,shared"));
	CHECK_EQ(cell("/reserved-memory/buffer@a0000000", "qcom,rm-mem-handle", 0), shm);
	CHECK_EQ(cell("/hypervisor/shm-0@0000000000000000", "memory-region", 0),
		 cell("/reserved-memory/buffer@a0000000", "phandle", 0));

	/* that of the guest's own node */
	m = map_at(g, 0xb0000000);
	CHECK(m && m->pa == SHARED_IPA + 0x20000);
	CHECK(has("/reserved-memory/shared@b0000000", "qcom,rm-mem-handle"));
	CHECK(fdt_path_offset(result, "/reserved-memory/buffer@b0000000") < 0);

	/* RM's choice: the lowest free one, behind the info page */
	m = map_at(g, 0x40001000);
	CHECK(m && m->pa == SHARED_IPA);
	CHECK_EQ(cell64(buffer, "reg", 0), 0x40001000);
	CHECK_EQ(cell64(buffer, "reg", 2), 0x2000);
	CHECK_EQ(cell(buffer, "qcom,label", 0), 55);
	CHECK_EQ(cell(buffer, "qcom,rm-mem-handle", 0), any);
	CHECK_EQ(cell(buffer, "peers", 0), s.vmid);
	CHECK_EQ(cell(buffer, "peers", 1), 3);
	CHECK(has(buffer, "no-map") && has(buffer, "qcom,shared-memory"));
	CHECK_EQ(cell(second, "qcom,label", 0), 66);

	/* /memory lists them all, sorted and merged */
	CHECK_EQ(length("/memory", "reg"), 4 * 16);
	CHECK_EQ(cell64("/memory", "reg", 0), 0x40001000);
	CHECK_EQ(cell64("/memory", "reg", 2), 0x3000);
	CHECK_EQ(cell64("/memory", "reg", 4), 0x80000000);
	CHECK_EQ(cell64("/memory", "reg", 8), 0xa0000000);
	CHECK_EQ(cell64("/memory", "reg", 12), 0xb0000000);
}

static void shm_that_overlaps(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.shm_label = 33;
	dt.shm_base = 0x80001000;
	s = vm_configured(&dt);
	share(s.vmid, 33, SHARED_IPA, 0x1000);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), RM_NORESOURCE);
}

static void shm_without_address(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.shm_label = 33;
	s = vm_configured(&dt);
	share(s.vmid, 33, SHARED_IPA, 0x1000);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	result = plat_mem(s.ipa + s.dtb_offset);
	CHECK(map_at(guest_of(s.vmid), 0x40001000));
	CHECK(compatible("/reserved-memory/buffer@40001000", "test,shared"));
}

static void labelled_image(void)
{
	struct setup s;

	/* An image parcel with a label is mapped, but as a no-map buffer too. */
	host_boot();
	CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
	s = (struct setup){ .vmid = 0x80, .ipa = IMAGE_IPA, .size = IMAGE_SIZE,
			    .dtb_size = DTB_SIZE };
	dt_build(&good_dt, s.ipa);
	CHECK_EQ(lend(s.vmid, 9, s.ipa, s.size, &s.handle), 0);
	CHECK_EQ(config(&s), 0);
	CHECK_EQ(call_vmid(VM_INIT, s.vmid), 0);
	CHECK_EQ(call_vmid(VM_START, s.vmid), 0);
	result = plat_mem(s.ipa);
	CHECK(has("/reserved-memory/buffer@80000000", "no-map"));
}

static void psci_or_not(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.no_psci = true;
	s = vm_running(&dt);
	CHECK(guest_of(s.vmid)->gic.no_psci);
	vm_gone(&s);
	/* a secondary that needs it is enough */
	dt.cpus = 2;
	s = vm_running(&dt);
	CHECK(!guest_of(s.vmid)->gic.no_psci);
	vm_gone(&s);
}

static void default_base(void)
{
	struct dt dt = good_dt;
	struct setup s;

	host_boot();
	dt.base = 0x28800000;
	s = vm_running(&dt);
	CHECK(map_at(guest_of(s.vmid), 0x28800000));
	vm_gone(&s);
	dt.base = 0x80001000;
	s = vm_running(&dt);
	CHECK(map_at(guest_of(s.vmid), 0x80200000));
}

/* --- the host's own -------------------------------------------------------------------- */

static u8 host_fdt[0x4000];

static void make_host_dt(void)
{
	u64 tx;

	host_boot();
	rpc_host_caps(&tx, &tx);
	CHECK_EQ(fdt_create_empty_tree(host_fdt, sizeof(host_fdt)), 0);
	CHECK(fdt_add_subnode(host_fdt, 0, "hypervisor") >= 0);
	CHECK_EQ(rm_host_dt(host_fdt), 0);
	result = host_fdt;
}

static void check_queues(const char *path)
{
	u64 tx, rx;

	rpc_host_caps(&tx, &rx);
	CHECK(compatible(path, "gunyah-resource-manager"));
	CHECK_EQ(length(path, "reg"), 16);
	CHECK_EQ(cell64(path, "reg", 0), tx);
	CHECK_EQ(cell64(path, "reg", 2), rx);
	CHECK_EQ(length(path, "interrupts"), 24);
	CHECK_EQ(cell(path, "interrupts", 1), 0x3a0);
	CHECK_EQ(cell(path, "interrupts", 4), 0x3a1);
	CHECK_EQ(cell(path, "interrupts", 2), 1);
}

static void host_tree_of_rm(void)
{
	char path[96];
	u64 tx, rx;

	make_host_dt();
	CHECK(!compatible("/hypervisor", "gunyah-hypervisor"));
	CHECK(compatible("/hypervisor", "qcom,gunyah-hypervisor"));
	CHECK(compatible("/hypervisor", "simple-bus"));
	CHECK_EQ(cell("/hypervisor", "#size-cells", 0), 0);
	CHECK_EQ(cell("/hypervisor/qcom,gunyah-vm", "qcom,vmid", 0), 3);
	rpc_host_caps(&tx, &rx);
	snprintf(path, sizeof(path), "/hypervisor/qcom,resource-manager-rpc@%016lx", tx);
	check_queues(path);
	CHECK(has(path, "qcom,is-full-duplex"));
	CHECK_EQ(cell(path, "qcom,free-irq-start", 0), 960);
	CHECK_EQ(cell(path, "qcom,tx-message-size", 0), 240);
	CHECK_EQ(cell(path, "qcom,rx-queue-depth", 0), 8);
}

static void host_tree_of_the_binding(void)
{
	fake_option("dt", "upstream");
	make_host_dt();
	CHECK(compatible("/hypervisor", "gunyah-hypervisor"));
	CHECK(!compatible("/hypervisor", "simple-bus"));
	check_queues("/hypervisor/gunyah-resource-mgr@0");
}

/* --- robustness ---------------------------------------------------------------------------- */

static void random_damage(void)
{
	struct dt dt = good_dt;
	u32 accepted = 0;

	host_boot();
	dt.cpus = 2;
	dt.doorbells = 3;
	dt.shm_label = 5;
	for (u32 i = 0; i < 1500; i++) {
		struct setup s = {
			.ipa = IMAGE_IPA,
			.size = IMAGE_SIZE,
			.dtb_offset = DTB_OFFSET,
			.dtb_size = DTB_SIZE,
		};
		u32 size = dt_build(&dt, s.ipa + s.dtb_offset);
		u8 *p = plat_mem(s.ipa + s.dtb_offset);

		for (u32 n = (u32)rm_random(1, 6); n; n--)
			p[rm_random(0, size - 1)] = (u8)rm_random(0, 255);
		n_notes = 0;
		CHECK_EQ(call_vmid(VM_ALLOCATE, 0), 0);
		s.vmid = (u16)get32(reply_data);
		CHECK_EQ(lend(s.vmid, 0, s.ipa, s.size, &s.handle), 0);
		CHECK_EQ(config(&s), 0);
		if (!call_vmid(VM_INIT, s.vmid))
			accepted += !call_vmid(VM_START, s.vmid);
		vm_gone(&s);
		CHECK_EQ(vm_count() + parcel_count(), 0);
		CHECK_EQ(cap_count(), 2);
	}
	CHECK(accepted > 100);
}

const struct test dt_tests[] = {
	{ "dt_rejections", rejections },
	{ "dt_dtb_area", dtb_area },
	{ "dt_dtb_slack", dtb_slack },
	{ "dt_edits", edits },
	{ "dt_gic_is_placed", gic_is_placed },
	{ "dt_shared_parcels", shared_parcels },
	{ "dt_shm_that_overlaps", shm_that_overlaps },
	{ "dt_shm_without_address", shm_without_address },
	{ "dt_labelled_image", labelled_image },
	{ "dt_psci_or_not", psci_or_not },
	{ "dt_default_base", default_base },
	{ "dt_host_tree_of_rm", host_tree_of_rm },
	{ "dt_host_tree_of_the_binding", host_tree_of_the_binding },
	{ "dt_random_damage", random_damage },
	{ }
};

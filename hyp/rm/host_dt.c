// SPDX-License-Identifier: GPL-2.0-only
/* The host's own device tree: how it finds the resource manager. */
#include <libfdt.h>
#include <string.h>

#include "rm.h"

static int set_u32(void *fdt, int node, const char *name, u32 value)
{
	return fdt_setprop_u32(fdt, node, name, value);
}

/* TX first, in both properties; the SPIs are edge triggered. */
static int add_queues(void *fdt, int node)
{
	fdt64_t reg[2];
	fdt32_t irq[6];
	u64 tx, rx;
	int err;

	rpc_host_caps(&tx, &rx);
	reg[0] = cpu_to_fdt64(tx);
	reg[1] = cpu_to_fdt64(rx);
	for (u32 i = 0; i < 2; i++) {
		irq[i * 3] = cpu_to_fdt32(0);
		irq[i * 3 + 1] = cpu_to_fdt32(HOST_VIRQ_BASE - 32 + i);
		irq[i * 3 + 2] = cpu_to_fdt32(1);
	}
	err = fdt_setprop(fdt, node, "reg", reg, sizeof(reg));
	if (!err)
		err = fdt_setprop(fdt, node, "interrupts", irq, sizeof(irq));
	return err;
}

static int upstream_form(void *fdt, int hyp)
{
	int node;
	int err;

	err = fdt_setprop_string(fdt, hyp, "compatible", "gunyah-hypervisor");
	if (err)
		return err;
	node = fdt_add_subnode(fdt, hyp, "gunyah-resource-mgr@0");
	if (node < 0)
		return node;
	err = fdt_setprop_string(fdt, node, "compatible", "gunyah-resource-manager");
	return err ? err : add_queues(fdt, node);
}

static int add_vm_node(void *fdt, int hyp)
{
	static const char compatible[] = "qcom,gunyah-vm-id-1.0\0qcom,gunyah-vm-id";
	int node = fdt_add_subnode(fdt, hyp, "qcom,gunyah-vm");
	int err;

	if (node < 0)
		return node;
	err = fdt_setprop(fdt, node, "compatible", compatible, sizeof(compatible));
	if (!err)
		err = set_u32(fdt, node, "qcom,vmid", VMID_HOST);
	return err ? err : fdt_setprop_string(fdt, node, "qcom,vendor", "Qualcomm");
}

static int rm_form(void *fdt, int hyp)
{
	/* "gunyah-hypervisor" is missing in the primary VM's node. */
	static const char hyp_compatible[] =
		"qcom,gunyah-hypervisor-1.0\0qcom,gunyah-hypervisor\0simple-bus";
	static const char rpc_compatible[] =
		"gunyah-resource-manager\0qcom,resource-manager-1-0\0"
		"qcom,resource-manager";
	static const struct {
		const char *name;
		u32 value;
	} numbers[] = {
		{ "qcom,free-irq-start", HOST_VIRQ_BASE },
		{ "qcom,tx-message-size", MSGQUEUE_SIZE },
		{ "qcom,rx-message-size", MSGQUEUE_SIZE },
		{ "qcom,tx-queue-depth", MSGQUEUE_DEPTH },
		{ "qcom,rx-queue-depth", MSGQUEUE_DEPTH },
	};
	char name[64] = "qcom,resource-manager-rpc@";
	char *digit = name + strlen(name);
	int node, err;
	u64 tx, rx;

	err = fdt_setprop(fdt, hyp, "compatible", hyp_compatible, sizeof(hyp_compatible));
	if (!err)
		err = add_vm_node(fdt, hyp);
	if (err)
		return err;

	rpc_host_caps(&tx, &rx);
	for (int shift = 60; shift >= 0; shift -= 4)
		*digit++ = "0123456789abcdef"[(tx >> shift) & 0xf];
	node = fdt_add_subnode(fdt, hyp, name);
	if (node < 0)
		return node;
	err = fdt_setprop(fdt, node, "compatible", rpc_compatible, sizeof(rpc_compatible));
	if (!err)
		err = add_queues(fdt, node);
	if (!err)
		err = fdt_setprop_empty(fdt, node, "qcom,is-full-duplex");
	for (u32 i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !err; i++)
		err = set_u32(fdt, node, numbers[i].name, numbers[i].value);
	return err;
}

int rm_host_dt(void *fdt)
{
	const char *form = plat_option("dt");
	int hyp = fdt_path_offset(fdt, "/hypervisor");
	int err;

	if (hyp >= 0) {
		err = fdt_del_node(fdt, hyp);
		if (err)
			return err;
	}
	hyp = fdt_add_subnode(fdt, 0, "hypervisor");
	if (hyp < 0)
		return hyp;
	err = set_u32(fdt, hyp, "#address-cells", 2);
	if (!err)
		err = set_u32(fdt, hyp, "#size-cells", 0);
	if (err)
		return err;
	if (form && !strcmp(form, "upstream"))
		return upstream_form(fdt, hyp);
	return rm_form(fdt, hyp);
}

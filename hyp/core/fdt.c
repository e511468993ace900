// SPDX-License-Identifier: GPL-2.0-only
/* The device tree: what the machine has, and what the host is told. */
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define FDT_ROOM	0x10000

struct machine machine;
static char options[2048];
static size_t options_len;

static u64 cells(const fdt32_t *p, int n)
{
	u64 val = 0;

	while (n--)
		val = val << 32 | fdt32_to_cpu(*p++);
	return val;
}

/* Entry idx of a node's reg property; false when there is none. */
static bool get_reg_entry(const void *fdt, int node, int idx, u64 *base,
			  u64 *size)
{
	int parent = fdt_parent_offset(fdt, node);
	int na = fdt_address_cells(fdt, parent);
	int ns = fdt_size_cells(fdt, parent);
	const fdt32_t *reg;
	int len;

	reg = fdt_getprop(fdt, node, "reg", &len);
	if (!reg || na < 1 || ns < 0 || len < (idx + 1) * (na + ns) * 4)
		return false;
	reg += idx * (na + ns);
	*base = cells(reg, na);
	*size = cells(reg + na, ns);
	return true;
}

static int must_find(const void *fdt, const char *compatible)
{
	int node = fdt_node_offset_by_compatible(fdt, -1, compatible);

	if (node < 0)
		plat_panic("no %s in the device tree: %s", compatible,
			   fdt_strerror(node));
	return node;
}

static bool is_memory(const void *fdt, int node)
{
	const char *type = fdt_getprop(fdt, node, "device_type", NULL);

	return type && !strcmp(type, "memory");
}

/* An option that is misspelt would be a test of something else. */
static void check_option(const char *option)
{
	static const struct {
		const char *name;
		const char *values[2];	/* if not any */
	} known[] = {
		{ "capids", { "zero", NULL } },
		{ "debug", { NULL } },
		{ "dt", { "rm", "upstream" } },
		{ "fault", { NULL } },
		{ "firmware", { NULL } },
		{ "kernel", { NULL } },
		{ "lent", { "abort", NULL } },
		{ "seed", { NULL } },
		{ "semihosting", { NULL } },
		{ "slice", { NULL } },
	};

	for (u32 i = 0; i < ARRAY_SIZE(known); i++) {
		const char *const *values = known[i].values;
		size_t len = strlen(known[i].name);
		const char *value = option + len + 1;

		if (strncmp(option, known[i].name, len) || option[len] != '=')
			continue;
		if (!values[0] || !strcmp(value, values[0]) ||
		    (values[1] && !strcmp(value, values[1])))
			return;
		plat_panic("hyp.%s: not %s, but %s%s%s", option, value, values[0],
			   values[1] ? " or " : "", values[1] ? values[1] : "");
	}
	plat_panic("hyp.%s is no option", option);
}

static void read_options(const void *fdt)
{
	int len, chosen = fdt_path_offset(fdt, "/chosen");
	const char *args = NULL;

	if (chosen >= 0)
		args = fdt_getprop(fdt, chosen, "bootargs", &len);
	if (!args)
		return;
	if ((size_t)len > sizeof(options) - 1)
		plat_panic("the command line is %d bytes, %zu fit", len,
			   sizeof(options) - 1);
	memcpy(options, args, (size_t)len);
	options_len = (size_t)len;
	/* Tokens end with NUL, the list with an empty one. */
	for (char *p = options; *p; p++) {
		if (*p == ' ')
			*p = '\0';
	}
	for (char *p = options; p < options + options_len; p += strlen(p) + 1) {
		if (!strncmp(p, "hyp.", 4))
			check_option(p + 4);
	}
}

const char *plat_option(const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = options; p < options + options_len; p += strlen(p) + 1) {
		if (!strncmp(p, "hyp.", 4) && !strncmp(p + 4, name, len) &&
		    p[4 + len] == '=')
			return p + 4 + len + 1;
	}
	return NULL;
}

u64 option_u64(const char *name, u64 fallback)
{
	const char *val = plat_option(name);
	char *end;
	u64 num;

	if (!val)
		return fallback;
	num = strtoul(val, &end, 0);
	if (end == val || *end)
		plat_panic("hyp.%s=%s is not a number", name, val);
	return num;
}

static void read_cpus(const void *fdt)
{
	int node, cpus = fdt_path_offset(fdt, "/cpus");

	fdt_for_each_subnode(node, fdt, cpus) {
		const char *type = fdt_getprop(fdt, node, "device_type", NULL);
		u64 mpidr, unused;

		if (!type || strcmp(type, "cpu") ||
		    !get_reg_entry(fdt, node, 0, &mpidr, &unused))
			continue;
		if (nr_pcpus == MAX_PCPUS)
			plat_panic("more than %d CPUs", MAX_PCPUS);
		pcpus[nr_pcpus].index = nr_pcpus;
		pcpus[nr_pcpus++].mpidr = mpidr;
	}
}

void fdt_read_machine(const void *fdt)
{
	u64 size;
	int node;

	if (fdt_check_header(fdt))
		plat_panic("no device tree at %p: start this as an arm64 Image",
			   fdt);
	node = fdt_node_offset_by_compatible(fdt, -1, "arm,pl011");
	if (node >= 0 && get_reg_entry(fdt, node, 0, &machine.uart, &size))
		console_init(machine.uart);
	read_options(fdt);

	node = must_find(fdt, "arm,gic-v3");
	if (!get_reg_entry(fdt, node, 0, &machine.gicd, &size) ||
	    !get_reg_entry(fdt, node, 1, &machine.gicr, &machine.gicr_size))
		plat_panic("the GIC's reg property is too short");

	fdt_for_each_subnode(node, fdt, 0) {
		u64 base;

		if (!is_memory(fdt, node))
			continue;
		for (int i = 0; get_reg_entry(fdt, node, i, &base, &size); i++) {
			if (machine.nr_ram == ARRAY_SIZE(machine.ram))
				plat_panic("too many ranges of memory");
			machine.ram[machine.nr_ram].base = base;
			machine.ram[machine.nr_ram++].size = size;
		}
	}
	read_cpus(fdt);
}

/* The hypervisor sits at the start of the first range of RAM. */
static void cut_memory(void *fdt)
{
	u64 end = (u64)hyp_end;
	fdt64_t reg[2];
	int node, err;

	fdt_for_each_subnode(node, fdt, 0) {
		u64 base, size;

		if (!is_memory(fdt, node) ||
		    !get_reg_entry(fdt, node, 0, &base, &size) ||
		    base > (u64)hyp_base || base + size <= end)
			continue;
		if (base + 0x200000 < (u64)hyp_base)
			break;
		reg[0] = cpu_to_fdt64(end);
		reg[1] = cpu_to_fdt64(base + size - end);
		err = fdt_setprop_inplace(fdt, node, "reg", reg, sizeof(reg));
		if (err)
			plat_panic("can't shorten the host's memory: %s",
				   fdt_strerror(err));
		for (u32 i = 0; i < machine.nr_ram; i++) {
			if (machine.ram[i].base == base) {
				machine.ram[i].base = end;
				machine.ram[i].size = base + size - end;
			}
		}
		return;
	}
	plat_panic("no memory node holds %p to %p and more", (void *)hyp_base,
		   (void *)hyp_end);
}

void fdt_prepare_host(void *fdt)
{
	int err;

	err = fdt_open_into(fdt, fdt, (int)fdt_totalsize(fdt) + FDT_ROOM);
	if (err)
		plat_panic("can't open the device tree: %s", fdt_strerror(err));
	cut_memory(fdt);
	err = rm_host_dt(fdt);
	if (err)
		plat_panic("can't add /hypervisor to the device tree: %s",
			   fdt_strerror(err));
	err = door_host_dt(fdt);
	if (err)
		plat_panic("can't add /hypervisor-debug to the device tree: %s",
			   fdt_strerror(err));
	fdt_pack(fdt);
	plat_flush((u64)fdt, fdt_totalsize(fdt));
}

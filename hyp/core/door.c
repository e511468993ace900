// SPDX-License-Identifier: GPL-2.0-only
/*
 * The door: with hyp.debug=1 a page of the host's address space has registers
 * through which a test in the host's user space asks for faults and numbers.
 * It has no memory behind it, so each access of it gets here.
 *
 *	0x00 OP		written last: does op(A, B)
 *	0x08 A
 *	0x10 B
 *	0x18 RESULT
 *
 * The host's device tree tells the address, /hypervisor-debug; README.md lists
 * the ops.
 */
#include <libfdt.h>

#include "core.h"

#define DOOR		0x0b000000ull	/* where QEMU's virt has nothing */
#define DOOR_SIZE	HYP_PAGE_SIZE

enum { REG_OP, REG_A, REG_B, REG_RESULT, NR_REGS };

static u64 regs[NR_REGS];

static bool is_open(void)
{
	return option_u64("debug", 0);
}

int door_host_dt(void *fdt)
{
	const fdt64_t reg[2] = { cpu_to_fdt64(DOOR), cpu_to_fdt64(DOOR_SIZE) };
	int node;

	if (!is_open())
		return 0;
	node = fdt_add_subnode(fdt, 0, "hypervisor-debug");
	if (node < 0)
		return node;
	return fdt_setprop(fdt, node, "reg", reg, sizeof(reg));
}

void door_init(void)
{
	if (is_open())
		stage2_unmap(&host_s2, DOOR, DOOR_SIZE);
}

bool door_access(struct pcpu *p, u64 ipa, u64 iss)
{
	u64 reg = (ipa - DOOR) / 8;
	u32 rt = ABORT_SRT(iss);

	if (!is_open() || ipa < DOOR || ipa >= DOOR + DOOR_SIZE)
		return false;
	if (!ABORT_ISV(iss) || ABORT_SIZE(iss) != 8 || reg >= NR_REGS)
		plat_violation("the door at %#lx takes one 64-bit register at a time, PC %#lx",
			       ipa, p->host.pc);

	p->host.pc += 4;
	if (!ABORT_WNR(iss)) {
		set_reg(&p->host, rt, regs[reg]);
		return true;
	}
	regs[reg] = get_reg(&p->host, rt);
	if (reg == REG_OP) {
		regs[REG_RESULT] = inject_debug(regs[REG_OP], regs[REG_A],
						regs[REG_B]);
		rm_poll();
	}
	return true;
}

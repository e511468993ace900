// SPDX-License-Identifier: GPL-2.0-only
/* From the boot CPU's first line of C to Linux, and CPUs that come later. */
#include <string.h>

#include "core.h"

#define KERNEL_ADDRESS	0x41000000ull
#define IMAGE_MAGIC	0x644d5241u	/* "ARM\x64" */

#define EL2_BLOCK	0x745ull	/* Normal WB, AF, 1 GiB block */
#define EL2_BLOCKS	512ull

#define STACK_SIZE	16384

struct pcpu pcpus[MAX_PCPUS];
u32 nr_pcpus;

struct pcpu *pcpu_by_mpidr(u64 mpidr)
{
	for (u32 i = 0; i < nr_pcpus; i++) {
		if (pcpus[i].mpidr == (mpidr & 0xff00ffffffull))
			return &pcpus[i];
	}
	return NULL;
}

static void cpu_setup(struct pcpu *p)
{
	write_sysreg(tpidr_el2, p);
	write_sysreg(vbar_el2, vectors);
	write_sysreg(hstr_el2, 0);
	write_sysreg(cntvoff_el2, 0);
	write_sysreg(cnthctl_el2, 3);
	write_sysreg(cntv_ctl_el0, 0);
	write_sysreg(cntp_ctl_el0, 0);
	timer_arm(p, NEVER);
	gic_init_cpu(p);
	host_el2_setup(p);
}

/* Make this CPU a CPU of the host, at p->entry with p->arg in X0. */
void pcpu_start_host(struct pcpu *p)
{
	context_reset(&p->host, p->entry, p->arg);
	el1_load(&p->host.el1);
	p->current = &p->host;
	p->host_queued = 0;
	host_gic_load(p);
	timer_arm(p, timer_deadline());
	hyp_unlock();
	enter_lower(p);
}

void hyp_secondary(struct pcpu *p)
{
	hyp_lock_early();
	cpu_setup(p);
	pcpu_start_host(p);
}

static void map_ram(void)
{
	for (u32 i = 0; i < machine.nr_ram; i++) {
		u64 end = machine.ram[i].base + machine.ram[i].size;

		for (u64 gib = machine.ram[i].base >> 30; gib << 30 < end; gib++) {
			if (gib >= EL2_BLOCKS)
				plat_panic("RAM above %#lx",
					   (u64)EL2_BLOCKS << 30);
			el2_table[gib] = gib << 30 | EL2_BLOCK;
		}
	}
	dsb(ishst);
	isb();
}

static void check_kernel(u64 kernel)
{
	const u32 *image = plat_mem(kernel);

	if (!plat_host_ram(kernel, 0x200000))
		plat_panic("hyp.kernel=%#lx is not in RAM", kernel);
	if (image[14] != IMAGE_MAGIC)
		plat_panic("no arm64 Image at %#lx: pass -device loader,file=Image,addr=%#lx,force-raw=on",
			   kernel, kernel);
}

void hyp_main(void *fdt)
{
	struct pcpu *p;
	u64 kernel;

	hyp_lock_early();
	fdt_read_machine(fdt);
	map_ram();
	heap_init();
	timer_init();

	p = pcpu_by_mpidr(read_sysreg(mpidr_el1));
	if (!p)
		plat_panic("the boot CPU is not in the device tree");
	for (u32 i = 0; i < nr_pcpus; i++) {
		char *stack = plat_alloc(STACK_SIZE);

		if (!stack)
			plat_panic("no memory for the stack of CPU %u", i);
		pcpus[i].stack_top = (u64)stack + STACK_SIZE;
	}

	idregs_read();
	gic_init();
	rm_init();
	fdt_prepare_host(fdt);
	stage2_init_host();
	door_init();
	inject_from_options();
	cpu_setup(p);

	kernel = option_u64("kernel", KERNEL_ADDRESS);
	check_kernel(kernel);
	plat_log("%u CPUs, the host starts at %#lx", nr_pcpus, kernel);
	p->online = true;
	p->entry = kernel;
	p->arg = (u64)fdt;
	pcpu_start_host(p);
}

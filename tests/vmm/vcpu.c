// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs: a thread for each, and what their exits ask for */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

#define MAX_DEVICES	4
#define MAX_COMPLAINTS	10

struct vcpu {
	unsigned int id;
	int fd;
	struct gh_vcpu_run *run;
};

static struct vcpu vcpus[MAX_CPUS];
static struct mmio_device *devices[MAX_DEVICES];
static unsigned int n_devices;

void mmio_add(struct mmio_device *mmio)
{
	if (n_devices == MAX_DEVICES)
		die("%s: there are %d devices already", mmio->name, MAX_DEVICES);
	devices[n_devices++] = mmio;
}

static struct mmio_device *find_device(uint64_t addr, uint64_t len)
{
	for (unsigned int i = 0; i < n_devices; i++) {
		struct mmio_device *mmio = devices[i];

		if (addr >= mmio->base && addr - mmio->base < mmio->size &&
		    len <= mmio->size - (addr - mmio->base))
			return mmio;
	}
	return NULL;
}

void complain(const char *format, ...)
{
	static atomic_uint complaints;
	char text[128];
	va_list args;

	if (atomic_load(&complaints) >= MAX_COMPLAINTS ||
	    atomic_fetch_add(&complaints, 1) >= MAX_COMPLAINTS)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "vmm: %s\n", text);
}

/* The run page holds the access until the next GH_VCPU_RUN takes the reply */
static void handle_mmio(struct vcpu *vcpu)
{
	struct gh_vcpu_run *run = vcpu->run;
	uint64_t addr = run->mmio.phys_addr, value = 0;
	bool is_write = run->mmio.is_write;
	uint32_t len = run->mmio.len;
	struct mmio_device *mmio = find_device(addr, len);

	if (is_write)
		memcpy(&value, run->mmio.data, len);
	/* The registers of nothing: writes are ignored and reads are 0 */
	if (!mmio)
		complain("vCPU %u %s %u bytes at %#lx, where nothing is", vcpu->id,
			 is_write ? "writes" : "reads", len, addr);
	else if (is_write)
		mmio->write(mmio, addr - mmio->base, len, value);
	else
		value = mmio->read(mmio, addr - mmio->base, len);
	if (!is_write)
		memcpy(run->mmio.data, &value, len);

	if (options.trace_exits)
		fprintf(stderr, "vCPU %u: %s of %u bytes at %#lx, %s: %#lx\n",
			vcpu->id, is_write ? "write" : "read", len,
			addr, mmio ? mmio->name : "nothing",
			value);
}

/* All vCPUs are told the same: the first one to come tells the world */
static void __attribute__((noreturn)) handle_status(struct vcpu *vcpu)
{
	uint32_t status = vcpu->run->status.status;
	uint16_t type = vcpu->run->status.exit_info.type;

	if (options.trace_exits)
		fprintf(stderr, "vCPU %u: status %u, exit type %u\n", vcpu->id, status, type);

	if (status == GH_VM_STATUS_EXITED) {
		switch (type) {
		case GH_VM_EXIT_TYPE_PSCI_POWER_OFF:
			finish(EXIT_POWER_OFF, "the guest powered off");
		case GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET:
		case GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET2:
			finish(EXIT_GUEST_RESET, "the guest asked for a reset (run this again to boot it again)");
		}
	}
	finish(EXIT_GUEST_CRASHED, "the guest %s, exit type %u (the kernel log may say more)",
	       status == GH_VM_STATUS_LOAD_FAILED ? "could not be started" :
	       status == GH_VM_STATUS_CRASHED ? "crashed" : "was stopped", type);
}

static void *run_vcpu(void *argument)
{
	struct vcpu *vcpu = argument;

	for (;;) {
		if (ioctl(vcpu->fd, GH_VCPU_RUN)) {
			if (errno == EINTR)
				continue;
			die("GH_VCPU_RUN of vCPU %u: %s", vcpu->id, strerror(errno));
		}

		switch (vcpu->run->exit_reason) {
		case GH_VCPU_EXIT_MMIO:
			handle_mmio(vcpu);
			break;
		case GH_VCPU_EXIT_STATUS:
			handle_status(vcpu);
		default:
			die("GH_VCPU_RUN of vCPU %u: exit reason %u is not known",
			    vcpu->id, vcpu->run->exit_reason);
		}
	}
}

void vcpus_create(int vm)
{
	for (unsigned int id = 0; id < options.cpus; id++) {
		struct vcpu *vcpu = &vcpus[id];
		int size;

		vcpu->id = id;
		vcpu->fd = vm_add_vcpu(vm, id);
		size = ioctl(vcpu->fd, GH_VCPU_MMAP_SIZE);
		if (size < 0)
			die("GH_VCPU_MMAP_SIZE of vCPU %u: %s", id, strerror(errno));
		vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
		if (vcpu->run == MAP_FAILED)
			die("mmap of vCPU %u: %s", id, strerror(errno));
	}
}

void vcpus_run(void)
{
	for (unsigned int id = 0; id < options.cpus; id++)
		start_thread(run_vcpu, &vcpus[id]);
}

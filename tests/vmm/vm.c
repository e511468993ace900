// SPDX-License-Identifier: GPL-2.0-only
/* The calls of /dev/gunyah and of the VM file */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

int vm_create(int *gunyah)
{
	static const struct {
		int number;
		const char *option;
	} needed[] = {
		{ GH_CAP_GUEST_MEM, "CONFIG_GUNYAH" },
		{ GH_CAP_VCPU, "CONFIG_GUNYAH_VCPU" },
		{ GH_CAP_IRQFD, "CONFIG_GUNYAH_IRQFD" },
		{ GH_CAP_IOEVENTFD, "CONFIG_GUNYAH_IOEVENTFD" },
	};
	int vm;

	*gunyah = open("/dev/gunyah", O_RDWR | O_CLOEXEC);
	if (*gunyah < 0)
		die("open /dev/gunyah: %s (%s)", strerror(errno),
		    errno == EACCES ? "may this user open it?" :
		    "is the gunyah driver loaded, and does Linux run under Gunyah?");
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(*gunyah, GH_CHECK_EXTENSION, needed[i].number) <= 0)
			die("GH_CHECK_EXTENSION of %d: the kernel does not have it (build it with %s)",
			    needed[i].number, needed[i].option);

	vm = ioctl(*gunyah, GH_CREATE_VM, 0);
	if (vm < 0)
		die("GH_CREATE_VM: %s", strerror(errno));
	return vm;
}

void vm_create_memory(int gunyah, struct memory *memory, uint64_t base, uint64_t size)
{
	struct gh_create_mem_args args = {
		.flags = GH_GUEST_MEM_CLOEXEC | GH_GUEST_MEM_ALLOW_HUGEPAGE,
		.size = size,
	};

	memory->base = base;
	memory->size = size;
	memory->fd = ioctl(gunyah, GH_CREATE_GUEST_MEM, &args);
	if (memory->fd < 0)
		die("GH_CREATE_GUEST_MEM of %lu MiB: %s (is that much memory free? see --mem)",
		    size >> 20, strerror(errno));

	memory->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (memory->host == MAP_FAILED)
		die("mmap of %lu MiB of guest memory: %s", size >> 20, strerror(errno));
}

static void map_memory(int vm, const struct memory *memory, uint32_t flags)
{
	struct gh_map_mem_args args = {
		.guest_addr = memory->base,
		.flags = flags | GH_MAP_MEM_ALLOW_READ | GH_MAP_MEM_ALLOW_WRITE,
		.guest_mem_fd = memory->fd,
		.size = memory->size,
	};

	if (ioctl(vm, GH_VM_MAP_MEM, &args))
		die("GH_VM_MAP_MEM of %lu MiB at %#llx: %s", memory->size >> 20,
		    args.guest_addr, strerror(errno));
}

/* The guest's own from the start of the VM on */
void vm_lend_memory(int vm, struct memory *memory)
{
	map_memory(vm, memory, GH_MAP_MEM_FORCE_LEND | GH_MAP_MEM_ALLOW_EXEC);
	munmap(memory->host, memory->size);
	memory->host = NULL;
}

/* The device tree has the region by the label that the driver derives of its address */
void vm_share_memory(int vm, const struct memory *memory)
{
	map_memory(vm, memory, GH_MAP_MEM_FORCE_SHARE);
}

void vm_set_dtb(int vm, uint64_t addr, uint64_t size)
{
	struct gh_vm_dtb_config config = { .guest_phys_addr = addr, .size = size };

	if (ioctl(vm, GH_VM_SET_DTB_CONFIG, &config))
		die("GH_VM_SET_DTB_CONFIG of %#llx bytes at %#llx: %s",
		    config.size, config.guest_phys_addr, strerror(errno));
}

int vm_add_vcpu(int vm, unsigned int id)
{
	struct gh_vm_function function = { .name = "vcpu", .vcpu.vcpu_id = id };
	int fd = ioctl(vm, GH_VM_ADD_FUNCTION, &function);

	if (fd < 0)
		die("GH_VM_ADD_FUNCTION of vCPU %u: %s", id, strerror(errno));
	return fd;
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		die("eventfd: %s", strerror(errno));
	return fd;
}

int vm_add_irq(int vm, unsigned int irq)
{
	struct gh_vm_function function = {
		.name = "irqfd",
		.irqfd = { .fd = new_eventfd(), .label = irq },
	};

	if (ioctl(vm, GH_VM_ADD_FUNCTION, &function))
		die("GH_VM_ADD_FUNCTION of the irqfd for interrupt %u: %s", irq, strerror(errno));
	return function.irqfd.fd;
}

int vm_add_notify(int vm, uint64_t addr, uint32_t value)
{
	struct gh_vm_function function = {
		.name = "ioeventfd",
		.ioeventfd = {
			.datamatch = value,
			.addr = addr,
			.len = sizeof(value),
			.fd = new_eventfd(),
			.flags = GH_IOEVENTFD_DATAMATCH,
		},
	};

	if (ioctl(vm, GH_VM_ADD_FUNCTION, &function))
		die("GH_VM_ADD_FUNCTION of the ioeventfd at %#llx: %s",
		    function.ioeventfd.addr, strerror(errno));
	return function.ioeventfd.fd;
}

void irq_raise(int irq)
{
	eventfd_write(irq, 1);
}

void vm_start(int vm)
{
	if (ioctl(vm, GH_VM_START))
		die("GH_VM_START: %s (the kernel log says which step the resource manager refused)",
		    strerror(errno));
}

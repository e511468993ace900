// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's device tree. Half of it is for the resource manager, which makes
 * the VM that /gunyah-vm-config, the cpu nodes, the interrupt controller and the
 * reserved memory describe, and adds /memory and /hypervisor. The other half
 * tells Linux of the devices.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

#include "vmm.h"

/* The driver's for shared guest memory: the number of its first page */
#define SHARED_LABEL	(SHARED_BASE >> 12)

#define GIC_NAME	"interrupt-controller"
#define UART_NAME	"serial"

enum { PHANDLE_GIC = 1, PHANDLE_CLOCK, PHANDLE_SHARED };
/* Type and trigger of an interrupt, as the GIC's binding has them */
enum { GIC_SPI, GIC_PPI };
enum { EDGE_RISING = 1, LEVEL_LOW = 8 };

static void *fdt;

static void check(int err)
{
	if (err < 0)
		die("device tree: %s (is the text of --append very long?)", fdt_strerror(err));
}

static void begin(const char *name)
{
	check(fdt_begin_node(fdt, name));
}

/* A device has its address in its name */
static void begin_at(const char *name, uint64_t base)
{
	char full[32];

	snprintf(full, sizeof(full), "%s@%lx", name, base);
	begin(full);
}

static void end(void)
{
	check(fdt_end_node(fdt));
}

static void string(const char *name, const char *value)
{
	check(fdt_property_string(fdt, name, value));
}

/* The path of a device at the root */
static void path(const char *name, const char *device, uint64_t base)
{
	char full[32];

	snprintf(full, sizeof(full), "/%s@%lx", device, base);
	string(name, full);
}

/* A property that is true because it is there */
static void flag(const char *name)
{
	check(fdt_property(fdt, name, NULL, 0));
}

static void put_cells(const char *name, const uint32_t *values, size_t n)
{
	fdt32_t *to;

	check(fdt_property_placeholder(fdt, name, n * sizeof(*to), (void **)&to));
	for (size_t i = 0; i < n; i++)
		to[i] = cpu_to_fdt32(values[i]);
}

#define cells(name, ...) do {						\
	const uint32_t __cells[] = { __VA_ARGS__ };			\
									\
	put_cells(name, __cells, sizeof(__cells) / sizeof(__cells[0]));	\
} while (0)

/* A number in two cells */
#define wide(value) (uint32_t)((uint64_t)(value) >> 32), (uint32_t)(value)

static void cell_sizes(uint32_t address, uint32_t size)
{
	cells("#address-cells", address);
	cells("#size-cells", size);
}

static void chosen(const struct boot *boot)
{
	begin("chosen");
	string("bootargs", options.append);
	path("stdout-path", UART_NAME, UART_BASE);
	if (boot->initrd_end > boot->initrd) {
		cells("linux,initrd-start", wide(boot->initrd));
		cells("linux,initrd-end", wide(boot->initrd_end));
	}
	end();
}

static void cpus(void)
{
	begin("cpus");
	cell_sizes(1, 0);
	for (unsigned int i = 0; i < options.cpus; i++) {
		begin_at("cpu", i);
		string("device_type", "cpu");
		string("compatible", "arm,armv8");
		string("enable-method", "psci");
		cells("reg", i);
		end();
	}
	end();
}

/*
 * What the guest shares with the host: its disk has to take all buffers from there.
 * The vdevice of vm_config() has the address as well: for this node alone, the
 * resource manager would want memory that is one range in the host.
 */
static void shared_memory(void)
{
	begin("reserved-memory");
	cell_sizes(2, 2);
	flag("ranges");
	begin_at("shared", SHARED_BASE);
	string("compatible", "restricted-dma-pool");
	cells("reg", wide(SHARED_BASE), wide(SHARED_SIZE));
	cells("qcom,label", SHARED_LABEL);
	cells("phandle", PHANDLE_SHARED);
	end();
	end();
}

static void interrupt_controller(void)
{
	begin_at(GIC_NAME, GICD_BASE);
	string("compatible", "arm,gic-v3");
	cells("#interrupt-cells", 3);
	cells("#address-cells", 0);
	flag("interrupt-controller");
	cells("reg", wide(GICD_BASE), wide(GICD_SIZE),
	      wide(GICR_BASE), wide(options.cpus * GICR_SIZE));
	cells("phandle", PHANDLE_GIC);
	end();
}

static void psci_and_timer(void)
{
	begin("psci");
	string("compatible", "arm,psci-1.0");
	string("method", "hvc");
	end();

	/* Secure, non-secure, virtual and hypervisor timer */
	begin("timer");
	string("compatible", "arm,armv8-timer");
	cells("interrupts", GIC_PPI, 13, LEVEL_LOW, GIC_PPI, 14, LEVEL_LOW,
	      GIC_PPI, 11, LEVEL_LOW, GIC_PPI, 10, LEVEL_LOW);
	flag("always-on");
	end();
}

static void devices(void)
{
	static const char uart_compatible[] = "arm,pl011\0arm,primecell";
	static const char clock_names[] = "uartclk\0apb_pclk";

	begin("clock");
	string("compatible", "fixed-clock");
	cells("#clock-cells", 0);
	cells("clock-frequency", 24000000);
	cells("phandle", PHANDLE_CLOCK);
	end();

	begin_at(UART_NAME, UART_BASE);
	check(fdt_property(fdt, "compatible", uart_compatible, sizeof(uart_compatible)));
	/* In place of the identification registers */
	cells("arm,primecell-periphid", 0x00141011);
	cells("reg", wide(UART_BASE), wide(UART_SIZE));
	cells("interrupts", GIC_SPI, UART_IRQ, EDGE_RISING);
	cells("clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
	check(fdt_property(fdt, "clock-names", clock_names, sizeof(clock_names)));
	end();

	begin_at("pvpanic", PVPANIC_BASE);
	string("compatible", "qemu,pvpanic-mmio");
	cells("reg", wide(PVPANIC_BASE), wide(PVPANIC_SIZE));
	end();

	if (options.disk) {
		begin_at("virtio", DISK_BASE);
		string("compatible", "virtio,mmio");
		cells("reg", wide(DISK_BASE), wide(DISK_SIZE));
		cells("interrupts", GIC_SPI, DISK_IRQ, EDGE_RISING);
		cells("memory-region", PHANDLE_SHARED);
		flag("dma-coherent");
		end();
	}
}

/* What raises an interrupt of the guest */
static void doorbell(uint32_t irq)
{
	char name[16], generate[32];

	snprintf(name, sizeof(name), "bell-%x", irq);
	snprintf(generate, sizeof(generate), "/hypervisor/%s", name);
	begin(name);
	string("vdevice-type", "doorbell");
	string("generate", generate);
	cells("label", irq);
	flag("peer-default");
	cells("interrupts", GIC_SPI, irq, EDGE_RISING);
	end();
}

static void shared_vdevice(void)
{
	begin("shared");
	string("vdevice-type", "shm");
	string("generate", "/hypervisor/shared");
	flag("peer-default");
	begin("memory");
	cell_sizes(2, 2);
	cells("label", SHARED_LABEL);
	cells("base", wide(SHARED_BASE));
	end();
	end();
}

static void vm_config(void)
{
	begin("gunyah-vm-config");
	cell_sizes(2, 2);
	string("image-name", "linux");
	string("os-type", "linux");

	begin("memory");
	cell_sizes(2, 2);
	cells("base-address", wide(RAM_BASE));
	end();

	begin("interrupts");
	path("config", GIC_NAME, GICD_BASE);
	end();

	begin("vcpus");
	string("config", "/cpus");
	string("affinity", "proxy");
	end();

	begin("vdevices");
	doorbell(UART_IRQ);
	if (options.disk) {
		doorbell(DISK_IRQ);
		shared_vdevice();
	}
	end();

	end();
}

void devtree_write(const struct memory *ram, const struct boot *boot)
{
	fdt = memory_at(ram, boot->dtb, DTB_ROOM);
	/* As much again is the resource manager's */
	check(fdt_create(fdt, DTB_ROOM / 2));
	check(fdt_finish_reservemap(fdt));

	begin("");
	cell_sizes(2, 2);
	cells("interrupt-parent", PHANDLE_GIC);
	string("compatible", "linux,dummy-virt");
	string("model", "Gunyah guest");
	chosen(boot);
	cpus();
	if (options.disk)
		shared_memory();
	interrupt_controller();
	psci_and_timer();
	devices();
	vm_config();
	end();

	check(fdt_finish(fdt));
}

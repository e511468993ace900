/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the VMM share.
 *
 * Guest and VMM are both little endian, and nothing here converts.
 */
#ifndef _VMM_H
#define _VMM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/gunyah.h>

/*
 * Guest addresses. The hypervisor has the interrupt controller, and passes any
 * other access below 1 GiB to the VMM. Memory is above, and not at 1 GiB itself,
 * where the hypervisor has a page.
 */
#define UART_BASE		0x09000000
#define UART_SIZE		0x00001000
#define PVPANIC_BASE		0x09010000
#define PVPANIC_SIZE		0x00000002
#define DISK_BASE		0x0a000000
#define DISK_SIZE		0x00000200
#define GICR_BASE		0x3fe00000
/* Per vCPU */
#define GICR_SIZE		0x00020000
#define GICD_BASE		0x3fff0000
#define GICD_SIZE		0x00010000
#define SHARED_BASE		0x70000000
#define SHARED_SIZE		0x00800000
#define RAM_BASE		0x80000000
/* The hypervisor gives guests 36 address bits */
#define RAM_END			(1UL << 36)

/* The resource manager maps memory in such blocks */
#define BLOCK_SIZE		0x00200000
/* The resource manager adds to the device tree in place: leave it room */
#define DTB_ROOM		0x00020000

/* Redistributors fit between GICR_BASE and GICD_BASE */
#define MAX_CPUS		8

/* Shared peripheral interrupts; the doorbell that raises one has its number as label */
#define UART_IRQ		1
#define DISK_IRQ		2

/* Exit status, unless a signal stopped the VMM: that is 128 and its number */
#define EXIT_POWER_OFF		0
#define EXIT_VMM_ERROR		100
#define EXIT_GUEST_RESET	101
#define EXIT_GUEST_CRASHED	102

struct options {
	unsigned int cpus;
	uint64_t mem_size;
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *disk;
	bool trace_exits;
	bool raw;
};

extern struct options options;

/*
 * end.c: every way out of the VMM. The first call of any thread gives the
 * terminal back, prints the message and ends the process; the kernel then takes
 * the VM down, whatever it is doing.
 */
void finish(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
#define die(...) finish(EXIT_VMM_ERROR, __VA_ARGS__)

/*
 * vcpu.c: what the guest does wrong, on the standard error. A guest that goes on
 * and on about it does not fill the terminal.
 */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* terminal.c */
void terminal_open(void);
/* Stop as anything else does at SIGTSTP, with the terminal as it was */
void terminal_suspend(void);
/* At SIGCONT */
void terminal_resume(void);
/* The terminal as it was, for good */
void terminal_close(void);
void *terminal_input(void *console);

/*
 * struct memory - Memory of the guest
 * @fd: guest memory file
 * @base: guest address
 * @size: size in bytes
 * @host: where it is mapped; private memory is only until the VM starts
 */
struct memory {
	int fd;
	uint64_t base;
	uint64_t size;
	void *host;
};

/* vm.c: the calls of /dev/gunyah and of the VM file */
int vm_create(int *gunyah);
void vm_create_memory(int gunyah, struct memory *memory, uint64_t base, uint64_t size);
void vm_lend_memory(int vm, struct memory *memory);
void vm_share_memory(int vm, const struct memory *memory);
void vm_set_dtb(int vm, uint64_t addr, uint64_t size);
int vm_add_vcpu(int vm, unsigned int id);
/* An eventfd: a write to it is an interrupt of the guest */
int vm_add_irq(int vm, unsigned int irq);
/* An eventfd that a write of 4 bytes of @value to @addr signals */
int vm_add_notify(int vm, uint64_t addr, uint32_t value);
void vm_start(int vm);

static inline void *memory_at(const struct memory *memory, uint64_t addr, uint64_t size)
{
	uint64_t offset = addr - memory->base;

	if (addr < memory->base || offset > memory->size || size > memory->size - offset)
		return NULL;
	return (char *)memory->host + offset;
}

/*
 * struct boot - Where things are in the guest's memory
 * @dtb: device tree
 * @initrd: start of the initrd
 * @initrd_end: its end, equal to the start if there is none
 */
struct boot {
	uint64_t dtb;
	uint64_t initrd;
	uint64_t initrd_end;
};

/* load.c */
void load_linux(const struct memory *ram, struct boot *boot);

/* devtree.c */
void devtree_write(const struct memory *ram, const struct boot *boot);

/*
 * struct mmio_device - Registers that the VMM emulates
 * @name: for messages
 * @base: guest address
 * @size: size in bytes
 * @read: returns the value; bytes beyond @len are dropped
 * @write: @value has no bits beyond @len
 *
 * Any vCPU may call at any time, and @offset and @len are what the guest likes,
 * but within the registers: the device has to lock and to check.
 */
struct mmio_device {
	const char *name;
	uint64_t base;
	uint64_t size;
	uint64_t (*read)(struct mmio_device *mmio, uint64_t offset, unsigned int len);
	void (*write)(struct mmio_device *mmio, uint64_t offset, unsigned int len,
		      uint64_t value);
};

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* vcpu.c */
void mmio_add(struct mmio_device *mmio);
void vcpus_create(int vm);
void vcpus_run(void);

/* irq_raise() never blocks: the kernel takes the eventfd's count at once */
void irq_raise(int irq);

/* pl011.c */
struct pl011;
struct pl011 *pl011_create(int vm);
/* Waits until there is room */
void pl011_receive(struct pl011 *uart, uint8_t c);
/* Whether what the guest wrote last ended a line */
extern _Atomic bool pl011_line_ended;

/* pvpanic.c */
void pvpanic_create(void);

/* blk.c */
void blk_create(int vm, const struct memory *shared);

/* main.c */
void start_thread(void *(*function)(void *), void *argument);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GH_UTIL_H
#define _GH_UTIL_H

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <linux/gunyah.h>

#include "gh_guest.h"

/* What another thread, or the kernel, changes or looks at meanwhile */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)

/* For tests on kselftest_harness.h: the system call fails with this errno */
#define EXPECT_FAIL(error, call) do {		\
	errno = 0;				\
	EXPECT_EQ(-1, call);			\
	EXPECT_EQ(error, errno);		\
} while (0)

#define GH_MAX_VCPUS		8

#define PSCI_VERSION		0x84000000
#define PSCI_CPU_OFF		0x84000002
#define PSCI_CPU_ON		0xc4000003
#define PSCI_SYSTEM_OFF		0x84000008
#define PSCI_SYSTEM_RESET	0x84000009
#define PSCI_SYSTEM_RESET2	0xc4000012

#define GH_MAP_MEM_LEND_RWX	(GH_MAP_MEM_FORCE_LEND | GH_MAP_MEM_ALLOW_READ | \
				 GH_MAP_MEM_ALLOW_WRITE | GH_MAP_MEM_ALLOW_EXEC)

#define GH_MAP_MEM_SHARE_RWX	(GH_MAP_MEM_FORCE_SHARE | GH_MAP_MEM_ALLOW_READ | \
				 GH_MAP_MEM_ALLOW_WRITE | GH_MAP_MEM_ALLOW_EXEC)

/*
 * struct gh_test_vm - A VM as the tests use it
 * @gunyah: /dev/gunyah
 * @vm: VM file
 * @mem: guest memory file, GUEST_RAM_SIZE bytes
 * @host: @mem, mapped
 * @vcpu_fd: vCPU files
 * @run: their pages
 *
 * Files are -1, and pointers NULL, if they are not there.
 */
struct gh_test_vm {
	int gunyah;
	int vm;
	int mem;
	uint8_t *host;
	unsigned int vcpus;
	int vcpu_fd[GH_MAX_VCPUS];
	struct gh_vcpu_run *run[GH_MAX_VCPUS];
};

/*
 * Functions that return int return 0, or -1 with errno set and a line on what
 * failed printed.
 */

/* Open /dev/gunyah. When that is not possible on this machine, say why */
int gh_open(const char **why_not);
/* Why there can't be VMs on this machine, or NULL */
const char *gh_why_not(void);
/* Is this a kernel that checks all it does? Then loops have to be shorter */
bool gh_is_slow_kernel(void);

int gh_create_mem(int gunyah, uint64_t size);
void *gh_map_host(int mem, size_t size);
int gh_map_mem(int vm, int mem, uint64_t guest_addr, uint64_t size, uint32_t flags);

/* How many hugetlb has: 1 for one more, -1 for one less */
int gh_change_huge_pages(int by);
int gh_set_dtb(int vm, uint64_t guest_addr, uint64_t size);
int gh_set_boot_reg(int vm, uint32_t set, uint32_t index, uint64_t value);
int gh_add_vcpu(int vm, uint32_t id);
int gh_remove_vcpu(int vm, uint32_t id);
/* GH_VM_ADD_FUNCTION_DESC and GH_VM_REMOVE_FUNCTION */
int gh_add_function(int vm, uint32_t type, const void *arg, uint32_t size);
int gh_remove_function(int vm, uint32_t type, const void *arg, uint32_t size);
int gh_add_irqfd(int vm, int fd, uint32_t label, uint32_t flags);
int gh_remove_irqfd(int vm, uint32_t label);

/*
 * struct gh_test_bell - A doorbell that the host rings
 * @label: its label
 * @irq: the guest's interrupt ID
 * @can_clear: the host may set the masks
 */
struct gh_test_bell {
	uint32_t label;
	uint32_t irq;
	bool can_clear;
};

/* Copy the guest's code */
void gh_write_guest(void *to);
/* Write a device tree for @cpus CPUs, return its size */
size_t gh_write_dtb(void *to, unsigned int cpus);
/* The same with doorbells */
size_t gh_write_dtb_bells(void *to, unsigned int cpus, const struct gh_test_bell *bells,
			  unsigned int n_bells);

void gh_vm_clear(struct gh_test_vm *vm);
/* All that has to be done before GH_VM_START */
int gh_vm_prepare(struct gh_test_vm *vm, unsigned int vcpus);
/* Prepare and start */
int gh_vm_boot(struct gh_test_vm *vm, unsigned int vcpus);
void gh_vm_close(struct gh_test_vm *vm);

/* In a test whose fixture has a "vm" */
#define START()		ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_START))

/* GH_VCPU_RUN, again after a signal */
int gh_vcpu_run(struct gh_test_vm *vm, unsigned int id);

/* Run the guest until it makes this access */
int gh_expect_read(struct gh_test_vm *vm, unsigned int id, uint64_t addr, uint32_t len);
int gh_expect_write(struct gh_test_vm *vm, unsigned int id, uint64_t addr, uint32_t len,
		    uint64_t *value);
/* Answer a read that is pending */
void gh_reply(struct gh_test_vm *vm, unsigned int id, uint64_t value);

/* Tell the guest what to execute when it runs next */
int gh_command(struct gh_test_vm *vm, unsigned int id, uint64_t command,
	       uint64_t arg0, uint64_t arg1, uint64_t arg2);
/* Run the guest until it has a result */
int gh_result(struct gh_test_vm *vm, unsigned int id, uint64_t *result);
/* Both */
int gh_execute(struct gh_test_vm *vm, unsigned int id, uint64_t command,
	       uint64_t arg0, uint64_t arg1, uint64_t arg2, uint64_t *result);
/* Run a guest that asked for its end until the STATUS exit, or GH_END_LOST */
int gh_run_to_end(struct gh_test_vm *vm, unsigned int id);
/* Let the guest power off, and run it until the STATUS exit, or GH_END_LOST */
int gh_power_off(struct gh_test_vm *vm, unsigned int id);

/*
 * The guest asked for its end, and the hypervisor told nobody. That is no
 * failure of the host's: see gh_run_to_end()
 */
#define GH_END_LOST		1

/* In the device tree where the hypervisor is one for tests, and fails on request */
#define GH_TEST_PAGE		"/sys/firmware/devicetree/base/hypervisor-debug"

/* For tests on kselftest_harness.h, which can't judge what comes after a lost end */
#define __END(call) do {							\
	int __end = call;							\
										\
	if (__end == GH_END_LOST && __test_passed(_metadata))			\
		SKIP(_exit(KSFT_SKIP), "the hypervisor lost the guest's end");	\
	ASSERT_EQ(0, __end);							\
} while (0)

#define RUN_TO_END(vm, id)	__END(gh_run_to_end(vm, id))
#define POWER_OFF(vm, id)	__END(gh_power_off(vm, id))

/* Address of a register of a vCPU's device */
static inline uint64_t gh_dev(unsigned int id, uint64_t offset)
{
	return GUEST_DEV + ((uint64_t)id << GUEST_DEV_SHIFT) + offset;
}

uint64_t gh_now_us(void);

/* Sum of the numbers that follow @name at the start of a line of a file of the kernel */
long gh_sum_of(const char *path, const char *name);
/* Free pages and those that slabs have, when all that can be freed has been */
long gh_count_pages(void);

/* Does an access to @addr work? Else it was a SIGBUS */
bool gh_can_read(void *addr);
bool gh_can_write(void *addr);
/* 0 if that can't be known */
uint64_t gh_physical_address(void *addr);

#endif

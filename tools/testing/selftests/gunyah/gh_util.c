// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gh_util.h"

/* gh_guest.S */
extern const char gh_guest_start[], gh_guest_end[];

/* A guest that asks for its end has it after milliseconds */
#define END_SECONDS	10

#define fail(format, ...) ({						\
	int __err = errno;						\
	printf("# %s: " format "\n", __func__, ##__VA_ARGS__);		\
	errno = __err;							\
	-1;								\
})

#define fail_errno(format, ...)						\
	fail(format ": %s", ##__VA_ARGS__, strerror(errno))

uint64_t gh_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

long gh_sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[512];
	long sum = 0;

	if (!file) {
		fail_errno("%s", path);
		exit(1);
	}
	while (fgets(line, sizeof(line), file)) {
		char *start = line + strspn(line, " ");

		if (!strncmp(start, name, strlen(name)) && strchr(" :", start[strlen(name)]))
			sum += atol(start + strlen(name) + 1);
	}
	fclose(file);
	return sum;
}

long gh_count_pages(void)
{
	FILE *file = fopen("/proc/sys/vm/drop_caches", "w");

	if (file) {
		fputs("3", file);
		fclose(file);
	}
	/* What is freed after a grace period is free then */
	sleep(2);

	/* Per zone, and the pages on the lists of each CPU */
	return gh_sum_of("/proc/zoneinfo", "nr_free_pages") +
		gh_sum_of("/proc/zoneinfo", "count") +
		gh_sum_of("/proc/vmstat", "nr_slab_reclaimable") +
		gh_sum_of("/proc/vmstat", "nr_slab_unreclaimable");
}

/* Flattened device tree, without the part of the format that nobody here needs */

struct fdt {
	uint8_t *blob;
	size_t size;
	char strings[2048];
	size_t strings_size;
};

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_END = 9 };
enum { FDT_HEADER_SIZE = 40, FDT_RSVMAP_SIZE = 16 };

static void fdt_word(struct fdt *fdt, uint32_t word)
{
	word = htobe32(word);
	memcpy(fdt->blob + fdt->size, &word, sizeof(word));
	fdt->size += sizeof(word);
}

static void fdt_bytes(struct fdt *fdt, const void *data, size_t size)
{
	memcpy(fdt->blob + fdt->size, data, size);
	fdt->size += size;
	while (fdt->size % 4)
		fdt->blob[fdt->size++] = 0;
}

static void fdt_begin(struct fdt *fdt, const char *name)
{
	fdt_word(fdt, FDT_BEGIN_NODE);
	fdt_bytes(fdt, name, strlen(name) + 1);
}

static void fdt_end(struct fdt *fdt)
{
	fdt_word(fdt, FDT_END_NODE);
}

static void fdt_prop(struct fdt *fdt, const char *name, const void *data, size_t size)
{
	fdt_word(fdt, FDT_PROP);
	fdt_word(fdt, size);
	fdt_word(fdt, fdt->strings_size);
	fdt_bytes(fdt, data, size);
	strcpy(fdt->strings + fdt->strings_size, name);
	fdt->strings_size += strlen(name) + 1;
}

static void fdt_string(struct fdt *fdt, const char *name, const char *value)
{
	fdt_prop(fdt, name, value, strlen(value) + 1);
}

#define fdt_cells(fdt, name, ...) do {					\
	uint32_t __cells[] = { __VA_ARGS__ };				\
									\
	for (size_t __i = 0; __i < sizeof(__cells) / 4; __i++)		\
		__cells[__i] = htobe32(__cells[__i]);			\
	fdt_prop(fdt, name, __cells, sizeof(__cells));			\
} while (0)

static void fdt_cell_sizes(struct fdt *fdt, uint32_t address, uint32_t size)
{
	fdt_cells(fdt, "#address-cells", address);
	fdt_cells(fdt, "#size-cells", size);
}

static void fdt_bell(struct fdt *fdt, const struct gh_test_bell *bell)
{
	char name[16], generate[32];

	snprintf(name, sizeof(name), "bell-%x", bell->label);
	snprintf(generate, sizeof(generate), "/hypervisor/%s", name);
	fdt_begin(fdt, name);
	fdt_string(fdt, "vdevice-type", "doorbell");
	fdt_string(fdt, "generate", generate);
	fdt_cells(fdt, "label", bell->label);
	fdt_prop(fdt, "peer-default", NULL, 0);
	if (bell->can_clear)
		fdt_prop(fdt, "source-can-clear", NULL, 0);
	fdt_cells(fdt, "interrupts", 0, bell->irq - 32, bell->can_clear ? 4 : 1);
	fdt_end(fdt);
}

size_t gh_write_dtb_bells(void *to, unsigned int cpus, const struct gh_test_bell *bells,
			  unsigned int n_bells)
{
	struct fdt fdt = { .blob = to, .size = FDT_HEADER_SIZE + FDT_RSVMAP_SIZE };
	size_t struct_size, strings;
	char name[16];

	memset(to, 0, fdt.size);

	fdt_begin(&fdt, "");
	fdt_cell_sizes(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 1);

	fdt_begin(&fdt, "chosen");
	fdt_end(&fdt);

	fdt_begin(&fdt, "cpus");
	fdt_cell_sizes(&fdt, 1, 0);
	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		snprintf(name, sizeof(name), "cpu@%x", cpu);
		fdt_begin(&fdt, name);
		fdt_string(&fdt, "device_type", "cpu");
		fdt_string(&fdt, "compatible", "arm,armv8");
		fdt_string(&fdt, "enable-method", "psci");
		fdt_cells(&fdt, "reg", cpu);
		fdt_end(&fdt);
	}
	fdt_end(&fdt);

	fdt_begin(&fdt, "psci");
	fdt_string(&fdt, "compatible", "arm,psci-1.0");
	fdt_string(&fdt, "method", "hvc");
	fdt_end(&fdt);

	fdt_begin(&fdt, "interrupt-controller@3fff0000");
	fdt_string(&fdt, "compatible", "arm,gic-v3");
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_prop(&fdt, "interrupt-controller", NULL, 0);
	fdt_cells(&fdt, "reg", 0, GUEST_GICD, 0, 0x10000, 0, GUEST_GICR, 0, cpus * 0x20000);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);

	fdt_begin(&fdt, "timer");
	fdt_string(&fdt, "compatible", "arm,armv8-timer");
	fdt_cells(&fdt, "interrupts", 1, 13, 8, 1, 14, 8, 1, 11, 8, 1, 10, 8);
	fdt_end(&fdt);

	fdt_begin(&fdt, "gunyah-vm-config");
	fdt_cell_sizes(&fdt, 2, 2);
	fdt_string(&fdt, "image-name", "gunyah-selftest");
	fdt_begin(&fdt, "memory");
	fdt_cell_sizes(&fdt, 2, 2);
	fdt_cells(&fdt, "base-address", 0, GUEST_RAM);
	fdt_end(&fdt);
	fdt_begin(&fdt, "interrupts");
	fdt_string(&fdt, "config", "/interrupt-controller@3fff0000");
	fdt_end(&fdt);
	fdt_begin(&fdt, "vcpus");
	fdt_string(&fdt, "config", "/cpus");
	fdt_string(&fdt, "affinity", "proxy");
	fdt_end(&fdt);
	if (n_bells) {
		fdt_begin(&fdt, "vdevices");
		for (unsigned int i = 0; i < n_bells; i++)
			fdt_bell(&fdt, &bells[i]);
		fdt_end(&fdt);
	}
	fdt_end(&fdt);

	fdt_end(&fdt);
	fdt_word(&fdt, FDT_END);

	struct_size = fdt.size - FDT_HEADER_SIZE - FDT_RSVMAP_SIZE;
	strings = fdt.size;
	fdt_bytes(&fdt, fdt.strings, fdt.strings_size);

	/* It has the sizes, so it comes last */
	uint32_t header[FDT_HEADER_SIZE / 4] = {
		0xd00dfeed, fdt.size, FDT_HEADER_SIZE + FDT_RSVMAP_SIZE, strings,
		FDT_HEADER_SIZE, 17, 16, 0, fdt.strings_size, struct_size,
	};

	for (size_t i = 0; i < FDT_HEADER_SIZE / 4; i++)
		header[i] = htobe32(header[i]);
	memcpy(to, header, sizeof(header));
	return fdt.size;
}

size_t gh_write_dtb(void *to, unsigned int cpus)
{
	return gh_write_dtb_bells(to, cpus, NULL, 0);
}

int gh_open(const char **why_not)
{
	int fd = open("/dev/gunyah", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;

	switch (errno) {
	case ENOENT:
		*why_not = "no /dev/gunyah: not a host of the Gunyah hypervisor";
		return -1;
	case EACCES:
	case EPERM:
		*why_not = "can't open /dev/gunyah: needs root";
		return -1;
	default:
		/* It is there, and does not work: no reason to skip a test */
		err(1, "/dev/gunyah");
	}
}

const char *gh_why_not(void)
{
	const char *why_not;
	int fd = gh_open(&why_not);

	if (fd < 0)
		return why_not;
	close(fd);
	return NULL;
}

bool gh_is_slow_kernel(void)
{
	return !access("/proc/lockdep_stats", F_OK);
}

int gh_create_mem(int gunyah, uint64_t size)
{
	struct gh_create_mem_args args = {
		.flags = GH_GUEST_MEM_CLOEXEC | GH_GUEST_MEM_ALLOW_HUGEPAGE,
		.size = size,
	};

	return ioctl(gunyah, GH_CREATE_GUEST_MEM, &args);
}

void *gh_map_host(int mem, size_t size)
{
	void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);

	return host == MAP_FAILED ? NULL : host;
}

int gh_map_mem(int vm, int mem, uint64_t guest_addr, uint64_t size, uint32_t flags)
{
	struct gh_map_mem_args args = {
		.guest_addr = guest_addr,
		.flags = flags,
		.guest_mem_fd = mem,
		.size = size,
	};

	return ioctl(vm, GH_VM_MAP_MEM, &args);
}

int gh_change_huge_pages(int by)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_RDWR);
	char pages[16] = {};
	ssize_t ret = -1;

	if (fd >= 0 && pread(fd, pages, sizeof(pages) - 1, 0) > 0) {
		snprintf(pages, sizeof(pages), "%ld", atol(pages) + by);
		ret = pwrite(fd, pages, strlen(pages), 0);
	}
	if (fd >= 0)
		close(fd);
	return ret < 0 ? -1 : 0;
}

int gh_set_dtb(int vm, uint64_t guest_addr, uint64_t size)
{
	struct gh_vm_dtb_config config = { .guest_phys_addr = guest_addr, .size = size };

	return ioctl(vm, GH_VM_SET_DTB_CONFIG, &config);
}

int gh_set_boot_reg(int vm, uint32_t set, uint32_t index, uint64_t value)
{
	struct gh_vm_boot_context context = {
		.reg = GH_VM_BOOT_CONTEXT_REG(set, index),
		.value = value,
	};

	return ioctl(vm, GH_VM_SET_BOOT_CONTEXT, &context);
}

int gh_add_vcpu(int vm, uint32_t id)
{
	struct gh_vm_function function = { .name = "vcpu", .vcpu.vcpu_id = id };

	return ioctl(vm, GH_VM_ADD_FUNCTION, &function);
}

int gh_add_function(int vm, uint32_t type, const void *arg, uint32_t size)
{
	struct gh_fn_desc desc = { .type = type, .arg_size = size, .arg = (uintptr_t)arg };

	return ioctl(vm, GH_VM_ADD_FUNCTION_DESC, &desc);
}

int gh_remove_function(int vm, uint32_t type, const void *arg, uint32_t size)
{
	struct gh_fn_desc desc = { .type = type, .arg_size = size, .arg = (uintptr_t)arg };

	return ioctl(vm, GH_VM_REMOVE_FUNCTION, &desc);
}

int gh_remove_vcpu(int vm, uint32_t id)
{
	struct gh_fn_vcpu_arg arg = { .vcpu_id = id };

	return gh_remove_function(vm, GH_FN_VCPU, &arg, sizeof(arg));
}

int gh_add_irqfd(int vm, int fd, uint32_t label, uint32_t flags)
{
	struct gh_fn_irqfd_arg arg = { .fd = fd, .label = label, .flags = flags };

	return gh_add_function(vm, GH_FN_IRQFD, &arg, sizeof(arg));
}

/* With no more than deployed VMMs give */
int gh_remove_irqfd(int vm, uint32_t label)
{
	struct gh_fn_irqfd_arg arg = { .label = label };

	return gh_remove_function(vm, GH_FN_IRQFD, &arg, sizeof(arg));
}

void gh_write_guest(void *to)
{
	memcpy(to, gh_guest_start, gh_guest_end - gh_guest_start);
}

void gh_vm_clear(struct gh_test_vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->gunyah = -1;
	vm->vm = -1;
	vm->mem = -1;
	for (int i = 0; i < GH_MAX_VCPUS; i++)
		vm->vcpu_fd[i] = -1;
}

int gh_vm_prepare(struct gh_test_vm *vm, unsigned int vcpus)
{
	gh_vm_clear(vm);
	vm->gunyah = open("/dev/gunyah", O_RDWR | O_CLOEXEC);
	if (vm->gunyah < 0)
		return fail_errno("/dev/gunyah");
	vm->vm = ioctl(vm->gunyah, GH_CREATE_VM, 0);
	if (vm->vm < 0)
		return fail_errno("GH_CREATE_VM");
	vm->mem = gh_create_mem(vm->gunyah, GUEST_RAM_SIZE);
	if (vm->mem < 0)
		return fail_errno("GH_CREATE_GUEST_MEM");
	vm->host = gh_map_host(vm->mem, GUEST_RAM_SIZE);
	if (!vm->host)
		return fail_errno("mmap of guest memory");

	gh_write_guest(vm->host);
	gh_write_dtb(vm->host + GUEST_DTB_OFFSET, vcpus ? vcpus : 1);

	if (gh_map_mem(vm->vm, vm->mem, GUEST_RAM, GUEST_RAM_SIZE, GH_MAP_MEM_LEND_RWX))
		return fail_errno("GH_VM_MAP_MEM");
	if (gh_set_dtb(vm->vm, GUEST_RAM + GUEST_DTB_OFFSET, GUEST_DTB_ROOM))
		return fail_errno("GH_VM_SET_DTB_CONFIG");

	for (; vm->vcpus < vcpus; vm->vcpus++) {
		unsigned int id = vm->vcpus;
		void *run;

		vm->vcpu_fd[id] = gh_add_vcpu(vm->vm, id);
		if (vm->vcpu_fd[id] < 0)
			return fail_errno("GH_VM_ADD_FUNCTION of vCPU %u", id);
		run = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			   vm->vcpu_fd[id], 0);
		if (run == MAP_FAILED)
			return fail_errno("mmap of vCPU %u", id);
		vm->run[id] = run;
	}
	return 0;
}

int gh_vm_boot(struct gh_test_vm *vm, unsigned int vcpus)
{
	if (gh_vm_prepare(vm, vcpus))
		return -1;
	if (ioctl(vm->vm, GH_VM_START))
		return fail_errno("GH_VM_START");
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* What remains mapped keeps its VM: try again if there was no memory for it */
static void unmap(void *addr, size_t size)
{
	while (munmap(addr, size) && errno == ENOMEM)
		;
}

void gh_vm_close(struct gh_test_vm *vm)
{
	for (int i = 0; i < GH_MAX_VCPUS; i++) {
		if (vm->run[i])
			unmap(vm->run[i], sysconf(_SC_PAGESIZE));
		close_fd(vm->vcpu_fd[i]);
	}
	if (vm->host)
		unmap(vm->host, GUEST_RAM_SIZE);
	close_fd(vm->mem);
	close_fd(vm->vm);
	close_fd(vm->gunyah);
	gh_vm_clear(vm);
}

int gh_vcpu_run(struct gh_test_vm *vm, unsigned int id)
{
	int ret;

	do {
		ret = ioctl(vm->vcpu_fd[id], GH_VCPU_RUN);
	} while (ret && errno == EINTR && !vm->run[id]->immediate_exit);

	return ret ? fail_errno("GH_VCPU_RUN of vCPU %u", id) : 0;
}

static int expect(struct gh_test_vm *vm, unsigned int id, uint64_t addr, uint32_t len,
		  bool is_write)
{
	struct gh_vcpu_run *run = vm->run[id];

	if (gh_vcpu_run(vm, id))
		return -1;
	if (run->exit_reason == GH_VCPU_EXIT_STATUS)
		return fail("vCPU %u: status %u, exit type %u in place of a %u byte %s at %#llx",
			    id, run->status.status, run->status.exit_info.type, len,
			    is_write ? "write" : "read", (unsigned long long)addr);
	if (run->exit_reason != GH_VCPU_EXIT_MMIO)
		return fail("vCPU %u: exit reason %u", id, run->exit_reason);
	if (run->mmio.phys_addr != addr || run->mmio.len != len ||
	    run->mmio.is_write != is_write)
		return fail("vCPU %u: %u byte %s at %#llx in place of %u byte %s at %#llx",
			    id, run->mmio.len, run->mmio.is_write ? "write" : "read",
			    run->mmio.phys_addr, len, is_write ? "write" : "read",
			    (unsigned long long)addr);
	return 0;
}

int gh_expect_read(struct gh_test_vm *vm, unsigned int id, uint64_t addr, uint32_t len)
{
	return expect(vm, id, addr, len, false);
}

/* All 8 bytes: those beyond the length are to be zero */
int gh_expect_write(struct gh_test_vm *vm, unsigned int id, uint64_t addr, uint32_t len,
		    uint64_t *value)
{
	if (expect(vm, id, addr, len, true))
		return -1;
	memcpy(value, vm->run[id]->mmio.data, sizeof(*value));
	return 0;
}

void gh_reply(struct gh_test_vm *vm, unsigned int id, uint64_t value)
{
	memcpy(vm->run[id]->mmio.data, &value, sizeof(value));
}

int gh_command(struct gh_test_vm *vm, unsigned int id, uint64_t command,
	       uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	uint64_t words[] = { command, arg0, arg1, arg2 };

	for (int i = 0; i < 4; i++) {
		if (gh_expect_read(vm, id, gh_dev(id, GUEST_DEV_CMD + i * 8), 8))
			return -1;
		gh_reply(vm, id, words[i]);
	}
	return 0;
}

int gh_result(struct gh_test_vm *vm, unsigned int id, uint64_t *result)
{
	return gh_expect_write(vm, id, gh_dev(id, GUEST_DEV_RESULT), 8, result);
}

int gh_execute(struct gh_test_vm *vm, unsigned int id, uint64_t command,
	       uint64_t arg0, uint64_t arg1, uint64_t arg2, uint64_t *result)
{
	if (gh_command(vm, id, command, arg0, arg1, arg2))
		return -1;
	return gh_result(vm, id, result);
}

static void interrupt(int sig)
{
}

/* A signal for this thread each second, until @timer is deleted */
static int start_timer(timer_t *timer)
{
	const struct sigaction action = { .sa_handler = interrupt };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
	const struct itimerspec times = { .it_value.tv_sec = 1, .it_interval.tv_sec = 1 };

	event._sigev_un._tid = gettid();
	if (sigaction(SIGRTMIN, &action, NULL) || timer_create(CLOCK_MONOTONIC, &event, timer))
		return fail_errno("timer_create");
	if (timer_settime(*timer, 0, &times, NULL))
		return fail_errno("timer_settime");
	return 0;
}

/*
 * The hypervisor's public release stops the guest on SYSTEM_OFF, and then may
 * not come to the point where it says so: to the host, which waits for
 * POWERED_OFF to be followed by something, the guest is asleep for ever. One
 * that has a page for tests is not that release, and gets no such excuse.
 */
int gh_run_to_end(struct gh_test_vm *vm, unsigned int id)
{
	bool excused = access(GH_TEST_PAGE, F_OK);
	uint64_t end = gh_now_us() + END_SECONDS * 1000000ULL;
	timer_t timer;
	int ret;

	if (start_timer(&timer))
		return -1;
	do {
		ret = ioctl(vm->vcpu_fd[id], GH_VCPU_RUN);
	} while (ret && errno == EINTR && (!excused || gh_now_us() < end));
	if (ret && errno == EINTR) {
		printf("# vCPU %u: no end %d s after the guest asked for it\n", id, END_SECONDS);
		ret = GH_END_LOST;
	} else if (ret) {
		ret = fail_errno("GH_VCPU_RUN of vCPU %u", id);
	}
	timer_delete(timer);
	return ret;
}

int gh_power_off(struct gh_test_vm *vm, unsigned int id)
{
	struct gh_vcpu_run *run = vm->run[id];
	int ret;

	if (gh_command(vm, id, GUEST_HVC, PSCI_SYSTEM_OFF, 0, 0))
		return -1;
	ret = gh_run_to_end(vm, id);
	if (ret)
		return ret;
	if (run->exit_reason != GH_VCPU_EXIT_STATUS)
		return fail("vCPU %u: exit reason %u after SYSTEM_OFF", id, run->exit_reason);
	if (run->status.status != GH_VM_STATUS_EXITED ||
	    run->status.exit_info.type != GH_VM_EXIT_TYPE_PSCI_POWER_OFF)
		return fail("vCPU %u: status %u, exit type %u after SYSTEM_OFF", id,
			    run->status.status, run->status.exit_info.type);
	return 0;
}

static __thread sigjmp_buf access_failed;

static void sigbus(int sig)
{
	siglongjmp(access_failed, sig);
}

static bool can_access(uint8_t *addr, bool write)
{
	struct sigaction action = { .sa_handler = sigbus }, old;
	bool done;

	sigaction(SIGBUS, &action, &old);
	if (sigsetjmp(access_failed, 1)) {
		done = false;
	} else {
		if (write)
			WRITE_ONCE(*addr, 0xa5);
		else
			READ_ONCE(*addr);
		done = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return done;
}

bool gh_can_read(void *addr)
{
	return can_access(addr, false);
}

bool gh_can_write(void *addr)
{
	return can_access(addr, true);
}

uint64_t gh_physical_address(void *addr)
{
	size_t page = getpagesize();
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, 8, (uintptr_t)addr / page * 8) != 8)
		entry = 0;
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * page + (uintptr_t)addr % page;
}

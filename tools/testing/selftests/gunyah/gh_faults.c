// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "gh_faults.h"

#define DOOR_REG	"/sys/firmware/devicetree/base/hypervisor-debug/reg"

enum { DOOR_OP, DOOR_A, DOOR_B, DOOR_RESULT };

static uint64_t *door;

const char *gh_faults_open(void)
{
	const char *why_not = gh_why_not();
	uint64_t reg[2];
	void *page;
	int fd;

	if (why_not)
		return why_not;
	fd = open(DOOR_REG, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "no /hypervisor-debug in the device tree: nothing fails on request";
	if (read(fd, reg, sizeof(reg)) != sizeof(reg)) {
		close(fd);
		return "/hypervisor-debug in the device tree has no usable reg";
	}
	close(fd);

	fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return "no /dev/mem";
	page = mmap(NULL, be64toh(reg[1]), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    be64toh(reg[0]));
	close(fd);
	if (page == MAP_FAILED)
		return "/dev/mem does not map /hypervisor-debug";
	door = page;
	gh_faults_clear();
	return NULL;
}

uint64_t gh_fault(enum gh_fault fault, uint64_t a, uint64_t b)
{
	WRITE_ONCE(door[DOOR_A], a);
	WRITE_ONCE(door[DOOR_B], b);
	WRITE_ONCE(door[DOOR_OP], fault);
	return READ_ONCE(door[DOOR_RESULT]);
}

uint64_t gh_faults_clear(void)
{
	uint64_t left = gh_fault(GH_COUNT_LEFT, 0, 0) + gh_fault(GH_COUNT_HYP_LEFT, 0, 0);

	gh_fault(GH_FAULT_CLEAR, 0, 0);
	gh_fault(GH_FAULT_HYP_CLEAR, 0, 0);
	return left;
}

static uint64_t pinned_pages(void)
{
	unsigned long long value, pinned = 0;
	char name[64];
	FILE *file;
	int fd;

	/* What each CPU has counted for itself is in the sum then */
	fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!read(fd, name, 1);
		close(fd);
	}
	file = fopen("/proc/vmstat", "r");
	if (!file)
		return 0;
	while (fscanf(file, "%63s %llu", name, &value) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			pinned += value;
		if (!strcmp(name, "nr_foll_pin_released"))
			pinned -= value;
	}
	fclose(file);
	return pinned;
}

struct gh_figures gh_figures(void)
{
	return (struct gh_figures) {
		.parcels = gh_fault(GH_COUNT_PARCELS, 0, 0),
		.vmids = gh_fault(GH_COUNT_VMIDS, 0, 0),
		.virqs = gh_fault(GH_COUNT_VIRQS, 0, 0),
		.caps = gh_fault(GH_COUNT_CAPS, 0, 0),
		.pages = gh_fault(GH_COUNT_PAGES, 0, 0),
		.pinned = pinned_pages(),
	};
}

static bool is(uint64_t now, uint64_t before, const char *what, const char *when)
{
	if (now == before)
		return true;
	printf("# %s: %llu %s, %llu before\n", when, (unsigned long long)now, what,
	       (unsigned long long)before);
	return false;
}

bool gh_figures_are(const struct gh_figures *before, const char *when)
{
	const struct gh_figures now = gh_figures();

	/* All of them, not only the first one that differs */
	return is(now.parcels, before->parcels, "parcels", when) &
	       is(now.vmids, before->vmids, "VMIDs", when) &
	       is(now.virqs, before->virqs, "interrupts", when) &
	       is(now.caps, before->caps, "capabilities", when) &
	       is(now.pages, before->pages, "pages in parcels", when) &
	       is(now.pinned, before->pinned, "pinned pages", when);
}

static uint8_t *shared;

/*
 * The pages of one half are not beside each other: they come into being in turns
 * with those of the other.
 */
int gh_life_init(void)
{
	size_t page = getpagesize(), half = GH_LIFE_SHARED_PAGES * page;

	shared = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return -1;
	madvise(shared, 2 * half, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < half; i += page) {
		shared[i] = 1;
		shared[half + i] = 1;
	}
	return 0;
}

static int add_eventfds(struct gh_life *life)
{
	struct gh_fn_ioeventfd_arg io = { .addr = GH_LIFE_IOEVENTFD, .len = 4 };

	life->edge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	life->level = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	life->io = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (life->edge < 0 || life->level < 0 || life->io < 0)
		return -1;
	io.fd = life->io;
	if (gh_add_irqfd(life->vm.vm, life->edge, GH_LIFE_EDGE_BELL, 0) ||
	    gh_add_irqfd(life->vm.vm, life->level, GH_LIFE_LEVEL_BELL, GH_IRQFD_LEVEL))
		return -1;
	return gh_add_function(life->vm.vm, GH_FN_IOEVENTFD, &io, sizeof(io));
}

int gh_life_prepare(struct gh_life *life)
{
	static const struct gh_test_bell bells[] = {
		{ GH_LIFE_EDGE_BELL, 40, false },
		{ GH_LIFE_LEVEL_BELL, 41, true },
	};
	struct gh_userspace_memory_region region = {
		.label = 7,
		.flags = GH_MEM_ALLOW_READ | GH_MEM_ALLOW_WRITE,
		.guest_phys_addr = 0x90000000,
		.memory_size = (uint64_t)GH_LIFE_SHARED_PAGES * getpagesize(),
		.userspace_addr = (uintptr_t)shared,
	};

	life->edge = -1;
	life->level = -1;
	life->io = -1;
	if (gh_vm_prepare(&life->vm, 2))
		return -1;
	gh_write_dtb_bells(life->vm.host + GUEST_DTB_OFFSET, 2, bells, 2);
	if (ioctl(life->vm.vm, GH_VM_SET_USER_MEM_REGION, &region) ||
	    gh_set_boot_reg(life->vm.vm, GH_VM_BOOT_REG_SET_PC, 0, GUEST_RAM))
		return -1;
	return add_eventfds(life);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void gh_life_close(struct gh_life *life)
{
	gh_vm_close(&life->vm);
	close_fd(life->edge);
	close_fd(life->level);
	close_fd(life->io);
}

static struct gh_vcpu_run *watched;

static void end_watched(int sig)
{
	if (watched)
		WRITE_ONCE(watched->immediate_exit, 1);
}

static void watch(struct gh_vcpu_run *run)
{
	const struct sigaction action = { .sa_handler = end_watched };
	const struct itimerval timer = {
		.it_value.tv_sec = run ? 20 : 0,
		.it_interval.tv_usec = run ? 100000 : 0,
	};

	watched = run;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* As much as a VM can do with one thread */
static int run_life(struct gh_life *life, bool power_off)
{
	struct gh_test_vm *vm = &life->vm;
	uint64_t value;

	if (gh_execute(vm, 0, GUEST_SLEEP, 500, 0, 0, &value) ||
	    eventfd_write(life->edge, 1) || eventfd_write(life->level, 1) ||
	    gh_execute(vm, 0, GUEST_WRITE32, GH_LIFE_IOEVENTFD, 1, 0, &value))
		return -1;
	return power_off ? gh_power_off(vm, 0) : 0;
}

/* A VM that did not start says why again, and its vCPUs say so too */
static int check_dead(struct gh_life *life, int error)
{
	struct gh_vcpu_run *run = life->vm.run[0];

	errno = 0;
	if (!ioctl(life->vm.vm, GH_VM_START) || errno != error ||
	    ioctl(life->vm.vcpu_fd[0], GH_VCPU_RUN) ||
	    run->exit_reason != GH_VCPU_EXIT_STATUS ||
	    run->status.status != GH_VM_STATUS_LOAD_FAILED) {
		printf("# GH_VM_START failed with errno %d, and left a VM behind\n", error);
		return -1;
	}
	return error;
}

int gh_live(bool power_off)
{
	struct gh_life life;
	int error = 0;

	errno = 0;
	if (gh_life_prepare(&life)) {
		error = errno ?: EPROTO;
	} else if (ioctl(life.vm.vm, GH_VM_START)) {
		error = check_dead(&life, errno);
	} else {
		watch(life.vm.run[0]);
		errno = 0;
		if (run_life(&life, power_off))
			error = errno ?: EPROTO;
		watch(NULL);
	}
	gh_life_close(&life);
	return error;
}

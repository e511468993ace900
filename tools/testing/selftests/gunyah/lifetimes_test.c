// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many VMs, one after the other: nothing may be left of them. The number is
 * three times what there is of VM numbers and memory parcels, so VMs that do
 * not give back their own end the test. Memory is counted.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest.h"

#define LIFETIMES	200
/* Before the first count: caches of the kernel fill up */
#define WARM_UP		20
/* A leak of a page in every other lifetime is seen */
#define MAX_LOST_PAGES	(LIFETIMES / 2 - 1)
/* See gh_run_to_end(). Such a VM is taken down like one that runs */
#define MAX_LOST_ENDS	(LIFETIMES / 20)

static unsigned int lost;

struct figures {
	/* Free pages, and those that slabs have */
	long pages;
	/* Pages pinned by get_user_pages() and its like */
	long pinned;
	long page_tables;
	/* Interrupts of vCPUs */
	long irqs;
};

static long lines_with(const char *path, const char *text)
{
	FILE *file = fopen(path, "r");
	char line[512];
	long lines = 0;

	if (!file)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		lines += !!strstr(line, text);
	fclose(file);
	return lines;
}

static struct figures count(void)
{
	return (struct figures) {
		.pages = gh_count_pages(),
		.pinned = gh_sum_of("/proc/vmstat", "nr_foll_pin_acquired") -
			  gh_sum_of("/proc/vmstat", "nr_foll_pin_released"),
		.page_tables = gh_sum_of("/proc/vmstat", "nr_page_table_pages"),
		.irqs = lines_with("/proc/interrupts", "gunyah-vcpu"),
	};
}

static int run(struct gh_test_vm *vm, unsigned int vcpus)
{
	uint64_t value;

	if (gh_vm_boot(vm, vcpus))
		return -1;
	if (lines_with("/proc/interrupts", "gunyah-vcpu") != vcpus) {
		ksft_print_msg("a VM with %u vCPUs has another number of interrupts\n", vcpus);
		return -1;
	}
	return gh_execute(vm, 0, GUEST_SLEEP, 1000, 0, 0, &value);
}

static int ask_for_reset(struct gh_test_vm *vm)
{
	if (gh_command(vm, 0, GUEST_HVC, PSCI_SYSTEM_RESET, 0, 0))
		return -1;
	return gh_run_to_end(vm, 0);
}

/* The resource manager does not take this for a device tree */
static int fail_to_start(struct gh_test_vm *vm, unsigned int vcpus)
{
	if (gh_vm_prepare(vm, vcpus))
		return -1;
	memset(vm->host + GUEST_DTB_OFFSET, 0xff, 0x1000);
	return ioctl(vm->vm, GH_VM_START) ? 0 : -1;
}

/* The VM is a child's, and goes with it */
static int kill_child(unsigned int vcpus)
{
	int ready[2], ret = -1;
	struct gh_test_vm vm;
	pid_t pid;
	char byte;

	if (pipe(ready))
		return -1;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (!run(&vm, vcpus) && !gh_command(&vm, 0, GUEST_SPIN, 0, 0, 0) &&
		    write(ready[1], "", 1) == 1)
			gh_vcpu_run(&vm, 0);
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0) {
		ret = read(ready[0], &byte, 1) == 1 ? 0 : -1;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ready[0]);
	return ret;
}

static int live(int i)
{
	enum { CLOSED, VCPUS_CLOSED, POWERED_OFF, RESET, NOT_STARTED, KILLED, WAYS };
	unsigned int vcpus = 1 + i % 4, way = i % WAYS;
	struct gh_test_vm vm;
	int ret;

	if (way == KILLED)
		return kill_child(vcpus);

	ret = way == NOT_STARTED ? fail_to_start(&vm, vcpus) : run(&vm, vcpus);
	if (!ret && way == POWERED_OFF)
		ret = gh_power_off(&vm, 0);
	if (!ret && way == RESET)
		ret = ask_for_reset(&vm);
	if (ret == GH_END_LOST && ++lost <= MAX_LOST_ENDS)
		ret = 0;

	/* gh_vm_close() has the files of the vCPUs first, and the VM runs on so long */
	if (way == CLOSED) {
		close(vm.vm);
		vm.vm = -1;
	}
	gh_vm_close(&vm);
	return ret;
}

static void judge(const char *what, long before, long after, long growth, long limit)
{
	ksft_test_result(growth <= limit, "%s: %ld before, %ld after %d lifetimes (limit %ld)\n",
			 what, before, after, LIFETIMES, limit);
}

int main(void)
{
	struct figures before, after;
	const char *why_not;
	uint64_t start;
	int i;

	ksft_print_header();
	why_not = gh_why_not();
	if (why_not)
		ksft_exit_skip("%s\n", why_not);
	ksft_set_plan(5);

	for (i = 0; i < WARM_UP; i++)
		if (live(i))
			ksft_exit_fail_msg("lifetime %d of the warm-up failed\n", i);

	before = count();
	start = gh_now_us();
	for (i = 0; i < LIFETIMES; i++)
		if (live(i))
			break;
	ksft_print_msg("%d lifetimes in %llu ms, %u ends lost by the hypervisor\n", i,
		       (unsigned long long)(gh_now_us() - start) / 1000, lost);
	ksft_test_result(i == LIFETIMES, "%d lifetimes\n", LIFETIMES);
	after = count();

	judge("free pages", before.pages, after.pages, before.pages - after.pages, MAX_LOST_PAGES);
	judge("pinned pages", before.pinned, after.pinned, after.pinned - before.pinned, 0);
	judge("page table pages", before.page_tables, after.page_tables,
	      after.page_tables - before.page_tables, 4);
	judge("vCPU interrupts", before.irqs, after.irqs, after.irqs - before.irqs, 0);
	ksft_print_msg("%s\n", ksft_get_fail_cnt() ? "something grows" : "no growth");
	ksft_finished();
}

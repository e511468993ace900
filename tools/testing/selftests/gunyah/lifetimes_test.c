// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many VMs, one after the other: nothing may be left of them. The number is
 * above what there is of VM numbers, memory parcels and interrupts, so a VM
 * that does not give back its own ends the test. Memory is counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest.h"

#define LIFETIMES	200
/* Before the first count: caches of the kernel fill up */
#define WARM_UP		20
/* A leak of a page in every other lifetime is seen */
#define MAX_LOST_PAGES	(LIFETIMES / 2)

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

/* Every other VM is closed while it runs */
static int live(int i)
{
	unsigned int vcpus = 1 + i % 4;
	struct gh_test_vm vm;
	uint64_t value;
	int ret = -1;

	if (gh_vm_boot(&vm, vcpus))
		goto out;
	if (lines_with("/proc/interrupts", "gunyah-vcpu") != vcpus) {
		ksft_print_msg("VM %d with %u vCPUs has another number of interrupts\n", i, vcpus);
		goto out;
	}
	if (gh_command(&vm, 0, GUEST_SLEEP, 1000, 0, 0) || gh_result(&vm, 0, &value))
		goto out;
	ret = i % 2 ? gh_power_off(&vm, 0) : 0;
out:
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
	ksft_print_msg("%d lifetimes in %llu ms\n", i,
		       (unsigned long long)(gh_now_us() - start) / 1000);
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

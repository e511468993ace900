// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be seen of VMs from outside: fdinfo and debugfs.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

FIXTURE(observe) {
	struct gh_test_vm vm;
};

FIXTURE_SETUP(observe)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 2));
}

FIXTURE_TEARDOWN(observe)
{
	gh_vm_close(&self->vm);
}

/* The line "NAME<separator>VALUE" of a file. Returns false if there is none. */
static bool find_value(const char *path, const char *name, char separator, char *value,
		       size_t size)
{
	FILE *file = fopen(path, "r");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) || line[strlen(name)] != separator)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(value, size, "%s", line + strlen(name) + 1 +
			 strspn(line + strlen(name) + 1, "\t "));
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

static const char *fd_value(int fd, const char *name)
{
	static char value[64];
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return find_value(path, name, ':', value, sizeof(value)) ? value : "(missing)";
}

static long counter(int fd, const char *name)
{
	const char *value = fd_value(fd, name);
	char *end;
	long n = strtol(value, &end, 10);

	return *end || end == value ? -1 : n;
}

static long debugfs(const char *file, const char *name)
{
	char path[64], value[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/gunyah/%s", file);
	return find_value(path, name, ' ', value, sizeof(value)) ? strtol(value, NULL, 0) : -1;
}

TEST_F(observe, vm_states)
{
	long page = getpagesize();

	EXPECT_STREQ("new", fd_value(self->vm.vm, "gunyah-state"));
	EXPECT_STREQ("(missing)", fd_value(self->vm.vm, "gunyah-vmid"));
	EXPECT_EQ(GUEST_RAM_SIZE / page, counter(self->vm.vm, "gunyah-pages"));
	EXPECT_EQ(0, counter(self->vm.vm, "gunyah-pages-given"));

	START();
	EXPECT_STREQ("running", fd_value(self->vm.vm, "gunyah-state"));
	EXPECT_LT(0, counter(self->vm.vm, "gunyah-vmid"));
	EXPECT_EQ(GUEST_RAM_SIZE / page, counter(self->vm.vm, "gunyah-pages-given"));
	EXPECT_EQ(0, counter(self->vm.vm, "gunyah-pages-leaked"));
	EXPECT_EQ(0, counter(self->vm.vm, "gunyah-pages-pinned"));

	POWER_OFF(&self->vm, 0);
	EXPECT_STREQ("exited", fd_value(self->vm.vm, "gunyah-state"));
}

TEST_F(observe, dead_vm)
{
	ASSERT_EQ(0, gh_set_dtb(self->vm.vm, GUEST_RAM + GUEST_RAM_SIZE, getpagesize()));
	EXPECT_FAIL(EINVAL, ioctl(self->vm.vm, GH_VM_START));
	EXPECT_STREQ("dead", fd_value(self->vm.vm, "gunyah-state"));
	EXPECT_EQ(0, counter(self->vm.vm, "gunyah-pages-given"));
}

TEST_F(observe, pinned_pages)
{
	long page = getpagesize();
	void *mem = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	struct gh_userspace_memory_region region = {
		.label = 1,
		.flags = GH_MEM_ALLOW_READ,
		.guest_phys_addr = GUEST_RAM + GUEST_RAM_SIZE,
		.memory_size = 8 * page,
		.userspace_addr = (uintptr_t)mem,
	};

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_SET_USER_MEM_REGION, &region));
	EXPECT_EQ(8, counter(self->vm.vm, "gunyah-pages-pinned"));
	EXPECT_EQ(GUEST_RAM_SIZE / page + 8, counter(self->vm.vm, "gunyah-pages"));
	munmap(mem, 8 * page);
}

static void no_action(int signal)
{
}

TEST_F(observe, vcpu_counters)
{
	const struct itimerval timer = {
		.it_value.tv_usec = 20000,
		.it_interval.tv_usec = 20000,
	}, no_timer = { };
	struct sigaction action = { .sa_handler = no_action };
	struct gh_fn_ioeventfd_arg arg = {
		.addr = gh_dev(0, GUEST_DEV_SCRATCH),
		.len = 8,
		.fd = eventfd(0, 0),
	};
	int fd = self->vm.vcpu_fd[0];
	uint64_t value;

	START();
	EXPECT_EQ(1, counter(self->vm.vcpu_fd[1], "gunyah-vcpu"));
	EXPECT_EQ(0, counter(fd, "gunyah-entries"));

	/* A command: four reads for it and its arguments, a write for its result */
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_WRITE64, arg.addr, 1, 0));
	ASSERT_EQ(0, gh_expect_write(&self->vm, 0, arg.addr, 8, &value));
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(4, counter(fd, "gunyah-exits-mmio-read"));
	EXPECT_EQ(2, counter(fd, "gunyah-exits-mmio-write"));
	EXPECT_EQ(0, counter(fd, "gunyah-mmio-in-kernel"));

	ASSERT_EQ(0, gh_add_function(self->vm.vm, GH_FN_IOEVENTFD, &arg, sizeof(arg)));
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_WRITE64, arg.addr, 1, 0, &value));
	EXPECT_EQ(1, counter(fd, "gunyah-mmio-in-kernel"));
	EXPECT_EQ(3, counter(fd, "gunyah-exits-mmio-write"));
	EXPECT_LE(11, counter(fd, "gunyah-entries"));

	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_SLEEP, 20000, 0, 0, &value));
	EXPECT_LE(1, counter(fd, "gunyah-waits"));

	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_WFI, 0, 0, 0));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_FAIL(EINTR, ioctl(fd, GH_VCPU_RUN));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &no_timer, NULL));
	EXPECT_EQ(1, counter(fd, "gunyah-interrupted"));
	EXPECT_EQ(0, counter(fd, "gunyah-exits-status"));
	close(arg.fd);
}

/* A VM that nobody gets is none */
TEST_F(observe, no_descriptor)
{
	long vms = debugfs("vms", "vms");
	struct rlimit limit, none;

	if (vms < 0)
		SKIP(return, "no debugfs at /sys/kernel/debug");
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_FAIL(EMFILE, ioctl(self->vm.gunyah, GH_CREATE_VM, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(vms, debugfs("vms", "vms"));
}

TEST_F(observe, debugfs)
{
	long page = getpagesize(), vms, live, lent;

	vms = debugfs("vms", "vms");
	if (vms < 0)
		SKIP(return, "no debugfs at /sys/kernel/debug");
	live = debugfs("vms", "live_vms");
	lent = debugfs("vms", "lent_pages");
	START();
	EXPECT_EQ(vms, debugfs("vms", "vms"));
	EXPECT_EQ(live + 1, debugfs("vms", "live_vms"));
	EXPECT_EQ(lent + GUEST_RAM_SIZE / page, debugfs("vms", "lent_pages"));
	EXPECT_LE(0, debugfs("vms", "lost_vmids"));
	EXPECT_LE(0, debugfs("vms", "leaked_pages"));
	EXPECT_EQ(0, debugfs("rm", "dead"));
	EXPECT_EQ(0, debugfs("rm", "pending"));
	EXPECT_LE(1, debugfs("rm", "parcels"));
	gh_vm_close(&self->vm);
	EXPECT_EQ(vms - 1, debugfs("vms", "vms"));
	EXPECT_EQ(live, debugfs("vms", "live_vms"));
	EXPECT_EQ(lent, debugfs("vms", "lent_pages"));
}

TEST_HARNESS_MAIN

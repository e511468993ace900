// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a VM fails, or nobody knows what became of it. The host can't use
 * again what the hypervisor may still have: it is lost, and that is all. What is
 * left after these tests is a host that needs a restart, so they are not run with
 * the others.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kernel-page-flags.h>

#include "gh_faults.h"
#include "kselftest_harness.h"

/* As newer firmware calls a VM whose reset failed */
#define STATE_RESET_FAILED	12

/* Of what is lost for good, the part that can be counted */
struct state {
	struct gh_figures figures;
	/* Pages of guest memory that are gone */
	uint64_t offline;
	/* VMIDs, as the driver counts them */
	long lost_vmids;
};

#define VM_COUNTERS	"/sys/kernel/debug/gunyah/vms"

/* Pages that the driver does not let anybody read: lent now, or lost */
static uint64_t offline_pages(void)
{
	uint64_t flags[512], pfn, count = 0;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		return -1ULL;
	for (pfn = 0; (size = pread(fd, flags, sizeof(flags), pfn * 8)) > 0; pfn += size / 8)
		for (ssize_t i = 0; i < size / 8; i++)
			count += !!(flags[i] & 1ULL << KPF_OFFLINE);
	close(fd);
	return count;
}

static struct state state_now(void)
{
	return (struct state) {
		.figures = gh_figures(),
		.offline = offline_pages(),
		.lost_vmids = access(VM_COUNTERS, F_OK) ? -1 :
			      gh_sum_of(VM_COUNTERS, "lost_vmids"),
	};
}

FIXTURE(lost) {
	struct state before;
};

FIXTURE_SETUP(lost)
{
	const char *why_not = gh_faults_open();

	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_life_init());
	ASSERT_EQ(0, gh_live(true));
	self->before = state_now();
	ASSERT_NE(-1ULL, self->before.offline);
}

/* The host goes on without what it lost */
FIXTURE_TEARDOWN(lost)
{
	gh_faults_clear();
	EXPECT_EQ(0, gh_live(true));
}

#define GUEST_PAGES	(GUEST_RAM_SIZE / (uint64_t)getpagesize())

/* What one VM can lose of each; @before is what later losses are measured by */
static void expect_loss(struct __test_metadata *_metadata, struct state *before,
			unsigned int vmids, unsigned int parcels, bool private, bool shared)
{
	const struct state now = state_now();

	EXPECT_EQ(before->figures.vmids + vmids, now.figures.vmids);
	EXPECT_EQ(before->figures.parcels + parcels, now.figures.parcels);
	EXPECT_EQ(before->figures.pinned + (shared ? GH_LIFE_SHARED_PAGES : 0),
		  now.figures.pinned);
	EXPECT_EQ(before->offline + (private ? GUEST_PAGES : 0), now.offline);
	/* More, if a VM has been removed, and the reply that said so was cut */
	if (before->lost_vmids >= 0)
		EXPECT_LE(before->lost_vmids + (long)vmids, now.lost_vmids);
	*before = now;
	/* The old memory may still be shared */
	ASSERT_EQ(0, gh_life_init());
	EXPECT_EQ(0, gh_live(true));
	EXPECT_TRUE(gh_figures_are(&before->figures, "the next VM"));
}

/* (VMIDs, parcels, private memory, shared memory) */
#define EXPECT_LOSS(...)	expect_loss(_metadata, &self->before, __VA_ARGS__)

/* Nobody knows the number of the VM, or of the parcel, that was made */
TEST_F_TIMEOUT(lost, short_replies, 300)
{
	for (int left = 2; left <= 6; left += 2) {
		gh_fault(GH_FAULT_CUT, GH_RM_VM_ALLOCATE, left);
		EXPECT_NE(0, gh_live(true));
		EXPECT_LOSS(1, 0, false, false);
	}
	/* The parcel would be the next VM's if that got the same number */
	gh_fault(GH_FAULT_CUT, GH_RM_MEM_LEND, 3);
	EXPECT_NE(0, gh_live(true));
	EXPECT_LOSS(1, 1, true, false);
	gh_fault(GH_FAULT_CUT, GH_RM_MEM_LEND, 4);
	EXPECT_NE(0, gh_live(true));
	EXPECT_LOSS(1, 1, true, false);
	gh_fault(GH_FAULT_CUT, GH_RM_MEM_SHARE, 0);
	EXPECT_NE(0, gh_live(true));
	EXPECT_LOSS(1, 1, false, true);
}

/* A VM that the resource manager tried to configure stays as it is */
TEST_F_TIMEOUT(lost, broken_configuration, 120)
{
	gh_fault(GH_FAULT_BREAK, GH_RM_VM_CONFIG_IMAGE, GH_RM_NOMEM);
	EXPECT_NE(0, gh_live(true));
	EXPECT_LOSS(1, 0, false, false);
}

/* The resource manager has everything back, but says that it doesn't */
TEST_F_TIMEOUT(lost, refused_at_the_end, 300)
{
	static const uint32_t errors[] = {
		GH_RM_DENIED, GH_RM_ARGUMENT, GH_RM_NO_SUCH_ERROR, GH_RM_UNIMPLEMENTED,
	};

	gh_fault(GH_FAULT_FAIL, GH_RM_VM_DEALLOCATE, GH_RM_DENIED);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_LOSS(1, 0, false, false);
	gh_fault(GH_FAULT_CUT, GH_RM_VM_DEALLOCATE, 2);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_LOSS(0, 0, false, false);

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		gh_fault(GH_FAULT_FAIL, GH_RM_MEM_RECLAIM, errors[i]);
		EXPECT_EQ(0, gh_live(i % 2));
		EXPECT_LOSS(1, 1, true, false);
	}
	gh_fault(GH_FAULT_FAIL, GH_NTH(1, GH_RM_MEM_RECLAIM), GH_RM_DENIED);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_LOSS(1, 1, false, true);
	gh_fault(GH_FAULT_CUT, GH_RM_MEM_RECLAIM, 2);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_LOSS(1, 0, true, false);
}

/* Refused for a second and more: 11 times for each parcel */
TEST_F_TIMEOUT(lost, busy_for_good, 120)
{
	for (int i = 0; i < 11; i++)
		ASSERT_EQ(0, gh_fault(GH_FAULT_FAIL, GH_RM_MEM_RECLAIM, GH_RM_MEM_INUSE));
	EXPECT_EQ(0, gh_live(true));
	EXPECT_EQ(0, gh_faults_clear());
	EXPECT_LOSS(1, 1, true, false);
}

/* A VM that may run on keeps all that it has */
TEST_F_TIMEOUT(lost, unknown_state, 120)
{
	gh_fault(GH_FAULT_FAIL, GH_RM_VM_GET_STATE, GH_RM_DENIED);
	EXPECT_EQ(0, gh_live(false));
	EXPECT_LOSS(1, 2, true, true);
	gh_fault(GH_FAULT_CUT, GH_RM_VM_GET_STATE, 4);
	EXPECT_EQ(0, gh_live(false));
	EXPECT_LOSS(1, 2, true, true);
}

TEST_F_TIMEOUT(lost, refused_reset, 120)
{
	gh_fault(GH_FAULT_FAIL, GH_RM_VM_RESET, GH_RM_DENIED);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_LOSS(1, 2, true, true);
}

/* Newer firmware says that it could not reset a VM: nobody waits any longer */
TEST_F_TIMEOUT(lost, failed_reset, 120)
{
	uint64_t start = gh_now_us();

	gh_fault(GH_FAULT_STUCK, 1, STATE_RESET_FAILED);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_GT(20000000, gh_now_us() - start);
	EXPECT_LOSS(1, 2, true, true);
}

/* A process that has lost memory mapped */
TEST_F_TIMEOUT(lost, access, 120)
{
	struct gh_test_vm vm, next;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	ASSERT_EQ(0, gh_vm_prepare(&next, 1));
	gh_fault(GH_FAULT_FAIL, GH_RM_MEM_RECLAIM, GH_RM_DENIED);
	munmap(vm.run[0], getpagesize());
	close(vm.vcpu_fd[0]);
	close(vm.vm);
	vm.run[0] = NULL;
	vm.vcpu_fd[0] = -1;
	vm.vm = -1;

	EXPECT_FALSE(gh_can_read(vm.host));
	EXPECT_FALSE(gh_can_write(vm.host + GUEST_RAM_SIZE - 1));
	/* Nor can another VM have it */
	ASSERT_EQ(0, gh_map_mem(next.vm, next.mem, GUEST_RAM, GUEST_RAM_SIZE,
				GH_MAP_MEM_LEND_RWX | GH_MAP_MEM_UNMAP));
	EXPECT_FAIL(EEXIST, gh_map_mem(next.vm, vm.mem, GUEST_RAM, GUEST_RAM_SIZE,
				       GH_MAP_MEM_LEND_RWX));
	gh_vm_close(&next);
	gh_vm_close(&vm);
	EXPECT_LOSS(1, 1, true, false);
}

/* The module keeps the host from hibernation, so it does not go either */
TEST_F_TIMEOUT(lost, module, 120)
{
	static const char * const users[] = { "gunyah_vcpu", "gunyah_irqfd", "gunyah_ioeventfd" };
	char path[64];

	if (access("/sys/module/gunyah/initstate", F_OK))
		SKIP(return, "the driver is built in");

	gh_fault(GH_FAULT_FAIL, GH_RM_MEM_RECLAIM, GH_RM_DENIED);
	EXPECT_EQ(0, gh_live(true));
	EXPECT_LOSS(1, 1, true, false);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		syscall(SYS_delete_module, users[i], O_NONBLOCK);
		snprintf(path, sizeof(path), "/sys/module/%s/initstate", users[i]);
		ASSERT_NE(0, access(path, F_OK));
	}
	EXPECT_FAIL(EAGAIN, syscall(SYS_delete_module, "gunyah", O_NONBLOCK));
}

/* These take minutes: the time after which the driver gives up is what they test */
FIXTURE(given_up) {
	struct state before;
};

FIXTURE_SETUP(given_up)
{
	const char *why_not = gh_faults_open();

	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_life_init());
	ASSERT_EQ(0, gh_live(true));
	self->before = state_now();
	ASSERT_NE(-1ULL, self->before.offline);
}

FIXTURE_TEARDOWN(given_up)
{
	gh_faults_clear();
}

static void *live_once(void *data)
{
	*(int *)data = gh_live(true);
	return NULL;
}

/* The end of a reset never comes, or is just not heard of. Other VMs don't wait for it */
TEST_F_TIMEOUT(given_up, resets, 200)
{
	const uint32_t stuck[] = { 1, 0 };
	uint64_t start = gh_now_us();
	pthread_t threads[2];
	int errors[2], ended = 0;

	for (int i = 0; i < 2; i++) {
		if (stuck[i])
			gh_fault(GH_FAULT_STUCK, 1, 0);
		else
			gh_fault(GH_FAULT_DROP, GH_NTH(5, GH_RM_VM_STATUS), 0);
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, live_once, &errors[i]));
		while (gh_fault(GH_COUNT_VMIDS, 0, 0) != self->before.figures.vmids + i + 1)
			usleep(1000);
		/* It gets as far as its reset, with memory that is its own */
		sleep(3);
		ASSERT_EQ(0, gh_life_init());
	}
	EXPECT_EQ(0, gh_live(true));
	EXPECT_GT(30000000, gh_now_us() - start);
	for (; ended < 2; ended++) {
		ASSERT_EQ(0, pthread_join(threads[ended], NULL));
		EXPECT_EQ(0, errors[ended]);
	}
	/* A minute, once: both of them have waited for it */
	EXPECT_LT(50000000, gh_now_us() - start);
	EXPECT_GT(100000000, gh_now_us() - start);
	EXPECT_LOSS(1, 2, true, true);
}

/* No answer for a minute: there are no VMs any more, and nothing waits */
TEST_F_TIMEOUT(given_up, resource_manager, 200)
{
	struct gh_test_vm vm, other;
	uint64_t start;
	int status;
	pid_t pid;

	ASSERT_EQ(0, gh_vm_boot(&other, 1));
	ASSERT_EQ(0, gh_command(&other, 0, GUEST_READ64, gh_dev(0, GUEST_DEV_SCRATCH), 0, 0));
	ASSERT_EQ(0, gh_vm_prepare(&vm, 1));
	ASSERT_EQ(0, gh_fault(GH_FAULT_DROP, GH_RM_VM_START, 0));
	start = gh_now_us();
	EXPECT_FAIL(EIO, ioctl(vm.vm, GH_VM_START));
	EXPECT_LT(50000000, gh_now_us() - start);

	start = gh_now_us();
	EXPECT_FAIL(EIO, ioctl(vm.vm, GH_VM_START));
	EXPECT_EQ(0, gh_vcpu_run(&vm, 0));
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, vm.run[0]->exit_reason);
	EXPECT_EQ(GH_VM_STATUS_LOAD_FAILED, vm.run[0]->status.status);
	EXPECT_FALSE(gh_can_read(vm.host));
	/* What runs goes on for as long as it does not need the resource manager */
	EXPECT_EQ(0, gh_expect_read(&other, 0, gh_dev(0, GUEST_DEV_SCRATCH), 8));

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(gh_live(true));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EIO, WEXITSTATUS(status));

	gh_vm_close(&vm);
	gh_vm_close(&other);
	EXPECT_GT(20000000, gh_now_us() - start);
	EXPECT_EQ(self->before.offline + 2 * GUEST_PAGES, offline_pages());
}

TEST_HARNESS_MAIN

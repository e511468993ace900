// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds: which writes of the guest they take, and which they leave to user
 * space.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define ADDR		gh_dev(0, GUEST_DEV_SCRATCH)
#define MAX_IOEVENTFDS	1000

static int make_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* How often the eventfd was signalled since it was last looked at */
static uint64_t signals(int fd)
{
	eventfd_t value;

	return eventfd_read(fd, &value) ? 0 : value;
}

static int add(int vm, int fd, uint64_t addr, uint32_t len)
{
	struct gh_fn_ioeventfd_arg arg = { .fd = fd, .addr = addr, .len = len };

	return gh_add_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg));
}

static int add_match(int vm, int fd, uint64_t addr, uint32_t len, uint64_t data)
{
	struct gh_fn_ioeventfd_arg arg = {
		.fd = fd, .addr = addr, .len = len,
		.flags = GH_IOEVENTFD_DATAMATCH, .datamatch = data,
	};

	return gh_add_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg));
}

/* With no more than deployed VMMs give */
static int remove_at(int vm, uint64_t addr)
{
	struct gh_fn_ioeventfd_arg arg = { .addr = addr };

	return gh_remove_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg));
}

static int remove_match(int vm, uint64_t addr, uint32_t len, uint64_t data)
{
	struct gh_fn_ioeventfd_arg arg = {
		.addr = addr, .len = len,
		.flags = GH_IOEVENTFD_DATAMATCH, .datamatch = data,
	};

	return gh_remove_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg));
}

FIXTURE(ioeventfd) {
	struct gh_test_vm vm;
	int vmfd;
	int fd;
	int other;
};

FIXTURE_SETUP(ioeventfd)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
	if (!ioctl(self->vm.gunyah, GH_CHECK_EXTENSION, GH_CAP_IOEVENTFD))
		SKIP(return, "no ioeventfd in this kernel");
	self->fd = make_eventfd();
	self->other = make_eventfd();
	ASSERT_GE(self->fd, 0);
	ASSERT_GE(self->other, 0);
	self->vmfd = self->vm.vm;
}

FIXTURE_TEARDOWN(ioeventfd)
{
	close(self->fd);
	close(self->other);
	gh_vm_close(&self->vm);
}

/* The write is done without user space */
#define EXPECT_TAKEN(command, addr, data) do {					\
	uint64_t __result;							\
										\
	ASSERT_EQ(0, gh_execute(&self->vm, 0, command, addr, data, 0, &__result));	\
	EXPECT_EQ(0, __result);							\
} while (0)

static void expect_exit(struct __test_metadata *_metadata, struct gh_test_vm *vm,
			uint64_t command, uint64_t addr, uint32_t len, uint64_t data)
{
	uint64_t value;

	ASSERT_EQ(0, gh_command(vm, 0, command, addr, data, 0));
	ASSERT_EQ(0, gh_expect_write(vm, 0, addr, len, &value));
	EXPECT_EQ(data, value);
	ASSERT_EQ(0, gh_result(vm, 0, &value));
	EXPECT_EQ(0, value);
}

/* User space gets it, all of it, and nothing else: (command, address, length, data) */
#define EXPECT_EXIT(...)	expect_exit(_metadata, &self->vm, __VA_ARGS__)

TEST_F(ioeventfd, arguments)
{
	struct gh_fn_ioeventfd_arg arg = { .fd = self->fd, .addr = ADDR, .len = 4 };
	int vm = self->vmfd, closed = dup(self->fd);

	close(closed);

	for (int bit = 1; bit < 32; bit++) {
		arg.flags = 1U << bit;
		EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg)));
	}
	arg.flags = 0;
	arg.padding = 1;
	EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg)));
	arg.padding = 0;

	EXPECT_FAIL(EINVAL, add(vm, self->fd, ADDR, 3));
	EXPECT_FAIL(EINVAL, add(vm, self->fd, ADDR, 16));
	EXPECT_FAIL(EINVAL, add(vm, self->fd, ADDR, 256));
	EXPECT_FAIL(EINVAL, add(vm, self->fd, ADDR, 260));
	EXPECT_FAIL(EINVAL, add(vm, self->fd, ADDR, -1U));
	EXPECT_FAIL(EINVAL, add(vm, self->fd, -1ULL, 2));
	EXPECT_FAIL(EINVAL, add(vm, self->fd, -4ULL, 8));
	EXPECT_FAIL(EINVAL, add_match(vm, self->fd, ADDR, 0, 0));
	EXPECT_FAIL(EINVAL, add_match(vm, self->fd, ADDR, 1, 0x100));
	EXPECT_FAIL(EINVAL, add_match(vm, self->fd, ADDR, 4, 1ULL << 32));

	EXPECT_FAIL(EBADF, add(vm, -1, ADDR, 4));
	EXPECT_FAIL(EBADF, add(vm, closed, ADDR, 4));
	EXPECT_FAIL(EINVAL, add(vm, vm, ADDR, 4));

	EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg) - 8));
	EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IOEVENTFD, &arg, sizeof(arg) + 8));
	EXPECT_FAIL(EFAULT, gh_add_function(vm, GH_FN_IOEVENTFD, (void *)-4096UL, sizeof(arg)));

	/* None of these has left anything */
	EXPECT_FAIL(ENOENT, remove_at(vm, ADDR));
	EXPECT_EQ(0, add(vm, self->fd, ADDR, 4));
}

TEST_F(ioeventfd, by_name)
{
	struct gh_vm_function function = {
		.name = "ioeventfd",
		.ioeventfd = { .fd = self->fd, .addr = ADDR, .len = 4 },
	};

	function.data[sizeof(function.ioeventfd)] = 1;
	EXPECT_FAIL(EINVAL, ioctl(self->vmfd, GH_VM_ADD_FUNCTION, &function));
	function.data[sizeof(function.ioeventfd)] = 0;
	EXPECT_EQ(0, ioctl(self->vmfd, GH_VM_ADD_FUNCTION, &function));
	EXPECT_FAIL(EEXIST, ioctl(self->vmfd, GH_VM_ADD_FUNCTION, &function));
	EXPECT_EQ(0, remove_at(self->vmfd, ADDR));
}

TEST_F(ioeventfd, collisions)
{
	int vm = self->vmfd;

	/* Whatever has no value to match is alone */
	for (int len = 1; len <= 8; len *= 2) {
		ASSERT_EQ(0, add(vm, self->fd, ADDR, len));
		EXPECT_FAIL(EEXIST, add(vm, self->fd, ADDR, len));
		EXPECT_FAIL(EEXIST, add(vm, self->other, ADDR, len == 8 ? 4 : len * 2));
		EXPECT_FAIL(EEXIST, add(vm, self->other, ADDR, 0));
		EXPECT_FAIL(EEXIST, add_match(vm, self->other, ADDR, len, 1));
		ASSERT_EQ(0, remove_at(vm, ADDR));
	}
	ASSERT_EQ(0, add(vm, self->fd, ADDR, 0));
	EXPECT_FAIL(EEXIST, add(vm, self->other, ADDR, 4));
	EXPECT_FAIL(EEXIST, add_match(vm, self->other, ADDR, 4, 1));
	ASSERT_EQ(0, remove_at(vm, ADDR));

	/* Values are one beside the other, and so are lengths */
	ASSERT_EQ(0, add_match(vm, self->fd, ADDR, 4, 1));
	EXPECT_EQ(0, add_match(vm, self->fd, ADDR, 4, 2));
	EXPECT_EQ(0, add_match(vm, self->fd, ADDR, 2, 1));
	EXPECT_FAIL(EEXIST, add_match(vm, self->other, ADDR, 4, 1));
	EXPECT_FAIL(EEXIST, add(vm, self->other, ADDR, 4));
	EXPECT_FAIL(EEXIST, add(vm, self->other, ADDR, 0));

	/* As are addresses, even where the writes overlap */
	EXPECT_EQ(0, add(vm, self->fd, ADDR + 8, 8));
	EXPECT_EQ(0, add(vm, self->fd, ADDR + 10, 8));
}

TEST_F(ioeventfd, removal)
{
	int vm = self->vmfd;

	ASSERT_EQ(0, add_match(vm, self->fd, ADDR, 4, 1));
	ASSERT_EQ(0, add_match(vm, self->fd, ADDR, 4, 2));
	ASSERT_EQ(0, add_match(vm, self->fd, ADDR, 4, 3));

	EXPECT_FAIL(ENOENT, remove_at(vm, ADDR + 1));
	EXPECT_FAIL(ENOENT, remove_match(vm, ADDR, 4, 4));
	EXPECT_FAIL(ENOENT, remove_match(vm, ADDR, 2, 1));
	EXPECT_FAIL(ENOENT, remove_match(vm, ADDR + 4, 4, 1));

	/* Exactly the one that is meant */
	EXPECT_EQ(0, remove_match(vm, ADDR, 4, 2));
	EXPECT_FAIL(ENOENT, remove_match(vm, ADDR, 4, 2));
	/* The oldest, then the next */
	EXPECT_EQ(0, remove_at(vm, ADDR));
	EXPECT_FAIL(ENOENT, remove_match(vm, ADDR, 4, 1));
	EXPECT_EQ(0, remove_at(vm, ADDR));
	EXPECT_FAIL(ENOENT, remove_at(vm, ADDR));

	/* One without a value is not meant by one with it */
	ASSERT_EQ(0, add(vm, self->fd, ADDR, 4));
	EXPECT_FAIL(ENOENT, remove_match(vm, ADDR, 4, 0));
	EXPECT_EQ(0, remove_at(vm, ADDR));
}

TEST_F(ioeventfd, lengths)
{
	static const struct {
		uint64_t command;
		uint32_t len;
		uint64_t mask;
	} writes[] = {
		{ GUEST_WRITE8, 1, 0xff },
		{ GUEST_WRITE16, 2, 0xffff },
		{ GUEST_WRITE32, 4, 0xffffffff },
		{ GUEST_WRITE64, 8, -1ULL },
	};
	const uint64_t data = 0x8877665544332211;

	START();
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, writes[i].len));
		for (size_t j = 0; j < ARRAY_SIZE(writes); j++) {
			if (i == j)
				EXPECT_TAKEN(writes[j].command, ADDR, data);
			else
				EXPECT_EXIT(writes[j].command, ADDR, writes[j].len,
					    data & writes[j].mask);
			EXPECT_EQ(i == j, signals(self->fd));
		}
		ASSERT_EQ(0, remove_at(self->vmfd, ADDR));
		EXPECT_EXIT(writes[i].command, ADDR, writes[i].len, data & writes[i].mask);
		EXPECT_EQ(0, signals(self->fd));
	}

	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 0));
	for (size_t j = 0; j < ARRAY_SIZE(writes); j++)
		EXPECT_TAKEN(writes[j].command, ADDR, data);
	EXPECT_EQ(ARRAY_SIZE(writes), signals(self->fd));
	/* Its address is the first byte's, and only that */
	EXPECT_EXIT(GUEST_WRITE8, ADDR + 1, 1, 0x42);
	EXPECT_EXIT(GUEST_WRITE8, ADDR - 1, 1, 0x42);
	POWER_OFF(&self->vm, 0);
}

TEST_F(ioeventfd, datamatch)
{
	START();
	ASSERT_EQ(0, add_match(self->vmfd, self->fd, ADDR, 2, 0xfffe));
	ASSERT_EQ(0, add_match(self->vmfd, self->other, ADDR, 2, 0));

	/* The rest of the register is not what is written */
	EXPECT_TAKEN(GUEST_WRITE16, ADDR, 0x123456789abcfffe);
	EXPECT_EQ(1, signals(self->fd));
	EXPECT_EQ(0, signals(self->other));
	EXPECT_TAKEN(GUEST_WRITE16, ADDR, 0xffffffffffff0000);
	EXPECT_EQ(0, signals(self->fd));
	EXPECT_EQ(1, signals(self->other));

	EXPECT_EXIT(GUEST_WRITE16, ADDR, 2, 0xffff);
	EXPECT_EXIT(GUEST_WRITE32, ADDR, 4, 0xfffe);
	EXPECT_EXIT(GUEST_WRITE8, ADDR, 1, 0);
	EXPECT_EQ(0, signals(self->fd));
	EXPECT_EQ(0, signals(self->other));
	POWER_OFF(&self->vm, 0);
}

/* A value that comes without the flag is nothing to match */
TEST_F(ioeventfd, datamatch_without_flag)
{
	struct gh_fn_ioeventfd_arg arg = {
		.fd = self->fd, .addr = ADDR, .len = 4, .datamatch = 17,
	};

	ASSERT_EQ(0, gh_add_function(self->vmfd, GH_FN_IOEVENTFD, &arg, sizeof(arg)));
	START();
	EXPECT_TAKEN(GUEST_WRITE32, ADDR, 18);
	EXPECT_EQ(1, signals(self->fd));
	POWER_OFF(&self->vm, 0);
}

TEST_F(ioeventfd, reads_are_exits)
{
	uint64_t value;

	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 4));
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ32, ADDR, 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, ADDR, 4));
	gh_reply(&self->vm, 0, 0x1234);
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(0x1234, value);
	EXPECT_EQ(0, signals(self->fd));
	POWER_OFF(&self->vm, 0);
}

/* A counter that is full neither stops the guest nor wraps */
TEST_F(ioeventfd, full_counter)
{
	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 4));
	START();
	ASSERT_EQ(0, eventfd_write(self->fd, 0xfffffffffffffffeULL));
	for (int i = 0; i < 3; i++)
		EXPECT_TAKEN(GUEST_WRITE32, ADDR, i);
	EXPECT_EQ(-1ULL, signals(self->fd));
	POWER_OFF(&self->vm, 0);
}

TEST_F(ioeventfd, close_eventfd)
{
	int copy = dup(self->fd);

	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 4));
	START();
	close(self->fd);
	EXPECT_TAKEN(GUEST_WRITE32, ADDR, 1);
	EXPECT_EQ(1, signals(copy));
	close(copy);
	EXPECT_TAKEN(GUEST_WRITE32, ADDR, 1);
	EXPECT_EQ(0, remove_at(self->vmfd, ADDR));
	EXPECT_EXIT(GUEST_WRITE32, ADDR, 4, 1);
	POWER_OFF(&self->vm, 0);
	self->fd = make_eventfd();
}

/* Every write of the guest is counted */
TEST_F_TIMEOUT(ioeventfd, storm, 120)
{
	const uint64_t count = 20000;
	uint64_t value;

	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 8));
	START();
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_COUNTDOWN, ADDR, count, 0, &value));
	EXPECT_EQ(count, signals(self->fd));
	POWER_OFF(&self->vm, 0);
}

struct changer {
	int vm;
	int fd;
	bool stop;
	bool failed;
};

static void *add_and_remove(void *data)
{
	struct changer *changer = data;
	uint64_t addr = ADDR;

	while (!READ_ONCE(changer->stop) && !changer->failed)
		changer->failed = add(changer->vm, changer->fd, addr, 8) ||
				  remove_at(changer->vm, addr);
	return NULL;
}

/* Each write either signals or is an exit, whatever happens meanwhile */
TEST_F_TIMEOUT(ioeventfd, storm_while_adding, 120)
{
	struct changer changer = { .vm = self->vmfd, .fd = self->fd };
	const uint64_t count = 5000;
	uint64_t exits = 0, seen, last = count + 1, value;
	pthread_t thread;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_COUNTDOWN, ADDR, count, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, add_and_remove, &changer));
	for (;;) {
		ASSERT_EQ(0, gh_vcpu_run(&self->vm, 0));
		ASSERT_EQ(GH_VCPU_EXIT_MMIO, self->vm.run[0]->exit_reason);
		ASSERT_EQ(1, self->vm.run[0]->mmio.is_write);
		if (self->vm.run[0]->mmio.phys_addr != ADDR)
			break;
		memcpy(&value, self->vm.run[0]->mmio.data, 8);
		ASSERT_GT(last, value);
		last = value;
		exits++;
	}
	WRITE_ONCE(changer.stop, true);
	pthread_join(thread, NULL);
	EXPECT_FALSE(changer.failed);
	EXPECT_EQ(gh_dev(0, GUEST_DEV_RESULT), self->vm.run[0]->mmio.phys_addr);
	seen = signals(self->fd);
	TH_LOG("%llu exits, %llu signals", (unsigned long long)exits, (unsigned long long)seen);
	EXPECT_EQ(count, exits + seen);
	POWER_OFF(&self->vm, 0);
}

static void *run_once(void *data)
{
	struct gh_test_vm *vm = data;

	return (void *)(uintptr_t)(ioctl(vm->vcpu_fd[0], GH_VCPU_RUN) ? errno : 0);
}

/* The thread is in the kernel all the time while the vCPU goes, and comes back */
TEST_F_TIMEOUT(ioeventfd, remove_vcpu_while_writing, 120)
{
	struct gh_test_vm *vm = &self->vm;
	pthread_t thread;
	void *error;

	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 8));
	START();
	ASSERT_EQ(0, gh_command(vm, 0, GUEST_COUNTDOWN, ADDR, -1ULL, 0));
	for (int i = 0; i < 20; i++) {
		signals(self->fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_once, vm));
		while (!signals(self->fd))
			usleep(1000);
		EXPECT_EQ(0, gh_remove_vcpu(self->vmfd, 0));
		ASSERT_EQ(0, pthread_join(thread, &error));
		EXPECT_EQ(ENODEV, (uintptr_t)error);

		munmap(vm->run[0], getpagesize());
		vm->run[0] = NULL;
		close(vm->vcpu_fd[0]);
		vm->vcpu_fd[0] = gh_add_vcpu(self->vmfd, 0);
		ASSERT_GE(vm->vcpu_fd[0], 0);
	}
}

/* As many as there can be, the last of which is as good as the first */
TEST_F_TIMEOUT(ioeventfd, limit, 120)
{
	for (uint64_t i = 0; i < MAX_IOEVENTFDS; i++)
		ASSERT_EQ(0, add_match(self->vmfd, i % 2 ? self->fd : self->other, ADDR, 8,
				       (i * 7919) % MAX_IOEVENTFDS));
	EXPECT_FAIL(ENOSPC, add_match(self->vmfd, self->fd, ADDR, 8, MAX_IOEVENTFDS));
	START();
	EXPECT_EXIT(GUEST_WRITE64, ADDR, 8, (uint64_t)MAX_IOEVENTFDS);
	for (uint64_t i = 0; i < MAX_IOEVENTFDS; i += 111)
		EXPECT_TAKEN(GUEST_WRITE64, ADDR, i);
	EXPECT_EQ(10, signals(self->fd) + signals(self->other));
	POWER_OFF(&self->vm, 0);
}

/* One that rings the guest's own doorbell, without user space in between */
TEST_F(ioeventfd, into_irqfd)
{
	static const struct gh_test_bell bell = { .label = 1, .irq = 40 };
	uint64_t value;

	if (!ioctl(self->vm.gunyah, GH_CHECK_EXTENSION, GH_CAP_IRQFD))
		SKIP(return, "no irqfd in this kernel, or no doorbells in this hypervisor");

	gh_write_dtb_bells(self->vm.host + GUEST_DTB_OFFSET, 1, &bell, 1);
	ASSERT_EQ(0, add(self->vmfd, self->fd, ADDR, 4));
	ASSERT_EQ(0, gh_add_irqfd(self->vmfd, self->fd, bell.label, 0));
	START();
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_IRQ_ENABLE, bell.irq, 1, 0, &value));
	for (int i = 0; i < 100; i++) {
		EXPECT_TAKEN(GUEST_WRITE32, ADDR, i);
		ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_IRQ_WAIT, 0, 0, 0, &value));
		EXPECT_EQ(bell.irq, value);
	}
	EXPECT_EQ(0, signals(self->fd));
	POWER_OFF(&self->vm, 0);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds: who may have one, what the guest gets, and what happens when eventfd,
 * irqfd and VM end in whatever order.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/aio_abi.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define EDGE_LABEL		1
#define LEVEL_LABEL		2
/* The device tree does not let the host set this one's masks */
#define STUBBORN_LABEL		3
#define MISSING_LABEL		99

#define EDGE_IRQ		40
#define LEVEL_IRQ		41
#define STUBBORN_IRQ		42

static const struct gh_test_bell bells[] = {
	{ EDGE_LABEL, EDGE_IRQ, false },
	{ LEVEL_LABEL, LEVEL_IRQ, true },
	{ STUBBORN_LABEL, STUBBORN_IRQ, false },
};

static int make_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int ring(int fd)
{
	return eventfd_write(fd, 1);
}

FIXTURE(irqfd) {
	struct gh_test_vm vm;
	int fd;
};

FIXTURE_SETUP(irqfd)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
	if (!ioctl(self->vm.gunyah, GH_CHECK_EXTENSION, GH_CAP_IRQFD))
		SKIP(return, "no irqfd in this kernel, or no doorbells in this hypervisor");
	self->fd = make_eventfd();
	ASSERT_GE(self->fd, 0);
	gh_write_dtb_bells(self->vm.host + GUEST_DTB_OFFSET, 1, bells, ARRAY_SIZE(bells));
}

FIXTURE_TEARDOWN(irqfd)
{
	close(self->fd);
	gh_vm_close(&self->vm);
}

#define EXPECT_RESULT(expected, command, arg0, arg1) do {			\
	uint64_t __result;							\
										\
	ASSERT_EQ(0, gh_execute(&self->vm, 0, command, arg0, arg1, 0, &__result));	\
	EXPECT_EQ(expected, __result);						\
} while (0)

#define ENABLE_EDGE(irq)	EXPECT_RESULT(0, GUEST_IRQ_ENABLE, irq, 1)
#define ENABLE_LEVEL(irq)	EXPECT_RESULT(0, GUEST_IRQ_ENABLE, irq, 0)
#define EXPECT_IRQ(irq)		EXPECT_RESULT(irq, GUEST_IRQ_WAIT, 0, 0)
#define EXPECT_NO_IRQ()		EXPECT_RESULT(GUEST_NO_IRQ, GUEST_IRQ_POLL, 0, 0)

TEST_F(irqfd, arguments)
{
	struct gh_fn_irqfd_arg arg = { .fd = self->fd, .label = EDGE_LABEL };
	int vm = self->vm.vm, closed = dup(self->fd);

	close(closed);

	for (int bit = 1; bit < 32; bit++)
		EXPECT_FAIL(EINVAL, gh_add_irqfd(vm, self->fd, EDGE_LABEL, 1U << bit));
	arg.padding = 1;
	EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IRQFD, &arg, sizeof(arg)));
	arg.padding = 0;

	EXPECT_FAIL(EBADF, gh_add_irqfd(vm, -1, EDGE_LABEL, 0));
	EXPECT_FAIL(EBADF, gh_add_irqfd(vm, closed, EDGE_LABEL, 0));
	EXPECT_FAIL(EINVAL, gh_add_irqfd(vm, vm, EDGE_LABEL, 0));

	EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IRQFD, &arg, sizeof(arg) - 4));
	EXPECT_FAIL(EINVAL, gh_add_function(vm, GH_FN_IRQFD, &arg, sizeof(arg) + 4));
	EXPECT_FAIL(EFAULT, gh_add_function(vm, GH_FN_IRQFD, (void *)-4096UL, sizeof(arg)));

	EXPECT_FAIL(ENOENT, gh_remove_irqfd(vm, EDGE_LABEL));

	/* None of these has left anything */
	EXPECT_EQ(0, gh_add_irqfd(vm, self->fd, EDGE_LABEL, 0));
}

TEST_F(irqfd, by_name)
{
	struct gh_vm_function function = {
		.name = "irqfd",
		.irqfd = { .fd = self->fd, .label = EDGE_LABEL },
	};

	function.data[sizeof(function.irqfd)] = 1;
	EXPECT_FAIL(EINVAL, ioctl(self->vm.vm, GH_VM_ADD_FUNCTION, &function));
	function.data[sizeof(function.irqfd)] = 0;
	EXPECT_EQ(0, ioctl(self->vm.vm, GH_VM_ADD_FUNCTION, &function));
	EXPECT_FAIL(EEXIST, ioctl(self->vm.vm, GH_VM_ADD_FUNCTION, &function));
	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, EDGE_LABEL));
}

/* A doorbell has one irqfd, and an eventfd is for one doorbell */
TEST_F(irqfd, duplicates)
{
	int vm = self->vm.vm, other = make_eventfd(), other_vm;

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, gh_add_irqfd(vm, self->fd, EDGE_LABEL, 0));
	EXPECT_FAIL(EEXIST, gh_add_irqfd(vm, self->fd, EDGE_LABEL, 0));
	EXPECT_FAIL(EEXIST, gh_add_irqfd(vm, other, EDGE_LABEL, 0));
	EXPECT_FAIL(EEXIST, gh_add_irqfd(vm, other, EDGE_LABEL, GH_IRQFD_LEVEL));
	EXPECT_FAIL(EBUSY, gh_add_irqfd(vm, self->fd, LEVEL_LABEL, 0));

	other_vm = ioctl(self->vm.gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(other_vm, 0);
	EXPECT_FAIL(EBUSY, gh_add_irqfd(other_vm, self->fd, EDGE_LABEL, 0));
	/* What was refused has taken neither eventfd nor label */
	EXPECT_EQ(0, gh_add_irqfd(vm, other, LEVEL_LABEL, 0));

	EXPECT_EQ(0, gh_remove_irqfd(vm, EDGE_LABEL));
	EXPECT_FAIL(ENOENT, gh_remove_irqfd(vm, EDGE_LABEL));
	EXPECT_EQ(0, gh_add_irqfd(other_vm, self->fd, EDGE_LABEL, 0));
	EXPECT_FAIL(EBUSY, gh_add_irqfd(vm, self->fd, EDGE_LABEL, 0));

	/* The end of the VM lets the eventfd go */
	close(other_vm);
	EXPECT_EQ(0, gh_add_irqfd(vm, self->fd, EDGE_LABEL, 0));
	close(other);
}

TEST_F(irqfd, missing_doorbell)
{
	int late = make_eventfd();

	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, MISSING_LABEL, 0));
	EXPECT_EQ(0, ring(self->fd));
	START();
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_EQ(0, gh_add_irqfd(self->vm.vm, late, MISSING_LABEL + 1, GH_IRQFD_LEVEL));
	EXPECT_EQ(0, ring(late));
	POWER_OFF(&self->vm, 0);
	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, MISSING_LABEL));
	close(late);
}

/* Whoever signals is never blocked by a counter that nobody reads */
TEST_F(irqfd, counter_is_drained)
{
	eventfd_t value;

	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, eventfd_write(self->fd, 0xfffffffffffffffeULL));
		EXPECT_FAIL(EAGAIN, eventfd_read(self->fd, &value));
	}

	/* And counts again without an irqfd */
	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, EDGE_LABEL));
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_EQ(0, eventfd_read(self->fd, &value));
	EXPECT_EQ(2, value);
}

/*
 * Who waits for the counter to be drained may signal the eventfd at that: with its
 * lock held the host would go on for ever
 */
TEST_F(irqfd, drained_under_aio)
{
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = self->fd,
		.aio_buf = POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = self->fd,
	}, *iocbs = &iocb;
	struct timespec timeout = { .tv_sec = 10 };
	struct io_event event;
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 1, &ctx))
		SKIP(return, "kernel without CONFIG_AIO");
	ASSERT_EQ(0, eventfd_write(self->fd, 0xfffffffffffffffeULL));
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, &iocbs));
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &event, &timeout));
	EXPECT_EQ(POLLOUT, event.res);
	EXPECT_EQ(0, syscall(SYS_io_destroy, ctx));
}

TEST_F(irqfd, edge)
{
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	START();
	ENABLE_EDGE(EDGE_IRQ);
	EXPECT_NO_IRQ();
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, ring(self->fd));
		EXPECT_IRQ(EDGE_IRQ);
		EXPECT_NO_IRQ();
	}
	POWER_OFF(&self->vm, 0);
}

/* One interrupt for a signal here as well, though the guest can't clear it */
TEST_F(irqfd, level)
{
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, LEVEL_LABEL, GH_IRQFD_LEVEL));
	START();
	ENABLE_LEVEL(LEVEL_IRQ);
	EXPECT_NO_IRQ();
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, ring(self->fd));
		EXPECT_IRQ(LEVEL_IRQ);
		EXPECT_NO_IRQ();
	}
	POWER_OFF(&self->vm, 0);
}

/* Before GH_VM_START nobody knows; later it is an error */
TEST_F(irqfd, level_is_refused)
{
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, STUBBORN_LABEL, GH_IRQFD_LEVEL));
	START();
	ENABLE_EDGE(STUBBORN_IRQ);
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_NO_IRQ();

	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, STUBBORN_LABEL));
	EXPECT_FAIL(EACCES, gh_add_irqfd(self->vm.vm, self->fd, STUBBORN_LABEL,
					 GH_IRQFD_LEVEL));
	EXPECT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, STUBBORN_LABEL, 0));
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_IRQ(STUBBORN_IRQ);
	POWER_OFF(&self->vm, 0);
}

/* The same doorbell, with one kind of irqfd after the other */
TEST_F(irqfd, level_then_edge)
{
	START();
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, LEVEL_LABEL, GH_IRQFD_LEVEL));
	ENABLE_LEVEL(LEVEL_IRQ);
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_IRQ(LEVEL_IRQ);
	EXPECT_NO_IRQ();

	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, LEVEL_LABEL));
	EXPECT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, LEVEL_LABEL, 0));
	ENABLE_EDGE(LEVEL_IRQ);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, ring(self->fd));
		EXPECT_IRQ(LEVEL_IRQ);
		EXPECT_NO_IRQ();
	}
	POWER_OFF(&self->vm, 0);
}

/* The other way round: no flag is left that would interrupt a guest for ever */
TEST_F(irqfd, edge_then_level)
{
	uint64_t irq;

	START();
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, LEVEL_LABEL, 0));
	ENABLE_EDGE(LEVEL_IRQ);
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_IRQ(LEVEL_IRQ);
	EXPECT_NO_IRQ();

	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, LEVEL_LABEL));
	EXPECT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, LEVEL_LABEL, GH_IRQFD_LEVEL));
	ENABLE_LEVEL(LEVEL_IRQ);
	/* The change of the masks may be an interrupt */
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_IRQ_POLL, 0, 0, 0, &irq));
	for (int i = 0; i < 3; i++) {
		EXPECT_NO_IRQ();
		EXPECT_EQ(0, ring(self->fd));
		EXPECT_IRQ(LEVEL_IRQ);
	}
	EXPECT_NO_IRQ();
	POWER_OFF(&self->vm, 0);
}

/* What came too early comes late */
TEST_F(irqfd, signal_before_start)
{
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	EXPECT_EQ(0, ring(self->fd));
	START();
	ENABLE_LEVEL(EDGE_IRQ);
	EXPECT_IRQ(EDGE_IRQ);
	POWER_OFF(&self->vm, 0);
}

TEST_F(irqfd, signal_before_add)
{
	uint64_t count;

	START();
	ENABLE_EDGE(EDGE_IRQ);
	EXPECT_EQ(0, ring(self->fd));
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	/* Its counter is 0 again, or writers could not go on for ever */
	EXPECT_FAIL(EAGAIN, read(self->fd, &count, sizeof(count)));
	EXPECT_IRQ(EDGE_IRQ);
	EXPECT_NO_IRQ();
	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, EDGE_LABEL));
	EXPECT_EQ(0, ring(self->fd));
	EXPECT_NO_IRQ();
	POWER_OFF(&self->vm, 0);
}

/* They would take kernel memory that nobody accounts for */
TEST_F_TIMEOUT(irqfd, too_many, 120)
{
	int n, ret = 0;

	for (n = 0; n < 5000 && !ret; n++) {
		int fd = eventfd(0, EFD_CLOEXEC);

		ASSERT_GE(fd, 0);
		ret = gh_add_irqfd(self->vm.vm, fd, 1000 + n, 0);
		close(fd);
	}
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(ENOSPC, errno);
	/* The vCPU is one, too, and the last one was refused */
	EXPECT_EQ(4096, n - 1 + self->vm.vcpus);
	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, 1000));
	EXPECT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
}

static void *ring_later(void *data)
{
	usleep(100000);
	ring(*(int *)data);
	return NULL;
}

TEST_F(irqfd, wakes_sleeping_guest)
{
	pthread_t thread;

	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	START();
	ENABLE_EDGE(EDGE_IRQ);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, ring_later, &self->fd));
		EXPECT_IRQ(EDGE_IRQ);
		pthread_join(thread, NULL);
	}
	POWER_OFF(&self->vm, 0);
}

/* How long a guest may take to take an interrupt */
#define TAKE_MS			10000

struct late_ringer {
	int fd;
	useconds_t delay;
	int taken;
	int other;
	bool asleep;
};

/* Ring one doorbell, and another one if the guest sleeps on */
static void *ring_late(void *data)
{
	struct late_ringer *ringer = data;
	struct pollfd taken = { .fd = ringer->taken, .events = POLLIN };

	usleep(ringer->delay);
	ring(ringer->fd);
	ringer->asleep = !poll(&taken, 1, TAKE_MS);
	if (ringer->asleep)
		ring(ringer->other);
	return NULL;
}

/* 300 times, where the machine is fast enough for that */
#define ONE_AT_A_TIME_US	20000000

/*
 * Whatever the guest does while the signal comes, its interrupt is not lost.
 *
 * The hypervisor's public release may leave the guest in its WFI when the
 * doorbell is rung just then. The interrupt is pending, as the one that wakes
 * the guest in the end shows: it comes second.
 */
TEST_F_TIMEOUT(irqfd, one_at_a_time, 120)
{
	uint64_t end = gh_now_us() + ONE_AT_A_TIME_US;
	struct late_ringer ringer = {
		.fd = self->fd,
		.taken = make_eventfd(),
		.other = make_eventfd(),
	};
	int i, asleep = 0;
	pthread_t thread;
	eventfd_t count;

	ASSERT_GE(ringer.taken, 0);
	ASSERT_GE(ringer.other, 0);
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, ringer.other, STUBBORN_LABEL, 0));
	START();
	ENABLE_EDGE(EDGE_IRQ);
	ENABLE_EDGE(STUBBORN_IRQ);
	for (i = 0; i < 300 && gh_now_us() < end; i++) {
		ringer.delay = i * 37 % 1000;
		ASSERT_EQ(0, pthread_create(&thread, NULL, ring_late, &ringer));
		EXPECT_IRQ(EDGE_IRQ);
		ASSERT_EQ(0, ring(ringer.taken));
		pthread_join(thread, NULL);
		ASSERT_EQ(0, eventfd_read(ringer.taken, &count));
		if (ringer.asleep) {
			asleep++;
			EXPECT_IRQ(STUBBORN_IRQ);
		}
		EXPECT_NO_IRQ();
	}
	TH_LOG("%d interrupts, %d of them to a guest that slept on", i, asleep);
	if (!access(GH_TEST_PAGE, F_OK))
		EXPECT_EQ(0, asleep);
	POWER_OFF(&self->vm, 0);
	close(ringer.taken);
	close(ringer.other);
	if (asleep && __test_passed(_metadata))
		SKIP(return, "the hypervisor left the guest asleep with an interrupt pending");
}

/* The irqfd belongs to the VM, not to the file */
TEST_F(irqfd, close_eventfd)
{
	int copy = dup(self->fd), other = make_eventfd();

	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	START();
	ENABLE_EDGE(EDGE_IRQ);
	close(self->fd);
	EXPECT_EQ(0, ring(copy));
	EXPECT_IRQ(EDGE_IRQ);
	close(copy);
	EXPECT_FAIL(EEXIST, gh_add_irqfd(self->vm.vm, other, EDGE_LABEL, 0));
	EXPECT_EQ(0, gh_remove_irqfd(self->vm.vm, EDGE_LABEL));
	EXPECT_EQ(0, gh_add_irqfd(self->vm.vm, other, EDGE_LABEL, 0));
	POWER_OFF(&self->vm, 0);
	EXPECT_EQ(0, ring(other));
	close(other);
	self->fd = make_eventfd();
}

struct ringer {
	int fd;
	unsigned long count;
	uint64_t end;
	bool stop;
};

/* Until @stop is set or, if @count is set, so often, but not after @end */
static void *ring_on(void *data)
{
	struct ringer *ringer = data;

	for (unsigned long i = 0; !READ_ONCE(ringer->stop); i++) {
		if (ringer->count && (i == ringer->count || gh_now_us() > ringer->end))
			break;
		ring(ringer->fd);
	}
	return NULL;
}

#define STORM_THREADS		4
#define STORM_SIGNALS		5000
/* That many where the machine is fast enough for them */
#define STORM_US		2000000

/* Signals may merge into one interrupt, but do not become more */
TEST_F_TIMEOUT(irqfd, storm, 120)
{
	struct ringer ringer = {
		.fd = self->fd,
		.count = STORM_SIGNALS,
		.end = gh_now_us() + STORM_US,
	};
	uint64_t irq, interrupts = 0, running = STORM_THREADS;
	pthread_t threads[STORM_THREADS];

	ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
	START();
	ENABLE_EDGE(EDGE_IRQ);
	for (int i = 0; i < STORM_THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, ring_on, &ringer));

	for (;;) {
		ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_IRQ_POLL, 0, 0, 0, &irq));
		if (irq != GUEST_NO_IRQ) {
			ASSERT_EQ(EDGE_IRQ, irq);
			interrupts++;
		} else if (!running) {
			break;
		}
		while (running && !pthread_tryjoin_np(threads[running - 1], NULL))
			running--;
	}
	TH_LOG("%llu interrupts for at most %d signals", (unsigned long long)interrupts,
	       STORM_THREADS * STORM_SIGNALS);
	EXPECT_LE(1, interrupts);
	EXPECT_GE(STORM_THREADS * STORM_SIGNALS, interrupts);

	EXPECT_EQ(0, ring(self->fd));
	EXPECT_IRQ(EDGE_IRQ);
	EXPECT_NO_IRQ();
	POWER_OFF(&self->vm, 0);
}

/* Irqfds come and go under it */
TEST_F_TIMEOUT(irqfd, storm_while_adding, 120)
{
	struct ringer ringer = { .fd = self->fd };
	pthread_t thread;

	START();
	ENABLE_EDGE(EDGE_IRQ);
	ASSERT_EQ(0, pthread_create(&thread, NULL, ring_on, &ringer));
	for (int i = 0; i < 500; i++) {
		ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, EDGE_LABEL, 0));
		EXPECT_IRQ(EDGE_IRQ);
		ASSERT_EQ(0, gh_remove_irqfd(self->vm.vm, EDGE_LABEL));
	}
	WRITE_ONCE(ringer.stop, true);
	pthread_join(thread, NULL);
	POWER_OFF(&self->vm, 0);
}

/* The VM ends under it */
TEST_F_TIMEOUT(irqfd, storm_while_closing, 120)
{
	struct ringer ringer = { .fd = self->fd };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, ring_on, &ringer));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, gh_add_irqfd(self->vm.vm, self->fd, i % 2 ? EDGE_LABEL : LEVEL_LABEL,
					  i % 2 ? 0 : GH_IRQFD_LEVEL));
		START();
		if (i % 3)
			POWER_OFF(&self->vm, 0);
		gh_vm_close(&self->vm);
		ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
		gh_write_dtb_bells(self->vm.host + GUEST_DTB_OFFSET, 1, bells,
				   ARRAY_SIZE(bells));
	}
	WRITE_ONCE(ringer.stop, true);
	pthread_join(thread, NULL);
}

/* The process that has eventfd and VM is gone from one moment to the next */
TEST_F_TIMEOUT(irqfd, kill, 120)
{
	int status;

	for (int i = 0; i < 10; i++) {
		struct gh_test_vm vm;
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			struct ringer ringer = { .fd = make_eventfd() };

			if (gh_vm_prepare(&vm, 1) ||
			    gh_add_irqfd(vm.vm, ringer.fd, EDGE_LABEL, 0))
				_exit(1);
			gh_write_dtb_bells(vm.host + GUEST_DTB_OFFSET, 1, bells,
					   ARRAY_SIZE(bells));
			if (ioctl(vm.vm, GH_VM_START))
				_exit(1);
			ring_on(&ringer);
			_exit(1);
		}
		usleep(50000 + i * 10000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

TEST_HARNESS_MAIN

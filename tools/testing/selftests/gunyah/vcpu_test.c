// SPDX-License-Identifier: GPL-2.0-only
/*
 * GH_VCPU_RUN: exits, replies, signals, and what happens around the end of a
 * VM.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

/* Of a VM that does not live long */
#define MAX_LIVE_VCPUS		4
#define SCRATCH(cpu)		gh_dev(cpu, GUEST_DEV_SCRATCH)

FIXTURE(vcpu) {
	struct gh_test_vm vm;
	struct gh_vcpu_run *run;
	int fd;
	/* What a test has set to "disabled" */
	char wakeup[128];
};

FIXTURE_SETUP(vcpu)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
	self->run = self->vm.run[0];
	self->fd = self->vm.vcpu_fd[0];
}

static bool write_line(const char *path, const char *line)
{
	FILE *file = fopen(path, "w");
	bool done;

	if (!file)
		return false;
	done = fputs(line, file) >= 0;
	return !fclose(file) && done;
}

FIXTURE_TEARDOWN(vcpu)
{
	gh_vm_close(&self->vm);
	if (self->wakeup[0])
		EXPECT_TRUE(write_line(self->wakeup, "enabled"));
}

TEST_F(vcpu, run_page)
{
	int page = getpagesize();
	const struct gh_userspace_memory_region region = {
		.label = 1,
		.flags = GH_MEM_ALLOW_READ,
		.guest_phys_addr = 0x90000000,
		.memory_size = page,
		.userspace_addr = (uintptr_t)self->run,
	};

	EXPECT_EQ(page, ioctl(self->fd, GH_VCPU_MMAP_SIZE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_SHARED, self->fd, page));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->run, page, 2 * page, MREMAP_MAYMOVE));
	/* It is neither anonymous memory nor tmpfs, which a guest could have */
	EXPECT_FAIL(EOPNOTSUPP, ioctl(self->vm.vm, GH_VM_SET_USER_MEM_REGION, &region));

	for (int i = 0; i < page; i++)
		ASSERT_EQ(0, ((uint8_t *)self->run)[i]);
}

TEST_F(vcpu, run_before_start)
{
	EXPECT_FAIL(ENODEV, ioctl(self->fd, GH_VCPU_RUN));
	self->run->immediate_exit = 1;
	EXPECT_FAIL(ENODEV, ioctl(self->fd, GH_VCPU_RUN));
	self->run->immediate_exit = 0;
	START();
	POWER_OFF(&self->vm, 0);
}

/* A vCPU without a cpu node has nothing to run */
TEST_F(vcpu, run_without_cpu)
{
	int fd = gh_add_vcpu(self->vm.vm, 17), later;

	ASSERT_GE(fd, 0);
	START();
	EXPECT_FAIL(ENODEV, ioctl(fd, GH_VCPU_RUN));
	later = gh_add_vcpu(self->vm.vm, 18);
	ASSERT_GE(later, 0);
	EXPECT_FAIL(ENODEV, ioctl(later, GH_VCPU_RUN));
	POWER_OFF(&self->vm, 0);
	close(fd);
	close(later);
}

/* Also a vCPU that is added, or added again, when the VM is running */
TEST_F(vcpu, add_after_start)
{
	START();
	munmap(self->vm.run[0], getpagesize());
	close(self->fd);
	ASSERT_EQ(0, gh_remove_vcpu(self->vm.vm, 0));
	self->fd = gh_add_vcpu(self->vm.vm, 0);
	ASSERT_GE(self->fd, 0);
	self->vm.vcpu_fd[0] = self->fd;
	self->vm.run[0] = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
			       self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->vm.run[0]);
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, mmio_reads)
{
	static const struct {
		uint64_t command;
		uint32_t len;
		uint64_t reply;
		uint64_t result;
	} reads[] = {
		{ GUEST_READ8, 1, 0x8877665544332281, 0x81 },
		{ GUEST_READ16, 2, 0x8877665544338281, 0x8281 },
		{ GUEST_READ32, 4, 0x8877665584838281, 0x84838281 },
		{ GUEST_READ64, 8, 0x8877665584838281, 0x8877665584838281 },
		{ GUEST_READS8, 1, 0x7777777777777781, 0xffffffffffffff81 },
		{ GUEST_READS8, 1, 0xffffffffffffff71, 0x71 },
		{ GUEST_READS16, 2, 0x7777777777778281, 0xffffffffffff8281 },
		{ GUEST_READS16, 2, 0xffffffffffff7281, 0x7281 },
		{ GUEST_READS32, 4, 0x7777777784838281, 0xffffffff84838281 },
		{ GUEST_READS32, 4, 0xffffffff74838281, 0x74838281 },
	};
	uint64_t value;

	START();
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
		ASSERT_EQ(0, gh_command(&self->vm, 0, reads[i].command, SCRATCH(0), 0, 0));
		/* Left from before: must not show */
		memset(self->run->mmio.data, 0xee, 8);
		ASSERT_EQ(0, gh_vcpu_run(&self->vm, 0));
		EXPECT_EQ(GH_VCPU_EXIT_MMIO, self->run->exit_reason);
		EXPECT_EQ(SCRATCH(0), self->run->mmio.phys_addr);
		EXPECT_EQ(reads[i].len, self->run->mmio.len);
		EXPECT_EQ(0, self->run->mmio.is_write);
		EXPECT_EQ(GH_VCPU_RESUME_HANDLED, self->run->mmio.resume_action);
		memcpy(&value, self->run->mmio.data, 8);
		EXPECT_EQ(0, value);
		gh_reply(&self->vm, 0, reads[i].reply);
		ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
		EXPECT_EQ(reads[i].result, value);
	}
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, mmio_writes)
{
	static const struct {
		uint64_t command;
		uint32_t len;
		uint64_t data;
	} writes[] = {
		{ GUEST_WRITE64, 8, 0xf7e6d5c4b3a29181 },
		{ GUEST_WRITE32, 4, 0xb3a29181 },
		{ GUEST_WRITE16, 2, 0x9181 },
		{ GUEST_WRITE8, 1, 0x81 },
	};
	uint64_t value;

	START();
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		/* The last reply stays in the page, and must not show */
		ASSERT_EQ(0, gh_command(&self->vm, 0, writes[i].command, SCRATCH(0),
					0xf7e6d5c4b3a29181, 0xeeeeeeeeeeeeeeee));
		/* What the guest has in the rest of the register is its own */
		ASSERT_EQ(0, gh_expect_write(&self->vm, 0, SCRATCH(0), writes[i].len, &value));
		EXPECT_EQ(writes[i].data, value);
		EXPECT_EQ(GH_VCPU_RESUME_HANDLED, self->run->mmio.resume_action);
		ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
		EXPECT_EQ(0, value);
	}
	POWER_OFF(&self->vm, 0);
}

/* What the hypervisor does not pass on, the guest gets as an abort */
TEST_F(vcpu, access_outside_window)
{
	static const uint64_t nowhere[] = { 0x70000000, GUEST_RAM + GUEST_RAM_SIZE };
	uint64_t esr;

	START();
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, nowhere[i], 0, 0));
		ASSERT_EQ(0, gh_expect_write(&self->vm, 0, gh_dev(0, GUEST_DEV_EXCEPTION), 8,
					     &esr));
		/* A data abort at EL1, synchronous external */
		EXPECT_EQ(0x25, esr >> 26);
		EXPECT_EQ(0x10, esr & 0x3f);
	}
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, sleep_until_timer)
{
	uint64_t start, value;

	START();
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SLEEP, 20000, 0, 0));
		start = gh_now_us();
		ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
		EXPECT_LE(20000, value);
		EXPECT_LE(20000, gh_now_us() - start);
		EXPECT_GT(5000000, gh_now_us() - start);
	}
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, bad_resume_action)
{
	uint64_t value;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));

	/* The access is still to be answered */
	for (int action = 1; action < 256; action++) {
		self->run->mmio.resume_action = action;
		EXPECT_FAIL(EINVAL, ioctl(self->fd, GH_VCPU_RUN));
	}
	self->run->mmio.resume_action = GH_VCPU_RESUME_HANDLED;
	gh_reply(&self->vm, 0, 0x1234);
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(0x1234, value);
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, immediate_exit)
{
	uint64_t value;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));

	/* Takes the reply, and only the first time */
	gh_reply(&self->vm, 0, 0xaaaa);
	self->run->immediate_exit = 1;
	EXPECT_FAIL(EINTR, ioctl(self->fd, GH_VCPU_RUN));
	EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, self->run->exit_reason);
	gh_reply(&self->vm, 0, 0xbbbb);
	EXPECT_FAIL(EINTR, ioctl(self->fd, GH_VCPU_RUN));
	EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, self->run->exit_reason);
	gh_reply(&self->vm, 0, 0xcccc);
	self->run->immediate_exit = 0;

	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(0xaaaa, value);

	/* Any value but 0 */
	self->run->immediate_exit = 0x80;
	EXPECT_FAIL(EINTR, ioctl(self->fd, GH_VCPU_RUN));
	self->run->immediate_exit = 0;
	POWER_OFF(&self->vm, 0);
}

static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "r");
	bool done;

	if (!file)
		return false;
	done = fgets(line, size, file);
	fclose(file);
	if (done)
		line[strcspn(line, "\n")] = '\0';
	return done;
}

/* The interrupts that wake the host for a guest, as sysfs knows them */
static unsigned int wakeup_interrupts(void)
{
	char path[320], text[64];
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir = opendir("/sys/kernel/irq");

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/irq/%s/actions", entry->d_name);
		if (!read_line(path, text, sizeof(text)) || strcmp(text, "gunyah-vcpu0"))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/irq/%s/wakeup", entry->d_name);
		if (read_line(path, text, sizeof(text)) && !strcmp(text, "enabled"))
			count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

/* A guest's timer goes on while the host is suspended */
TEST_F(vcpu, wakes_host)
{
	if (access("/sys/kernel/irq", F_OK))
		SKIP(return, "kernel without /sys/kernel/irq");
	EXPECT_EQ(0, wakeup_interrupts());
	START();
	EXPECT_EQ(1, wakeup_interrupts());
	POWER_OFF(&self->vm, 0);
	gh_vm_close(&self->vm);
	EXPECT_EQ(0, wakeup_interrupts());
}

/* ... unless the administrator does not want that */
TEST_F(vcpu, may_not_wake_host)
{
	glob_t paths;

	if (access("/sys/kernel/irq", F_OK) ||
	    glob("/sys/bus/platform/drivers/gunyah_rsc_mgr/*/power/wakeup", 0, NULL, &paths))
		SKIP(return, "kernel without /sys/kernel/irq, or without suspend");
	ASSERT_GT(sizeof(self->wakeup), strlen(paths.gl_pathv[0]));
	strcpy(self->wakeup, paths.gl_pathv[0]);
	globfree(&paths);
	ASSERT_TRUE(write_line(self->wakeup, "disabled"));
	START();
	EXPECT_EQ(0, wakeup_interrupts());
	POWER_OFF(&self->vm, 0);
}

static int alarms;

static void count_alarm(int sig)
{
	__atomic_fetch_add(&alarms, 1, __ATOMIC_RELAXED);
}

static void start_timer(unsigned int first_us, unsigned int interval_us)
{
	const struct sigaction action = { .sa_handler = count_alarm };
	const struct itimerval timer = {
		.it_value.tv_sec = first_us / 1000000,
		.it_value.tv_usec = first_us % 1000000,
		.it_interval.tv_usec = interval_us,
	};

	WRITE_ONCE(alarms, 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void stop_timer(void)
{
	const struct itimerval timer = { };

	setitimer(ITIMER_REAL, &timer, NULL);
}

/*
 * Signals at any point in time, thousands of them: no access of the guest is
 * lost, none comes twice, and each gets the answer that was meant for it.
 */
TEST_F_TIMEOUT(vcpu, signal_storm, 240)
{
	const uint64_t count = 4000;
	uint64_t reads = 0, sum = 0, value, interrupted = 0, deadline;
	unsigned int interval = 300, in_a_row;

	START();
	deadline = gh_now_us() + 120 * 1000000ULL;
	while (interrupted < 3000 && gh_now_us() < deadline) {
		reads = 0;
		sum = 0;
		in_a_row = 0;
		ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SUM, SCRATCH(0), count, 0));
		start_timer(interval, interval);
		for (;;) {
			if (ioctl(self->fd, GH_VCPU_RUN)) {
				ASSERT_EQ(EINTR, errno);
				ASSERT_EQ(GH_VCPU_EXIT_UNKNOWN, self->run->exit_reason);
				interrupted++;
				/* A slow machine does nothing else any more */
				if (++in_a_row == 20) {
					interval *= 2;
					start_timer(interval, interval);
					in_a_row = 0;
				}
				continue;
			}
			in_a_row = 0;
			ASSERT_EQ(GH_VCPU_EXIT_MMIO, self->run->exit_reason);
			if (self->run->mmio.is_write)
				break;
			ASSERT_EQ(SCRATCH(0), self->run->mmio.phys_addr);
			reads++;
			value = reads * 0x100000001ULL;
			sum += value;
			gh_reply(&self->vm, 0, value);
		}
		stop_timer();
		ASSERT_EQ(gh_dev(0, GUEST_DEV_RESULT), self->run->mmio.phys_addr);
		memcpy(&value, self->run->mmio.data, 8);
		ASSERT_EQ(count, reads);
		ASSERT_EQ(sum, value);
	}
	TH_LOG("%llu calls interrupted", (unsigned long long)interrupted);
	EXPECT_LT(0, interrupted);

	/* The same for writes: each value comes exactly once, in order */
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_COUNTDOWN, SCRATCH(0), count, 0));
	start_timer(interval, interval);
	for (reads = count; reads; reads--) {
		ASSERT_EQ(0, gh_expect_write(&self->vm, 0, SCRATCH(0), 8, &value));
		ASSERT_EQ(reads, value);
	}
	stop_timer();
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	POWER_OFF(&self->vm, 0);
}

/*
 * A signal ends the wait of a vCPU that sleeps, and that of one that spins. It
 * comes again, as the first may be there before the call is.
 */
TEST_F(vcpu, signal_while_asleep)
{
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_WFI, 0, 0, 0));
	for (int i = 0; i < 3; i++) {
		start_timer(200000, 200000);
		EXPECT_FAIL(EINTR, ioctl(self->fd, GH_VCPU_RUN));
		EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, self->run->exit_reason);
		EXPECT_LE(1, READ_ONCE(alarms));
	}
	stop_timer();
}

TEST_F(vcpu, signal_while_busy)
{
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SPIN, 0, 0, 0));
	for (int i = 0; i < 3; i++) {
		start_timer(200000, 200000);
		EXPECT_FAIL(EINTR, ioctl(self->fd, GH_VCPU_RUN));
		EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, self->run->exit_reason);
		EXPECT_LE(1, READ_ONCE(alarms));
	}
	stop_timer();
}

/* With an exit pending there is no signal that hides it */
TEST_F(vcpu, pending_signal_and_exit)
{
	int rounds = 0, interrupted = 0;
	uint64_t value;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));
	gh_reply(&self->vm, 0, 0xfeed);

	/* It takes luck for a signal to come just then */
	for (int i = 0; i < 200 || (!interrupted && i < 20000); i++) {
		start_timer(1 + i % 200 * 5, 0);
		if (ioctl(self->fd, GH_VCPU_RUN)) {
			ASSERT_EQ(EINTR, errno);
			ASSERT_EQ(GH_VCPU_EXIT_UNKNOWN, self->run->exit_reason);
			interrupted++;
			continue;
		}
		ASSERT_EQ(GH_VCPU_EXIT_MMIO, self->run->exit_reason);
		if (self->run->mmio.is_write && self->run->mmio.phys_addr ==
						gh_dev(0, GUEST_DEV_RESULT)) {
			memcpy(&value, self->run->mmio.data, 8);
			ASSERT_EQ(0xfeed, value);
			rounds++;
			stop_timer();
			/* Again */
			ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
			ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));
			gh_reply(&self->vm, 0, 0xfeed);
		}
	}
	stop_timer();
	EXPECT_LT(0, rounds);
	EXPECT_LT(0, interrupted);
}

struct scribbler {
	uint8_t *page;
	bool stop;
};

/*
 * All of the page, but most often what the kernel reads. Garbage is a command to
 * no guest and hardly ever a reply, so now and then it is something that is.
 */
static void *scribble(void *data)
{
	struct scribbler *scribbler = data;
	struct gh_vcpu_run *run = (void *)scribbler->page;
	int first = offsetof(struct gh_vcpu_run, mmio.data[4]);
	int page = getpagesize();
	unsigned int seed = 1;

	while (!READ_ONCE(scribbler->stop)) {
		for (int i = 1; i < 64; i++) {
			/*
			 * Not the upper half of a reply: an access of the guest
			 * beyond all physical addresses ends the hypervisor's
			 * public release
			 */
			if (i < first || i >= first + 4)
				WRITE_ONCE(scribbler->page[i], rand_r(&seed));
		}
		WRITE_ONCE(scribbler->page[64 + rand_r(&seed) % (page - 64)], rand_r(&seed));
		if (rand_r(&seed) % 4 == 0) {
			for (int i = 1; i < 4; i++)
				WRITE_ONCE(run->mmio.data[i], 0);
			/* From there on they may not come back, or end the guest */
			WRITE_ONCE(run->mmio.data[0], rand_r(&seed) % GUEST_HVC);
			WRITE_ONCE(run->mmio.resume_action, GH_VCPU_RESUME_HANDLED);
		}
		/* immediate_exit: for a moment now and then, or nothing else would happen */
		WRITE_ONCE(scribbler->page[0], rand_r(&seed) % 64 == 0);
	}
	return NULL;
}

/* Whatever user space writes to the page, whenever: only its own guest suffers */
TEST_F_TIMEOUT(vcpu, scribble_on_run_page, 120)
{
	struct scribbler scribbler = { .page = (uint8_t *)self->run };
	uint64_t end = gh_now_us() + 3000000;
	unsigned long good = 0, bad = 0;
	pthread_t thread;
	int error = 0;

	START();
	/* Soon the guest executes commands that nobody has asked for */
	ASSERT_EQ(0, pthread_create(&thread, NULL, scribble, &scribbler));
	start_timer(10000, 10000);
	while (gh_now_us() < end && !error) {
		if (!ioctl(self->fd, GH_VCPU_RUN))
			good++;
		else if (errno == EINVAL || errno == EINTR)
			bad++;
		else
			error = errno;
	}
	stop_timer();
	EXPECT_EQ(0, error);
	WRITE_ONCE(scribbler.stop, true);
	pthread_join(thread, NULL);
	TH_LOG("%lu exits, %lu refused or interrupted", good, bad);
	EXPECT_LT(0, good);
}

/* What the kernel has to know of an exit it does not read back from the page */
TEST_F(vcpu, lie_about_access)
{
	struct gh_vcpu_run *run = self->run;
	uint64_t value;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ16, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 2));
	memset((uint8_t *)run + 8, 0xff, sizeof(*run) - 8);
	run->mmio.resume_action = GH_VCPU_RESUME_HANDLED;
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(0xffff, value);

	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_WRITE8, SCRATCH(0), 0x42, 0));
	ASSERT_EQ(0, gh_expect_write(&self->vm, 0, SCRATCH(0), 1, &value));
	run->mmio.len = 0x10000;
	run->mmio.is_write = 0;
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(0, value);
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, power_off_again_and_again)
{
	struct gh_vcpu_run first;

	START();
	POWER_OFF(&self->vm, 0);
	first = *self->run;
	EXPECT_EQ(0, first.status.padding);
	EXPECT_EQ(0, first.status.exit_info.padding);
	EXPECT_GE(GH_VM_MAX_EXIT_REASON_SIZE, first.status.exit_info.reason_size);
	for (int i = 0; i < 10; i++) {
		/* Whatever was there before */
		memset((uint8_t *)self->run + 8, 0xff, sizeof(*self->run) - 8);
		self->run->padding2 = first.padding2;
		ASSERT_EQ(0, gh_vcpu_run(&self->vm, 0));
		EXPECT_EQ(0, memcmp(self->run, &first, sizeof(first)));
	}
	self->run->immediate_exit = 1;
	EXPECT_FAIL(EINTR, ioctl(self->fd, GH_VCPU_RUN));
}

/* Of a longer reason the first bytes, and how many they are */
TEST_F(vcpu, system_reset2)
{
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_HVC, PSCI_SYSTEM_RESET2, 0x80000017,
				0x123456789abcdef0));
	RUN_TO_END(&self->vm, 0);
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, self->run->exit_reason);
	EXPECT_EQ(GH_VM_STATUS_EXITED, self->run->status.status);
	EXPECT_EQ(GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET2, self->run->status.exit_info.type);
	EXPECT_EQ(GH_VM_MAX_EXIT_REASON_SIZE, self->run->status.exit_info.reason_size);
	/* The flags of the call, and its type */
	EXPECT_EQ(0x17, self->run->status.exit_info.reason[4]);
	EXPECT_EQ(0x80, self->run->status.exit_info.reason[7]);
}

TEST_F(vcpu, system_reset)
{
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_HVC, PSCI_SYSTEM_RESET, 0, 0));
	RUN_TO_END(&self->vm, 0);
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, self->run->exit_reason);
	EXPECT_EQ(GH_VM_STATUS_EXITED, self->run->status.status);
	EXPECT_EQ(GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET, self->run->status.exit_info.type);
}

/* The VM file is needed by nobody who has a vCPU file */
TEST_F(vcpu, close_vm_first)
{
	uint64_t value;

	START();
	close(self->vm.vm);
	self->vm.vm = -1;
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_HVC, PSCI_VERSION, 0, 0));
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(1, value >> 16);
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, close_vcpu_first)
{
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SPIN, 0, 0, 0));
	close(self->fd);
	self->vm.vcpu_fd[0] = -1;
	EXPECT_EQ(0, ioctl(self->vm.vm, GH_VM_START));
	/* The vCPU is the VM's, not the file's */
	EXPECT_FAIL(EEXIST, gh_add_vcpu(self->vm.vm, 0));
}

/* The next VM, which may well have the same VMID, does not get the reply */
TEST_F(vcpu, close_with_access_pending)
{
	uint64_t value;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));
	gh_reply(&self->vm, 0, 0x1234);
	gh_vm_close(&self->vm);

	ASSERT_EQ(0, gh_vm_boot(&self->vm, 1));
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_HVC, PSCI_VERSION, 0, 0));
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(1, value >> 16);
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, duplicated_files)
{
	int vm = dup(self->vm.vm), fd = dup(self->fd);

	START();
	close(self->vm.vm);
	close(self->fd);
	self->vm.vm = vm;
	self->vm.vcpu_fd[0] = fd;
	EXPECT_EQ(0, ioctl(vm, GH_VM_START));
	POWER_OFF(&self->vm, 0);
}

TEST_F(vcpu, remove_while_open)
{
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));
	EXPECT_EQ(0, gh_remove_vcpu(self->vm.vm, 0));
	EXPECT_FAIL(ENODEV, ioctl(self->fd, GH_VCPU_RUN));
	/* The page is still there to be read and written */
	memset(self->run, 0, sizeof(*self->run));
	EXPECT_FAIL(ENODEV, ioctl(self->fd, GH_VCPU_RUN));
}

struct runner {
	struct gh_test_vm *vm;
	unsigned int id;
	pthread_t thread;
	bool running;
	int ret;
	int error;
};

static void *run_once(void *data)
{
	struct runner *runner = data;

	WRITE_ONCE(runner->running, true);
	runner->ret = ioctl(runner->vm->vcpu_fd[runner->id], GH_VCPU_RUN);
	runner->error = errno;
	return NULL;
}

static int start_runner(struct runner *runner, struct gh_test_vm *vm, unsigned int id)
{
	runner->vm = vm;
	runner->id = id;
	runner->running = false;
	if (pthread_create(&runner->thread, NULL, run_once, runner))
		return -1;
	while (!READ_ONCE(runner->running))
		usleep(1000);
	/* Gets as far as the hypervisor */
	usleep(100000);
	return 0;
}

/* Does the thread end within 10 seconds? */
static int join_runner(struct runner *runner)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 10;
	return pthread_timedjoin_np(runner->thread, NULL, &deadline);
}

/* The same with a signal for it each second: one may come before the call does */
static int interrupt_runner(struct runner *runner)
{
	struct timespec deadline;
	int ret;

	clock_gettime(CLOCK_REALTIME, &deadline);
	for (int i = 0; i < 10; i++) {
		pthread_kill(runner->thread, SIGUSR1);
		deadline.tv_sec++;
		ret = pthread_timedjoin_np(runner->thread, NULL, &deadline);
		if (ret != ETIMEDOUT)
			break;
	}
	return ret;
}

TEST_F(vcpu, remove_while_asleep)
{
	struct runner runner;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_WFI, 0, 0, 0));
	ASSERT_EQ(0, start_runner(&runner, &self->vm, 0));
	EXPECT_EQ(0, gh_remove_vcpu(self->vm.vm, 0));
	ASSERT_EQ(0, join_runner(&runner));
	EXPECT_EQ(-1, runner.ret);
	EXPECT_EQ(ENODEV, runner.error);
}

TEST_F(vcpu, remove_while_busy)
{
	struct runner runner;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SPIN, 0, 0, 0));
	ASSERT_EQ(0, start_runner(&runner, &self->vm, 0));
	EXPECT_EQ(0, gh_remove_vcpu(self->vm.vm, 0));
	ASSERT_EQ(0, join_runner(&runner));
	EXPECT_EQ(-1, runner.ret);
	EXPECT_EQ(ENODEV, runner.error);
}

struct remover {
	struct gh_test_vm *vm;
	pthread_barrier_t *start;
	int ret;
};

static void *remove_once(void *data)
{
	struct remover *remover = data;

	pthread_barrier_wait(remover->start);
	remover->ret = gh_remove_vcpu(remover->vm->vm, 0);
	return NULL;
}

/* One of many removes the vCPU, and while it does nobody else can add it again */
TEST_F_TIMEOUT(vcpu, remove_at_once, 120)
{
	struct remover removers[4];
	pthread_t threads[ARRAY_SIZE(removers)];
	pthread_barrier_t start;
	struct runner runner;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SPIN, 0, 0, 0));
	ASSERT_EQ(0, pthread_barrier_init(&start, NULL, ARRAY_SIZE(removers)));
	for (int i = 0; i < 10; i++) {
		int removed = 0;

		ASSERT_EQ(0, start_runner(&runner, &self->vm, 0));
		for (size_t j = 0; j < ARRAY_SIZE(removers); j++) {
			removers[j].vm = &self->vm;
			removers[j].start = &start;
			ASSERT_EQ(0, pthread_create(&threads[j], NULL, remove_once,
						    &removers[j]));
		}
		for (size_t j = 0; j < ARRAY_SIZE(removers); j++) {
			pthread_join(threads[j], NULL);
			removed += !removers[j].ret;
		}
		EXPECT_EQ(1, removed);
		ASSERT_EQ(0, join_runner(&runner));
		EXPECT_EQ(ENODEV, runner.error);

		close(self->vm.vcpu_fd[0]);
		self->vm.vcpu_fd[0] = gh_add_vcpu(self->vm.vm, 0);
		ASSERT_GE(self->vm.vcpu_fd[0], 0);
	}
	pthread_barrier_destroy(&start);
}

struct changer {
	int vm;
	bool stop;
	bool failed;
	unsigned long rounds;
};

/* With immediate_exit set: the vCPU is there, or is not */
static bool can_tell(int fd)
{
	return ioctl(fd, GH_VCPU_RUN) && (errno == EINTR || errno == ENODEV);
}

/* A vCPU comes, and goes before its file or after it */
static bool change(int vm, bool close_first)
{
	int fd = gh_add_vcpu(vm, 1);
	struct gh_vcpu_run *run;
	bool done;

	if (fd < 0)
		return false;
	run = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED)
		return false;
	run->immediate_exit = 1;
	munmap(run, getpagesize());

	done = can_tell(fd);
	if (close_first)
		close(fd);
	done &= !gh_remove_vcpu(vm, 1);
	if (!close_first) {
		done &= can_tell(fd);
		close(fd);
	}
	return done;
}

static void *keep_changing(void *data)
{
	struct changer *changer = data;

	for (; !READ_ONCE(changer->stop) && !changer->failed; changer->rounds++)
		changer->failed = !change(changer->vm, changer->rounds % 2);
	return NULL;
}

/* While the resources come that the vCPU is waiting for, and while they go */
TEST_F_TIMEOUT(vcpu, change_while_starting, 120)
{
	unsigned long rounds = 0;

	for (int i = 0; i < 20; i++) {
		struct changer changer = { };
		struct gh_test_vm vm;
		pthread_t thread;

		ASSERT_EQ(0, gh_vm_prepare(&vm, 1));
		gh_write_dtb(vm.host + GUEST_DTB_OFFSET, 2);
		changer.vm = dup(vm.vm);
		ASSERT_EQ(0, pthread_create(&thread, NULL, keep_changing, &changer));
		ASSERT_EQ(0, ioctl(vm.vm, GH_VM_START));
		POWER_OFF(&vm, 0);
		WRITE_ONCE(changer.stop, true);
		pthread_join(thread, NULL);
		EXPECT_FALSE(changer.failed);
		rounds += changer.rounds;
		close(changer.vm);
		gh_vm_close(&vm);
	}
	TH_LOG("%lu vCPUs came and went", rounds);
	EXPECT_LT(20, rounds);
}

/* One runs the vCPU, the other waits for its turn: both can be interrupted */
TEST_F(vcpu, two_runners)
{
	const struct sigaction action = { .sa_handler = count_alarm };
	struct runner a, b;

	sigaction(SIGUSR1, &action, NULL);
	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_WFI, 0, 0, 0));
	ASSERT_EQ(0, start_runner(&a, &self->vm, 0));
	ASSERT_EQ(0, start_runner(&b, &self->vm, 0));

	ASSERT_EQ(0, interrupt_runner(&b));
	EXPECT_EQ(EINTR, b.error);
	ASSERT_EQ(0, interrupt_runner(&a));
	EXPECT_EQ(EINTR, a.error);
}

/* A child has the files as well, and can go on where its parent has stopped */
TEST_F(vcpu, fork)
{
	int status;
	pid_t pid;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));
	gh_reply(&self->vm, 0, 0x77);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		uint64_t value;

		_exit(gh_result(&self->vm, 0, &value) || value != 0x77);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	POWER_OFF(&self->vm, 0);
}

/* Files and mappings of a VM in every order; the last one takes the VM down */
TEST_F_TIMEOUT(vcpu, close_in_any_order, 120)
{
	enum { VM, VCPU, MEM, RUN, HOST, PARTS };
	static const int orders[][PARTS] = {
		{ VM, VCPU, MEM, RUN, HOST }, { VM, RUN, VCPU, HOST, MEM },
		{ VM, MEM, HOST, RUN, VCPU }, { VM, HOST, MEM, VCPU, RUN },
		{ VCPU, VM, HOST, MEM, RUN }, { VCPU, RUN, VM, MEM, HOST },
		{ VCPU, MEM, VM, HOST, RUN }, { VCPU, HOST, RUN, MEM, VM },
		{ MEM, VM, RUN, VCPU, HOST }, { MEM, VCPU, HOST, VM, RUN },
		{ MEM, RUN, HOST, VM, VCPU }, { MEM, HOST, VCPU, RUN, VM },
		{ RUN, VM, HOST, VCPU, MEM }, { RUN, VCPU, MEM, VM, HOST },
		{ RUN, MEM, VCPU, HOST, VM }, { RUN, HOST, VM, MEM, VCPU },
		{ HOST, VM, MEM, RUN, VCPU }, { HOST, VCPU, VM, RUN, MEM },
		{ HOST, MEM, RUN, VCPU, VM }, { HOST, RUN, VCPU, VM, MEM },
	};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct gh_test_vm vm;

		ASSERT_EQ(0, gh_vm_boot(&vm, 1));
		ASSERT_EQ(0, gh_command(&vm, 0, GUEST_READ64, SCRATCH(0), 0, 0));
		if (i % 2)
			ASSERT_EQ(0, gh_expect_read(&vm, 0, SCRATCH(0), 8));
		for (int j = 0; j < PARTS; j++) {
			switch (orders[i][j]) {
			case VM:
				EXPECT_EQ(0, close(vm.vm));
				break;
			case VCPU:
				EXPECT_EQ(0, close(vm.vcpu_fd[0]));
				break;
			case MEM:
				EXPECT_EQ(0, close(vm.mem));
				break;
			case RUN:
				EXPECT_EQ(0, munmap(vm.run[0], getpagesize()));
				break;
			case HOST:
				EXPECT_EQ(0, munmap(vm.host, GUEST_RAM_SIZE));
				break;
			}
		}
		close(vm.gunyah);
	}
}

static void *move_around(void *data)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct runner *runner = data;

	for (unsigned int i = 0; READ_ONCE(runner->running); i++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		pthread_setaffinity_np(runner->thread, sizeof(set), &set);
		usleep(500);
	}
	return NULL;
}

/* A vCPU whose thread does not stay on a CPU: nothing is lost, nothing comes twice */
TEST_F_TIMEOUT(vcpu, moving_thread, 120)
{
	const uint64_t count = gh_is_slow_kernel() ? 500 : 2000;
	struct runner runner = { .thread = pthread_self(), .running = true };
	uint64_t value, sum = 0;
	pthread_t mover;

	START();
	ASSERT_EQ(0, pthread_create(&mover, NULL, move_around, &runner));
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SUM, SCRATCH(0), count, 0));
	for (uint64_t i = 1; i <= count; i++) {
		ASSERT_EQ(0, gh_expect_read(&self->vm, 0, SCRATCH(0), 8));
		gh_reply(&self->vm, 0, i * 0x100000001ULL);
		sum += i * 0x100000001ULL;
	}
	ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
	EXPECT_EQ(sum, value);
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SLEEP, 3000, 0, 0));
		ASSERT_EQ(0, gh_result(&self->vm, 0, &value));
		EXPECT_LE(3000, value);
	}
	WRITE_ONCE(runner.running, false);
	pthread_join(mover, NULL);
	POWER_OFF(&self->vm, 0);
}

/* There are 58 interrupts for vCPUs in all */
#define MAX_VCPUS	58

TEST_F_TIMEOUT(vcpu, interrupt_limit, 120)
{
	struct gh_test_vm vms[MAX_VCPUS / GH_MAX_VCPUS + 1];
	unsigned int vcpus = 0, used = 0;
	size_t n;

	/* The public one has less for all VMs afterwards */
	if (access(GH_TEST_PAGE, F_OK))
		SKIP(return, "a resource manager that may not get over the end of its interrupts");

	for (n = 0; n < ARRAY_SIZE(vms); n++) {
		unsigned int more = MAX_VCPUS - vcpus;

		if (more > GH_MAX_VCPUS)
			more = GH_MAX_VCPUS;
		ASSERT_EQ(0, gh_vm_boot(&vms[n], more));
		vcpus += more;
	}
	ASSERT_EQ(MAX_VCPUS, vcpus);

	/* The first one too many, and what it gets when there is room again */
	EXPECT_FAIL(ENODEV, ioctl(self->vm.vm, GH_VM_START));
	EXPECT_FAIL(ENODEV, ioctl(self->vm.vm, GH_VM_START));
	for (; used < n; used++) {
		POWER_OFF(&vms[used], 0);
		gh_vm_close(&vms[used]);
	}
	gh_vm_close(&self->vm);
	ASSERT_EQ(0, gh_vm_boot(&self->vm, GH_MAX_VCPUS));
	POWER_OFF(&self->vm, 0);
}

/* And 64 parcels, each of which is a region of some VM */
#define MAX_PARCELS	64

TEST_F_TIMEOUT(vcpu, parcel_limit, 120)
{
	const uint64_t page = getpagesize();
	int mem = gh_create_mem(self->vm.gunyah, MAX_PARCELS * page);
	struct gh_map_mem_args args = {
		.flags = GH_MAP_MEM_FORCE_SHARE | GH_MAP_MEM_ALLOW_READ | GH_MAP_MEM_ALLOW_WRITE,
		.guest_mem_fd = mem,
		.size = page,
	};
	struct gh_test_vm vm;

	ASSERT_GE(mem, 0);
	/* One too many for a VM, and none of those before it stays */
	for (uint64_t i = 0; i < MAX_PARCELS; i++) {
		args.guest_addr = 0x90000000 + i * 0x10000;
		args.offset = i * page;
		ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_MAP_MEM, &args));
	}
	EXPECT_FAIL(ENOSPC, ioctl(self->vm.vm, GH_VM_START));
	EXPECT_FAIL(ENOSPC, ioctl(self->vm.vm, GH_VM_START));
	gh_vm_close(&self->vm);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));

	/* All there are: none for others */
	for (uint64_t i = 0; i < MAX_PARCELS - 1; i++) {
		args.guest_addr = 0x90000000 + i * 0x10000;
		args.offset = i * page;
		ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_MAP_MEM, &args));
	}
	ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_START));
	ASSERT_EQ(0, gh_vm_prepare(&vm, 1));
	EXPECT_FAIL(ENOSPC, ioctl(vm.vm, GH_VM_START));
	gh_vm_close(&vm);
	POWER_OFF(&self->vm, 0);
	gh_vm_close(&self->vm);

	ASSERT_EQ(0, gh_vm_boot(&self->vm, 1));
	POWER_OFF(&self->vm, 0);
	close(mem);
}

FIXTURE(smp) {
	struct gh_test_vm vm;
	unsigned int vcpus;
};

FIXTURE_SETUP(smp)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	/* As many as the host has CPUs, and two to begin with */
	self->vcpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (self->vcpus < 2)
		self->vcpus = 2;
	if (self->vcpus > GH_MAX_VCPUS)
		self->vcpus = GH_MAX_VCPUS;
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, self->vcpus));
}

FIXTURE_TEARDOWN(smp)
{
	gh_vm_close(&self->vm);
}

static int cpu_on(struct gh_test_vm *vm, unsigned int cpu)
{
	uint64_t value;

	if (gh_command(vm, 0, GUEST_HVC, PSCI_CPU_ON, cpu, GUEST_RAM) || gh_result(vm, 0, &value))
		return -1;
	return value ? -1 : 0;
}

struct worker {
	struct gh_test_vm *vm;
	unsigned int id;
	pthread_t thread;
	/* All that is left is the end of the VM, or it has failed */
	bool ready;
	int failed;
	struct gh_vcpu_run end;
};

/* Powered off until CPU 0 starts it; then works, and waits for the end of the VM */
static int do_work(struct worker *worker)
{
	struct gh_test_vm *vm = worker->vm;
	unsigned int id = worker->id;
	uint64_t value, sum = 0;

	if (gh_command(vm, id, GUEST_SLEEP, 10000, 0, 0) || gh_result(vm, id, &value))
		return -1;
	if (gh_command(vm, id, GUEST_SUM, SCRATCH(id), 100, 0))
		return -1;
	for (int i = 0; i < 100; i++) {
		if (gh_expect_read(vm, id, SCRATCH(id), 8))
			return -1;
		gh_reply(vm, id, i * id);
		sum += i * id;
	}
	if (gh_result(vm, id, &value) || value != sum)
		return -1;

	/* Half of them are off when the VM ends, the others asleep */
	if (id & 1) {
		if (gh_command(vm, id, GUEST_HVC, PSCI_CPU_OFF, 0, 0))
			return -1;
	} else if (gh_command(vm, id, GUEST_WFI, 0, 0, 0)) {
		return -1;
	}
	WRITE_ONCE(worker->ready, true);
	if (gh_vcpu_run(vm, id) || vm->run[id]->exit_reason != GH_VCPU_EXIT_STATUS)
		return -1;
	worker->end = *vm->run[id];
	return 0;
}

static void *work(void *data)
{
	struct worker *worker = data;

	worker->failed = do_work(worker);
	WRITE_ONCE(worker->ready, true);
	return NULL;
}

TEST_F(smp, siblings)
{
	struct worker workers[GH_MAX_VCPUS] = { };

	START();
	for (unsigned int i = 1; i < self->vcpus; i++) {
		workers[i].vm = &self->vm;
		workers[i].id = i;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (unsigned int i = 1; i < self->vcpus; i++)
		ASSERT_EQ(0, cpu_on(&self->vm, i));
	for (unsigned int i = 1; i < self->vcpus; i++)
		while (!READ_ONCE(workers[i].ready))
			usleep(1000);
	/* They get as far as the hypervisor */
	usleep(100000);
	POWER_OFF(&self->vm, 0);

	for (unsigned int i = 1; i < self->vcpus; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].failed);
		EXPECT_EQ(0, memcmp(&workers[i].end, self->vm.run[0], sizeof(workers[i].end)));
	}
}

TEST_F(smp, remove_all_while_running)
{
	struct runner runners[GH_MAX_VCPUS];
	int vm = self->vm.vm;

	START();
	ASSERT_EQ(0, gh_command(&self->vm, 0, GUEST_SPIN, 0, 0, 0));
	for (unsigned int i = 0; i < self->vcpus; i++)
		ASSERT_EQ(0, start_runner(&runners[i], &self->vm, i));
	for (unsigned int i = 0; i < self->vcpus; i++)
		EXPECT_EQ(0, gh_remove_vcpu(vm, i));
	for (unsigned int i = 0; i < self->vcpus; i++) {
		ASSERT_EQ(0, join_runner(&runners[i]));
		EXPECT_EQ(ENODEV, runners[i].error);
	}
}

/* They share the host and nothing else */
TEST_F(vcpu, many_vms)
{
	struct gh_test_vm vms[8];
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		ASSERT_EQ(0, gh_vm_boot(&vms[i], 1));
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		ASSERT_EQ(0, gh_command(&vms[i], 0, GUEST_READ64, SCRATCH(0), 0, 0));
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++) {
		ASSERT_EQ(0, gh_expect_read(&vms[i], 0, SCRATCH(0), 8));
		gh_reply(&vms[i], 0, 0x100 + i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++) {
		ASSERT_EQ(0, gh_result(&vms[i], 0, &value));
		EXPECT_EQ(0x100 + i, value);
	}
	/* Half of them end by themselves, while the others still run */
	for (size_t i = 0; i < ARRAY_SIZE(vms); i += 2)
		POWER_OFF(&vms[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		gh_vm_close(&vms[i]);
}

static void *work_forever(void *data)
{
	struct runner *runner = data;

	for (;;) {
		if (!ioctl(runner->vm->vcpu_fd[runner->id], GH_VCPU_RUN))
			gh_reply(runner->vm, runner->id, GUEST_READ64);
		else if (errno != EINTR)
			return NULL;
	}
}

/* Make VMs, run them for a moment, take them down, until killed */
static void live(void)
{
	struct runner runners[MAX_LIVE_VCPUS];
	struct gh_test_vm vm;

	for (;;) {
		int vcpus = 1 + rand() % MAX_LIVE_VCPUS;

		if (gh_vm_boot(&vm, vcpus))
			_exit(1);
		for (int i = 0; i < vcpus; i++) {
			runners[i].vm = &vm;
			runners[i].id = i;
			if (pthread_create(&runners[i].thread, NULL, work_forever, &runners[i]))
				_exit(1);
		}
		usleep(rand() % 30000);
		for (int i = 0; i < vcpus; i++) {
			gh_remove_vcpu(vm.vm, i);
			pthread_join(runners[i].thread, NULL);
		}
		gh_vm_close(&vm);
	}
}

/* SIGKILL at any point of a VM's life; what is left must not hurt the next one */
TEST_F_TIMEOUT(vcpu, kill, 300)
{
	uint64_t end = gh_now_us() + 60 * 1000000ULL;
	int rounds, status;
	pid_t pid;

	for (rounds = 0; rounds < 40 && gh_now_us() < end; rounds++) {
		fflush(NULL);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			srand(rounds);
			live();
		}
		usleep(rand() % 200000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	TH_LOG("killed %d times", rounds);
	START();
	POWER_OFF(&self->vm, 0);
}

TEST_HARNESS_MAIN

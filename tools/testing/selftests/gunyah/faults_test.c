// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each step of a VM's life fails once, in each way that it can. Whatever
 * happens, nothing hangs, nothing is left of the VM, and the next one works.
 *
 * Where something is lost for good in the end it is a matter of losses.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_faults.h"
#include "kselftest_harness.h"

/* No message comes more often than that in one life */
#define MAX_NTH		32

#define HYP_BELL_SEND		0x12
#define HYP_BELL_SET_MASK	0x15
#define HYP_MSGQ_SEND		0x1b
#define HYP_VCPU_RUN		0x65

#define HYP_RETRY		-2ULL
#define HYP_BUSY		31

#define VCPU_RUN_POWERED_OFF	2
#define VCPU_RUN_BLOCKED	3
#define VCPU_RUN_FAULT		6

/* The host has its interrupts of the hypervisor there */
#define FIRST_VIRQ		960
#define LAST_VIRQ		1019

/* Bounds of the function in which no allocation is to fail */
static char reject_start[32], reject_end[32];

/* What the test of allocations sets in debugfs */
static struct setting {
	const char *name;
	const char *value;
	/* Empty if it is as it was */
	char before[32];
} settings[] = {
	{ "failslab/reject-start", reject_start },
	{ "failslab/reject-end", reject_end },
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/verbose", "0" },
	{ "fail_page_alloc/reject-start", reject_start },
	{ "fail_page_alloc/reject-end", reject_end },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "fail_page_alloc/verbose", "0" },
	{ "fail_usercopy/verbose", "0" },
};

static int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -1;
	ret = read(fd, text, size - 1);
	close(fd);
	text[ret > 0 ? ret : 0] = 0;
	return ret > 0 ? 0 : -1;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return ret;
}

static int change_setting(struct setting *setting)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", setting->name);
	if (read_file(path, setting->before, sizeof(setting->before)))
		return -1;
	return write_file(path, setting->value);
}

static void restore_settings(void)
{
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!settings[i].before[0])
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i].name);
		write_file(path, settings[i].before);
	}
}

FIXTURE(faults) {
	struct gh_figures before;
};

FIXTURE_SETUP(faults)
{
	const char *why_not = gh_faults_open();

	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_life_init());
	/* What a first VM leaves is not lost: the host asks for its VMID once */
	ASSERT_EQ(0, gh_live(true));
	self->before = gh_figures();
}

/* As it was before, in whatever way the test has ended */
FIXTURE_TEARDOWN(faults)
{
	restore_settings();
	gh_faults_clear();
	EXPECT_EQ(0, gh_live(true));
	EXPECT_TRUE(gh_figures_are(&self->before, "after all"));
}

#define ID(message)	{ #message, GH_RM_##message }

struct message {
	const char *name;
	uint32_t id;
};

static const struct message to_start[] = {
	ID(VM_ALLOCATE), ID(MEM_LEND), ID(MEM_SHARE), ID(MEM_APPEND), ID(VM_CONFIG_IMAGE),
	ID(VM_INIT), ID(VM_GET_HYP_RESOURCES), ID(VM_SET_BOOT_CONTEXT), ID(VM_START),
};

static const struct message to_end[] = {
	ID(VM_GET_STATE), ID(VM_STOP), ID(VM_RESET), ID(MEM_RECLAIM), ID(VM_DEALLOCATE),
};

static const struct message notifications[] = {
	ID(VM_STATUS), ID(VM_EXITED),
};

struct tally {
	unsigned int lives;
	unsigned int failed;
};

/*
 * A life for each message of this kind, with something happening to that one.
 * Returns the number of lives to which it did.
 */
static unsigned int each_nth(struct __test_metadata *_metadata, const struct gh_figures *before,
			     enum gh_fault fault, const struct message *message, uint64_t arg,
			     unsigned int max_nth, struct tally *tally)
{
	char when[96];

	for (unsigned int nth = 0; nth < max_nth; nth++) {
		int error;

		ASSERT_EQ(0, gh_fault(fault, GH_NTH(nth, message->id), arg));
		/* Half of them are closed while they run */
		error = gh_live(nth % 2);
		if (gh_faults_clear()) {
			EXPECT_EQ(0, error);
			return nth;
		}
		tally->lives++;
		tally->failed += !!error;
		snprintf(when, sizeof(when), "fault %u (%#llx) of %s %u, errno %d", fault,
			 (unsigned long long)arg, message->name, nth, error);
		EXPECT_LE(0, error);
		ASSERT_TRUE(gh_figures_are(before, when));
	}
	return max_nth;
}

#define EACH_NTH(fault, message, arg)	\
	each_nth(_metadata, &self->before, fault, message, arg, MAX_NTH, &tally)
#define LOG_TALLY()	\
	TH_LOG("%u lives, %u of which failed", tally.lives, tally.failed)

TEST_F_TIMEOUT(faults, refused_requests, 600)
{
	static const uint32_t errors[] = {
		GH_RM_NOMEM, GH_RM_NORESOURCE, GH_RM_DENIED, GH_RM_BUSY, GH_RM_ARGUMENT,
		GH_RM_VM_IN_STATE, GH_RM_NO_SUCH_ERROR, GH_RM_UNIMPLEMENTED,
	};
	struct tally tally = { };

	for (size_t i = 0; i < ARRAY_SIZE(to_start); i++)
		for (size_t j = 0; j < ARRAY_SIZE(errors); j++)
			EXPECT_LE(1, EACH_NTH(GH_FAULT_FAIL, &to_start[i], errors[j]));
	LOG_TALLY();
}

/* At the end the host asks again, for as long as it makes sense */
TEST_F_TIMEOUT(faults, refused_for_now, 120)
{
	static const uint32_t errors[] = { GH_RM_NOMEM, GH_RM_BUSY, GH_RM_MEM_INUSE };
	const struct message reclaim = ID(MEM_RECLAIM), stop = ID(VM_STOP);
	struct tally tally = { };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		EXPECT_LE(2, EACH_NTH(GH_FAULT_FAIL, &reclaim, errors[i]));
	EXPECT_LE(1, EACH_NTH(GH_FAULT_FAIL, &stop, GH_RM_DENIED));
	EXPECT_EQ(0, tally.failed);

	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, gh_fault(GH_FAULT_FAIL, GH_RM_MEM_RECLAIM, GH_RM_BUSY));
	EXPECT_EQ(0, gh_live(true));
	EXPECT_EQ(0, gh_faults_clear());
	EXPECT_TRUE(gh_figures_are(&self->before, "five refusals"));
}

TEST_F_TIMEOUT(faults, broken_half_way, 120)
{
	static const struct message messages[] = { ID(VM_INIT), ID(VM_START) };
	struct tally tally = { };

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		EXPECT_LE(1, EACH_NTH(GH_FAULT_BREAK, &messages[i], GH_RM_NORESOURCE));
		EXPECT_LE(1, EACH_NTH(GH_FAULT_BREAK, &messages[i], GH_RM_NOMEM));
	}
	EXPECT_EQ(tally.lives, tally.failed);
	LOG_TALLY();
}

/* Late, or twice: all the same */
TEST_F_TIMEOUT(faults, late_and_double, 300)
{
	static const struct {
		const struct message *messages;
		size_t count;
	} all[] = {
		{ to_start, ARRAY_SIZE(to_start) },
		{ to_end, ARRAY_SIZE(to_end) },
		{ notifications, ARRAY_SIZE(notifications) },
	};
	struct tally tally = { };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (size_t j = 0; j < all[i].count; j++) {
			EXPECT_LE(1, EACH_NTH(GH_FAULT_DELAY, &all[i].messages[j], 15));
			EXPECT_LE(1, EACH_NTH(GH_FAULT_TWICE, &all[i].messages[j], 0));
		}
	}
	EXPECT_EQ(0, tally.failed);
	LOG_TALLY();
}

/* A reply that says too little: what the request has done has to be undone */
TEST_F_TIMEOUT(faults, short_replies, 300)
{
	static const struct message messages[] = {
		ID(MEM_APPEND), ID(VM_CONFIG_IMAGE), ID(VM_INIT), ID(VM_GET_HYP_RESOURCES),
		ID(VM_START), ID(VM_STOP), ID(VM_RESET),
	};
	const struct message resources = ID(VM_GET_HYP_RESOURCES);
	struct tally tally = { };

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
		for (int left = 0; left < 4; left += 3)
			EXPECT_LE(1, EACH_NTH(GH_FAULT_CUT, &messages[i], left));
	/* In the header of the list, and in the first entry; an error has nothing behind it */
	for (int left = 4; left < 52; left += 5)
		EXPECT_LE(1, EACH_NTH(GH_FAULT_CUT, &resources, left));
	LOG_TALLY();
}

/* All but the one that says that a VM is reset: the host waits for that */
TEST_F_TIMEOUT(faults, lost_notifications, 120)
{
	const struct message status = ID(VM_STATUS), exited = ID(VM_EXITED);
	struct tally tally = { };

	EXPECT_EQ(5, each_nth(_metadata, &self->before, GH_FAULT_DROP, &status, 0, 5, &tally));
	EXPECT_EQ(5, each_nth(_metadata, &self->before, GH_FAULT_CUT, &status, 3, 5, &tally));
	EXPECT_EQ(1, EACH_NTH(GH_FAULT_DROP, &exited, 0));
	for (int left = 0; left < 12; left += 5)
		EXPECT_EQ(1, EACH_NTH(GH_FAULT_CUT, &exited, left));
	LOG_TALLY();
}

static void *flood(void *data)
{
	static const uint32_t ids[] = { GH_RM_VM_STATUS, GH_RM_VM_EXITED, 0x5110dead };
	bool *stop = data;

	for (int i = 0; !READ_ONCE(*stop); i++) {
		gh_fault(GH_FAULT_FLOOD, 20, ids[i % 3]);
		usleep(2000);
	}
	return NULL;
}

/* Notifications of VMs that there are not */
TEST_F_TIMEOUT(faults, flood, 120)
{
	bool stop = false;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, flood, &stop));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, gh_live(i % 2));
	WRITE_ONCE(stop, true);
	pthread_join(thread, NULL);
}

/* The request does not even get to the resource manager */
TEST_F_TIMEOUT(faults, unsent_requests, 120)
{
	struct tally tally = { };

	/* In the long lists of pages one packet is like the other */
	for (uint64_t nth = 0; nth < 100; nth += nth < 5 ? 1 : 3) {
		struct gh_life life;
		uint64_t left;
		char when[32];
		int error;

		ASSERT_EQ(0, gh_life_prepare(&life));
		ASSERT_EQ(0, gh_fault(GH_FAULT_CALL, GH_NTH(nth, HYP_MSGQ_SEND), 36));
		error = ioctl(life.vm.vm, GH_VM_START);
		/* What comes later is lost, and not of interest here */
		left = gh_faults_clear();
		if (!error)
			EXPECT_EQ(1, left);
		gh_life_close(&life);
		snprintf(when, sizeof(when), "packet %u", (unsigned int)nth);
		ASSERT_TRUE(gh_figures_are(&self->before, when));
		if (!error)
			break;
		tally.lives++;
		tally.failed++;
	}
	LOG_TALLY();
	/* A LEND, a SHARE and an APPEND in a few packets each, and eight others */
	EXPECT_LT(10, tally.lives);
}

TEST_F(faults, doorbells)
{
	for (int nth = 0; nth < 2; nth++) {
		ASSERT_EQ(0, gh_fault(GH_FAULT_CALL, GH_NTH(nth, HYP_BELL_SEND), 30));
		EXPECT_EQ(0, gh_live(true));
		EXPECT_EQ(0, gh_faults_clear());
	}
	ASSERT_EQ(0, gh_fault(GH_FAULT_CALL, HYP_BELL_SET_MASK, 30));
	EXPECT_EQ(0, gh_live(true));
	EXPECT_EQ(0, gh_faults_clear());
}

/* Only a lack of rights is told apart, whatever the hypervisor says */
TEST_F(faults, level_doorbell)
{
	static const struct {
		uint64_t error;
		int expected;
	} errors[] = {
		{ 53, EACCES }, { 30, EIO }, { 31, EIO }, { 200, EIO }, { -1ULL, EIO },
		{ -2ULL, EIO }, { 1ULL << 32, EIO },
	};
	struct gh_life life;
	int vm;

	ASSERT_EQ(0, gh_life_prepare(&life));
	vm = life.vm.vm;
	ASSERT_EQ(0, ioctl(vm, GH_VM_START));
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		EXPECT_EQ(0, gh_remove_irqfd(vm, GH_LIFE_LEVEL_BELL));
		ASSERT_EQ(0, gh_fault(GH_FAULT_CALL, HYP_BELL_SET_MASK, errors[i].error));
		EXPECT_FAIL(errors[i].expected, gh_add_irqfd(vm, life.level, GH_LIFE_LEVEL_BELL,
							     GH_IRQFD_LEVEL));
		EXPECT_EQ(0, gh_add_irqfd(vm, life.level, GH_LIFE_LEVEL_BELL, GH_IRQFD_LEVEL));
	}
	gh_life_close(&life);
}

/* RUN returns the error, or goes on where that makes sense; the guest runs on */
TEST_F_TIMEOUT(faults, run_errors, 120)
{
	static const uint64_t errors[] = {
		1, 2, 3, 10, 11, 20, 21, 22, 30, 32, 33, 34, 35, 36, 40, 41, 50, 51, 52, 53,
		54, 60, 61, 111, 112, 120, 200, 12345, -1ULL, -3ULL, 1ULL << 32, 1ULL << 63,
	};
	struct gh_test_vm vm;
	uint64_t value;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, gh_fault(GH_FAULT_RUN_ERROR, errors[i], 1));
		errno = 0;
		EXPECT_EQ(-1, ioctl(vm.vcpu_fd[0], GH_VCPU_RUN));
		EXPECT_LT(0, errno);
		EXPECT_GT(512, errno);
		EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, vm.run[0]->exit_reason);
	}
	/* Not even if the lower half looks like success, and the rest like a state */
	ASSERT_EQ(0, gh_fault(GH_FAULT_CALL, HYP_VCPU_RUN, 1ULL << 32));
	EXPECT_FAIL(EIO, ioctl(vm.vcpu_fd[0], GH_VCPU_RUN));
	ASSERT_EQ(0, gh_fault(GH_FAULT_RUN_ERROR, HYP_RETRY, 1000));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_READ64, gh_dev(0, GUEST_DEV_SCRATCH), 0, 0));
	ASSERT_EQ(0, gh_fault(GH_FAULT_RUN_ERROR, HYP_BUSY, 1000));
	ASSERT_EQ(0, gh_expect_read(&vm, 0, gh_dev(0, GUEST_DEV_SCRATCH), 8));
	EXPECT_EQ(0, gh_faults_clear());
	ASSERT_EQ(0, gh_result(&vm, 0, &value));
	EXPECT_EQ(0, gh_power_off(&vm, 0));
	gh_vm_close(&vm);
}

/* An error between an exit and its reply does not lose the reply */
TEST_F(faults, run_error_keeps_reply)
{
	struct gh_test_vm vm;
	uint64_t value;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_READ64, gh_dev(0, GUEST_DEV_SCRATCH), 0, 0));
	ASSERT_EQ(0, gh_expect_read(&vm, 0, gh_dev(0, GUEST_DEV_SCRATCH), 8));
	gh_reply(&vm, 0, 0xabcdef);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, gh_fault(GH_FAULT_RUN_ERROR, i ? 30 : HYP_RETRY, i ? 1 : 50));
		EXPECT_EQ(i ? -1 : 0, ioctl(vm.vcpu_fd[0], GH_VCPU_RUN));
		if (!i) {
			ASSERT_EQ(GH_VCPU_EXIT_MMIO, vm.run[0]->exit_reason);
			memcpy(&value, vm.run[0]->mmio.data, 8);
			EXPECT_EQ(0xabcdef, value);
			ASSERT_EQ(0, gh_command(&vm, 0, GUEST_READ64,
						gh_dev(0, GUEST_DEV_SCRATCH), 0, 0));
			ASSERT_EQ(0, gh_expect_read(&vm, 0, gh_dev(0, GUEST_DEV_SCRATCH), 8));
			gh_reply(&vm, 0, 0x123456);
		}
	}
	ASSERT_EQ(0, gh_result(&vm, 0, &value));
	EXPECT_EQ(0x123456, value);
	EXPECT_EQ(0, gh_power_off(&vm, 0));
	gh_vm_close(&vm);
}

static void *run_once(void *data)
{
	struct gh_test_vm *vm = data;

	return (void *)(uintptr_t)(ioctl(vm->vcpu_fd[0], GH_VCPU_RUN) ? errno : 0);
}

static void do_nothing(int sig)
{
}

/* Endless RETRY, or a wait for an end that never comes: signals and removal get through */
TEST_F_TIMEOUT(faults, runs_that_get_nowhere, 120)
{
	static const struct {
		enum gh_fault fault;
		uint64_t value;
	} nowhere[] = {
		{ GH_FAULT_RUN_ERROR, HYP_RETRY },
		{ GH_FAULT_RUN_ERROR, HYP_BUSY },
		{ GH_FAULT_RUN_STATE, VCPU_RUN_BLOCKED },
		{ GH_FAULT_RUN_STATE, VCPU_RUN_POWERED_OFF },
		{ GH_FAULT_RUN_STATE, VCPU_RUN_FAULT },
		{ GH_FAULT_RUN_STATE, 0x100 },
	};
	const struct sigaction action = { .sa_handler = do_nothing };

	sigaction(SIGUSR1, &action, NULL);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(nowhere); i++) {
		struct gh_test_vm vm;
		pthread_t thread;
		uint64_t end;
		void *error;

		ASSERT_EQ(0, gh_vm_boot(&vm, 1));
		ASSERT_EQ(0, gh_fault(nowhere[i / 2].fault, nowhere[i / 2].value, -1ULL));
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_once, &vm));
		usleep(50000);
		if (!(i % 2))
			EXPECT_EQ(0, gh_remove_vcpu(vm.vm, 0));
		end = gh_now_us() + 10000000;
		while (pthread_tryjoin_np(thread, &error)) {
			ASSERT_GT(end, gh_now_us());
			/* One that comes before GH_VCPU_RUN interrupts nothing */
			if (i % 2)
				pthread_kill(thread, SIGUSR1);
			usleep(20000);
		}
		EXPECT_EQ(i % 2 ? EINTR : ENODEV, (uintptr_t)error);
		gh_faults_clear();
		gh_vm_close(&vm);
	}
}

/* What the hypervisor has no reason to say is an error, once */
TEST_F(faults, unknown_states)
{
	static const uint64_t states[] = { 8, 0x77, 0x101, 1ULL << 32, -1ULL };
	struct gh_test_vm vm;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		ASSERT_EQ(0, gh_fault(GH_FAULT_RUN_STATE, states[i], 1));
		EXPECT_FAIL(EIO, ioctl(vm.vcpu_fd[0], GH_VCPU_RUN));
		EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, vm.run[0]->exit_reason);
	}
	EXPECT_EQ(0, gh_vcpu_run(&vm, 0));
	gh_vm_close(&vm);
}

/* An access that can't be: nobody replies to it, so the vCPU is stuck. Its sibling isn't */
TEST_F(faults, bad_access_sizes)
{
	static const uint64_t sizes[] = { 0, 3, 5, 7, 9, 16, 255, 256, 1ULL << 32 | 8, -1ULL };
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct gh_test_vm vm;

		ASSERT_EQ(0, gh_vm_boot(&vm, 2));
		ASSERT_EQ(0, gh_execute(&vm, 0, GUEST_HVC, PSCI_CPU_ON, 1, GUEST_RAM, &value));
		ASSERT_EQ(0, gh_command(&vm, 0, i % 2 ? GUEST_READ64 : GUEST_WRITE64,
					gh_dev(0, GUEST_DEV_SCRATCH), 0, 0));
		ASSERT_EQ(0, gh_fault(GH_FAULT_MMIO_SIZE, sizes[i], 1));
		EXPECT_FAIL(EIO, ioctl(vm.vcpu_fd[0], GH_VCPU_RUN));
		EXPECT_FAIL(EIO, ioctl(vm.vcpu_fd[0], GH_VCPU_RUN));
		EXPECT_EQ(GH_VCPU_EXIT_UNKNOWN, vm.run[0]->exit_reason);
		EXPECT_EQ(0, gh_power_off(&vm, 1));
		EXPECT_EQ(0, gh_vcpu_run(&vm, 0));
		EXPECT_EQ(GH_VCPU_EXIT_STATUS, vm.run[0]->exit_reason);
		gh_vm_close(&vm);
	}
}

/* Wake-ups without a reason */
TEST_F(faults, spurious_interrupts)
{
	struct gh_test_vm vm;
	pthread_t thread;
	void *error;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_SLEEP, 300000, 0, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_once, &vm));
	for (int i = 0; i < 5; i++) {
		usleep(20000);
		for (uint64_t virq = FIRST_VIRQ; virq <= LAST_VIRQ; virq++)
			EXPECT_EQ(0, gh_fault(GH_FAULT_SPURIOUS, virq, 0));
	}
	pthread_join(thread, &error);
	EXPECT_EQ(0, (uintptr_t)error);
	EXPECT_EQ(GH_VCPU_EXIT_MMIO, vm.run[0]->exit_reason);
	EXPECT_EQ(gh_dev(0, GUEST_DEV_RESULT), vm.run[0]->mmio.phys_addr);
	EXPECT_EQ(0, gh_power_off(&vm, 0));
	gh_vm_close(&vm);
}

/* The end is known, but not how it came about: after a second nobody waits any more */
TEST_F(faults, unknown_end)
{
	struct gh_test_vm vm;
	struct gh_vcpu_run first;
	uint64_t start;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	ASSERT_EQ(0, gh_fault(GH_FAULT_DELAY, GH_RM_VM_EXITED, 5000));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_HVC, PSCI_SYSTEM_OFF, 0, 0));
	start = gh_now_us();
	ASSERT_EQ(0, gh_vcpu_run(&vm, 0));
	EXPECT_LT(900000, gh_now_us() - start);
	EXPECT_GT(4500000, gh_now_us() - start);
	first = *vm.run[0];
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, first.exit_reason);
	EXPECT_EQ(GH_VM_STATUS_EXITED, first.status.status);
	EXPECT_EQ(GH_VM_EXIT_TYPE_UNKNOWN, first.status.exit_info.type);
	EXPECT_EQ(0, first.status.exit_info.reason_size);

	/* That remains, also when it has become known: before the replies to another VM */
	gh_faults_clear();
	EXPECT_EQ(0, gh_live(false));
	EXPECT_EQ(0, gh_vcpu_run(&vm, 0));
	EXPECT_EQ(0, memcmp(&first, vm.run[0], sizeof(first)));
	gh_vm_close(&vm);
}

static void on_alarm(int sig)
{
}

/* A second, also for a VMM that is interrupted more often than that */
TEST_F(faults, unknown_end_and_signals)
{
	const struct itimerval often = { { .tv_usec = 200000 }, { .tv_usec = 200000 } };
	const struct itimerval never = { };
	const struct sigaction action = { .sa_handler = on_alarm };
	int ret, interrupted = -1;
	struct gh_test_vm vm;
	uint64_t start;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	ASSERT_EQ(0, gh_fault(GH_FAULT_DELAY, GH_RM_VM_EXITED, 5000));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_HVC, PSCI_SYSTEM_OFF, 0, 0));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	start = gh_now_us();
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	do {
		interrupted++;
		ret = ioctl(vm.vcpu_fd[0], GH_VCPU_RUN);
	} while (ret && errno == EINTR && gh_now_us() - start < 4500000);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	ASSERT_EQ(0, ret);
	EXPECT_LT(900000, gh_now_us() - start);
	EXPECT_LE(1, interrupted);
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, vm.run[0]->exit_reason);
	EXPECT_EQ(GH_VM_EXIT_TYPE_UNKNOWN, vm.run[0]->status.exit_info.type);
	gh_vm_close(&vm);
}

/* A guest that can't go on has crashed */
TEST_F(faults, crash)
{
	struct gh_test_vm vm;

	ASSERT_EQ(0, gh_vm_boot(&vm, 2));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_CRASH, 0, 0, 0));
	for (int id = 0; id < 2; id++) {
		ASSERT_EQ(0, gh_vcpu_run(&vm, id));
		EXPECT_EQ(GH_VCPU_EXIT_STATUS, vm.run[id]->exit_reason);
		EXPECT_EQ(GH_VM_STATUS_CRASHED, vm.run[id]->status.status);
		EXPECT_EQ(GH_VM_EXIT_TYPE_HYP_ERROR, vm.run[id]->status.exit_info.type);
	}
	gh_vm_close(&vm);
}

/* There are 63 VMIDs, which is more than there are interrupts for vCPUs */
TEST_F(faults, no_vmid)
{
	struct gh_test_vm vm;

	ASSERT_EQ(0, gh_vm_prepare(&vm, 1));
	ASSERT_EQ(0, gh_fault(GH_FAULT_FAIL, GH_RM_VM_ALLOCATE, GH_RM_NORESOURCE));
	EXPECT_FAIL(ENOSPC, ioctl(vm.vm, GH_VM_START));
	EXPECT_FAIL(ENOSPC, ioctl(vm.vm, GH_VM_START));
	gh_vm_close(&vm);
}

/* Where a function of the kernel begins, and the next one */
static int find_function(const char *name, char *start, char *end)
{
	unsigned long long address, first = 0, next = ~0ULL;
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char symbol[128];

	for (int pass = 0; symbols && pass < 2; pass++) {
		rewind(symbols);
		while (fscanf(symbols, "%llx %*c %127s%*[^\n]", &address, symbol) == 2) {
			if (!pass && !strcmp(symbol, name))
				first = address;
			if (pass && address > first && address < next)
				next = address;
		}
	}
	if (symbols)
		fclose(symbols);
	sprintf(start, "%#llx", first);
	sprintf(end, "%#llx", next);
	return first ? 0 : -1;
}

/*
 * Allocations that may sleep as well, which is what a driver has, and single
 * pages. The calls that fail in between are none of the log's business. Not in
 * register_irq_proc(), which does not care, and has the kernel warn of what is
 * not there when the interrupt goes.
 */
static int set_up_failing_allocations(void)
{
	if (find_function("register_irq_proc", reject_start, reject_end))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (change_setting(&settings[i]))
			return -1;
	return 0;
}

/* @fd is /proc/thread-self/fail-nth */
static int fail_nth_begin(int fd, unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	return pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text) ? 0 : -1;
}

/* Has something failed? To ask can be what fails. */
static bool fail_nth_end(int fd)
{
	char left = 0;
	bool failed;

	failed = pread(fd, &left, 1, 0) == 1 && left == '0';
	while (pwrite(fd, "0", 1, 0) != 1)
		;
	return failed;
}

/* Each allocation, and each copy from user space, of a whole life fails once */
TEST_F_TIMEOUT(faults, allocations, 900)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	struct tally tally = { };
	char when[64];

	if (fd < 0 || set_up_failing_allocations())
		SKIP(goto out, "kernel without the fault injection that config asks for");

	for (unsigned int nth = 1; ; nth++) {
		int error;

		ASSERT_EQ(0, fail_nth_begin(fd, nth));
		error = gh_live(true);
		if (!fail_nth_end(fd)) {
			EXPECT_EQ(0, error);
			break;
		}
		tally.lives++;
		tally.failed += !!error;
		EXPECT_LE(0, error);
		snprintf(when, sizeof(when), "allocation %u, errno %d", nth, error);
		ASSERT_TRUE(gh_figures_are(&self->before, when));
	}
	LOG_TALLY();
	EXPECT_LT(100, tally.lives);
	EXPECT_LT(50, tally.failed);
out:
	if (fd >= 0)
		close(fd);
}

/* SIGKILL at any moment of a life, also in the middle of its requests */
TEST_F_TIMEOUT(faults, kills, 300)
{
	unsigned int rounds = gh_is_slow_kernel() ? 15 : 40;
	int status;
	pid_t pid;

	for (unsigned int i = 0; i < rounds; i++) {
		char when[32];

		/* A request that takes its time is more likely to be hit */
		gh_fault(GH_FAULT_DELAY, GH_NTH(i % 3, to_start[i % ARRAY_SIZE(to_start)].id), 30);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			for (unsigned int n = i; ; n++)
				gh_live(n % 2);
		usleep(rand() % 150000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		gh_faults_clear();
		snprintf(when, sizeof(when), "kill %u", i);
		ASSERT_TRUE(gh_figures_are(&self->before, when));
	}
}

TEST_HARNESS_MAIN

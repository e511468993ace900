// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs: what GH_VCPU_RUN makes of the hypervisor's answers, and of what user
 * space does to the page that both share
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>

#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/gunyah.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../gunyah_vcpu.h"
#include "../vm_mgr.h"

#define TEST_CAPID	0x1234567890abcdefULL
#define TEST_ADDR	0x1000
#define TEST_CALLS	8
#define GARBAGE		0xa5a5a5a5a5a5a5a5ULL

/* An answer of the hypervisor */
struct test_answer {
	enum gh_error error;
	u64 state;
	u64 data[3];
	/* The vCPU's interrupt comes before the hypervisor has answered */
	bool woken;
};

/**
 * struct test_vcpu - A vCPU of a hypervisor that is a list of answers
 * @ghvm: its VM
 * @rsc: the hypervisor's vCPU
 * @vcpu: the vCPU
 * @answers: what the hypervisor says; when there is nothing left it fails, which
 *	     ends the run with -EIO
 * @nr_answers: number of @answers
 * @calls: number of times that the hypervisor was called
 * @resume: what it was given each time
 * @rescue: ends a wait that should not have begun
 */
struct test_vcpu {
	struct gh_vm ghvm;
	struct gunyah_resource rsc;
	struct gh_vcpu *vcpu;
	struct test_answer answers[TEST_CALLS];
	unsigned int nr_answers;
	unsigned int calls;
	u64 resume[TEST_CALLS + 1][3];
	struct delayed_work rescue;
};

static enum gh_error fake_vcpu_run(u64 capid, const u64 resume_data[3],
				   struct gh_hypercall_vcpu_run_resp *resp)
{
	struct kunit *test = kunit_get_current_test();
	const struct test_answer *answer;
	struct test_vcpu *t = test->priv;

	KUNIT_EXPECT_EQ(test, capid, TEST_CAPID);
	KUNIT_ASSERT_LE(test, t->calls, t->nr_answers);
	memcpy(t->resume[t->calls], resume_data, sizeof(t->resume[0]));
	memset(resp, 0xa5, sizeof(*resp));
	if (t->calls++ == t->nr_answers)
		return GH_ERROR_FAILURE;

	answer = &t->answers[t->calls - 1];
	if (answer->error)
		return answer->error;
	if (answer->woken)
		WRITE_ONCE(t->vcpu->woken, true);
	resp->state = answer->state;
	memcpy(resp->state_data, answer->data, sizeof(resp->state_data));
	return GH_ERROR_OK;
}

static void test_answer(struct kunit *test, enum gh_error error, u64 state, u64 data0,
			u64 data1, u64 data2)
{
	struct test_vcpu *t = test->priv;

	KUNIT_ASSERT_LT(test, t->nr_answers, TEST_CALLS);
	t->answers[t->nr_answers++] = (struct test_answer) {
		error, state, { data0, data1, data2 },
	};
}

static void test_read(struct kunit *test, u64 len)
{
	test_answer(test, GH_ERROR_OK, GH_VCPU_STATE_MMIO_READ, TEST_ADDR, len, GARBAGE);
}

static int test_run(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	guard(mutex)(&t->vcpu->run_lock);
	return gh_vcpu_run_locked(t->vcpu);
}

static void test_resume(struct kunit *test, unsigned int call, u64 word)
{
	struct test_vcpu *t = test->priv;

	KUNIT_EXPECT_EQ_MSG(test, t->resume[call][0], word, "call %u", call);
	KUNIT_EXPECT_EQ_MSG(test, t->resume[call][1], 0, "call %u", call);
	KUNIT_EXPECT_EQ_MSG(test, t->resume[call][2], 0, "call %u", call);
}

static const unsigned int gh_vcpu_lens[] = { 1, 2, 4, 8 };

static void gh_vcpu_len_desc(const unsigned int *len, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes", *len);
}

KUNIT_ARRAY_PARAM(gh_vcpu_len, gh_vcpu_lens, gh_vcpu_len_desc);

static void gh_vcpu_reads(struct kunit *test)
{
	unsigned int len = *(const unsigned int *)test->param_value;
	struct test_vcpu *t = test->priv;
	struct gh_vcpu_run *run = t->vcpu->run;

	memset(run, 0xff, sizeof(*run));
	run->immediate_exit = 0;
	test_read(test, len);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	KUNIT_EXPECT_EQ(test, run->exit_reason, GH_VCPU_EXIT_MMIO);
	KUNIT_EXPECT_EQ(test, run->mmio.phys_addr, TEST_ADDR);
	KUNIT_EXPECT_EQ(test, run->mmio.len, len);
	KUNIT_EXPECT_EQ(test, run->mmio.is_write, 0);
	KUNIT_EXPECT_EQ(test, run->mmio.resume_action, GH_VCPU_RESUME_HANDLED);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(run->mmio.data), 0);
	test_resume(test, 0, 0);

	/* User space fills in more than it was asked for, and lies about it */
	put_unaligned_le64(GARBAGE, run->mmio.data);
	run->mmio.len = 8;
	run->mmio.is_write = 1;
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	test_resume(test, 1, GARBAGE & GENMASK_ULL(8 * len - 1, 0));
}

static void gh_vcpu_writes(struct kunit *test)
{
	unsigned int len = *(const unsigned int *)test->param_value;
	struct test_vcpu *t = test->priv;
	struct gh_vcpu_run *run = t->vcpu->run;

	memset(run, 0xff, sizeof(*run));
	run->immediate_exit = 0;
	test_answer(test, GH_ERROR_OK, GH_VCPU_STATE_MMIO_WRITE, TEST_ADDR, len, GARBAGE);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	KUNIT_EXPECT_EQ(test, run->exit_reason, GH_VCPU_EXIT_MMIO);
	KUNIT_EXPECT_EQ(test, run->mmio.len, len);
	KUNIT_EXPECT_EQ(test, run->mmio.is_write, 1);
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(run->mmio.data),
			GARBAGE & GENMASK_ULL(8 * len - 1, 0));

	/* It was no read: there is nothing to reply */
	run->mmio.is_write = 0;
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	test_resume(test, 1, 0);
}

/* Until the hypervisor has taken the reply, and not once more */
static void gh_vcpu_keeps_reply(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	test_read(test, 8);
	test_answer(test, GH_ERROR_BUSY, 0, 0, 0, 0);
	test_answer(test, GH_ERROR_RETRY, 0, 0, 0, 0);
	test_answer(test, GH_ERROR_OK, GH_VCPU_STATE_READY, 0, 0, 0);
	test_answer(test, GH_ERROR_OK, GH_VCPU_STATE_BLOCKED, 0, 0, 0);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	put_unaligned_le64(42, t->vcpu->run->mmio.data);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_ASSERT_EQ(test, t->calls, 6);
	test_resume(test, 1, 42);
	test_resume(test, 2, 42);
	test_resume(test, 3, 42);
	test_resume(test, 4, 0);
	test_resume(test, 5, 0);
}

/* The reply is taken in, and the vCPU not run */
static void gh_vcpu_immediate_exit(struct kunit *test)
{
	struct test_vcpu *t = test->priv;
	struct gh_vcpu_run *run = t->vcpu->run;

	test_read(test, 4);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	put_unaligned_le64(42, run->mmio.data);
	run->immediate_exit = 1;
	KUNIT_EXPECT_EQ(test, test_run(test), -EINTR);
	KUNIT_EXPECT_EQ(test, run->exit_reason, GH_VCPU_EXIT_UNKNOWN);
	KUNIT_EXPECT_EQ(test, test_run(test), -EINTR);
	KUNIT_EXPECT_EQ(test, t->calls, 1);

	memset(run, 0, sizeof(*run));
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	test_resume(test, 1, 42);
}

static void gh_vcpu_resume_action(struct kunit *test)
{
	struct test_vcpu *t = test->priv;
	struct gh_vcpu_run *run = t->vcpu->run;

	test_read(test, 4);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	put_unaligned_le64(42, run->mmio.data);
	run->mmio.resume_action = GH_VCPU_RESUME_HANDLED + 1;
	KUNIT_EXPECT_EQ(test, test_run(test), -EINVAL);
	KUNIT_EXPECT_EQ(test, t->calls, 1);

	run->mmio.resume_action = GH_VCPU_RESUME_HANDLED;
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	test_resume(test, 1, 42);
}

static const u64 gh_vcpu_bad_sizes[] = { 0, 3, 5, 16, BIT_ULL(32) + 4, U64_MAX };

static void gh_vcpu_size_desc(const u64 *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%llu bytes", *size);
}

KUNIT_ARRAY_PARAM(gh_vcpu_bad_size, gh_vcpu_bad_sizes, gh_vcpu_size_desc);

/* Nobody can say how such an access ends, so the vCPU does not go on */
static void gh_vcpu_bad_access(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	test_read(test, *(const u64 *)test->param_value);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_EQ(test, t->calls, 1);
}

static void gh_vcpu_unknown_state(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	test_answer(test, GH_ERROR_OK, 7, 0, 0, 0);
	test_answer(test, GH_ERROR_OK, U64_MAX, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_EQ(test, t->calls, 2);
}

static void gh_vcpu_errors(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	test_answer(test, GH_ERROR_ARG_INVAL, 0, 0, 0, 0);
	test_answer(test, GH_ERROR_CSPACE_CAP_REVOKED, 0, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_EQ(test, t->calls, 2);
}

static void test_stop(struct work_struct *work)
{
	struct test_vcpu *t = container_of(to_delayed_work(work), struct test_vcpu, rescue);

	WRITE_ONCE(t->vcpu->stopping, true);
	wake_up(&t->vcpu->wq);
}

static const u64 gh_vcpu_sleeps[] = {
	GH_VCPU_STATE_EXPECTS_WAKEUP, GH_VCPU_STATE_POWERED_OFF,
};

static void gh_vcpu_sleep_desc(const u64 *state, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "state %llu", *state);
}

KUNIT_ARRAY_PARAM(gh_vcpu_sleep, gh_vcpu_sleeps, gh_vcpu_sleep_desc);

/* The interrupt can be earlier than the answer that there is one to wait for */
static void gh_vcpu_early_wakeup(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	test_answer(test, GH_ERROR_OK, *(const u64 *)test->param_value, 0, 0, 0);
	t->answers[0].woken = true;
	test_read(test, 4);
	schedule_delayed_work(&t->rescue, msecs_to_jiffies(1000));
	KUNIT_EXPECT_EQ(test, test_run(test), 0);
	cancel_delayed_work_sync(&t->rescue);
	KUNIT_EXPECT_EQ(test, t->calls, 2);
}

/* One that is older is for a sleep that is over, and so ends no wait */
static void gh_vcpu_old_wakeup(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	WRITE_ONCE(t->vcpu->woken, true);
	test_answer(test, GH_ERROR_OK, *(const u64 *)test->param_value, 0, 0, 0);
	schedule_delayed_work(&t->rescue, msecs_to_jiffies(50));
	KUNIT_EXPECT_EQ(test, test_run(test), -ENODEV);
	cancel_delayed_work_sync(&t->rescue);
	KUNIT_EXPECT_EQ(test, t->calls, 1);
}

static const struct test_answer gh_vcpu_ends[] = {
	{ .state = GH_VCPU_STATE_POWERED_OFF, .data = { GH_VCPU_POWERED_OFF_EXITED } },
	{ .state = GH_VCPU_STATE_FAULT },
	{ .state = GH_VCPU_STATE_PSCI_SYSTEM_RESET },
};

static void gh_vcpu_end_desc(const struct test_answer *answer, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "state %llu", answer->state);
}

KUNIT_ARRAY_PARAM(gh_vcpu_end, gh_vcpu_ends, gh_vcpu_end_desc);

/* What is over for good is not run again for an interrupt */
static void gh_vcpu_waits_for_end(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	t->answers[t->nr_answers] = *(const struct test_answer *)test->param_value;
	t->answers[t->nr_answers++].woken = true;
	schedule_delayed_work(&t->rescue, msecs_to_jiffies(50));
	KUNIT_EXPECT_EQ(test, test_run(test), -ENODEV);
	cancel_delayed_work_sync(&t->rescue);
	KUNIT_EXPECT_EQ(test, t->calls, 1);
}

static void gh_vcpu_status(struct kunit *test)
{
	struct test_vcpu *t = test->priv;
	struct gh_vcpu_run *run = t->vcpu->run, first;

	test_read(test, 4);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);

	/* The VM ends before user space replies, and the reply is no good */
	run->mmio.resume_action = GH_VCPU_RESUME_HANDLED + 1;
	t->ghvm.exit_known = true;
	t->ghvm.exit.status = GH_VM_STATUS_CRASHED;
	t->ghvm.exit.info.type = GH_VM_EXIT_TYPE_WDT_BITE;
	t->ghvm.exit.info.reason_size = 2;
	t->ghvm.exit.info.reason[1] = 7;
	WRITE_ONCE(t->ghvm.exited, true);
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	KUNIT_EXPECT_EQ(test, run->exit_reason, GH_VCPU_EXIT_STATUS);
	KUNIT_EXPECT_EQ(test, run->status.status, GH_VM_STATUS_CRASHED);
	KUNIT_EXPECT_EQ(test, run->status.exit_info.type, GH_VM_EXIT_TYPE_WDT_BITE);
	KUNIT_EXPECT_EQ(test, run->status.exit_info.reason[1], 7);

	/* The same each time, whatever was there */
	first = *run;
	memset(&run->exit_reason, 0xff, sizeof(*run) - offsetof(typeof(*run), exit_reason));
	run->padding2 = first.padding2;
	KUNIT_ASSERT_EQ(test, test_run(test), 0);
	KUNIT_EXPECT_MEMEQ(test, run, &first, sizeof(first));
	KUNIT_EXPECT_EQ(test, t->calls, 1);
}

static void gh_vcpu_without_resource(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	WRITE_ONCE(t->vcpu->stopping, true);
	KUNIT_EXPECT_EQ(test, test_run(test), -ENODEV);
	WRITE_ONCE(t->vcpu->stopping, false);
	t->vcpu->rsc = NULL;
	KUNIT_EXPECT_EQ(test, test_run(test), -ENODEV);
	KUNIT_EXPECT_EQ(test, t->calls, 0);
}

/* A vCPU without one is for others to schedule; one that can't be had is an error */
static void gh_vcpu_without_interrupt(struct kunit *test)
{
	struct test_vcpu *t = test->priv;
	struct gh_vm_resource_ticket *ticket = &t->vcpu->ticket;

	t->vcpu->rsc = NULL;
	KUNIT_EXPECT_GT(test, ticket->populate(ticket, &t->rsc), 0);
	KUNIT_EXPECT_NULL(test, t->vcpu->rsc);
	t->rsc.irq = IRQ_NOTCONNECTED;
	KUNIT_EXPECT_EQ(test, ticket->populate(ticket, &t->rsc), -ENOTCONN);
	KUNIT_EXPECT_NULL(test, t->vcpu->rsc);
	KUNIT_EXPECT_EQ(test, test_run(test), -ENODEV);
	KUNIT_EXPECT_EQ(test, t->calls, 0);
}

/* A guest that keeps its thread here does not keep RCU tasks from their end */
static void gh_vcpu_rcu_tasks(struct kunit *test)
{
#ifdef CONFIG_TASKS_RCU
	WRITE_ONCE(current->rcu_tasks_holdout, true);
	KUNIT_EXPECT_EQ(test, test_run(test), -EIO);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(current->rcu_tasks_holdout));
	WRITE_ONCE(current->rcu_tasks_holdout, false);
#else
	kunit_skip(test, "a kernel without RCU tasks");
#endif
}

/* All ones are no VMID, also to a VM that has none yet */
static void gh_vcpu_end_of_nobody(struct kunit *test)
{
	struct gh_rm_vm_status_payload status = {
		.vmid = cpu_to_le16(GH_VMID_INVAL),
		.vm_status = GH_RM_VM_STATUS_EXITED,
	};
	struct gh_rm_vm_exited_payload exited = { .vmid = cpu_to_le16(GH_VMID_INVAL) };
	struct test_vcpu *t = test->priv;
	struct notifier_block *nb = &t->ghvm.rm_nb;

	nb->notifier_call(nb, GH_RM_NOTIFICATION_VM_STATUS, &status);
	nb->notifier_call(nb, GH_RM_NOTIFICATION_VM_EXITED, &exited);
	KUNIT_EXPECT_FALSE(test, gh_vm_has_exited(&t->ghvm));
}

static u64 test_written;

static void test_handler_write(struct gh_vm_io_handler *handler, u64 data)
{
	test_written = data;
}

/* A write that an I/O handler takes is no exit, and has no reply */
static void gh_vcpu_in_kernel_write(struct kunit *test)
{
	static const struct gh_vm_io_handler_ops ops = { .write = test_handler_write };
	struct gh_vm_io_handler handler = { .addr = TEST_ADDR, .len = 4, .ops = &ops };
	struct test_vcpu *t = test->priv;

	KUNIT_ASSERT_EQ(test, gh_vm_add_io_handler(&t->ghvm, &handler), 0);
	test_answer(test, GH_ERROR_OK, GH_VCPU_STATE_MMIO_WRITE, TEST_ADDR, 4, GARBAGE);
	test_read(test, 4);
	KUNIT_EXPECT_EQ(test, test_run(test), 0);
	gh_vm_remove_io_handler(&t->ghvm, &handler);

	KUNIT_EXPECT_EQ(test, test_written, GARBAGE & GENMASK_ULL(31, 0));
	KUNIT_EXPECT_EQ(test, t->calls, 2);
	KUNIT_EXPECT_EQ(test, t->vcpu->run->mmio.is_write, 0);
	test_resume(test, 1, 0);
}

static int gh_vcpu_test_init(struct kunit *test)
{
	struct test_vcpu *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;

	gh_vm_lifecycle_init(&t->ghvm);
	gh_vm_io_init(&t->ghvm);
	t->vcpu = gh_vcpu_alloc(&t->ghvm, 0);
	if (!t->vcpu)
		return -ENOMEM;
	INIT_DELAYED_WORK(&t->rescue, test_stop);
	t->rsc.capid = TEST_CAPID;
	t->vcpu->rsc = &t->rsc;
	test->priv = t;
	kunit_activate_static_stub(test, gh_hypercall_vcpu_run, fake_vcpu_run);
	return 0;
}

static void gh_vcpu_test_exit(struct kunit *test)
{
	struct test_vcpu *t = test->priv;

	if (!t)
		return;
	gh_vm_io_free(&t->ghvm);
	kref_put(&t->vcpu->kref, gh_vcpu_free);
}

static struct kunit_case gh_vcpu_cases[] = {
	KUNIT_CASE_PARAM(gh_vcpu_reads, gh_vcpu_len_gen_params),
	KUNIT_CASE_PARAM(gh_vcpu_writes, gh_vcpu_len_gen_params),
	KUNIT_CASE(gh_vcpu_keeps_reply),
	KUNIT_CASE(gh_vcpu_immediate_exit),
	KUNIT_CASE(gh_vcpu_resume_action),
	KUNIT_CASE_PARAM(gh_vcpu_bad_access, gh_vcpu_bad_size_gen_params),
	KUNIT_CASE(gh_vcpu_unknown_state),
	KUNIT_CASE(gh_vcpu_errors),
	KUNIT_CASE_PARAM(gh_vcpu_early_wakeup, gh_vcpu_sleep_gen_params),
	KUNIT_CASE_PARAM(gh_vcpu_old_wakeup, gh_vcpu_sleep_gen_params),
	KUNIT_CASE_PARAM(gh_vcpu_waits_for_end, gh_vcpu_end_gen_params),
	KUNIT_CASE(gh_vcpu_status),
	KUNIT_CASE(gh_vcpu_without_resource),
	KUNIT_CASE(gh_vcpu_without_interrupt),
	KUNIT_CASE(gh_vcpu_rcu_tasks),
	KUNIT_CASE(gh_vcpu_end_of_nobody),
	KUNIT_CASE(gh_vcpu_in_kernel_write),
	{}
};

static struct kunit_suite gh_vcpu_suite = {
	.name = "gunyah_vcpu",
	.init = gh_vcpu_test_init,
	.exit = gh_vcpu_test_exit,
	.test_cases = gh_vcpu_cases,
};

kunit_test_suite(gh_vcpu_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for Gunyah vCPUs");
MODULE_LICENSE("GPL");

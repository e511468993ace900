// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls of the Gunyah hypervisor
 *
 * A call takes its arguments from register 1 on, as the SMC Calling Convention
 * has it. Arguments which the interface reserves are passed as 0, since later
 * versions may give them a meaning. Of the calling conventions Gunyah has 1.3, so
 * registers that a call does not define are preserved.
 */

#include <linux/arm-smccc.h>
#include <linux/bitfield.h>
#include <linux/export.h>
#include <linux/gunyah.h>
#include <linux/module.h>
#include <linux/uuid.h>

#include <kunit/static_stub.h>

#define GH_HYPERCALL(n)						\
	ARM_SMCCC_CALL_VAL(ARM_SMCCC_FAST_CALL, ARM_SMCCC_SMC_64,	\
			   ARM_SMCCC_OWNER_VENDOR_HYP, 0x8000 | (n))

#define GH_HYPERCALL_HYP_IDENTIFY		GH_HYPERCALL(0x00)
#define GH_HYPERCALL_BELL_SEND			GH_HYPERCALL(0x12)
#define GH_HYPERCALL_BELL_SET_MASK		GH_HYPERCALL(0x15)
#define GH_HYPERCALL_MSGQ_SEND			GH_HYPERCALL(0x1b)
#define GH_HYPERCALL_MSGQ_RECV			GH_HYPERCALL(0x1c)
#define GH_HYPERCALL_VCPU_RUN			GH_HYPERCALL(0x65)

/**
 * gh_is_gunyah() - Find out whether this kernel runs in a VM of Gunyah
 *
 * Asks with the Call UID query of the SMC Calling Convention.
 *
 * Context: Any context. Does one hypercall.
 * Return: true if the hypervisor is Gunyah
 */
bool gh_is_gunyah(void)
{
	static const uuid_t gunyah_uuid = ARM_SMCCC_VENDOR_HYP_UID_GUNYAH;

	return arm_smccc_hypervisor_has_uuid(&gunyah_uuid);
}
EXPORT_SYMBOL_GPL(gh_is_gunyah);

/* Of a result that is too large, the lower half is no error, nor is it success. */
static enum gh_error gh_hypercall_error(unsigned long result)
{
	int error = result;

	return error == (long)result ? error : GH_ERROR_FAILURE;
}

/**
 * gh_hypervisor_has_feature() - Find out what the hypervisor can do
 * @feature: the feature in question
 *
 * This is hypervisor_identify, after a look whether there is one to ask.
 *
 * Context: Any context. Does up to two hypercalls, so remember the answer where
 * speed matters.
 * Return: true if the hypervisor is Gunyah, has the version of the interface
 * which this kernel knows, and has the feature
 */
bool gh_hypervisor_has_feature(enum gh_feature feature)
{
	struct arm_smccc_res res;

	if (!gh_is_gunyah())
		return false;

	/* hypervisor_identify has no error code */
	arm_smccc_1_1_invoke(GH_HYPERCALL_HYP_IDENTIFY, &res);
	if (FIELD_GET(GH_API_INFO_VERSION_MASK, res.a0) != GH_API_V1)
		return false;

	return res.a1 & BIT_ULL(feature);
}
EXPORT_SYMBOL_GPL(gh_hypervisor_has_feature);

/**
 * gh_hypercall_bell_send() - Ring a doorbell
 * @capid: capability ID of the doorbell, with the right to send
 * @new_flags: flags to set in the doorbell
 *
 * This is doorbell_send. If the doorbell then has a flag that its enable mask
 * has too, the receiver's interrupt is asserted, and the flags in the ack mask
 * are cleared. Otherwise the interrupt gets an edge, and nothing else.
 *
 * Context: Any context.
 * Return: GH_ERROR_OK, or another error, which means that the doorbell can't be
 * used
 */
enum gh_error gh_hypercall_bell_send(u64 capid, u64 new_flags)
{
	struct arm_smccc_res res;

	arm_smccc_1_1_invoke(GH_HYPERCALL_BELL_SEND, capid, new_flags, 0, &res);

	return gh_hypercall_error(res.a0);
}
EXPORT_SYMBOL_GPL(gh_hypercall_bell_send);

/**
 * gh_hypercall_bell_set_mask() - Say what the flags of a doorbell do
 * @capid: capability ID of the doorbell, with the right to receive
 * @enable_mask: flags that assert the receiver's interrupt; all in a new doorbell
 * @ack_mask: flags that are cleared once they have asserted it; none in a new
 *	      doorbell
 *
 * This is doorbell_mask. The right to receive is the receiver's. A sender has it
 * only if the receiver's configuration grants it.
 *
 * Context: Any context.
 * Return: GH_ERROR_OK, GH_ERROR_CSPACE_INSUF_RIGHTS if the capability lacks the
 * right, or another error, which means that the doorbell can't be used
 */
enum gh_error gh_hypercall_bell_set_mask(u64 capid, u64 enable_mask, u64 ack_mask)
{
	struct arm_smccc_res res;

	arm_smccc_1_1_invoke(GH_HYPERCALL_BELL_SET_MASK, capid, enable_mask, ack_mask, 0, &res);

	return gh_hypercall_error(res.a0);
}
EXPORT_SYMBOL_GPL(gh_hypercall_bell_set_mask);

/**
 * gh_hypercall_msgq_send() - Put a message into a message queue
 * @capid: capability ID of the queue, with the right to send
 * @size: size of the message in bytes, at least 1 and at most the message size
 *	  of the queue
 * @buff: the message, any mapped kernel memory
 * @tx_flags: 0 or GH_HYPERCALL_MSGQ_TX_FLAGS_PUSH
 * @ready: set to whether the queue can take another message
 *
 * This is msgqueue_send. When it leaves @ready false, or fails because the
 * queue is full, the interrupt of the sender tells when there is room again.
 *
 * Released versions of the hypervisor drop the message and report success if
 * @size or @buff are wrong.
 *
 * Context: Any context.
 * Return: GH_ERROR_OK, GH_ERROR_MSGQUEUE_FULL, or another error, which means
 * that the queue can't be used
 */
enum gh_error gh_hypercall_msgq_send(u64 capid, size_t size, const void *buff,
				     u64 tx_flags, bool *ready)
{
	struct arm_smccc_res res;

	KUNIT_STATIC_STUB_REDIRECT(gh_hypercall_msgq_send, capid, size, buff, tx_flags, ready);

	arm_smccc_1_1_invoke(GH_HYPERCALL_MSGQ_SEND, capid, size,
			     (uintptr_t)buff, tx_flags, 0, &res);

	*ready = res.a0 == GH_ERROR_OK && res.a1;

	return gh_hypercall_error(res.a0);
}
EXPORT_SYMBOL_GPL(gh_hypercall_msgq_send);

/**
 * gh_hypercall_msgq_recv() - Take a message out of a message queue
 * @capid: capability ID of the queue, with the right to receive
 * @buff: where to put the message, any mapped kernel memory
 * @size: size of @buff in bytes, at least the message size of the queue
 * @recv_size: set to the size of the message in bytes
 * @ready: set to whether the queue has another message
 *
 * This is msgqueue_receive. The receiver's interrupt comes when an empty queue
 * gets a message, so a receiver goes on until @ready is false.
 *
 * Released versions of the hypervisor report success and a @recv_size of 0 if
 * @buff is not mapped or too small. The message then stays in the queue.
 *
 * Context: Any context.
 * Return: GH_ERROR_OK, GH_ERROR_MSGQUEUE_EMPTY, or another error, which means
 * that the queue can't be used
 */
enum gh_error gh_hypercall_msgq_recv(u64 capid, void *buff, size_t size,
				     size_t *recv_size, bool *ready)
{
	struct arm_smccc_res res;

	KUNIT_STATIC_STUB_REDIRECT(gh_hypercall_msgq_recv, capid, buff, size, recv_size, ready);

	arm_smccc_1_1_invoke(GH_HYPERCALL_MSGQ_RECV, capid, (uintptr_t)buff,
			     size, 0, &res);

	*recv_size = res.a0 == GH_ERROR_OK ? res.a1 : 0;
	*ready = res.a0 == GH_ERROR_OK && res.a2;

	return gh_hypercall_error(res.a0);
}
EXPORT_SYMBOL_GPL(gh_hypercall_msgq_recv);

/**
 * gh_hypercall_vcpu_run() - Give the CPU to a vCPU
 * @capid: capability ID of the vCPU, with the rights that its owner has
 * @resume_data: reply to the state that the last call left the vCPU in: after
 *		 GH_VCPU_STATE_MMIO_READ, the value that was read in the first
 *		 word, which the hypervisor does not cut to the size of the
 *		 access; otherwise all 0
 * @resp: set to why the vCPU does not run any more, if the call succeeds
 *
 * This is vcpu_run. It returns when the vCPU has something to say, when its
 * time slice is over, and when an interrupt of the host comes.
 *
 * Context: Any context in which interrupts are enabled, or else it lasts until
 * the end of the time slice.
 * Return: GH_ERROR_OK; GH_ERROR_RETRY; GH_ERROR_BUSY if another CPU runs the
 * vCPU; or another error. @resume_data has been used only after GH_ERROR_OK.
 */
enum gh_error gh_hypercall_vcpu_run(u64 capid, const u64 resume_data[3],
				    struct gh_hypercall_vcpu_run_resp *resp)
{
	struct arm_smccc_1_2_regs args = {
		.a0 = GH_HYPERCALL_VCPU_RUN,
		.a1 = capid,
		.a2 = resume_data[0],
		.a3 = resume_data[1],
		.a4 = resume_data[2],
	};
	struct arm_smccc_1_2_regs res;

	KUNIT_STATIC_STUB_REDIRECT(gh_hypercall_vcpu_run, capid, resume_data, resp);

	/* SMCCC 1.1 knows of no more than four results. */
	arm_smccc_1_2_invoke(&args, &res);

	resp->state = res.a1;
	resp->state_data[0] = res.a2;
	resp->state_data[1] = res.a3;
	resp->state_data[2] = res.a4;

	return gh_hypercall_error(res.a0);
}
EXPORT_SYMBOL_GPL(gh_hypercall_vcpu_run);

MODULE_DESCRIPTION("Gunyah hypercalls");
MODULE_LICENSE("GPL");

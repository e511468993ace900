// SPDX-License-Identifier: GPL-2.0-only
/*
 * Remote procedure calls to the resource manager of the Gunyah hypervisor
 *
 * The resource manager (RM) is a VM that creates and controls other VMs.  A
 * message queue leads to it and another one back.  A message is longer than
 * what fits into a queue entry, so it travels in packets: a first one with the
 * type of the message and then continuations.  Requests get a reply with the
 * same number; notifications come without being asked for, also between a
 * request and its reply.
 */

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/gunyah.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/pm_wakeup.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include <kunit/static_stub.h>
#include <kunit/visibility.h>

#include "rsc_mgr.h"
#include "rsc_mgr_priv.h"

#define CREATE_TRACE_POINTS
#include <trace/events/gunyah_rm.h>

/*
 * To send a request, and once more to get its reply.  The slowest calls, which
 * create or kill a VM, take less than a second.
 */
#define GH_RM_TIMEOUT		(60 * HZ)

static const char * const gh_rm_counter_names[] = {
	[GH_RM_COUNTER_SHORT]			= "short",
	[GH_RM_COUNTER_OVERSIZED]		= "oversized",
	[GH_RM_COUNTER_BAD_HEADER]		= "bad_header",
	[GH_RM_COUNTER_MISFRAGMENTED]		= "misfragmented",
	[GH_RM_COUNTER_STRAY_REPLY]		= "stray_reply",
	[GH_RM_COUNTER_BAD_REPLY]		= "bad_reply",
	[GH_RM_COUNTER_IGNORED_NOTIFICATION]	= "ignored_notification",
};

/*
 * Nobody can say any more what RM does with the memory and the VMs of this
 * host.  Ends the call that is under way and makes all further ones fail.
 */
static void gh_rm_set_dead(struct gh_rm *rm)
{
	struct gh_rm_xfer *xfer;

	scoped_guard(spinlock, &rm->pending_lock) {
		rm->dead = true;
		xfer = rm->pending;
		rm->pending = NULL;
		if (xfer) {
			xfer->ret = -EIO;
			complete(&xfer->done);
		}
	}

	complete(&rm->tx_not_full);
}

static bool gh_rm_is_dead(struct gh_rm *rm)
{
	guard(spinlock)(&rm->pending_lock);

	return rm->dead;
}

/* Takes back a request.  Returns false if the reply was faster. */
static bool gh_rm_forget(struct gh_rm *rm, struct gh_rm_xfer *xfer)
{
	guard(spinlock)(&rm->pending_lock);

	if (rm->pending != xfer)
		return false;

	rm->pending = NULL;
	return true;
}

VISIBLE_IF_KUNIT int gh_rm_remap_error(u32 rm_error)
{
	switch (rm_error) {
	case GH_RM_ERROR_OK:
		return 0;
	case GH_RM_ERROR_UNIMPLEMENTED:
		return -EOPNOTSUPP;
	case GH_RM_ERROR_NOMEM:
		return -ENOMEM;
	case GH_RM_ERROR_NORESOURCE:
		return -ENODEV;
	case GH_RM_ERROR_DENIED:
		return -EPERM;
	case GH_RM_ERROR_BUSY:
	case GH_RM_ERROR_MEM_INUSE:
	case GH_RM_ERROR_IRQ_INUSE:
	case GH_RM_ERROR_IN_USE:
	case GH_RM_ERROR_VM_STATE:
		return -EBUSY;
	case GH_RM_ERROR_MSG_INVALID:
	case GH_RM_ERROR_ARGUMENT_INVALID:
	case GH_RM_ERROR_HANDLE_INVALID:
	case GH_RM_ERROR_VALIDATE_FAILED:
	case GH_RM_ERROR_MAP_FAILED:
	case GH_RM_ERROR_MEM_INVALID:
	case GH_RM_ERROR_MEM_RELEASED:
	case GH_RM_ERROR_VMID_INVALID:
	case GH_RM_ERROR_LOOKUP_FAILED:
	case GH_RM_ERROR_IRQ_INVALID:
	case GH_RM_ERROR_IRQ_RELEASED:
	case GH_RM_ERROR_IRQ_NOT_MAPPED:
		return -EINVAL;
	default:
		return -EIO;
	}
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_remap_error);

/* Takes the received reply into @xfer and returns the result of the call */
static int gh_rm_take_reply(struct gh_rm *rm, struct gh_rm_xfer *xfer)
{
	size_t size;
	int ret;

	if (rm->rx.size < sizeof(__le32)) {
		gh_rm_count(rm, GH_RM_COUNTER_SHORT);
		return -EBADMSG;
	}

	size = rm->rx.size - sizeof(__le32);
	xfer->rm_error = get_unaligned_le32(rm->rx.message);
	trace_gh_rm_reply(xfer->message_id, xfer->seq, xfer->rm_error, size);

	ret = gh_rm_remap_error(xfer->rm_error);
	if (ret)
		return ret;

	if (size > xfer->reply_size) {
		gh_rm_count(rm, GH_RM_COUNTER_OVERSIZED);
		return -EBADMSG;
	}

	if (size < xfer->min_reply_size) {
		gh_rm_count(rm, GH_RM_COUNTER_SHORT);
		return -EBADMSG;
	}

	if (size)
		memcpy(xfer->reply, rm->rx.message + sizeof(__le32), size);
	xfer->reply_size = size;

	return 0;
}

static void gh_rm_rx_reply(struct gh_rm *rm)
{
	u32 message_id = le32_to_cpu(rm->rx.header.message_id);
	u16 seq = le16_to_cpu(rm->rx.header.seq);
	struct gh_rm_xfer *xfer;

	guard(spinlock)(&rm->pending_lock);

	xfer = rm->pending;
	if (!xfer || xfer->message_id != message_id || xfer->seq != seq) {
		gh_rm_count(rm, GH_RM_COUNTER_STRAY_REPLY);
		return;
	}

	xfer->ret = gh_rm_take_reply(rm, xfer);
	/* The caller's stack frame may be gone as soon as this completes */
	rm->pending = NULL;
	complete(&xfer->done);
}

static void gh_rm_rx_notification(struct gh_rm *rm)
{
	u32 message_id = le32_to_cpu(rm->rx.header.message_id);
	struct gh_rm_vm_exited_payload *exited;
	size_t size = rm->rx.size;
	bool valid;

	trace_gh_rm_notification(message_id, le16_to_cpu(rm->rx.header.seq), size);

	switch (message_id) {
	case GH_RM_NOTIFICATION_VM_EXITED:
		exited = (void *)rm->rx.message;
		valid = size >= sizeof(*exited) &&
			size - sizeof(*exited) >= le32_to_cpu(exited->exit_reason_size);
		break;
	case GH_RM_NOTIFICATION_VM_STATUS:
		valid = size >= sizeof(struct gh_rm_vm_status_payload);
		break;
	default:
		gh_rm_count(rm, GH_RM_COUNTER_IGNORED_NOTIFICATION);
		return;
	}

	if (!valid) {
		gh_rm_count(rm, GH_RM_COUNTER_SHORT);
		return;
	}

	/*
	 * A lock that a thread can sleep with would let anybody's thread hold up
	 * this one, and with it the replies to everybody.
	 */
	guard(spinlock)(&rm->notifiers_lock);
	raw_notifier_call_chain(&rm->notifiers, message_id, rm->rx.message);
}

static void gh_rm_rx_packet(struct gh_rm *rm, size_t size)
{
	struct gh_rm_rx *rx = &rm->rx;
	const struct gh_rm_packet_header *header = (void *)rx->packet;
	unsigned int fragments = FIELD_GET(GH_RM_PACKET_FRAGMENTS_MASK, header->type_fragments);
	unsigned int type = FIELD_GET(GH_RM_PACKET_TYPE_MASK, header->type_fragments);
	size_t payload = size - sizeof(*header);

	if (header->api != GH_RM_PACKET_API) {
		gh_rm_count(rm, GH_RM_COUNTER_BAD_HEADER);
		return;
	}

	if (type == GH_RM_PACKET_CONTINUATION) {
		if (!rx->left || header->seq != rx->header.seq ||
		    header->message_id != rx->header.message_id ||
		    fragments != FIELD_GET(GH_RM_PACKET_FRAGMENTS_MASK,
					   rx->header.type_fragments)) {
			gh_rm_count(rm, GH_RM_COUNTER_MISFRAGMENTED);
			return;
		}
	} else {
		if (rx->left) {
			gh_rm_count(rm, GH_RM_COUNTER_MISFRAGMENTED);
			rx->left = 0;
		}

		if (fragments > GH_RM_MAX_FRAGMENTS) {
			gh_rm_count(rm, GH_RM_COUNTER_OVERSIZED);
			return;
		}

		rx->header = *header;
		rx->size = 0;
		rx->left = fragments + 1;
	}

	/* All packets but the last one are full, and that one isn't empty */
	if ((rx->left > 1 && payload != GH_RM_MAX_PAYLOAD) || (fragments && !payload)) {
		gh_rm_count(rm, GH_RM_COUNTER_MISFRAGMENTED);
		rx->left = 0;
		return;
	}

	memcpy(rx->message + rx->size, header + 1, payload);
	rx->size += payload;
	rx->left--;
	if (rx->left)
		return;

	switch (FIELD_GET(GH_RM_PACKET_TYPE_MASK, rx->header.type_fragments)) {
	case GH_RM_PACKET_REPLY:
		gh_rm_rx_reply(rm);
		break;
	case GH_RM_PACKET_NOTIFICATION:
		gh_rm_rx_notification(rm);
		break;
	default:
		gh_rm_count(rm, GH_RM_COUNTER_BAD_HEADER);
		break;
	}
}

/* The interrupt comes when the queue gets its first message: read them all */
VISIBLE_IF_KUNIT void gh_rm_drain(struct gh_rm *rm)
{
	struct gh_rm_rx *rx = &rm->rx;
	enum gh_error gh_error;
	size_t size;
	bool ready;

	if (rx->broken)
		return;

	do {
		gh_error = gh_hypercall_msgq_recv(rm->rx_capid, rx->packet,
						  sizeof(rx->packet), &size, &ready);
		if (gh_error == GH_ERROR_MSGQUEUE_EMPTY)
			return;

		/*
		 * The hypervisor returns success without a message if it could
		 * not copy it, and keeps it in the queue.  To go on would be to
		 * read it forever.
		 */
		if (gh_error || size < sizeof(struct gh_rm_packet_header)) {
			if (!gh_error)
				gh_rm_count(rm, GH_RM_COUNTER_SHORT);
			dev_err(rm->dev,
				"receive queue is broken (error %d, message of %zu bytes), reboot to use VMs again\n",
				gh_error, size);
			rx->broken = true;
			gh_rm_set_dead(rm);
			return;
		}

		if (size <= sizeof(rx->packet))
			gh_rm_rx_packet(rm, size);
		else
			gh_rm_count(rm, GH_RM_COUNTER_OVERSIZED);

		cond_resched();
	} while (ready);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_drain);

static irqreturn_t gh_rm_rx_thread(int irq, void *data)
{
	gh_rm_drain(data);

	return IRQ_HANDLED;
}

static irqreturn_t gh_rm_tx_irq(int irq, void *data)
{
	struct gh_rm *rm = data;

	complete(&rm->tx_not_full);

	return IRQ_HANDLED;
}

VISIBLE_IF_KUNIT unsigned long gh_rm_time_left(unsigned long deadline)
{
	unsigned long now;

	KUNIT_STATIC_STUB_REDIRECT(gh_rm_time_left, deadline);

	now = jiffies;

	return time_before(now, deadline) ? deadline - now : 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_time_left);

/* Returns -ETIMEDOUT if the queue to RM stays full */
static int gh_rm_send_packet(struct gh_rm *rm, const struct gh_rm_xfer *xfer, size_t size,
			     bool first, bool last, unsigned long deadline)
{
	u64 flags = last ? GH_HYPERCALL_MSGQ_TX_FLAGS_PUSH : 0;
	bool killable = xfer->killable && first;
	struct gh_rm_call_text text;
	enum gh_error gh_error;
	long left;

	do {
		if (!rm->tx_ready) {
			left = gh_rm_time_left(deadline);
			if (killable)
				left = wait_for_completion_killable_timeout(&rm->tx_not_full, left);
			else
				left = wait_for_completion_timeout(&rm->tx_not_full, left);
			if (left < 0)
				return -EINTR;
			if (!left)
				return -ETIMEDOUT;
		}

		/* The interrupt may come as soon as the queue has become full */
		reinit_completion(&rm->tx_not_full);
		if (gh_rm_is_dead(rm))
			return -EIO;
		gh_error = gh_hypercall_msgq_send(rm->tx_capid, size, rm->tx_packet,
						  flags, &rm->tx_ready);
	} while (gh_error == GH_ERROR_MSGQUEUE_FULL);

	if (gh_error) {
		dev_err_ratelimited(rm->dev,
				    "can't send %s to the resource manager: error %d\n",
				    gh_rm_describe_call(&text, xfer->message_id, xfer->vmid),
				    gh_error);
		rm->tx_ready = true;
		return -EIO;
	}

	return 0;
}

static int gh_rm_send(struct gh_rm *rm, const struct gh_rm_xfer *xfer, unsigned long deadline)
{
	struct gh_rm_packet_header *header = (void *)rm->tx_packet;
	unsigned int type = GH_RM_PACKET_REQUEST;
	const void *data = xfer->req;
	size_t left = xfer->req_size;
	unsigned int fragments;
	size_t payload;
	int ret;

	fragments = left ? DIV_ROUND_UP(left, GH_RM_MAX_PAYLOAD) - 1 : 0;
	header->api = GH_RM_PACKET_API;
	header->seq = cpu_to_le16(xfer->seq);
	header->message_id = cpu_to_le32(xfer->message_id);

	do {
		payload = min(left, GH_RM_MAX_PAYLOAD);
		header->type_fragments = FIELD_PREP(GH_RM_PACKET_TYPE_MASK, type) |
					 FIELD_PREP(GH_RM_PACKET_FRAGMENTS_MASK, fragments);
		if (payload)
			memcpy(header + 1, data, payload);
		data += payload;
		left -= payload;

		ret = gh_rm_send_packet(rm, xfer, sizeof(*header) + payload,
					type == GH_RM_PACKET_REQUEST, !left, deadline);
		if (ret)
			return ret;

		type = GH_RM_PACKET_CONTINUATION;
	} while (left);

	return 0;
}

static int gh_rm_transfer_locked(struct gh_rm *rm, struct gh_rm_xfer *xfer)
{
	unsigned long deadline = jiffies + GH_RM_TIMEOUT;
	struct gh_rm_call_text text;
	int ret;

	lockdep_assert_held(&rm->call_lock);

	xfer->seq = ++rm->seq;
	init_completion(&xfer->done);

	/* The reply may come before gh_rm_send() returns */
	scoped_guard(spinlock, &rm->pending_lock) {
		if (rm->dead)
			return -EIO;
		rm->pending = xfer;
	}

	trace_gh_rm_request(xfer->message_id, xfer->seq, xfer->req_size);
	ret = gh_rm_send(rm, xfer, deadline);
	if (ret) {
		/* RM throws away a message which is not complete */
		gh_rm_forget(rm, xfer);
		if (ret != -ETIMEDOUT)
			return ret;
	} else {
		xfer->acted = true;
		/* The time that this thread took to send all is not RM's */
		deadline = jiffies + GH_RM_TIMEOUT;
		if (wait_for_completion_timeout(&xfer->done, gh_rm_time_left(deadline)) ||
		    !gh_rm_forget(rm, xfer)) {
			xfer->acted = !xfer->rm_error;
			return xfer->ret;
		}
	}

	dev_err(rm->dev,
		"resource manager did not answer %s in %u s, reboot to use VMs again\n",
		gh_rm_describe_call(&text, xfer->message_id, xfer->vmid), GH_RM_TIMEOUT / HZ);
	gh_rm_set_dead(rm);

	return -EIO;
}

/**
 * gh_rm_transfer() - Send a request to the resource manager and get the reply
 * @rm: the resource manager
 * @xfer: request and reply
 *
 * Reports an error of the resource manager in the log, but for the one that the
 * caller says is no news.
 *
 * Context: Process context, may sleep.  Not from a notifier of the resource
 * manager, since the thread that calls notifiers also receives replies.
 * Return: 0 or a negative errno:
 *
 * * -E2BIG: the request does not fit into a message; nothing was sent
 * * -EINTR: a fatal signal came before anything was sent
 * * -EIO: the resource manager can't be reached any more
 * * -EBADMSG: the reply does not have the size that @xfer asks for
 * * what the error code of the resource manager translates to
 */
int gh_rm_transfer(struct gh_rm *rm, struct gh_rm_xfer *xfer)
{
	struct gh_rm_call_text text;
	int ret;

	xfer->acted = false;
	xfer->rm_error = GH_RM_ERROR_OK;

	if (xfer->req_size > GH_RM_MAX_MSG_SIZE)
		return -E2BIG;

	if (xfer->killable) {
		ret = mutex_lock_killable(&rm->call_lock);
		if (ret)
			return ret;
	} else {
		mutex_lock(&rm->call_lock);
	}

	ret = gh_rm_transfer_locked(rm, xfer);
	mutex_unlock(&rm->call_lock);

	if (xfer->rm_error && xfer->rm_error != xfer->no_news)
		dev_err_ratelimited(rm->dev,
				    "resource manager refused %s: error %#x\n",
				    gh_rm_describe_call(&text, xfer->message_id, xfer->vmid),
				    xfer->rm_error);
	else if (ret == -EBADMSG)
		dev_err_ratelimited(rm->dev,
				    "reply of the resource manager to %s has a wrong size\n",
				    gh_rm_describe_call(&text, xfer->message_id, xfer->vmid));

	return ret;
}

static int __gh_rm_call(struct gh_rm *rm, u32 message_id, const void *req, size_t req_size,
			void **resp, size_t *resp_size, bool killable)
{
	void *buf __free(kfree) = resp ? kmalloc(GH_RM_MAX_REPLY_SIZE, GFP_KERNEL) : NULL;
	struct gh_rm_xfer xfer = {
		.message_id = message_id,
		.vmid = req_size >= sizeof(__le16) ? get_unaligned_le16(req) : GH_VMID_INVAL,
		.killable = killable,
		.req = req,
		.req_size = req_size,
		.reply = buf,
		.reply_size = buf ? GH_RM_MAX_REPLY_SIZE : 0,
	};
	int ret;

	if (resp && !buf)
		return -ENOMEM;

	ret = gh_rm_transfer(rm, &xfer);
	if (ret || !resp)
		return ret;

	*resp_size = xfer.reply_size;
	*resp = xfer.reply_size ? no_free_ptr(buf) : NULL;

	return 0;
}

/**
 * gh_rm_call() - Call the resource manager
 * @rm: the resource manager
 * @message_id: number of the call
 * @req: arguments of the call; those of all calls about a VM begin with its VMID
 * @req_size: size of @req in bytes, may be 0
 * @resp: set to what the reply has behind the error code, or to NULL if there is
 *	  nothing.  The caller frees it with kfree().  May be NULL if the reply
 *	  must not have anything there.
 * @resp_size: set to the size of @resp in bytes.  May be NULL if @resp is.
 *
 * Waits for other calls to end first, then up to 60 seconds until the request
 * is sent, and as long for the reply.
 *
 * Context: Process context, may sleep.  Not from a notifier of the resource
 * manager.
 * Return: 0, -ENOMEM, or see gh_rm_transfer().  @resp and @resp_size are set
 * only on success.
 */
int gh_rm_call(struct gh_rm *rm, u32 message_id, const void *req, size_t req_size,
	       void **resp, size_t *resp_size)
{
	return __gh_rm_call(rm, message_id, req, req_size, resp, resp_size, false);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_call);

/**
 * gh_rm_call_killable() - Call the resource manager unless killed before
 * @rm: the resource manager
 * @message_id: number of the call
 * @req: arguments of the call
 * @req_size: size of @req in bytes
 * @resp: set to the data of the reply
 * @resp_size: set to the size of @resp in bytes
 *
 * Like gh_rm_call(), for calls that take something from the resource manager.
 * Once the request is on its way the reply is waited for in any case: it may say
 * what has to be given back.
 *
 * Context: Process context, may sleep.  Not from a notifier of the resource
 * manager.
 * Return: see gh_rm_call(); -EINTR if a fatal signal came before anything was
 * sent
 */
int gh_rm_call_killable(struct gh_rm *rm, u32 message_id, const void *req,
			size_t req_size, void **resp, size_t *resp_size)
{
	return __gh_rm_call(rm, message_id, req, req_size, resp, resp_size, true);
}

/**
 * gh_rm_notifier_register() - Ask for notifications of the resource manager
 * @rm: the resource manager
 * @nb: called with the number of the notification as action and its payload as
 *	data.  The payload has been checked to be complete.
 *
 * Context: Process context.  @nb is called with a spinlock held.
 * Return: 0 or -EEXIST
 */
int gh_rm_notifier_register(struct gh_rm *rm, struct notifier_block *nb)
{
	guard(spinlock)(&rm->notifiers_lock);

	return raw_notifier_chain_register(&rm->notifiers, nb);
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_notifier_register);

/**
 * gh_rm_notifier_unregister() - Do not ask for notifications any more
 * @rm: the resource manager
 * @nb: what was passed to gh_rm_notifier_register()
 *
 * Context: Process context.  When it returns @nb is not running.
 * Return: 0 or -ENOENT
 */
int gh_rm_notifier_unregister(struct gh_rm *rm, struct notifier_block *nb)
{
	guard(spinlock)(&rm->notifiers_lock);

	return raw_notifier_chain_unregister(&rm->notifiers, nb);
}

/**
 * gh_rm_device() - Get the device of the resource manager
 * @rm: the resource manager
 *
 * Context: Any context.
 * Return: the device, without a reference to it
 */
struct device *gh_rm_device(struct gh_rm *rm)
{
	return rm->dev;
}

static int gh_rm_counters_show(struct seq_file *m, void *unused)
{
	struct gh_rm *rm = m->private;
	int i;

	for (i = 0; i < GH_RM_NR_COUNTERS; i++)
		seq_printf(m, "%s %ld\n", gh_rm_counter_names[i],
			   atomic_long_read(&rm->counters[i]));
	seq_printf(m, "parcels %d\n", atomic_read(&rm->parcels));

	guard(spinlock)(&rm->pending_lock);
	seq_printf(m, "pending %#x\n", rm->pending ? rm->pending->message_id : 0);
	seq_printf(m, "dead %d\n", rm->dead);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gh_rm_counters);

VISIBLE_IF_KUNIT struct gh_rm *gh_rm_alloc(struct device *dev, u64 tx_capid, u64 rx_capid)
{
	struct gh_rm *rm;

	rm = devm_kzalloc(dev, sizeof(*rm), GFP_KERNEL);
	if (!rm)
		return NULL;

	rm->rx.message = devm_kmalloc(dev, GH_RM_MAX_MSG_SIZE, GFP_KERNEL);
	if (!rm->rx.message)
		return NULL;

	rm->dev = dev;
	rm->tx_capid = tx_capid;
	rm->rx_capid = rx_capid;
	spin_lock_init(&rm->notifiers_lock);
	RAW_INIT_NOTIFIER_HEAD(&rm->notifiers);
	mutex_init(&rm->call_lock);
	spin_lock_init(&rm->pending_lock);
	init_completion(&rm->tx_not_full);
	rm->tx_ready = true;
	/* A reply to a former user of the queue shall not match */
	rm->seq = get_random_u16();
	rm->vmid = GH_VMID_INVAL;

	return rm;
}
EXPORT_SYMBOL_IF_KUNIT(gh_rm_alloc);

static int gh_rm_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	int tx_irq, rx_irq, ret;
	struct gh_rm *rm;
	u64 capids[2];

	if (!gh_is_gunyah())
		return dev_err_probe(dev, -ENODEV, "the hypervisor is not Gunyah\n");

	if (!gh_hypervisor_has_feature(GH_FEATURE_MSGQUEUE))
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "the hypervisor's interface is not version %u or has no message queues\n",
				     GH_API_V1);

	/* These are no addresses: the bus has no sizes and no resources */
	ret = of_property_read_u64_array(dev->of_node, "reg", capids, ARRAY_SIZE(capids));
	if (ret)
		return dev_err_probe(dev, ret, "reg does not have two capability IDs\n");

	tx_irq = platform_get_irq(pdev, 0);
	if (tx_irq < 0)
		return tx_irq;

	rx_irq = platform_get_irq(pdev, 1);
	if (rx_irq < 0)
		return rx_irq;

	rm = gh_rm_alloc(dev, capids[0], capids[1]);
	if (!rm)
		return -ENOMEM;

	platform_set_drvdata(pdev, rm);

	ret = devm_request_irq(dev, tx_irq, gh_rm_tx_irq, 0, "gunyah-rm-tx", rm);
	if (ret)
		return ret;

	ret = devm_request_threaded_irq(dev, rx_irq, NULL, gh_rm_rx_thread, IRQF_ONESHOT,
					"gunyah-rm-rx", rm);
	if (ret)
		return ret;

	/* Whether guests wake the host; power/wakeup in sysfs changes it */
	ret = devm_device_init_wakeup(dev);
	if (ret)
		return ret;

	/* A message that is in the queue already does not interrupt again */
	irq_wake_thread(rx_irq, rm);

	rm->debugfs = debugfs_create_dir("gunyah", NULL);
	debugfs_create_file("rm", 0400, rm->debugfs, rm, &gh_rm_counters_fops);

	rm->vm_mgr = gh_vm_mgr_init(rm, rm->debugfs);
	if (IS_ERR(rm->vm_mgr)) {
		debugfs_remove_recursive(rm->debugfs);
		return PTR_ERR(rm->vm_mgr);
	}

	dev_info(dev, "Gunyah hypervisor, interface version %u\n", GH_API_V1);
	return 0;
}

static void gh_rm_remove(struct platform_device *pdev)
{
	struct gh_rm *rm = platform_get_drvdata(pdev);

	debugfs_remove_recursive(rm->debugfs);
	gh_vm_mgr_exit(rm->vm_mgr);
}

static void gh_rm_shutdown(struct platform_device *pdev)
{
	struct gh_rm *rm = platform_get_drvdata(pdev);

	gh_vm_mgr_shutdown(rm->vm_mgr);
}

/* The image that was restored has the capability IDs of another boot. */
static int gh_rm_restore(struct device *dev)
{
	struct gh_rm *rm = dev_get_drvdata(dev);

	dev_err(dev, "the resource manager can't be reached after hibernation, reboot to use VMs again\n");
	gh_rm_set_dead(rm);
	return 0;
}

static const struct dev_pm_ops gh_rm_pm_ops = {
	.restore = pm_sleep_ptr(gh_rm_restore),
};

static const struct of_device_id gh_rm_of_match[] = {
	{ .compatible = "gunyah-resource-manager" },
	{}
};
MODULE_DEVICE_TABLE(of, gh_rm_of_match);

static struct platform_driver gh_rm_driver = {
	.probe = gh_rm_probe,
	.remove = gh_rm_remove,
	.shutdown = gh_rm_shutdown,
	.driver = {
		.name = "gunyah_rsc_mgr",
		.of_match_table = gh_rm_of_match,
		.pm = pm_sleep_ptr(&gh_rm_pm_ops),
		/* VMs may live as long as the module does */
		.suppress_bind_attrs = true,
	},
};

/*
 * The node above the resource manager's need not be a simple-bus.  Where it is,
 * the devices below it exist already, and are not this driver's to remove.
 */
static int gh_hypervisor_probe(struct platform_device *pdev)
{
	if (of_node_check_flag(pdev->dev.of_node, OF_POPULATED_BUS))
		return 0;

	return devm_of_platform_populate(&pdev->dev);
}

static const struct of_device_id gh_hypervisor_of_match[] = {
	{ .compatible = "gunyah-hypervisor" },
	{}
};
MODULE_DEVICE_TABLE(of, gh_hypervisor_of_match);

static struct platform_driver gh_hypervisor_driver = {
	.probe = gh_hypervisor_probe,
	.driver = {
		.name = "gunyah_hypervisor",
		.of_match_table = gh_hypervisor_of_match,
		.suppress_bind_attrs = true,
	},
};

static struct platform_driver * const gh_drivers[] = {
	&gh_rm_driver,
	&gh_hypervisor_driver,
};

static int __init gunyah_init(void)
{
	return platform_register_drivers(gh_drivers, ARRAY_SIZE(gh_drivers));
}
module_init(gunyah_init);

static void __exit gunyah_exit(void)
{
	platform_unregister_drivers(gh_drivers, ARRAY_SIZE(gh_drivers));
	gh_vm_io_exit();
}
module_exit(gunyah_exit);

MODULE_DESCRIPTION("Gunyah hypervisor driver");
MODULE_LICENSE("GPL");

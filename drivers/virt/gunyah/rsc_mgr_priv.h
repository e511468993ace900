/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __GUNYAH_RSC_MGR_PRIV_H
#define __GUNYAH_RSC_MGR_PRIV_H

/* What the parts of the resource manager driver share with each other */

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "rsc_mgr.h"

struct dentry;

/* Calls */
#define GH_RM_MEM_LEND			0x51000012
#define GH_RM_MEM_SHARE			0x51000013
#define GH_RM_MEM_RECLAIM		0x51000015
#define GH_RM_MEM_APPEND		0x51000018
#define GH_RM_VM_ALLOCATE		0x56000001
#define GH_RM_VM_DEALLOCATE		0x56000002
#define GH_RM_VM_START			0x56000004
#define GH_RM_VM_STOP			0x56000005
#define GH_RM_VM_RESET			0x56000006
#define GH_RM_VM_CONFIG_IMAGE		0x56000009
#define GH_RM_VM_INIT			0x5600000b
#define GH_RM_VM_GET_STATE		0x56000017
#define GH_RM_VM_GET_HYP_RESOURCES	0x56000020
#define GH_RM_VM_GET_VMID		0x56000024
#define GH_RM_VM_SET_BOOT_CONTEXT	0x56000031

/* Size of a message of the queues to and from RM: one packet */
#define GH_RM_PACKET_SIZE		240

struct gh_rm_packet_header {
	u8 api;
	u8 type_fragments;
	__le16 seq;
	__le32 message_id;
} __packed;

/* Version 1, and a header of two 32-bit words */
#define GH_RM_PACKET_API		0x21

#define GH_RM_PACKET_TYPE_MASK		GENMASK(1, 0)
#define GH_RM_PACKET_FRAGMENTS_MASK	GENMASK(7, 2)

enum gh_rm_packet_type {
	GH_RM_PACKET_CONTINUATION	= 0,
	GH_RM_PACKET_REQUEST		= 1,
	GH_RM_PACKET_REPLY		= 2,
	GH_RM_PACKET_NOTIFICATION	= 3,
};

#define GH_RM_MAX_PAYLOAD	(GH_RM_PACKET_SIZE - sizeof(struct gh_rm_packet_header))
/* Packets that may follow the first one of a message */
#define GH_RM_MAX_FRAGMENTS	62
#define GH_RM_MAX_MSG_SIZE	((GH_RM_MAX_FRAGMENTS + 1) * GH_RM_MAX_PAYLOAD)
/* A reply starts with the error code */
#define GH_RM_MAX_REPLY_SIZE	(GH_RM_MAX_MSG_SIZE - sizeof(__le32))

/* RM takes no longer list in one message */
#define GH_RM_MAX_LIST_ENTRIES	512
/* RM keeps no more parcels of one owner at a time */
#define GH_RM_MAX_PARCELS	64

enum gh_rm_error {
	GH_RM_ERROR_OK			= 0x00,
	GH_RM_ERROR_NOMEM		= 0x01,
	GH_RM_ERROR_NORESOURCE		= 0x02,
	GH_RM_ERROR_DENIED		= 0x03,
	GH_RM_ERROR_MSG_INVALID		= 0x04,
	GH_RM_ERROR_BUSY		= 0x05,
	GH_RM_ERROR_ARGUMENT_INVALID	= 0x06,
	GH_RM_ERROR_HANDLE_INVALID	= 0x07,
	GH_RM_ERROR_VALIDATE_FAILED	= 0x08,
	GH_RM_ERROR_MAP_FAILED		= 0x09,
	GH_RM_ERROR_MEM_INVALID		= 0x0a,
	GH_RM_ERROR_MEM_INUSE		= 0x0b,
	GH_RM_ERROR_MEM_RELEASED	= 0x0c,
	GH_RM_ERROR_VMID_INVALID	= 0x0d,
	GH_RM_ERROR_LOOKUP_FAILED	= 0x0e,
	GH_RM_ERROR_IRQ_INVALID		= 0x0f,
	GH_RM_ERROR_IRQ_INUSE		= 0x10,
	GH_RM_ERROR_IRQ_RELEASED	= 0x11,
	GH_RM_ERROR_IN_USE		= 0x12,
	GH_RM_ERROR_IRQ_NOT_MAPPED	= 0x13,
	GH_RM_ERROR_VM_STATE		= 0x14,
	GH_RM_ERROR_UNIMPLEMENTED	= 0xffffffff,
};

/* What RM or the link to it did that needed no action, see gh_rm_counter_names */
enum gh_rm_counter {
	GH_RM_COUNTER_SHORT,
	GH_RM_COUNTER_OVERSIZED,
	GH_RM_COUNTER_BAD_HEADER,
	GH_RM_COUNTER_MISFRAGMENTED,
	GH_RM_COUNTER_STRAY_REPLY,
	GH_RM_COUNTER_BAD_REPLY,
	GH_RM_COUNTER_IGNORED_NOTIFICATION,
	GH_RM_NR_COUNTERS
};

/**
 * struct gh_rm_xfer - One request and its reply
 * @message_id: number of the call
 * @vmid: VM that the call is about, for the log, or GH_VMID_INVAL
 * @killable: a fatal signal may end the call as long as nothing has been sent
 * @no_news: error code of the reply that is nothing for the log, if not 0
 * @req: what to send behind the header
 * @req_size: size of @req in bytes
 * @reply: where to put what follows the error code in the reply
 * @reply_size: in: size of @reply in bytes, out: size of the data there
 * @min_reply_size: a reply with less data than this is an error, in bytes
 * @acted: RM did what it was asked for, or nobody knows whether it did.  False
 *	   after a failure without any effect.
 * @rm_error: error code of the reply
 * @seq: sequence number of the request
 * @ret: 0 or errno, set before @done
 * @done: the reply has been received, or will not be
 *
 * The memory for the reply belongs to the caller and is there before anything
 * is sent: a reply that says what RM created is never lost to a failed
 * allocation.
 */
struct gh_rm_xfer {
	u32 message_id;
	u16 vmid;
	bool killable;
	u32 no_news;
	const void *req;
	size_t req_size;
	void *reply;
	size_t reply_size;
	size_t min_reply_size;
	bool acted;
	u32 rm_error;

	u16 seq;
	int ret;
	struct completion done;
};

/**
 * struct gh_rm_rx - A message while its packets come in
 * @packet: the packet just received
 * @header: header of the first packet of the message
 * @left: packets that are still missing; 0 if there is no message
 * @size: size of what is in @message, in bytes
 * @message: the payloads so far
 * @broken: the queue can't be read any more
 */
struct gh_rm_rx {
	u8 packet[GH_RM_PACKET_SIZE] __aligned(8);
	struct gh_rm_packet_header header;
	unsigned int left;
	size_t size;
	u8 *message;
	bool broken;
};

/**
 * struct gh_rm - The link to the resource manager
 * @dev: device of the link
 * @tx_capid: capability ID of the queue to RM
 * @rx_capid: capability ID of the queue from RM
 * @vm_mgr: offers the VMs of RM to user space
 * @debugfs: directory of the driver in debugfs
 * @notifiers_lock: protects @notifiers, also while they are called
 * @notifiers: whoever wants to know what happens to VMs
 * @counters: see &enum gh_rm_counter
 * @call_lock: serializes calls: RM drops the older of two replies.  Protects the
 *	       tx fields and @seq.
 * @tx_not_full: the queue to RM has room again
 * @tx_ready: the queue to RM had room after the last packet
 * @tx_packet: the packet to send
 * @seq: sequence number of the last request
 * @pending_lock: protects @pending and @dead
 * @pending: the request that waits for its reply
 * @dead: RM did not answer or the link broke; it is not used again
 * @vmid: VMID of the host, or GH_VMID_INVAL as long as nobody has asked for it
 * @parcels: how many memory parcels RM has, or may have, from this host
 * @rx: used by the thread of the receive interrupt only
 *
 * The device owns it: it goes when the driver is unbound, which happens only
 * when the module is unloaded.
 */
struct gh_rm {
	struct device *dev;
	u64 tx_capid;
	u64 rx_capid;
	struct gh_vm_mgr *vm_mgr;
	struct dentry *debugfs;
	spinlock_t notifiers_lock; /* see above */
	struct raw_notifier_head notifiers;
	atomic_long_t counters[GH_RM_NR_COUNTERS];

	/* From the first packet of a request to the reply */
	struct mutex call_lock;
	struct completion tx_not_full;
	bool tx_ready;
	u8 tx_packet[GH_RM_PACKET_SIZE] __aligned(8);
	u16 seq;

	/* Taken inside call_lock */
	spinlock_t pending_lock;
	struct gh_rm_xfer *pending;
	bool dead;

	u16 vmid;
	atomic_t parcels;

	struct gh_rm_rx rx;
};

static inline void gh_rm_count(struct gh_rm *rm, enum gh_rm_counter counter)
{
	atomic_long_inc(&rm->counters[counter]);
}

/* Room for the longest name of a call, its number and a VMID */
struct gh_rm_call_text {
	char s[48];
};

const char *gh_rm_describe_call(struct gh_rm_call_text *text, u32 message_id, u16 vmid);
int gh_rm_transfer(struct gh_rm *rm, struct gh_rm_xfer *xfer);

#if IS_ENABLED(CONFIG_KUNIT)
struct gh_rm *gh_rm_alloc(struct device *dev, u64 tx_capid, u64 rx_capid);
void gh_rm_drain(struct gh_rm *rm);
int gh_rm_remap_error(u32 rm_error);
unsigned long gh_rm_time_left(unsigned long deadline);
#endif

#endif

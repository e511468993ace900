// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-mmio, version 2, and split virtqueues, as in the Virtual I/O Device
 * specification 1.x, sections 4.2 and 2.7.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "virtio.h"

#define MAGIC		0x74726976
#define VERSION		2
#define VENDOR		0x48594e47

/* Without these two the guest would use memory that the VMM can't reach */
#define NEEDED_FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM)

static void interrupt(struct virtio_device *dev, uint32_t reason)
{
	atomic_fetch_or(&dev->interrupt_status, reason);
	irq_raise(dev->irq);
}

void virtio_break(struct virtio_device *dev, const char *why)
{
	complain("%s: the guest's driver broke a rule: %s", dev->mmio.name, why);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	dev->queue_ready = false;
	interrupt(dev, VIRTIO_MMIO_INT_CONFIG);
}

/* A part of the shared memory, of the alignment that the specification asks for */
static void *ring(struct virtio_device *dev, uint64_t addr, uint64_t size, uint64_t alignment)
{
	return addr % alignment ? NULL : memory_at(dev->shared, addr, size);
}

static void enable_queue(struct virtio_device *dev)
{
	uint64_t n = dev->queue_size;

	/* A power of 2: indices wrap at 65536 and in the rings at the same time */
	if (!n || n > VIRTIO_QUEUE_SIZE || n & (n - 1)) {
		virtio_break(dev, "a queue of this size is not possible");
		return;
	}
	dev->desc = ring(dev, dev->desc_addr, n * sizeof(struct vring_desc),
			 VRING_DESC_ALIGN_SIZE);
	dev->avail = ring(dev, dev->avail_addr, (3 + n) * sizeof(uint16_t),
			  VRING_AVAIL_ALIGN_SIZE);
	dev->used = ring(dev, dev->used_addr,
			 3 * sizeof(uint16_t) + n * sizeof(struct vring_used_elem),
			 VRING_USED_ALIGN_SIZE);
	if (!dev->desc || !dev->avail || !dev->used) {
		virtio_break(dev, "the queue is not in shared memory, or not aligned");
		return;
	}
	dev->next_avail = 0;
	dev->queue_ready = true;
}

static void reset(struct virtio_device *dev)
{
	dev->status = 0;
	dev->features_select = 0;
	dev->driver_features_select = 0;
	dev->driver_features = 0;
	dev->queue_select = 0;
	dev->queue_size = 0;
	dev->queue_ready = false;
	dev->desc_addr = 0;
	dev->avail_addr = 0;
	dev->used_addr = 0;
	atomic_store(&dev->interrupt_status, 0);
}

static void set_status(struct virtio_device *dev, uint32_t status)
{
	if (!status) {
		reset(dev);
		return;
	}
	/* The driver looks whether this bit stays, and gives up otherwise */
	if (dev->driver_features & ~dev->features ||
	    (dev->driver_features & NEEDED_FEATURES) != NEEDED_FEATURES)
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status = status | (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static uint64_t read_config(struct virtio_device *dev, uint64_t offset, unsigned int len)
{
	uint64_t value = 0;

	if (offset < dev->config_size) {
		if (len > dev->config_size - offset)
			len = dev->config_size - offset;
		memcpy(&value, (const char *)dev->config + offset, len);
	}
	return value;
}

static uint64_t read_locked(struct virtio_device *dev, uint64_t offset)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return dev->features_select > 1 ? 0 :
		       (uint32_t)(dev->features >> 32 * dev->features_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return dev->queue_select ? 0 : VIRTIO_QUEUE_SIZE;
	case VIRTIO_MMIO_QUEUE_READY:
		return !dev->queue_select && dev->queue_ready;
	case VIRTIO_MMIO_STATUS:
		return dev->status;
	/* A region of shared memory that is not there */
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;
	default:
		return 0;
	}
}

static uint64_t read_register(struct mmio_device *mmio, uint64_t offset, unsigned int len)
{
	struct virtio_device *dev = container_of(mmio, struct virtio_device, mmio);
	uint64_t value;

	if (offset >= VIRTIO_MMIO_CONFIG)
		return read_config(dev, offset - VIRTIO_MMIO_CONFIG, len);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return atomic_load(&dev->interrupt_status);
	}

	pthread_mutex_lock(&dev->lock);
	value = read_locked(dev, offset);
	pthread_mutex_unlock(&dev->lock);
	return value;
}

static void set_low(uint64_t *to, uint32_t value)
{
	*to = (*to & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *to, uint32_t value)
{
	*to = (*to & UINT32_MAX) | (uint64_t)value << 32;
}

/* The queue's size and place can't change while it is in use */
static void write_queue_register(struct virtio_device *dev, uint64_t offset, uint32_t value)
{
	if (dev->queue_select || dev->queue_ready)
		return;

	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		dev->queue_size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&dev->desc_addr, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&dev->desc_addr, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&dev->avail_addr, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&dev->avail_addr, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&dev->used_addr, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&dev->used_addr, value);
		break;
	}
}

static void write_locked(struct virtio_device *dev, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		dev->features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		dev->driver_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (dev->driver_features_select == 0)
			set_low(&dev->driver_features, value);
		else if (dev->driver_features_select == 1)
			set_high(&dev->driver_features, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		dev->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (dev->queue_select)
			break;
		if (!value)
			dev->queue_ready = false;
		else if (!dev->queue_ready)
			enable_queue(dev);
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(dev, value);
		break;
	default:
		write_queue_register(dev, offset, value);
	}
}

static void write_register(struct mmio_device *mmio, uint64_t offset, unsigned int len,
			   uint64_t value)
{
	struct virtio_device *dev = container_of(mmio, struct virtio_device, mmio);

	/* All that can be written are registers of 32 bits */
	if (len != sizeof(uint32_t))
		return;

	if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
		atomic_fetch_and(&dev->interrupt_status, ~(uint32_t)value);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	write_locked(dev, offset, value);
	pthread_mutex_unlock(&dev->lock);
}

/* Add what a descriptor says to the chain */
static const char *add_buffer(struct virtio_device *dev, struct virtio_chain *chain,
			      const struct vring_desc *desc)
{
	struct iovec *iov = &chain->iov[chain->out + chain->in];

	iov->iov_base = memory_at(dev->shared, desc->addr, desc->len);
	iov->iov_len = desc->len;
	if (!iov->iov_base)
		return "a buffer is not in shared memory";
	if (desc->flags & VRING_DESC_F_INDIRECT)
		return "a descriptor is indirect, which was not offered";

	if (desc->flags & VRING_DESC_F_WRITE) {
		chain->in++;
	} else {
		if (chain->in)
			return "a buffer to read is behind one to write";
		chain->out++;
	}
	return NULL;
}

bool virtio_pop(struct virtio_device *dev, struct virtio_chain *chain)
{
	volatile uint16_t *avail_idx;
	struct vring_desc desc;
	uint16_t pending, index;
	const char *wrong;

	if (!dev->queue_ready || !(dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return false;

	avail_idx = &dev->avail->idx;
	pending = *avail_idx - dev->next_avail;
	if (!pending)
		return false;
	if (pending > dev->queue_size) {
		virtio_break(dev, "more is available than the queue can hold");
		return false;
	}
	/* What became available is there before the index says so */
	atomic_thread_fence(memory_order_acquire);

	index = *(volatile uint16_t *)&dev->avail->ring[dev->next_avail % dev->queue_size];
	dev->next_avail++;
	chain->head = index;
	chain->out = 0;
	chain->in = 0;
	do {
		if (index >= dev->queue_size) {
			virtio_break(dev, "there is no such descriptor");
			return false;
		}
		if (chain->out + chain->in == dev->queue_size) {
			virtio_break(dev, "a chain of descriptors has no end");
			return false;
		}
		desc.addr = dev->desc[index].addr;
		desc.len = dev->desc[index].len;
		desc.flags = dev->desc[index].flags;
		desc.next = dev->desc[index].next;
		wrong = add_buffer(dev, chain, &desc);
		if (wrong) {
			virtio_break(dev, wrong);
			return false;
		}
		index = desc.next;
	} while (desc.flags & VRING_DESC_F_NEXT);

	return true;
}

void virtio_push(struct virtio_device *dev, const struct virtio_chain *chain, uint32_t len)
{
	volatile uint16_t *idx = &dev->used->idx, *flags = &dev->avail->flags;
	uint16_t used = *idx;
	struct vring_used_elem *elem = &dev->used->ring[used % dev->queue_size];

	elem->id = chain->head;
	elem->len = len;
	/* The guest sees the element, and what is in the buffers, before the index */
	atomic_thread_fence(memory_order_release);
	*idx = used + 1;
	/* Against the guest, which sets the flag and then looks at the index again */
	atomic_thread_fence(memory_order_seq_cst);
	if (!(*flags & VRING_AVAIL_F_NO_INTERRUPT))
		interrupt(dev, VIRTIO_MMIO_INT_VRING);
}

void virtio_create(struct virtio_device *dev, int vm, unsigned int irq)
{
	dev->mmio.read = read_register;
	dev->mmio.write = write_register;
	dev->features |= NEEDED_FEATURES;
	pthread_mutex_init(&dev->lock, NULL);

	dev->irq = vm_add_irq(vm, irq);
	/* The number of the queue is the value; a write of another one is without effect */
	dev->notify = vm_add_notify(vm, dev->mmio.base + VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	mmio_add(&dev->mmio);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device with one queue, behind the registers of virtio-mmio.
 *
 * The guest keeps its queue and all its buffers in the shared memory, where it
 * can change them at any time: what they hold is read once, and checked after
 * it was read.
 */
#ifndef _VIRTIO_H
#define _VIRTIO_H

#include <sys/uio.h>

#include "vmm.h"

#define VIRTIO_QUEUE_SIZE	256

/*
 * struct virtio_chain - Buffers that the guest made available together
 * @head: index of the first descriptor
 * @out: number of buffers that the device reads
 * @in: number of buffers that the device writes, which are behind those in @iov
 * @iov: the buffers
 */
struct virtio_chain {
	uint16_t head;
	unsigned int out;
	unsigned int in;
	struct iovec iov[VIRTIO_QUEUE_SIZE];
};

struct vring_desc;
struct vring_avail;
struct vring_used;

/*
 * struct virtio_device - What the transport knows of a device
 * @mmio: the registers
 * @id: type of the device, VIRTIO_ID_*
 * @features: those that the device offers
 * @config: its configuration, read-only
 * @config_size: size of @config in bytes
 * @shared: where queue and buffers have to be
 * @irq: interrupt
 * @notify: eventfd that the guest's queue notifications signal
 * @interrupt_status: why the guest was interrupted; changed without @lock
 * @lock: held while registers are accessed, but for the interrupt status, and
 *	  while the queue is worked on; protects what follows
 */
struct virtio_device {
	struct mmio_device mmio;
	uint32_t id;
	uint64_t features;
	const void *config;
	size_t config_size;
	const struct memory *shared;
	int irq;
	int notify;
	_Atomic uint32_t interrupt_status;

	pthread_mutex_t lock;
	uint32_t status;
	uint32_t features_select;
	uint32_t driver_features_select;
	uint64_t driver_features;
	uint32_t queue_select;
	uint32_t queue_size;
	bool queue_ready;
	uint64_t desc_addr;
	uint64_t avail_addr;
	uint64_t used_addr;
	const volatile struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail;
};

/* The caller has filled in what is before @interrupt_status, but for irq and notify */
void virtio_create(struct virtio_device *dev, int vm, unsigned int irq);
/*
 * The next chain, or false if there is none for now. Called, like the two
 * functions below, with the device's lock held.
 */
bool virtio_pop(struct virtio_device *dev, struct virtio_chain *chain);
/* Give a chain back, into which the device has written @len bytes */
void virtio_push(struct virtio_device *dev, const struct virtio_chain *chain, uint32_t len);
/* The guest broke a rule: nothing goes on before it resets the device */
void virtio_break(struct virtio_device *dev, const char *why);

#endif

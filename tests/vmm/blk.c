// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's disk: a file, behind a virtio block device. One thread takes the
 * requests one after the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

#define SECTOR_SIZE	512
/* A queue full of segments fits into the shared memory several times */
#define MAX_SEGMENT	4096
/* Four requests fill the queue; each has two more buffers */
#define MAX_SEGMENTS	(VIRTIO_QUEUE_SIZE / 4 - 2)

struct blk {
	struct virtio_device dev;
	struct virtio_blk_config config;
	int fd;
	uint64_t sectors;
};

/* Take @len bytes from the front of what the device reads */
static bool take_front(struct virtio_chain *chain, void *to, size_t len)
{
	struct iovec *iov = chain->iov;

	for (unsigned int i = 0; len && i < chain->out; i++) {
		size_t n = len < iov[i].iov_len ? len : iov[i].iov_len;

		memcpy(to, iov[i].iov_base, n);
		to = (char *)to + n;
		len -= n;
		iov[i].iov_base = (char *)iov[i].iov_base + n;
		iov[i].iov_len -= n;
	}
	return !len;
}

/* Take the last byte of what the device writes */
static uint8_t *take_last(struct virtio_chain *chain)
{
	for (unsigned int i = chain->out + chain->in; i-- > chain->out; ) {
		struct iovec *iov = &chain->iov[i];

		if (iov->iov_len)
			return (uint8_t *)iov->iov_base + --iov->iov_len;
	}
	return NULL;
}

/* Read or write whole sectors that the disk has; @moved is what arrived in the buffers */
static uint8_t access_sectors(struct blk *blk, bool is_write, struct iovec *iov,
			      unsigned int n, uint64_t sector, uint32_t *moved)
{
	uint64_t size = 0, offset;

	/* No more buffers than the queue has, of 32 bits each */
	for (unsigned int i = 0; i < n; i++)
		size += iov[i].iov_len;
	if (size % SECTOR_SIZE || sector > blk->sectors ||
	    size / SECTOR_SIZE > blk->sectors - sector)
		return VIRTIO_BLK_S_IOERR;

	offset = sector * SECTOR_SIZE;
	while (size) {
		ssize_t done = is_write ? pwritev(blk->fd, iov, n, offset) :
					  preadv(blk->fd, iov, n, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return VIRTIO_BLK_S_IOERR;
		offset += done;
		size -= done;
		if (!is_write)
			*moved += done;
		/* The system call may have done less */
		for (; n && (size_t)done >= iov->iov_len; n--)
			done -= iov++->iov_len;
		if (n) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= done;
		}
	}
	return VIRTIO_BLK_S_OK;
}

static void handle_request(struct blk *blk, struct virtio_chain *chain)
{
	struct virtio_blk_outhdr header;
	uint32_t moved = 0;
	uint8_t *status, result;

	status = take_last(chain);
	if (!take_front(chain, &header, sizeof(header)) || !status) {
		virtio_break(&blk->dev, "a request has no header or no room for its status");
		return;
	}

	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		result = access_sectors(blk, false, chain->iov + chain->out, chain->in,
					header.sector, &moved);
		break;
	case VIRTIO_BLK_T_OUT:
		result = access_sectors(blk, true, chain->iov, chain->out,
					header.sector, &moved);
		break;
	case VIRTIO_BLK_T_FLUSH:
		result = fdatasync(blk->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
		break;
	default:
		result = VIRTIO_BLK_S_UNSUPP;
	}
	*status = result;
	virtio_push(&blk->dev, chain, moved + sizeof(*status));
}

static void *run_disk(void *argument)
{
	struct blk *blk = argument;
	struct virtio_chain chain;
	eventfd_t count;

	while (!eventfd_read(blk->dev.notify, &count)) {
		pthread_mutex_lock(&blk->dev.lock);
		while (virtio_pop(&blk->dev, &chain))
			handle_request(blk, &chain);
		pthread_mutex_unlock(&blk->dev.lock);
	}
	die("read of the disk's eventfd: %s", strerror(errno));
}

static void open_disk(struct blk *blk)
{
	struct stat st;

	blk->fd = open(options.disk, O_RDWR | O_CLOEXEC);
	if (blk->fd < 0 || fstat(blk->fd, &st))
		die("open %s: %s (see --disk)", options.disk, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size || st.st_size % SECTOR_SIZE)
		die("%s: not a file of whole sectors of %d bytes (make one with: truncate -s 64M %s)",
		    options.disk, SECTOR_SIZE, options.disk);
	/* Two guests would destroy each other's file system */
	if (flock(blk->fd, LOCK_EX | LOCK_NB))
		die("flock %s: %s", options.disk,
		    errno == EWOULDBLOCK ? "another guest has it" : strerror(errno));
	blk->sectors = st.st_size / SECTOR_SIZE;
}

void blk_create(int vm, const struct memory *shared)
{
	static struct blk blk = {
		.dev = {
			.mmio = {
				.name = "disk",
				.base = DISK_BASE,
				.size = DISK_SIZE,
			},
			.id = VIRTIO_ID_BLOCK,
			.features = 1 << VIRTIO_BLK_F_SIZE_MAX | 1 << VIRTIO_BLK_F_SEG_MAX |
				    1 << VIRTIO_BLK_F_FLUSH,
			.config_size = sizeof(blk.config),
		},
	};

	open_disk(&blk);
	blk.config.capacity = blk.sectors;
	blk.config.size_max = MAX_SEGMENT;
	blk.config.seg_max = MAX_SEGMENTS;
	blk.dev.config = &blk.config;
	blk.dev.shared = shared;
	virtio_create(&blk.dev, vm, DISK_IRQ);
	start_thread(run_disk, &blk);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk, in the hands of a guest that does not keep to the rules. Shared
 * memory is exactly as large as the guest was told, and so the address sanitizer
 * sees whatever is read or written outside of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "virtio.h"

#define BASE		0x70000000UL
#define SIZE		0x10000UL
#define DISK_SECTORS	64
#define SECTOR		512

/* Where this guest has things in the shared memory */
#define DESC		0x0000
#define AVAIL		0x1000
#define USED		0x2000
#define HEADER		0x3000
#define STATUS		0x3100
#define DATA		0x4000

#define NO_STATUS	0xee

struct options options;

static struct memory shared = { .base = BASE, .size = SIZE };
static struct mmio_device *disk;
static void *(*disk_thread)(void *);
static void *disk_argument;
static int notify, disk_fd, interrupts, complaints;
static jmp_buf idle;
static unsigned int results, failures;

/* --- what the rest of the VMM would do ------------------------------------- */

void finish(int status, const char *format, ...)
{
	(void)status;
	(void)format;
	/* The disk's thread found its eventfd empty */
	longjmp(idle, 1);
}

void complain(const char *format, ...)
{
	(void)format;
	complaints++;
}

void irq_raise(int irq)
{
	(void)irq;
	interrupts++;
}

int vm_add_irq(int vm, unsigned int irq)
{
	(void)vm;
	return irq;
}

int vm_add_notify(int vm, uint64_t addr, uint32_t value)
{
	(void)vm;
	(void)addr;
	(void)value;
	notify = eventfd(0, EFD_NONBLOCK);
	return notify;
}

void mmio_add(struct mmio_device *mmio)
{
	disk = mmio;
}

void start_thread(void *(*function)(void *), void *argument)
{
	disk_thread = function;
	disk_argument = argument;
}

/* --- a kernel that moves as little at a time as it may ----------------------- */

static unsigned int at_most, interrupted;
static int error;

ssize_t __real_preadv(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset);

static ssize_t move(ssize_t (*call)(int, const struct iovec *, int, off_t), int fd,
		    const struct iovec *iov, int n, off_t offset)
{
	struct iovec part;

	if (interrupted || error) {
		errno = interrupted ? EINTR : error;
		interrupted -= !!interrupted;
		return -1;
	}
	if (!at_most)
		return call(fd, iov, n, offset);
	for (; n && !iov->iov_len; n--)
		iov++;
	part = *iov;
	if (part.iov_len > at_most)
		part.iov_len = at_most;
	return call(fd, &part, 1, offset);
}

ssize_t __wrap_preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
	return move(__real_preadv, fd, iov, n, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	return move(__real_pwritev, fd, iov, n, offset);
}

/* --- the guest ---------------------------------------------------------------- */

static void *at(uint64_t offset)
{
	return (char *)shared.host + offset;
}

static uint32_t read32(uint64_t offset)
{
	return disk->read(disk, offset, 4);
}

static void write32(uint64_t offset, uint32_t value)
{
	disk->write(disk, offset, 4, value);
}

static void set_features(uint64_t features)
{
	write32(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (int i = 0; i < 2; i++) {
		write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		write32(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32 * i);
	}
	write32(VIRTIO_MMIO_STATUS, read32(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_FEATURES_OK);
}

static uint64_t offered(void)
{
	uint64_t features = 0;

	for (int i = 0; i < 2; i++) {
		write32(VIRTIO_MMIO_DEVICE_FEATURES_SEL, i);
		features |= (uint64_t)read32(VIRTIO_MMIO_DEVICE_FEATURES) << 32 * i;
	}
	return features;
}

static void set_queue(uint32_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
	write32(VIRTIO_MMIO_QUEUE_SEL, 0);
	write32(VIRTIO_MMIO_QUEUE_NUM, size);
	write32(VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	write32(VIRTIO_MMIO_QUEUE_DESC_HIGH, desc >> 32);
	write32(VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	write32(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, avail >> 32);
	write32(VIRTIO_MMIO_QUEUE_USED_LOW, used);
	write32(VIRTIO_MMIO_QUEUE_USED_HIGH, used >> 32);
	write32(VIRTIO_MMIO_QUEUE_READY, 1);
}

/* Reset, and all that a driver does before its first request */
static void set_up(void)
{
	write32(VIRTIO_MMIO_STATUS, 0);
	memset(shared.host, 0, SIZE);
	set_features(offered());
	set_queue(VIRTIO_QUEUE_SIZE, BASE + DESC, BASE + AVAIL, BASE + USED);
	write32(VIRTIO_MMIO_STATUS, read32(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void descriptor(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc *desc = at(DESC);

	desc[i] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

/* Header, data and status, as Linux has them */
static void request(uint32_t type, uint64_t sector, uint32_t len)
{
	*(struct virtio_blk_outhdr *)at(HEADER) =
		(struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*(uint8_t *)at(STATUS) = NO_STATUS;
	descriptor(0, BASE + HEADER, sizeof(struct virtio_blk_outhdr), VRING_DESC_F_NEXT, 1);
	descriptor(1, BASE + DATA, len,
		   VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0), 2);
	descriptor(2, BASE + STATUS, 1, VRING_DESC_F_WRITE, 0);
}

/* Let the disk look at its queue until there is nothing left */
static void run(void)
{
	eventfd_write(notify, 1);
	if (!setjmp(idle))
		disk_thread(disk_argument);
}

static void submit(unsigned int head)
{
	struct vring_avail *avail = at(AVAIL);

	avail->ring[avail->idx % VIRTIO_QUEUE_SIZE] = head;
	avail->idx++;
	run();
}

static uint8_t status_of(uint32_t type, uint64_t sector, uint32_t len)
{
	set_up();
	request(type, sector, len);
	submit(0);
	return *(uint8_t *)at(STATUS);
}

static bool broken(void)
{
	return read32(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void result(bool ok, const char *what)
{
	printf("%sok %u %s\n", ok ? "" : "not ", ++results, what);
	failures += !ok;
}

/* The chain that was prepared breaks the device, which writes nothing, and a reset mends it */
static void must_break(const char *what)
{
	bool ok;

	interrupts = 0;
	complaints = 0;
	submit(0);
	ok = broken() && complaints == 1 && interrupts == 1 && ((struct vring_used *)at(USED))->idx == 0 &&
	     read32(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG;
	/* Until then it does not work */
	request(VIRTIO_BLK_T_IN, 0, SECTOR);
	submit(0);
	ok = ok && *(uint8_t *)at(STATUS) == NO_STATUS;
	result(ok && status_of(VIRTIO_BLK_T_IN, 0, SECTOR) == VIRTIO_BLK_S_OK && !broken(), what);
}

/* --- tests ---------------------------------------------------------------- */

static void test_registers(void)
{
	uint64_t features = offered();

	result(read32(VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976 && read32(VIRTIO_MMIO_VERSION) == 2 &&
	       read32(VIRTIO_MMIO_DEVICE_ID) == 2, "magic, version and device");
	set_features(features);
	result(read32(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK, "its own features");
	set_features(features & ~(1ULL << VIRTIO_F_ACCESS_PLATFORM));
	result(!(read32(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK),
	       "not without the one that keeps buffers in shared memory");
	set_features(features | 1ULL << VIRTIO_RING_F_EVENT_IDX);
	result(!(read32(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK),
	       "not with one that was not offered");
	result(disk->read(disk, VIRTIO_MMIO_CONFIG, 8) == DISK_SECTORS, "capacity");
	result(disk->read(disk, 0x1f8, 8) == 0, "nothing behind the configuration");
	write32(VIRTIO_MMIO_QUEUE_SEL, 1);
	result(read32(VIRTIO_MMIO_QUEUE_NUM_MAX) == 0, "one queue");
}

static void test_queues(void)
{
	static const struct {
		uint32_t size;
		uint64_t desc, avail, used;
		const char *what;
	} bad[] = {
		{ 0, BASE, BASE + AVAIL, BASE + USED, "queue of 0" },
		{ 48, BASE, BASE + AVAIL, BASE + USED, "queue of 48" },
		{ 512, BASE, BASE + AVAIL, BASE + USED, "queue of 512" },
		{ 64, BASE - 16, BASE + AVAIL, BASE + USED, "queue before shared memory" },
		{ 64, BASE + SIZE - 1008, BASE, BASE, "descriptors that go beyond it" },
		{ 64, BASE, BASE + SIZE - 132, BASE, "available ring that goes beyond it" },
		{ 64, BASE, BASE, BASE + SIZE - 516, "used ring that goes beyond it" },
		{ 64, BASE, BASE, UINT64_MAX - 3, "used ring that wraps" },
		{ 64, BASE + 8, BASE, BASE, "descriptors that are not aligned" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write32(VIRTIO_MMIO_STATUS, 0);
		set_features(offered());
		set_queue(bad[i].size, bad[i].desc, bad[i].avail, bad[i].used);
		result(broken() && !read32(VIRTIO_MMIO_QUEUE_READY), bad[i].what);
	}
	write32(VIRTIO_MMIO_STATUS, 0);
	set_features(offered());
	set_queue(64, BASE + SIZE - 1024 - 528, BASE, BASE + SIZE - 520);
	result(!broken() && read32(VIRTIO_MMIO_QUEUE_READY), "queue that ends with the memory");
}

static void test_requests(void)
{
	char sector[SECTOR];
	bool ok;

	set_up();
	request(VIRTIO_BLK_T_OUT, 3, SECTOR);
	memset(at(DATA), 0x5a, SECTOR);
	interrupts = 0;
	submit(0);
	ok = pread(disk_fd, sector, SECTOR, 3 * SECTOR) == SECTOR &&
	     !memcmp(sector, at(DATA), SECTOR);
	result(ok && *(uint8_t *)at(STATUS) == VIRTIO_BLK_S_OK && interrupts == 1, "write");

	memset(at(DATA), 0, SECTOR);
	request(VIRTIO_BLK_T_IN, 3, SECTOR);
	submit(0);
	result(!memcmp(sector, at(DATA), SECTOR) &&
	       ((struct vring_used *)at(USED))->ring[1].len == SECTOR + 1, "read");

	((struct vring_avail *)at(AVAIL))->flags = VRING_AVAIL_F_NO_INTERRUPT;
	interrupts = 0;
	submit(0);
	result(!interrupts && ((struct vring_used *)at(USED))->idx == 3, "no interrupt");

	result(status_of(VIRTIO_BLK_T_FLUSH, 0, 0) == VIRTIO_BLK_S_OK, "flush");
	result(status_of(99, 0, 0) == VIRTIO_BLK_S_UNSUPP, "unknown request");
	result(status_of(VIRTIO_BLK_T_IN, DISK_SECTORS - 1, SECTOR) == VIRTIO_BLK_S_OK, "last sector");
	result(status_of(VIRTIO_BLK_T_IN, DISK_SECTORS, SECTOR) == VIRTIO_BLK_S_IOERR, "behind it");
	result(status_of(VIRTIO_BLK_T_IN, DISK_SECTORS - 1, 2 * SECTOR) == VIRTIO_BLK_S_IOERR,
	       "across the end");
	result(status_of(VIRTIO_BLK_T_OUT, UINT64_MAX, SECTOR) == VIRTIO_BLK_S_IOERR,
	       "sector number that wraps");
	result(status_of(VIRTIO_BLK_T_OUT, 1ULL << 55, SECTOR) == VIRTIO_BLK_S_IOERR,
	       "byte number that wraps");
	result(status_of(VIRTIO_BLK_T_IN, 0, 100) == VIRTIO_BLK_S_IOERR, "part of a sector");

	/* The header in two pieces, the status behind the data in one buffer */
	set_up();
	request(VIRTIO_BLK_T_IN, 3, SECTOR);
	descriptor(0, BASE + HEADER, 5, VRING_DESC_F_NEXT, 3);
	descriptor(3, BASE + HEADER + 5, 11, VRING_DESC_F_NEXT, 1);
	descriptor(1, BASE + DATA, SECTOR + 1, VRING_DESC_F_WRITE, 0);
	((uint8_t *)at(DATA))[SECTOR] = NO_STATUS;
	submit(0);
	result(!memcmp(sector, at(DATA), SECTOR) && !((uint8_t *)at(DATA))[SECTOR],
	       "request in other pieces");
}

/* Two sectors in three buffers, one of which is empty, and what the disk has then */
static uint8_t in_pieces(uint32_t type)
{
	set_up();
	request(type, 6, 2 * SECTOR);
	for (unsigned int i = 0; i < 2 * SECTOR; i++)
		((uint8_t *)at(DATA))[i] = type == VIRTIO_BLK_T_OUT ? i * 7 : 0;
	descriptor(1, BASE + DATA, 700, ((struct vring_desc *)at(DESC))[1].flags, 3);
	descriptor(3, BASE + DATA, 0, ((struct vring_desc *)at(DESC))[1].flags, 4);
	descriptor(4, BASE + DATA + 700, 2 * SECTOR - 700,
		   ((struct vring_desc *)at(DESC))[1].flags, 2);
	submit(0);
	return *(uint8_t *)at(STATUS);
}

static bool pieces_are_right(void)
{
	for (unsigned int i = 0; i < 2 * SECTOR; i++)
		if (((uint8_t *)at(DATA))[i] != (uint8_t)(i * 7))
			return false;
	return true;
}

/* Calls that do less than they were told, or nothing */
static void test_file(void)
{
	uint8_t status;

	at_most = 100;
	interrupted = 1;
	status = in_pieces(VIRTIO_BLK_T_OUT);
	result(status == VIRTIO_BLK_S_OK && !interrupted, "write that is interrupted, and 100 bytes at a time");
	interrupted = 1;
	status = in_pieces(VIRTIO_BLK_T_IN);
	result(status == VIRTIO_BLK_S_OK && !interrupted && pieces_are_right() &&
	       ((struct vring_used *)at(USED))->ring[0].len == 2 * SECTOR + 1,
	       "read of the same kind");
	at_most = 0;
	status = in_pieces(VIRTIO_BLK_T_IN);
	result(status == VIRTIO_BLK_S_OK && pieces_are_right(), "read at once");

	error = ENOSPC;
	status = in_pieces(VIRTIO_BLK_T_OUT);
	result(status == VIRTIO_BLK_S_IOERR && !broken(), "write that fails");
	error = EIO;
	status = in_pieces(VIRTIO_BLK_T_IN);
	result(status == VIRTIO_BLK_S_IOERR && ((struct vring_used *)at(USED))->ring[0].len == 1,
	       "read that fails");
	error = 0;

	if (ftruncate(disk_fd, 7 * SECTOR))
		abort();
	status = in_pieces(VIRTIO_BLK_T_IN);
	result(status == VIRTIO_BLK_S_IOERR &&
	       ((struct vring_used *)at(USED))->ring[0].len == SECTOR + 1,
	       "disk that became shorter");
	if (ftruncate(disk_fd, DISK_SECTORS * SECTOR))
		abort();
}

static void test_chains(void)
{
	static const struct {
		unsigned int i;
		struct vring_desc desc;
		const char *what;
	} bad[] = {
		{ 1, { BASE - 1, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 },
		  "buffer before shared memory" },
		{ 1, { BASE + SIZE - 511, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 },
		  "buffer that goes beyond it" },
		{ 1, { BASE + DATA, UINT32_MAX, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 },
		  "buffer of 4 GiB" },
		{ 1, { UINT64_MAX - 255, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 },
		  "buffer that wraps" },
		{ 1, { BASE + DATA, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1 },
		  "descriptor that follows itself" },
		{ 2, { BASE + STATUS, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 0 },
		  "chain that is a ring" },
		{ 1, { BASE + DATA, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, VIRTIO_QUEUE_SIZE },
		  "descriptor that is not there" },
		{ 1, { BASE + DATA, 512, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 2 },
		  "indirect descriptor" },
		{ 2, { BASE + STATUS, 1, 0, 0 }, "buffer to read at the end" },
		{ 0, { BASE + HEADER, 16, 0, 0 }, "no room for the status" },
		{ 0, { BASE + HEADER, 15, VRING_DESC_F_NEXT, 2 }, "header that is too short" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		request(VIRTIO_BLK_T_IN, 0, SECTOR);
		((struct vring_desc *)at(DESC))[bad[i].i] = bad[i].desc;
		must_break(bad[i].what);
	}

	set_up();
	request(VIRTIO_BLK_T_IN, 0, SECTOR);
	((struct vring_avail *)at(AVAIL))->ring[0] = VIRTIO_QUEUE_SIZE;
	((struct vring_avail *)at(AVAIL))->idx = 1;
	run();
	result(broken(), "head that is not there");

	set_up();
	((struct vring_avail *)at(AVAIL))->idx = VIRTIO_QUEUE_SIZE + 1;
	run();
	result(broken(), "more available than the queue holds");
}

/* Memory and registers full of nonsense, half of which looks like an address */
static void test_nonsense(void)
{
	uint32_t *words = shared.host;
	const long base = BASE, size = SIZE;

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		set_up();
		for (size_t w = 0; w < 0x3200 / 4; w++)
			words[w] = random() % 4 ? random() % 32 : base + random() % (2 * size);
		((struct vring_avail *)at(AVAIL))->idx = random() % (2 * VIRTIO_QUEUE_SIZE);
		run();
		for (int r = 0; r < 8; r++) {
			unsigned int len = 1 << random() % 4;

			disk->write(disk, random() % (DISK_SIZE - len + 1), len, random());
			disk->read(disk, random() % (DISK_SIZE - len + 1), len);
		}
		run();
	}
	result(status_of(VIRTIO_BLK_T_IN, 0, SECTOR) == VIRTIO_BLK_S_OK, "after 20000 rounds of nonsense");
}

int main(void)
{
	char path[] = "/tmp/disk_test.XXXXXX";

	/* What breaks the device is said there, and of no interest here */
	if (!freopen("/dev/null", "w", stderr))
		return 1;
	shared.host = malloc(SIZE);
	disk_fd = mkstemp(path);
	if (!shared.host || disk_fd < 0 || ftruncate(disk_fd, DISK_SECTORS * SECTOR))
		return 1;
	options.disk = path;
	blk_create(-1, &shared);
	unlink(path);

	test_registers();
	test_queues();
	test_requests();
	test_file();
	test_chains();
	test_nonsense();
	printf("1..%u\n", results);
	printf("%u passed, %u failed\n", results - failures, failures);
	return failures != 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of the kernel that hit memory which is lent, and end in an external abort,
 * where the kernel is prepared for them to fail. It reads strings in words, and so
 * beyond their end; and with copy_from_kernel_nofault() it reads anything.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/kernel-page-flags.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gh_faults.h"
#include "gh_util.h"
#include "kselftest_harness.h"

/*
 * Guest memory comes in blocks of this many pages if it is small, and so do the
 * kernel's buffers for paths: eight to a block, of which the last one matters.
 */
#define BLOCK_PAGES	8
#define BLOCKS		512
#define OPENERS		1000

FIXTURE(page_end) {
	struct gh_test_vm vm;
	char dir[32];
	char path[PATH_MAX];
	int block[BLOCKS];
	/* Empty if it is as it was */
	char page_lists[16];
};

FIXTURE_SETUP(page_end)
{
	struct rlimit files = { 2 * BLOCKS, 2 * BLOCKS };
	const char *why_not = gh_why_not();
	size_t start;

	memset(self->block, -1, sizeof(self->block));
	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	if (getpagesize() > PATH_MAX)
		SKIP(return, "no path is as long as a page");
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));

	/* A path that ends with its buffer: the name is hashed there */
	strcpy(self->dir, "/tmp/gunyah.XXXXXX");
	mkdir("/tmp", 01777);
	ASSERT_NE(NULL, mkdtemp(self->dir));
	memset(self->path, '/', sizeof(self->path));
	start = sizeof(self->path) - strlen(self->dir) - sizeof("/f");
	sprintf(self->path + start, "%s/f", self->dir);
	ASSERT_EQ(sizeof(self->path) - 1, strlen(self->path));
	ASSERT_EQ(0, mkfifo(self->path, 0600));
}

static void close_blocks(int *block, int first)
{
	for (int i = first; i < BLOCKS; i += 2) {
		if (block[i] >= 0)
			close(block[i]);
		block[i] = -1;
	}
}

/* How many free pages each CPU may keep, as a fraction of the memory; 0: the usual */
#define PAGE_LISTS	"/proc/sys/vm/percpu_pagelist_high_fraction"

static int get_page_lists(char *fraction, size_t size)
{
	int fd = open(PAGE_LISTS, O_RDONLY);
	ssize_t ret = fd < 0 ? -1 : read(fd, fraction, size - 1);

	if (fd >= 0)
		close(fd);
	fraction[ret > 0 ? ret : 0] = 0;
	return ret > 0 ? 0 : -1;
}

static int set_page_lists(const char *fraction)
{
	int fd = open(PAGE_LISTS, O_WRONLY);
	ssize_t ret = fd < 0 ? -1 : write(fd, fraction, strlen(fraction));

	if (fd >= 0)
		close(fd);
	return ret < 0 ? -1 : 0;
}

FIXTURE_TEARDOWN(page_end)
{
	if (self->page_lists[0])
		set_page_lists(self->page_lists);
	gh_vm_close(&self->vm);
	close_blocks(self->block, 0);
	close_blocks(self->block, 1);
	unlink(self->path);
	rmdir(self->dir);
}

/* How many pages of the kernel's are right before one that is lent? */
static int count_neighbours(void)
{
	int fd = open("/proc/kpageflags", O_RDONLY), found = 0;
	uint64_t flags[512], before = 0;
	ssize_t size;

	while (fd >= 0 && (size = read(fd, flags, sizeof(flags))) > 0) {
		for (size_t i = 0; i < size / 8; i++) {
			found += (flags[i] & 1ULL << KPF_OFFLINE) && (before & 1ULL << KPF_SLAB);
			before = flags[i];
		}
	}
	close(fd);
	return found;
}

/* Guest memory without large blocks */
static int create_small(int gunyah, uint64_t size)
{
	struct gh_create_mem_args args = { .flags = GH_GUEST_MEM_CLOEXEC, .size = size };

	return ioctl(gunyah, GH_CREATE_GUEST_MEM, &args);
}

/* Give the VM other private memory, with the same content */
static int use_small_blocks(struct gh_test_vm *vm)
{
	int mem = create_small(vm->gunyah, GUEST_RAM_SIZE);
	uint8_t *host;

	if (mem < 0)
		return -1;
	host = gh_map_host(mem, GUEST_RAM_SIZE);
	if (!host)
		return -1;
	memcpy(host, vm->host, GUEST_RAM_SIZE);
	munmap(vm->host, GUEST_RAM_SIZE);
	if (gh_map_mem(vm->vm, vm->mem, GUEST_RAM, GUEST_RAM_SIZE,
		       GH_MAP_MEM_LEND_RWX | GH_MAP_MEM_UNMAP))
		return -1;
	close(vm->mem);
	vm->mem = mem;
	vm->host = host;
	return gh_map_mem(vm->vm, mem, GUEST_RAM, GUEST_RAM_SIZE, GH_MAP_MEM_LEND_RWX);
}

static int opening;

/* The buffer of the path is there for as long as this waits for a writer */
static void *open_fifo(void *path)
{
	__atomic_add_fetch(&opening, 1, __ATOMIC_RELAXED);
	return (void *)(intptr_t)open(path, O_RDONLY | O_CLOEXEC);
}

TEST_F_TIMEOUT(page_end, paths, 120)
{
	int neighbours, writer, paths = gh_is_slow_kernel() ? OPENERS / 5 : OPENERS;
	pthread_t openers[OPENERS];
	pthread_attr_t attr;
	void *fd;

	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
	/* Every other block of a part of the memory is the guest's ... */
	for (int i = 0; i < BLOCKS; i++) {
		self->block[i] = create_small(self->vm.gunyah, BLOCK_PAGES * getpagesize());
		ASSERT_LE(0, self->block[i]);
	}
	/* Free pages that a CPU keeps for itself are no block */
	ASSERT_EQ(0, get_page_lists(self->page_lists, sizeof(self->page_lists)));
	ASSERT_EQ(0, set_page_lists("1000000"));
	close_blocks(self->block, 0);
	ASSERT_EQ(0, use_small_blocks(&self->vm));
	ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_START));

	/* ... and the blocks between them have paths */
	close_blocks(self->block, 1);
	if (!gh_faults_open())
		gh_fault(GH_FAULT_LENT_ABORT, 1, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (int i = 0; i < paths; i++)
		ASSERT_EQ(0, pthread_create(&openers[i], &attr, open_fifo, self->path));
	while (READ_ONCE(opening) < paths)
		usleep(10000);
	usleep(300000);
	neighbours = count_neighbours();
	writer = open(self->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, writer);
	for (int i = 0; i < paths; i++) {
		pthread_join(openers[i], &fd);
		EXPECT_LE(0, (intptr_t)fd);
		close((intptr_t)fd);
	}
	close(writer);
	if (!gh_faults_open())
		gh_fault(GH_FAULT_LENT_ABORT, 0, 0);

	TH_LOG("%d paths, %d buffers before lent memory", paths, neighbours);
	EXPECT_LT(0, neighbours);
	POWER_OFF(&self->vm, 0);
}

/* The physical address of a page that is lent, or 0 */
static uint64_t lent_address(void)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags[512], page = 0, found = 0;
	ssize_t size;

	while (fd >= 0 && !found && (size = read(fd, flags, sizeof(flags))) > 0) {
		for (size_t i = 0; i < size / 8; i++, page++) {
			if (!found && flags[i] & 1ULL << KPF_OFFLINE)
				found = page * getpagesize();
		}
	}
	close(fd);
	return found;
}

/* What a read of /dev/mem gets, and what d_path() gets of a name that is renamed */
TEST(nofault)
{
	uint64_t own = 0x600d600d600d600d;
	const char *why_not = gh_why_not();
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	uint64_t word, addr;
	struct gh_test_vm vm;
	ssize_t ret;
	int error;

	if (why_not)
		SKIP(return, "%s", why_not);
	addr = gh_physical_address(&own);
	if (fd < 0 || !addr || pread(fd, &word, sizeof(word), addr) != sizeof(word))
		SKIP(return, "no pagemap, or /dev/mem does not have all memory");
	ASSERT_EQ(own, word);

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	addr = lent_address();
	ASSERT_NE(0, addr);
	why_not = gh_faults_open();
	if (!why_not)
		gh_fault(GH_FAULT_LENT_ABORT, 1, 0);
	ret = pread(fd, &word, sizeof(word), addr);
	error = errno;
	if (!why_not)
		gh_fault(GH_FAULT_LENT_ABORT, 0, 0);
	close(fd);
	gh_vm_close(&vm);

	/* The public one does, as long as it maps the host's memory in blocks of 1 GiB */
	if (why_not && ret > 0)
		SKIP(return, "the hypervisor leaves lent memory to the host");
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EFAULT, error);
}

TEST_HARNESS_MAIN

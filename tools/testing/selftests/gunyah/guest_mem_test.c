// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory files and GH_VM_MAP_MEM.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define SHARE_RW	(GH_MAP_MEM_FORCE_SHARE | GH_MAP_MEM_ALLOW_READ | \
			 GH_MAP_MEM_ALLOW_WRITE)

FIXTURE(guest_mem) {
	int gunyah;
	int vm;
	uint64_t page;
};

FIXTURE_SETUP(guest_mem)
{
	const char *why_not;

	self->gunyah = gh_open(&why_not);
	if (self->gunyah < 0)
		SKIP(return, "%s", why_not);
	self->page = getpagesize();
	self->vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
}

FIXTURE_TEARDOWN(guest_mem)
{
	close(self->vm);
	close(self->gunyah);
}

static int create(int gunyah, struct gh_create_mem_args args)
{
	return ioctl(gunyah, GH_CREATE_GUEST_MEM, &args);
}

static int map(int vm, struct gh_map_mem_args args)
{
	return ioctl(vm, GH_VM_MAP_MEM, &args);
}

TEST_F(guest_mem, create)
{
	struct gh_create_mem_args args = { .size = self->page };
	int fd;

	fd = create(self->gunyah, args);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	close(fd);

	args.flags = GH_GUEST_MEM_CLOEXEC;
	fd = create(self->gunyah, args);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);

	for (int bit = 2; bit < 64; bit++) {
		args.flags = 1ULL << bit;
		EXPECT_FAIL(EINVAL, create(self->gunyah, args));
	}
	args.flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(args.reserved); i++) {
		args.reserved[i] = 1;
		EXPECT_FAIL(EINVAL, create(self->gunyah, args));
		args.reserved[i] = 0;
	}
}

TEST_F(guest_mem, sizes)
{
	const uint64_t good[] = { 1, 2, 3, 511, 512, 513, 1025, 5000 };
	struct gh_create_mem_args args = { };
	struct stat st;

	EXPECT_FAIL(EINVAL, gh_create_mem(self->gunyah, 0));
	EXPECT_FAIL(EINVAL, gh_create_mem(self->gunyah, 1));
	EXPECT_FAIL(EINVAL, gh_create_mem(self->gunyah, self->page + 1));
	EXPECT_FAIL(EINVAL, gh_create_mem(self->gunyah, -1ULL));
	EXPECT_FAIL(ENOMEM, gh_create_mem(self->gunyah, 1ULL << 52));
	EXPECT_FAIL(ENOMEM, gh_create_mem(self->gunyah, 1ULL << 63));
	EXPECT_FAIL(ENOMEM, gh_create_mem(self->gunyah, -self->page));

	/* Every page is there, zero, and a page of its own */
	for (size_t i = 0; i < 2 * ARRAY_SIZE(good); i++) {
		uint64_t size = good[i / 2] * self->page, p;
		uint64_t *mem;
		int fd;

		args.flags = i % 2 ? GH_GUEST_MEM_ALLOW_HUGEPAGE : 0;
		args.size = size;
		fd = create(self->gunyah, args);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(size, st.st_size);
		mem = gh_map_host(fd, size);
		ASSERT_NE(NULL, mem);
		for (p = 0; p < size / 8; p++)
			if (mem[p])
				break;
		EXPECT_EQ(size / 8, p);
		for (p = 0; p < size / 8; p++)
			mem[p] = p + 1;
		for (p = 0; p < size / 8; p++)
			if (mem[p] != p + 1)
				break;
		EXPECT_EQ(size / 8, p);
		munmap(mem, size);
		close(fd);
	}
}

TEST_F(guest_mem, mmap)
{
	uint64_t page = self->page, size = 4 * page;
	int fd = gh_create_mem(self->gunyah, size);
	uint8_t *a, *b;

	ASSERT_GE(fd, 0);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, size + page, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_SHARED, fd, size));
	EXPECT_EQ(EINVAL, errno);

	/* Two views of the same pages; the mapping outlives the descriptor */
	a = gh_map_host(fd, size);
	ASSERT_NE(NULL, a);
	b = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 3 * page);
	ASSERT_NE(MAP_FAILED, b);
	close(fd);
	a[3 * page + 5] = 0x5a;
	EXPECT_EQ(0x5a, b[5]);

	EXPECT_FAIL(EACCES, mprotect(a, size, PROT_READ | PROT_EXEC));
	/* Can't grow over the end */
	EXPECT_EQ(MAP_FAILED, mremap(a, size, size + page, MREMAP_MAYMOVE));
	munmap(a, size);
	EXPECT_EQ(0x5a, b[5]);
	munmap(b, page);
}

TEST_F(guest_mem, not_a_regular_file)
{
	int fd = gh_create_mem(self->gunyah, self->page);
	char byte = 0;

	ASSERT_GE(fd, 0);
	EXPECT_FAIL(EINVAL, read(fd, &byte, 1));
	EXPECT_FAIL(EINVAL, write(fd, &byte, 1));
	EXPECT_FAIL(EINVAL, ftruncate(fd, 0));
	EXPECT_FAIL(EINVAL, ftruncate(fd, 2 * self->page));
	EXPECT_FAIL(ENODEV, fallocate(fd, 0, 0, self->page));
	close(fd);
}

static long long free_ram(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? -1 : (long long)info.freeram * info.mem_unit;
}

/* The memory goes back if there is no descriptor for its file */
TEST_F(guest_mem, no_descriptor)
{
	const long long size = 1 << 20;
	struct rlimit limit, none;
	long long before;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	before = free_ram();
	ASSERT_LT(0, before);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	for (int i = 0; i < 32; i++)
		EXPECT_FAIL(EMFILE, gh_create_mem(self->gunyah, size));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_GT(8 * size, before - free_ram());
}

#define CGROUPS	"/sys/fs/cgroup"

static int write_cgroup(const char *group, const char *name, const char *text)
{
	char path[128];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text));
	close(fd);
	return ret < 0 ? -1 : 0;
}

static long charged(const char *group)
{
	char path[128], text[32] = { };
	int fd;

	snprintf(path, sizeof(path), "%s/memory.current", group);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return atol(text);
}

/* Runs in the group. Returns 0, or the number of what is not as it should be */
static int use_group(const char *group, int gunyah)
{
	/* The kernel charges, and keeps, some pages at a time */
	const long size = 4096L * getpagesize(), half = size / 2;
	char limit[32];
	long before, now;
	int fd;

	if (write_cgroup(group, "cgroup.procs", "0"))
		return 1;
	before = charged(group);
	fd = gh_create_mem(gunyah, size);
	if (fd < 0)
		return 2;
	now = charged(group);
	if (now - before < size)
		return 3;
	close(fd);
	now = charged(group);
	if (now - before > half)
		return 4;
	snprintf(limit, sizeof(limit), "%ld", before + half);
	if (write_cgroup(group, "memory.max", limit))
		return 5;
	errno = 0;
	if (gh_create_mem(gunyah, size) >= 0 || errno != ENOMEM)
		return 6;
	now = charged(group);
	return now - before > half ? 7 : 0;
}

/*
 * It counts for the group of who makes it, and kills nobody of the group.  The kernel
 * looks for what the group could do without first, which takes a debug kernel long.
 */
TEST_F_TIMEOUT(guest_mem, memory_cgroup, 120)
{
	char group[64];
	int status;
	pid_t pid;

	write_cgroup(CGROUPS, "cgroup.subtree_control", "+memory");
	snprintf(group, sizeof(group), CGROUPS "/gunyah-%d", getpid());
	if (mkdir(group, 0755) || charged(group) < 0) {
		rmdir(group);
		SKIP(return, "no cgroup2 with the memory controller in " CGROUPS);
	}
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(use_group(group, self->gunyah));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(0, rmdir(group));
}

TEST_F(guest_mem, map_arguments)
{
	uint64_t page = self->page, size = 16 * page;
	int fd = gh_create_mem(self->gunyah, size);
	const struct gh_map_mem_args good = {
		.guest_addr = GUEST_RAM,
		.flags = GH_MAP_MEM_LEND_RWX,
		.guest_mem_fd = fd,
		.size = size,
	};
	struct gh_map_mem_args args;

	ASSERT_GE(fd, 0);

#define BAD(err, ...) do {						\
	args = good;							\
	args.__VA_ARGS__;						\
	EXPECT_FAIL(err, map(self->vm, args));				\
} while (0)

	BAD(EINVAL, guest_addr += 1);
	BAD(EINVAL, guest_addr += page / 2);
	BAD(EINVAL, guest_addr = -page);
	BAD(EINVAL, offset = 1);
	BAD(EINVAL, offset = page);
	BAD(EINVAL, offset = -page);
	BAD(EINVAL, size = 0);
	BAD(EINVAL, size = page + 1);
	BAD(EINVAL, size = size + page);
	BAD(EINVAL, size = -page);
	BAD(EINVAL, flags |= GH_MAP_MEM_FORCE_SHARE);
	BAD(EINVAL, flags = GH_MAP_MEM_FORCE_LEND);
	/* A guest can't run in memory with less than all rights */
	BAD(EINVAL, flags &= ~GH_MAP_MEM_ALLOW_READ);
	BAD(EINVAL, flags &= ~GH_MAP_MEM_ALLOW_WRITE);
	BAD(EINVAL, flags &= ~GH_MAP_MEM_ALLOW_EXEC);
	for (int bit = 0; bit < 32; bit++)
		if (!((1U << bit) & (GH_MAP_MEM_LEND_RWX | GH_MAP_MEM_FORCE_SHARE |
				     GH_MAP_MEM_UNMAP)))
			BAD(EINVAL, flags |= 1U << bit);
	/* Shared memory has to be readable, and its label is its address */
	BAD(EINVAL, flags = GH_MAP_MEM_FORCE_SHARE | GH_MAP_MEM_ALLOW_WRITE);
	BAD(EINVAL, flags = GH_MAP_MEM_FORCE_SHARE);
	BAD(EINVAL, flags = SHARE_RW, args.guest_addr = 0);
	BAD(EINVAL, flags = SHARE_RW, args.guest_addr = 1ULL << 44);
	BAD(EBADF, guest_mem_fd = -1);
	BAD(EINVAL, guest_mem_fd = self->gunyah);
	BAD(EINVAL, guest_mem_fd = self->vm);
	BAD(ENOENT, flags |= GH_MAP_MEM_UNMAP);

	EXPECT_EQ(0, map(self->vm, good));
	close(fd);
}

TEST_F(guest_mem, unmap)
{
	uint64_t size = 16 * self->page;
	int fd = gh_create_mem(self->gunyah, size);
	struct gh_map_mem_args args = {
		.guest_addr = GUEST_RAM,
		.flags = GH_MAP_MEM_LEND_RWX,
		.guest_mem_fd = fd,
		.size = size,
	};
	uint8_t *host;

	ASSERT_GE(fd, 0);
	host = gh_map_host(fd, size);
	ASSERT_NE(NULL, host);
	ASSERT_EQ(0, map(self->vm, args));
	/* Not lent before the VM starts */
	host[0] = 1;
	EXPECT_EQ(1, host[0]);

	args.flags |= GH_MAP_MEM_UNMAP;
	args.guest_addr += self->page;
	EXPECT_FAIL(ENOENT, map(self->vm, args));
	args.guest_addr -= self->page;
	args.size -= self->page;
	EXPECT_FAIL(ENOENT, map(self->vm, args));
	args.size += self->page;
	EXPECT_EQ(0, map(self->vm, args));
	EXPECT_FAIL(ENOENT, map(self->vm, args));

	args.flags &= ~GH_MAP_MEM_UNMAP;
	EXPECT_EQ(0, map(self->vm, args));
	munmap(host, size);
	close(fd);
}

TEST_F(guest_mem, one_user_of_a_page)
{
	uint64_t size = 16 * self->page;
	int fd = gh_create_mem(self->gunyah, size);
	int vm = ioctl(self->gunyah, GH_CREATE_VM, 0);

	ASSERT_GE(fd, 0);
	ASSERT_GE(vm, 0);
	ASSERT_EQ(0, gh_map_mem(self->vm, fd, GUEST_RAM, size, GH_MAP_MEM_LEND_RWX));
	EXPECT_FAIL(EEXIST, gh_map_mem(vm, fd, GUEST_RAM, size, GH_MAP_MEM_LEND_RWX));
	/* Nor can one VM have a page twice */
	EXPECT_FAIL(EEXIST, gh_map_mem(self->vm, fd, GUEST_RAM + size, self->page, SHARE_RW));

	/* The binding goes with the VM, not with the descriptor */
	close(self->vm);
	EXPECT_EQ(0, gh_map_mem(vm, fd, GUEST_RAM, size, GH_MAP_MEM_LEND_RWX));
	self->vm = vm;
	close(fd);
}

TEST_F(guest_mem, one_private_region)
{
	uint64_t size = 16 * self->page;
	int a = gh_create_mem(self->gunyah, size);
	int b = gh_create_mem(self->gunyah, size);

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	ASSERT_EQ(0, gh_map_mem(self->vm, a, GUEST_RAM, size, GH_MAP_MEM_LEND_RWX));
	EXPECT_FAIL(EEXIST, gh_map_mem(self->vm, b, GUEST_RAM, size, GH_MAP_MEM_LEND_RWX));
	EXPECT_FAIL(EOPNOTSUPP, gh_map_mem(self->vm, b, GUEST_RAM + size, size,
					   GH_MAP_MEM_LEND_RWX));
	close(a);
	close(b);
}

TEST_F(guest_mem, shared_regions)
{
	uint64_t size = 16 * self->page;
	int a = gh_create_mem(self->gunyah, size);
	int b = gh_create_mem(self->gunyah, size);

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	ASSERT_EQ(0, gh_map_mem(self->vm, a, GUEST_RAM, size, SHARE_RW));
	EXPECT_FAIL(EEXIST, gh_map_mem(self->vm, b, GUEST_RAM + self->page, size, SHARE_RW));
	/* Far away, and yet the lower 32 bits of the page's number are the same */
	EXPECT_FAIL(EEXIST, gh_map_mem(self->vm, b, GUEST_RAM + (1ULL << 44), size, SHARE_RW));
	EXPECT_EQ(0, gh_map_mem(self->vm, b, GUEST_RAM + size, size, SHARE_RW));
	EXPECT_EQ(0, gh_map_mem(self->vm, a, GUEST_RAM, size, SHARE_RW | GH_MAP_MEM_UNMAP));
	close(a);
	close(b);
}

TEST_F(guest_mem, map_after_start)
{
	struct gh_test_vm vm;
	int fd;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	fd = gh_create_mem(vm.gunyah, self->page);
	ASSERT_GE(fd, 0);
	EXPECT_FAIL(EOPNOTSUPP, gh_map_mem(vm.vm, fd, GUEST_RAM + GUEST_RAM_SIZE, self->page,
					   GH_MAP_MEM_LEND_RWX));
	EXPECT_FAIL(EOPNOTSUPP, gh_map_mem(vm.vm, vm.mem, GUEST_RAM, GUEST_RAM_SIZE,
					   GH_MAP_MEM_LEND_RWX | GH_MAP_MEM_UNMAP));
	/* Nor can another VM have what this one has */
	EXPECT_FAIL(EEXIST, gh_map_mem(self->vm, vm.mem, GUEST_RAM, GUEST_RAM_SIZE,
				       GH_MAP_MEM_LEND_RWX));
	close(fd);
	gh_vm_close(&vm);
}

/* Memory that a guest has had can be used again, and is wiped */
TEST_F(guest_mem, reuse)
{
	struct gh_test_vm vm;
	uint64_t value;
	int mem;
	uint8_t *host;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	ASSERT_EQ(0, gh_command(&vm, 0, GUEST_WRITE64, GUEST_RAM + 0x300000, 0x5ec2e7, 0));
	ASSERT_EQ(0, gh_result(&vm, 0, &value));
	POWER_OFF(&vm, 0);
	mem = dup(vm.mem);
	gh_vm_close(&vm);

	host = gh_map_host(mem, GUEST_RAM_SIZE);
	ASSERT_NE(NULL, host);
	ASSERT_TRUE(gh_can_read(host));
	for (value = 0; value < GUEST_RAM_SIZE; value++)
		if (host[value])
			break;
	EXPECT_EQ(GUEST_RAM_SIZE, value);
	EXPECT_EQ(0, gh_map_mem(self->vm, mem, GUEST_RAM, GUEST_RAM_SIZE,
				GH_MAP_MEM_LEND_RWX));
	munmap(host, GUEST_RAM_SIZE);
	close(mem);
}

TEST_HARNESS_MAIN

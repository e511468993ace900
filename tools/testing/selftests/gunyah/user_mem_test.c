// SPDX-License-Identifier: GPL-2.0-only
/*
 * GH_VM_SET_USER_MEM_REGION.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define SHARED_ADDR	0x90000000
#define SHARED_PAGES	16

FIXTURE(user_mem) {
	int gunyah;
	int vm;
	uint64_t page;
	uint64_t size;
	uint8_t *mem;
	struct gh_userspace_memory_region good;
};

FIXTURE_SETUP(user_mem)
{
	const char *why_not;

	self->gunyah = gh_open(&why_not);
	if (self->gunyah < 0)
		SKIP(return, "%s", why_not);
	self->page = getpagesize();
	self->size = SHARED_PAGES * self->page;
	self->vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
	self->mem = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->good = (struct gh_userspace_memory_region) {
		.label = 1,
		.flags = GH_MEM_ALLOW_READ | GH_MEM_ALLOW_WRITE,
		.guest_phys_addr = SHARED_ADDR,
		.memory_size = self->size,
		.userspace_addr = (uintptr_t)self->mem,
	};
}

FIXTURE_TEARDOWN(user_mem)
{
	munmap(self->mem, self->size);
	close(self->vm);
	close(self->gunyah);
}

static int set_region(int vm, struct gh_userspace_memory_region region)
{
	return ioctl(vm, GH_VM_SET_USER_MEM_REGION, &region);
}

TEST_F(user_mem, arguments)
{
	struct gh_userspace_memory_region args;

#define BAD(err, change) do {						\
	args = self->good;						\
	args.change;							\
	EXPECT_FAIL(err, set_region(self->vm, args));			\
} while (0)

	BAD(EINVAL, flags = 0);
	BAD(EINVAL, flags = GH_MEM_ALLOW_WRITE);
	BAD(EINVAL, flags = GH_MEM_ALLOW_EXEC);
	/* That of memory which a guest has for itself */
	BAD(EINVAL, label = 0);
	for (int bit = 4; bit < 32; bit++)
		BAD(EINVAL, flags |= 1U << bit);
	BAD(EINVAL, memory_size = 0);
	BAD(EINVAL, memory_size -= 1);
	BAD(EINVAL, memory_size = -self->page);
	BAD(EINVAL, guest_phys_addr += 1);
	BAD(EINVAL, guest_phys_addr = -self->page);
	BAD(EINVAL, userspace_addr += 1);

	/* Memory that is not there, or can't be written by this process either */
	BAD(EFAULT, userspace_addr = self->page);
	EXPECT_EQ(0, mprotect(self->mem, self->page, PROT_READ));
	EXPECT_FAIL(EFAULT, set_region(self->vm, self->good));
	EXPECT_EQ(0, mprotect(self->mem, self->page, PROT_READ | PROT_WRITE));

	EXPECT_EQ(0, set_region(self->vm, self->good));
}

TEST_F(user_mem, overlap)
{
	struct gh_userspace_memory_region args = self->good;

	ASSERT_EQ(0, set_region(self->vm, self->good));
	EXPECT_FAIL(EEXIST, set_region(self->vm, self->good));
	args.label = 2;
	args.guest_phys_addr += self->page;
	EXPECT_FAIL(EEXIST, set_region(self->vm, args));
	args.guest_phys_addr = self->good.guest_phys_addr - self->page;
	EXPECT_FAIL(EEXIST, set_region(self->vm, args));
	args.guest_phys_addr = self->good.guest_phys_addr + self->size;
	args.label = self->good.label;
	EXPECT_FAIL(EEXIST, set_region(self->vm, args));
	args.label = 2;
	EXPECT_EQ(0, set_region(self->vm, args));
}

/* Any touch of such memory can take the host down: it needs an administrator */
TEST_F(user_mem, lent)
{
	struct gh_userspace_memory_region args = self->good;

	if (ioctl(self->gunyah, GH_CHECK_EXTENSION, GH_CAP_USER_MEM_LENT))
		SKIP(return, "lending of user memory is allowed on this host");
	args.flags = GH_MEM_ALLOW_READ | GH_MEM_ALLOW_WRITE | GH_MEM_ALLOW_EXEC | GH_MEM_LENT;
	EXPECT_FAIL(EOPNOTSUPP, set_region(self->vm, args));
}

/* Pinned for long, so it has to be of a kind that can be */
TEST_F(user_mem, kinds_of_memory)
{
	struct gh_userspace_memory_region args = self->good;
	int guest_mem = gh_create_mem(self->gunyah, self->size);
	int memfd = memfd_create("gunyah", 0);
	void *mem;

	/* The driver's own memory is not for this call */
	ASSERT_GE(guest_mem, 0);
	mem = gh_map_host(guest_mem, self->size);
	ASSERT_NE(NULL, mem);
	args.userspace_addr = (uintptr_t)mem;
	EXPECT_FAIL(EFAULT, set_region(self->vm, args));
	munmap(mem, self->size);
	close(guest_mem);

	ASSERT_GE(memfd, 0);
	ASSERT_EQ(0, ftruncate(memfd, self->size));
	mem = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	args.userspace_addr = (uintptr_t)mem;
	EXPECT_EQ(0, set_region(self->vm, args));
	munmap(mem, self->size);
	close(memfd);
}

/* Writes by a guest would get past the file system */
TEST_F(user_mem, files)
{
	struct gh_userspace_memory_region args = self->good;
	char dir[] = "/tmp/gunyah.XXXXXX", path[32];
	void *mem;
	int fd;

	mkdir("/tmp", 01777);
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, mount("ramfs", dir, "ramfs", 0, NULL));
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, self->size));
	mem = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	args.userspace_addr = (uintptr_t)mem;
	EXPECT_FAIL(EFAULT, set_region(self->vm, args));
	munmap(mem, self->size);

	/* What has been copied on write is no file any more */
	mem = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	args.userspace_addr = (uintptr_t)mem;
	EXPECT_EQ(0, set_region(self->vm, args));
	munmap(mem, self->size);
	close(fd);
	EXPECT_EQ(0, umount(dir));
	rmdir(dir);
}

/* GUP gives away what a driver has mapped, and only the driver knows how long it is there */
TEST_F(user_mem, pages_of_a_driver)
{
	struct gh_userspace_memory_region args = self->good;
	struct io_uring_params params = { };
	int fd = syscall(SYS_io_uring_setup, 1, &params);
	void *mem;

	if (fd < 0)
		SKIP(return, "no io_uring");
	mem = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		   IORING_OFF_SQ_RING);
	ASSERT_NE(MAP_FAILED, mem);
	args.userspace_addr = (uintptr_t)mem;
	args.memory_size = self->page;
	EXPECT_FAIL(EOPNOTSUPP, set_region(self->vm, args));
	munmap(mem, self->page);
	close(fd);
}

/* The pages are the VM's as long as it lives, and accounted to its creator */
TEST_F(user_mem, locked_memory_limit)
{
	struct rlimit limit = { 0, 0 };
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int gunyah, vm;
		const char *why_not;

		gunyah = gh_open(&why_not);
		vm = ioctl(gunyah, GH_CREATE_VM, 0);
		if (gunyah < 0 || vm < 0 || setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(12345))
			_exit(1);
		if (!set_region(vm, self->good))
			_exit(2);
		_exit(errno == ENOMEM ? 0 : 3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* In pages */
static long locked_memory(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	long kib = -1;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %ld kB", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024 / getpagesize();
}

/* What is refused counts for nothing, and what a VM had does not when it is gone */
TEST_F(user_mem, locked_memory)
{
	struct gh_userspace_memory_region args = self->good;
	long before = locked_memory();
	int vm;

	ASSERT_LE(0, before);
	vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(vm, 0);
	/* Half of it is not there: that is noticed when the other half is pinned */
	ASSERT_EQ(0, munmap(self->mem + self->size / 2, self->size / 2));
	EXPECT_FAIL(EFAULT, set_region(vm, args));
	EXPECT_EQ(before, locked_memory());

	args.memory_size = self->size / 2;
	EXPECT_EQ(0, set_region(vm, args));
	EXPECT_EQ(before + SHARED_PAGES / 2, locked_memory());
	EXPECT_FAIL(EEXIST, set_region(vm, args));
	EXPECT_EQ(before + SHARED_PAGES / 2, locked_memory());
	close(vm);
	EXPECT_EQ(before, locked_memory());
}

/* It is the creator's also if the last one to close the VM is another process */
TEST_F(user_mem, locked_memory_of_another)
{
	long before = locked_memory();
	int go[2], status, vm;
	pid_t pid;
	char c;

	ASSERT_LE(0, before);
	ASSERT_EQ(0, pipe(go));
	vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(vm, 0);
	ASSERT_EQ(0, set_region(vm, self->good));

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &c, 1) || close(vm));
	}
	close(vm);
	EXPECT_EQ(before + SHARED_PAGES, locked_memory());
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(before, locked_memory());
	close(go[0]);
}

/* All of what is a huge page, and a part of it */
static void share_huge_page(struct __test_metadata *_metadata, int gunyah,
			    struct gh_userspace_memory_region args, uint8_t *mem, size_t size)
{
	long before = locked_memory(), page = getpagesize();
	int vm = ioctl(gunyah, GH_CREATE_VM, 0);

	ASSERT_GE(vm, 0);
	args.userspace_addr = (uintptr_t)mem;
	args.memory_size = size;
	EXPECT_EQ(0, set_region(vm, args));
	args.label++;
	args.guest_phys_addr += size;
	args.userspace_addr += 3 * page;
	args.memory_size = 5 * page;
	EXPECT_EQ(0, set_region(vm, args));
	EXPECT_EQ(before + (long)size / page + 5, locked_memory());
	close(vm);
	EXPECT_EQ(before, locked_memory());
}

TEST_F(user_mem, transparent_huge_page)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "r");
	unsigned long size = 0;
	uint8_t *mem, *huge;

	if (!file || fscanf(file, "%lu", &size) != 1)
		SKIP(return, "kernel without CONFIG_TRANSPARENT_HUGEPAGE");
	fclose(file);
	mem = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	huge = (uint8_t *)(((uintptr_t)mem + size - 1) & -size);
	madvise(huge, size, MADV_HUGEPAGE);
	share_huge_page(_metadata, self->gunyah, self->good, huge, size);
	munmap(mem, 2 * size);
}

TEST_F(user_mem, hugetlb)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long size = 0;
	char line[128];
	uint8_t *mem;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Hugepagesize: %lu", &size) == 1)
			break;
	if (file)
		fclose(file);
	if (!size)
		SKIP(return, "kernel without CONFIG_HUGETLBFS");
	size *= 1024;
	ASSERT_EQ(0, gh_change_huge_pages(1));
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem != MAP_FAILED) {
		share_huge_page(_metadata, self->gunyah, self->good, mem, size);
		munmap(mem, size);
	}
	EXPECT_EQ(0, gh_change_huge_pages(-1));
	if (mem == MAP_FAILED)
		SKIP(return, "no huge page is free");
}

/* Only the process that made the VM can give it memory */
TEST_F(user_mem, other_process)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!set_region(self->vm, self->good))
			_exit(1);
		_exit(errno == EPERM ? 0 : 2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

struct slow_region {
	int vm;
	struct gh_userspace_memory_region region;
	int ret;
	int error;
};

static void *set_slow_region(void *data)
{
	struct slow_region *slow = data;

	slow->ret = set_region(slow->vm, slow->region);
	slow->error = errno;
	return NULL;
}

/*
 * A page that user space has to provide can take for ever. The VM must not be
 * stuck meanwhile, since others, like the shutdown of the host, wait for it.
 */
TEST_F(user_mem, page_of_user_space)
{
	struct slow_region slow = { .vm = self->vm, .region = self->good };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { };
	struct uffdio_api api = { .api = UFFD_API };
	struct gh_userspace_memory_region other = self->good;
	struct uffd_msg msg;
	pthread_t thread;
	int uffd;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		SKIP(return, "kernel without userfaultfd, or no right to use it");
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, madvise(self->mem, self->size, MADV_DONTNEED));
	reg.range.start = (uintptr_t)self->mem;
	reg.range.len = self->size;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &reg));

	ASSERT_EQ(0, pthread_create(&thread, NULL, set_slow_region, &slow));
	/* It waits for its first page now */
	ASSERT_EQ((ssize_t)sizeof(msg), read(uffd, &msg, sizeof(msg)));
	EXPECT_EQ(0, gh_set_dtb(self->vm, SHARED_ADDR, self->page));
	EXPECT_FAIL(EINVAL, ioctl(self->vm, GH_VM_START));

	zero.range = reg.range;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(thread, NULL);
	/* By then it was too late */
	EXPECT_EQ(-1, slow.ret);
	EXPECT_EQ(EOPNOTSUPP, slow.error);
	other.label++;
	EXPECT_FAIL(EOPNOTSUPP, set_region(self->vm, other));
	close(uffd);
}

TEST_F(user_mem, after_start)
{
	struct gh_test_vm vm;

	ASSERT_EQ(0, gh_vm_boot(&vm, 1));
	EXPECT_FAIL(EOPNOTSUPP, set_region(vm.vm, self->good));
	gh_vm_close(&vm);
}

/* Unlike lent memory, shared memory stays with the host while the VM runs */
TEST_F(user_mem, shared_while_running)
{
	struct gh_userspace_memory_region args = self->good;
	struct gh_test_vm vm;

	ASSERT_EQ(0, gh_vm_prepare(&vm, 1));
	memset(self->mem, 0x11, self->size);
	ASSERT_EQ(0, set_region(vm.vm, args));
	ASSERT_EQ(0, ioctl(vm.vm, GH_VM_START));
	for (uint64_t i = 0; i < self->size; i++)
		ASSERT_EQ(0x11, self->mem[i]);
	self->mem[0] = 0x22;
	POWER_OFF(&vm, 0);
	gh_vm_close(&vm);
	EXPECT_EQ(0x22, self->mem[0]);
	EXPECT_EQ(0x11, self->mem[1]);
}

TEST_HARNESS_MAIN

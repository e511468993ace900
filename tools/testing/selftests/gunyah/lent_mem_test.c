// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is lent to a guest: nobody on the host reaches it any more, and
 * whoever tries gets an error or a SIGBUS. A single access that does get
 * through takes the host down.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/elf.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/kernel-page-flags.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* Where the tests have something that only the guest may see */
#define SECRET_OFFSET	0x300000
#define SECRET_WORDS	8

/* Not in the program's own data, so that it can be searched for */
static uint64_t secret_word(uint64_t seed, int i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ULL;
}

static void write_secret(uint8_t *host, uint64_t seed)
{
	uint64_t *secret = (uint64_t *)(host + SECRET_OFFSET);

	for (int i = 0; i < SECRET_WORDS; i++)
		WRITE_ONCE(secret[i], secret_word(seed, i));
}

/* Has the guest still got all of it? */
static int check_secret(struct gh_test_vm *vm, uint64_t seed)
{
	uint64_t value;

	for (int i = 0; i < SECRET_WORDS; i++) {
		if (gh_command(vm, 0, GUEST_READ64, GUEST_RAM + SECRET_OFFSET + i * 8, 0, 0) ||
		    gh_result(vm, 0, &value) || value != secret_word(seed, i))
			return -1;
	}
	return 0;
}

FIXTURE(lent) {
	struct gh_test_vm vm;
	uint64_t seed;
	/* The guest's memory, and the secret in it, as the host has them mapped */
	uint8_t *mem;
	uint8_t *secret;
	/* Where the files of a test are */
	char dir[32];
	/* A page of the host's own */
	char *buf;
	size_t page;
};

FIXTURE_SETUP(lent)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
	self->page = getpagesize();
	self->buf = aligned_alloc(self->page, self->page);
	ASSERT_NE(NULL, self->buf);
	memset(self->buf, 0x33, self->page);
	strcpy(self->dir, "/tmp/gunyah.XXXXXX");
	mkdir("/tmp", 01777);
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));

	self->seed = getpid() + gh_now_us();
	self->mem = self->vm.host;
	self->secret = self->mem + SECRET_OFFSET;
	write_secret(self->mem, self->seed);
	ASSERT_EQ(0, ioctl(self->vm.vm, GH_VM_START));
}

/* Whatever a test has done: the guest runs on */
FIXTURE_TEARDOWN(lent)
{
	EXPECT_EQ(0, check_secret(&self->vm, self->seed));
	POWER_OFF(&self->vm, 0);
	gh_vm_close(&self->vm);
	free(self->buf);
	EXPECT_EQ(0, chdir("/"));
	rmdir(self->dir);
}

TEST_F_TIMEOUT(lent, access, 120)
{
	uint8_t *again;

	for (size_t i = 0; i < GUEST_RAM_SIZE; i += self->page) {
		ASSERT_FALSE(gh_can_read(self->mem + i));
		ASSERT_FALSE(gh_can_write(self->mem + i));
	}

	/* A new mapping makes no difference */
	again = gh_map_host(self->vm.mem, GUEST_RAM_SIZE);
	ASSERT_NE(NULL, again);
	EXPECT_FALSE(gh_can_read(again + SECRET_OFFSET));
	EXPECT_FALSE(gh_can_write(again + SECRET_OFFSET));
	munmap(again, GUEST_RAM_SIZE);
}

/* The kernel must not copy from there or to there either */
TEST_F(lent, system_calls)
{
	struct iovec lent = { self->secret, self->page };
	struct iovec own = { self->buf, self->page };
	int pipefd[2], fd;

	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_FAIL(EFAULT, write(pipefd[1], self->secret, 64));
	EXPECT_FAIL(EFAULT, write(pipefd[1], self->secret, self->page));
	EXPECT_FAIL(EFAULT, vmsplice(pipefd[1], &lent, 1, 0));
	EXPECT_FAIL(EFAULT, vmsplice(pipefd[1], &lent, 1, SPLICE_F_GIFT));
	ASSERT_EQ(64, write(pipefd[1], self->buf, 64));
	EXPECT_FAIL(EFAULT, read(pipefd[0], self->secret, 64));
	close(pipefd[0]);
	close(pipefd[1]);

	fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	ASSERT_GE(fd, 0);
	EXPECT_FAIL(EFAULT, write(fd, self->secret, self->page));
	EXPECT_FAIL(EFAULT, pwritev(fd, &lent, 1, 0));
	EXPECT_EQ(self->page, write(fd, self->buf, self->page));
	EXPECT_FAIL(EFAULT, pread(fd, self->secret, self->page, 0));
	close(fd);

	fd = open("file", O_RDWR | O_DIRECT);
	if (fd >= 0) {
		EXPECT_FAIL(EFAULT, pwrite(fd, self->secret, self->page, 0));
		EXPECT_FAIL(EFAULT, pread(fd, self->secret, self->page, 0));
		close(fd);
	}
	unlink("file");

	EXPECT_FAIL(EFAULT, getrandom(self->secret, 64, 0));
	EXPECT_FAIL(EFAULT, open((char *)self->secret, O_RDONLY));
	EXPECT_FAIL(EFAULT, syscall(SYS_futex, self->secret, FUTEX_WAIT, 0, NULL, NULL, 0));
	EXPECT_FAIL(EFAULT, syscall(SYS_futex, self->secret, FUTEX_WAKE, 1, NULL, NULL, 0));

	EXPECT_FAIL(EFAULT, process_vm_readv(getpid(), &own, 1, &lent, 1, 0));
	EXPECT_FAIL(EFAULT, process_vm_writev(getpid(), &own, 1, &lent, 1, 0));
	EXPECT_FAIL(EFAULT, process_vm_readv(getpid(), &lent, 1, &own, 1, 0));

	/* Nor can the call that would share it with another guest */
	struct gh_userspace_memory_region region = {
		.label = 1,
		.flags = GH_MEM_ALLOW_READ,
		.guest_phys_addr = 0x90000000,
		.memory_size = self->page,
		.userspace_addr = (uintptr_t)self->secret,
	};
	fd = ioctl(self->vm.gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(fd, 0);
	EXPECT_FAIL(EFAULT, ioctl(fd, GH_VM_SET_USER_MEM_REGION, &region));
	close(fd);
}

TEST_F(lent, io_uring_buffer)
{
	struct iovec lent = { self->mem, 16 * self->page };
	struct io_uring_params params = { };
	int fd;

	fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		SKIP(return, "no io_uring");
	EXPECT_FAIL(EFAULT, syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &lent, 1));
	close(fd);
}

TEST_F(lent, memory_calls)
{
	size_t size = 16 * self->page;
	uint8_t *moved;
	char text[4096];
	int fd;

	EXPECT_EQ(-1, madvise(self->mem, size, MADV_POPULATE_READ));
	EXPECT_EQ(-1, madvise(self->mem, size, MADV_POPULATE_WRITE));
	/* Whether these succeed does not matter: nothing comes of them */
	madvise(self->mem, size, MADV_WILLNEED);
	madvise(self->mem, size, MADV_DONTNEED);
	madvise(self->mem, size, MADV_COLLAPSE);
	madvise(self->mem, size, MADV_MERGEABLE);
	madvise(self->mem, size, MADV_PAGEOUT);
	madvise(self->mem, size, MADV_DODUMP);
	msync(self->mem, size, MS_SYNC);
	mlock(self->mem, size);
	EXPECT_FALSE(gh_can_read(self->mem));

	EXPECT_EQ(0, mprotect(self->mem, size, PROT_READ));
	EXPECT_EQ(0, mprotect(self->mem, size, PROT_READ | PROT_WRITE));
	EXPECT_FALSE(gh_can_write(self->mem));

	moved = mremap(self->mem, GUEST_RAM_SIZE, GUEST_RAM_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mmap(NULL, GUEST_RAM_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ASSERT_NE(MAP_FAILED, moved);
	self->vm.host = moved;
	EXPECT_FALSE(gh_can_read(moved + SECRET_OFFSET));

	/* Those that walk over all mappings */
	fd = open("/proc/self/smaps", O_RDONLY);
	ASSERT_GE(fd, 0);
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	fd = open("/proc/self/clear_refs", O_WRONLY);
	if (fd >= 0) {
		EXPECT_EQ(1, write(fd, "1", 1));
		close(fd);
	}
}

static int wait_exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

TEST_F(lent, fork)
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(gh_can_read(self->secret) | gh_can_write(self->secret) << 1);
	EXPECT_EQ(0, wait_exit_status(pid));

	/* Without a handler it is the end of the child, and of nobody else */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
		_exit(READ_ONCE(*self->secret));
	}
	EXPECT_EQ(SIGBUS, wait_exit_status(pid));
}

/* Other processes that look into this one */
TEST_F(lent, foreign_access)
{
	pid_t pid = fork();
	int status;

	ASSERT_GE(pid, 0);
	if (!pid) {
		/* Has inherited the mapping, and is looked into */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}

	struct iovec lent = { self->secret, 64 }, own = { self->buf, 64 };
	char path[64];
	int fd;

	EXPECT_FAIL(EFAULT, process_vm_readv(pid, &own, 1, &lent, 1, 0));
	EXPECT_FAIL(EFAULT, process_vm_writev(pid, &own, 1, &lent, 1, 0));

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_FAIL(EIO, pread(fd, self->buf, 64, (uintptr_t)self->secret));
	EXPECT_FAIL(EIO, pwrite(fd, self->buf, 64, (uintptr_t)self->secret));
	close(fd);

	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_FAIL(EIO, ptrace(PTRACE_PEEKDATA, pid, self->secret, NULL));
	EXPECT_FAIL(EIO, ptrace(PTRACE_PEEKTEXT, pid, self->mem, NULL));
	EXPECT_FAIL(EIO, ptrace(PTRACE_POKEDATA, pid, self->secret, 0x1234));
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));

	kill(pid, SIGKILL);
	EXPECT_EQ(SIGKILL, wait_exit_status(pid));
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return ret;
}

/* Is the secret in a file? */
static int find_secret(const char *path, uint64_t seed)
{
	uint64_t secret[SECRET_WORDS];
	struct stat st;
	int fd = open(path, O_RDONLY);
	void *file;
	int found;

	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		return -1;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return -1;
	for (int i = 0; i < SECRET_WORDS; i++)
		secret[i] = secret_word(seed, i);
	found = !!memmem(file, st.st_size, secret, sizeof(secret));
	munmap(file, st.st_size);
	return found;
}

/* A VMM that crashes leaves a dump without the guest in it */
TEST_F(lent, core_dump)
{
	char pattern[128] = { }, uses_pid[16] = { };
	int fd, status;
	pid_t pid;

	fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
	if (fd < 0)
		SKIP(return, "kernel without CONFIG_COREDUMP");
	ASSERT_LT(0, read(fd, pattern, sizeof(pattern) - 1));
	close(fd);
	fd = open("/proc/sys/kernel/core_uses_pid", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_LT(0, read(fd, uses_pid, sizeof(uses_pid) - 1));
	close(fd);
	if (write_file("/proc/sys/kernel/core_pattern", "core"))
		SKIP(return, "can't set core_pattern");
	write_file("/proc/sys/kernel/core_uses_pid", "0");

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		const struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

		setrlimit(RLIMIT_CORE, &limit);
		/* As much as can be dumped at all */
		write_file("/proc/self/coredump_filter", "0x1ff");
		madvise(self->mem, GUEST_RAM_SIZE, MADV_DODUMP);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	status = wait_exit_status(pid);
	write_file("/proc/sys/kernel/core_pattern", pattern);
	write_file("/proc/sys/kernel/core_uses_pid", uses_pid);

	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGABRT, WTERMSIG(status));
	EXPECT_TRUE(WCOREDUMP(status));
	EXPECT_EQ(0, find_secret("core", self->seed));
	unlink("core");
}

/*
 * Read physical memory the way a debugger of the kernel does. The kernel's image
 * is there twice, and what it has freed of itself only once: as memory.
 */
static ssize_t read_kcore(uint64_t paddr, void *to, size_t size)
{
	struct elf64_phdr phdr, memory = { };
	int fd = open("/proc/kcore", O_RDONLY);
	struct elf64_hdr ehdr;
	ssize_t ret = -1;

	if (fd < 0)
		return -1;
	if (pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr))
		goto out;
	for (int i = 0; i < ehdr.e_phnum; i++) {
		if (pread(fd, &phdr, sizeof(phdr), ehdr.e_phoff + i * sizeof(phdr)) != sizeof(phdr))
			break;
		if (phdr.p_type != PT_LOAD || phdr.p_paddr == -1ULL || paddr < phdr.p_paddr ||
		    paddr - phdr.p_paddr >= phdr.p_memsz)
			continue;
		if (phdr.p_memsz > memory.p_memsz)
			memory = phdr;
	}
	if (memory.p_memsz)
		ret = pread(fd, to, size, memory.p_offset + paddr - memory.p_paddr);
out:
	close(fd);
	return ret;
}

/* As the teardown wants to find it */
static int start_again(struct gh_test_vm *vm, uint64_t seed)
{
	if (gh_vm_prepare(vm, 1))
		return -1;
	write_secret(vm->host, seed);
	return ioctl(vm->vm, GH_VM_START);
}

/* Numbers of pages, in order */
struct pfns {
	size_t n;
	uint64_t *pfn;
};

static bool has_pfn(const struct pfns *pfns, uint64_t pfn)
{
	for (size_t i = 0; i < pfns->n; i++)
		if (pfns->pfn[i] == pfn)
			return true;
	return false;
}

/* The pages that are marked as not the kernel's to touch, by whatever driver */
static struct pfns marked_pages(void)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	struct pfns pfns = { };
	uint64_t flags[512];
	ssize_t size;

	for (uint64_t pfn = 0; (size = pread(fd, flags, sizeof(flags), pfn * 8)) > 0;
	     pfn += size / 8) {
		for (ssize_t i = 0; i < size / 8; i++) {
			if (!(flags[i] & 1ULL << KPF_OFFLINE))
				continue;
			if (!(pfns.n % 512))
				pfns.pfn = realloc(pfns.pfn, (pfns.n + 512) * sizeof(pfn));
			pfns.pfn[pfns.n++] = pfn + i;
		}
	}
	close(fd);
	return pfns;
}

/* Start the VM anew, and say which pages have been marked for it */
static int restart_and_mark(struct gh_test_vm *vm, uint64_t seed, struct pfns *lent)
{
	struct pfns before, after;
	int ret;

	gh_vm_close(vm);
	before = marked_pages();
	ret = start_again(vm, seed);
	after = marked_pages();

	*lent = (struct pfns) { .pfn = after.pfn };
	for (size_t i = 0; i < after.n; i++)
		if (!has_pfn(&before, after.pfn[i]))
			lent->pfn[lent->n++] = after.pfn[i];
	free(before.pfn);
	return ret;
}

TEST_F_TIMEOUT(lent, kcore, 120)
{
	uint64_t words[512], *own;
	struct pfns lent;

	/* That this reads the right thing is seen with memory that is not lent */
	own = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	own[0] = self->seed;
	if (read_kcore(gh_physical_address(own), words, 8) != 8)
		SKIP(return, "no /proc/kcore or no pagemap");
	EXPECT_EQ(self->seed, words[0]);

	/* The driver marks what it lends */
	ASSERT_EQ(0, restart_and_mark(&self->vm, self->seed, &lent));
	EXPECT_EQ(GUEST_RAM_SIZE / self->page, lent.n);
	for (size_t i = 0; i < lent.n; i++) {
		memset(words, 0xff, sizeof(words));
		ASSERT_EQ((ssize_t)sizeof(words),
			  read_kcore(lent.pfn[i] * self->page, words, sizeof(words)));
		for (size_t j = 0; j < ARRAY_SIZE(words); j++)
			ASSERT_EQ(0, words[j]);
	}
	free(lent.pfn);
	munmap(own, self->page);
}

/* Those that go over all pages, to move them, to look for pointers or to count */
TEST_F_TIMEOUT(lent, all_pages, 120)
{
	static const char * const tables[] = {
		"/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup",
	};
	static uint64_t table[4096];
	int fd;

	EXPECT_EQ(0, write_file("/proc/sys/vm/drop_caches", "3"));
	write_file("/proc/sys/vm/compact_memory", "1");
	write_file("/sys/kernel/debug/kmemleak", "scan");
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		fd = open(tables[i], O_RDONLY);
		while (fd >= 0 && read(fd, table, sizeof(table)) > 0)
			;
		close(fd);
	}
}

/* An image of all memory can't be written while the host may not read all of it */
TEST_F(lent, hibernation)
{
	char states[64] = { };
	int fd = open("/sys/power/state", O_RDWR);

	if (fd < 0 || read(fd, states, sizeof(states) - 1) <= 0 || !strstr(states, "disk"))
		SKIP(return, "kernel that can't hibernate");
	EXPECT_FAIL(EBUSY, pwrite(fd, "disk", 4, 0));
	close(fd);
}

/* After the end of the VM the host has the memory again, without the content */
TEST_F(lent, after_the_end)
{
	struct gh_test_vm *vm = &self->vm;
	struct gh_test_vm old = *vm;

	ASSERT_EQ(0, check_secret(vm, self->seed));
	POWER_OFF(vm, 0);
	/* Powered off is not the end: it is the guest's until the files are closed */
	EXPECT_FALSE(gh_can_read(self->secret));

	munmap(vm->run[0], self->page);
	close(vm->vm);
	EXPECT_FALSE(gh_can_read(self->secret));
	close(vm->vcpu_fd[0]);
	ASSERT_TRUE(gh_can_read(self->secret));
	for (size_t i = 0; i < GUEST_RAM_SIZE; i++)
		ASSERT_EQ(0, old.host[i]);
	EXPECT_TRUE(gh_can_write(self->secret));

	munmap(old.host, GUEST_RAM_SIZE);
	close(old.mem);
	close(old.gunyah);
	ASSERT_EQ(0, start_again(vm, self->seed));
}

/* Nobody gets to see a page with a memory error, and wiping it could be another one */
TEST_F_TIMEOUT(lent, memory_error, 120)
{
	int fd = open("/sys/kernel/debug/hwpoison/corrupt-pfn", O_WRONLY);
	struct gh_test_vm *vm = &self->vm, old;
	unsigned int unreadable = 0;
	struct pfns lent;
	char pfn[32];
	int other;

	if (fd < 0)
		SKIP(return, "no debugfs, or kernel without CONFIG_HWPOISON_INJECT");
	ASSERT_EQ(0, restart_and_mark(vm, self->seed, &lent));
	ASSERT_LT(0, lent.n);
	old = *vm;
	snprintf(pfn, sizeof(pfn), "%#llx", (unsigned long long)lent.pfn[lent.n / 2]);
	free(lent.pfn);
	/* Says that nothing was done: there is nobody to take the page from */
	EXPECT_EQ(-1, write(fd, pfn, strlen(pfn)));
	close(fd);

	ASSERT_EQ(0, check_secret(vm, self->seed));
	POWER_OFF(vm, 0);
	munmap(vm->run[0], self->page);
	close(vm->vm);
	close(vm->vcpu_fd[0]);
	for (size_t i = 0; i < GUEST_RAM_SIZE; i += self->page) {
		if (!gh_can_read(old.host + i))
			unreadable++;
		else
			ASSERT_EQ(0, old.host[i]);
	}
	EXPECT_EQ(1, unreadable);

	/* No other guest gets the page */
	other = ioctl(old.gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, gh_map_mem(other, old.mem, GUEST_RAM, GUEST_RAM_SIZE,
				GH_MAP_MEM_LEND_RWX));
	ASSERT_EQ(0, gh_set_dtb(other, GUEST_RAM + GUEST_DTB_OFFSET, GUEST_DTB_ROOM));
	EXPECT_FAIL(EHWPOISON, ioctl(other, GH_VM_START));
	EXPECT_TRUE(gh_can_write(old.host) || gh_can_write(old.host + self->page));
	close(other);

	munmap(old.host, GUEST_RAM_SIZE);
	close(old.mem);
	close(old.gunyah);
	ASSERT_EQ(0, start_again(vm, self->seed));
}

/* The kernel marks the first page of a huge one, which the guest need not get */
TEST_F(lent, memory_error_of_huge_page)
{
	int fd = open("/sys/kernel/debug/hwpoison/corrupt-pfn", O_WRONLY);
	struct gh_userspace_memory_region region = {
		.label = 1,
		.flags = GH_MEM_ALLOW_READ | GH_MEM_ALLOW_WRITE,
		.guest_phys_addr = 0x90000000,
	};
	struct gh_test_vm vm;
	char pfn[32], first[32];
	struct stat stat;
	uint8_t *mem;
	int huge;

	if (fd < 0)
		SKIP(return, "no debugfs, or kernel without CONFIG_HWPOISON_INJECT");
	huge = memfd_create("huge", MFD_HUGETLB | MFD_CLOEXEC);
	if (huge < 0)
		SKIP(return, "kernel without CONFIG_HUGETLBFS");
	ASSERT_EQ(0, gh_change_huge_pages(1));
	ASSERT_EQ(0, fstat(huge, &stat));
	mem = mmap(NULL, stat.st_blksize, PROT_READ | PROT_WRITE, MAP_SHARED, huge, 0);
	if (mem == MAP_FAILED) {
		gh_change_huge_pages(-1);
		SKIP(return, "no huge page is free");
	}
	region.memory_size = stat.st_blksize / 2;
	region.userspace_addr = (uintptr_t)mem + region.memory_size;

	ASSERT_EQ(0, gh_vm_prepare(&vm, 0));
	ASSERT_EQ(0, ioctl(vm.vm, GH_VM_SET_USER_MEM_REGION, &region));
	snprintf(pfn, sizeof(pfn), "%#llx", (unsigned long long)
		 gh_physical_address(mem + region.memory_size) / self->page);
	snprintf(first, sizeof(first), "%#llx",
		 (unsigned long long)gh_physical_address(mem) / self->page);
	/* Succeeds or not: the page is pinned */
	write(fd, pfn, strlen(pfn));
	close(fd);
	EXPECT_FAIL(EHWPOISON, ioctl(vm.vm, GH_VM_START));

	gh_vm_close(&vm);
	munmap(mem, stat.st_blksize);
	close(huge);
	/* The mark is on the first page, and the kernel keeps the huge one for it */
	fd = open("/sys/kernel/debug/hwpoison/unpoison-pfn", O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, write(fd, first, strlen(first)));
	close(fd);
	EXPECT_EQ(0, gh_change_huge_pages(-1));
}

struct attacker {
	uint8_t *mem;
	int fd;
	bool stop;
	unsigned long worked;
	unsigned long failed;
};

/* Have the kernel read there: a load needs the handler of SIGBUS, which all threads share */
static bool kernel_can_read(const int *pipefd, const uint8_t *mem)
{
	char buf[64];

	return write(pipefd[1], mem, sizeof(buf)) == sizeof(buf) &&
	       read(pipefd[0], buf, sizeof(buf)) == sizeof(buf);
}

static void *attack(void *data)
{
	struct attacker *attacker = data;
	int pipefd[2];

	if (pipe(pipefd))
		return NULL;
	while (!READ_ONCE(attacker->stop)) {
		if (kernel_can_read(pipefd, attacker->mem + SECRET_OFFSET))
			WRITE_ONCE(attacker->worked, attacker->worked + 1);
		else
			WRITE_ONCE(attacker->failed, attacker->failed + 1);
		gh_can_write(attacker->mem + GUEST_RAM_SIZE - 1);
	}
	close(pipefd[0]);
	close(pipefd[1]);
	return NULL;
}

/* The page tables are copied while they are being emptied */
static void *attack_by_fork(void *data)
{
	struct attacker *attacker = data;

	while (!READ_ONCE(attacker->stop)) {
		pid_t pid = fork();

		if (!pid) {
			for (size_t i = 0; i < GUEST_RAM_SIZE; i += GUEST_RAM_SIZE / 64)
				gh_can_read(attacker->mem + i);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	return NULL;
}

/* ... or moved */
static void *attack_by_move(void *data)
{
	const int prot = PROT_READ | PROT_WRITE, reserve = MAP_PRIVATE | MAP_ANONYMOUS;
	struct attacker *attacker = data;
	uint8_t *places, *mem;
	int pipefd[2];

	places = mmap(NULL, 2 * GUEST_RAM_SIZE, PROT_NONE, reserve, -1, 0);
	if (places == MAP_FAILED || pipe(pipefd))
		return NULL;
	mem = mmap(places, GUEST_RAM_SIZE, prot, MAP_SHARED | MAP_FIXED, attacker->fd, 0);
	for (unsigned int i = 1; mem != MAP_FAILED && !READ_ONCE(attacker->stop); i++) {
		uint8_t *from = mem;

		for (size_t j = 0; j < GUEST_RAM_SIZE; j += GUEST_RAM_SIZE / 64)
			kernel_can_read(pipefd, mem + j);
		mem = mremap(from, GUEST_RAM_SIZE, GUEST_RAM_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     places + i % 2 * GUEST_RAM_SIZE);
		mmap(from, GUEST_RAM_SIZE, PROT_NONE, reserve | MAP_FIXED, -1, 0);
	}
	munmap(places, 2 * GUEST_RAM_SIZE);
	close(pipefd[0]);
	close(pipefd[1]);
	return NULL;
}

/* No access slips through while the memory is being lent, or comes back */
TEST_F_TIMEOUT(lent, while_starting, 240)
{
	void *(*const ways[])(void *) = { attack, attack_by_fork, attack_by_move };

	for (int i = 0; i < 10; i++) {
		pthread_t threads[ARRAY_SIZE(ways)];
		struct attacker attacker = { };
		struct gh_test_vm vm;
		unsigned long attacks;

		ASSERT_EQ(0, gh_vm_prepare(&vm, 1));
		attacker.mem = vm.host;
		attacker.fd = vm.mem;
		for (size_t j = 0; j < ARRAY_SIZE(ways); j++)
			ASSERT_EQ(0, pthread_create(&threads[j], NULL, ways[j], &attacker));
		while (!READ_ONCE(attacker.worked))
			usleep(100);
		ASSERT_EQ(0, ioctl(vm.vm, GH_VM_START));
		while (!READ_ONCE(attacker.failed))
			usleep(100);
		POWER_OFF(&vm, 0);
		munmap(vm.run[0], self->page);
		vm.run[0] = NULL;
		close(vm.vcpu_fd[0]);
		vm.vcpu_fd[0] = -1;
		close(vm.vm);
		vm.vm = -1;
		attacks = READ_ONCE(attacker.worked);
		while (READ_ONCE(attacker.worked) == attacks)
			usleep(100);
		WRITE_ONCE(attacker.stop, true);
		for (size_t j = 0; j < ARRAY_SIZE(ways); j++)
			pthread_join(threads[j], NULL);
		gh_vm_close(&vm);
	}
}

TEST_HARNESS_MAIN

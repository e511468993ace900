// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory that is lent, on a host whose administrator allows it. Nothing keeps
 * the host away from such memory, so these tests stay away from it themselves.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define IMAGE_LABEL	1
#define SECRET		0x5ec4e700c0ffee00ULL
#define SECRET_OFFSET	0x300000

FIXTURE(lent_user) {
	struct gh_test_vm vm;
};

/* As gh_vm_boot() does it, but with memory of this process */
static int boot(struct gh_test_vm *vm)
{
	struct gh_userspace_memory_region region = {
		.label = IMAGE_LABEL,
		.flags = GH_MEM_ALLOW_READ | GH_MEM_ALLOW_WRITE | GH_MEM_ALLOW_EXEC | GH_MEM_LENT,
		.guest_phys_addr = GUEST_RAM,
		.memory_size = GUEST_RAM_SIZE,
		.userspace_addr = (uintptr_t)vm->host,
	};
	void *run;

	gh_write_guest(vm->host);
	gh_write_dtb(vm->host + GUEST_DTB_OFFSET, 1);
	*(uint64_t *)(vm->host + SECRET_OFFSET) = SECRET;

	vm->vcpu_fd[0] = gh_add_vcpu(vm->vm, 0);
	if (vm->vcpu_fd[0] < 0)
		return -1;
	run = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd[0], 0);
	if (run == MAP_FAILED)
		return -1;
	vm->run[0] = run;
	vm->vcpus = 1;

	return ioctl(vm->vm, GH_VM_SET_USER_MEM_REGION, &region) ?:
		gh_set_dtb(vm->vm, GUEST_RAM + GUEST_DTB_OFFSET, GUEST_DTB_ROOM) ?:
		ioctl(vm->vm, GH_VM_START);
}

static int prepare(struct gh_test_vm *vm)
{
	const char *why_not;
	void *host;

	gh_vm_clear(vm);
	vm->gunyah = gh_open(&why_not);
	if (vm->gunyah < 0)
		return -1;
	vm->vm = ioctl(vm->gunyah, GH_CREATE_VM, 0);
	if (vm->vm < 0)
		return -1;
	host = mmap(NULL, GUEST_RAM_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host == MAP_FAILED)
		return -1;
	vm->host = host;
	/* A child would get a copy of what is pinned, and a core dump another one */
	return madvise(host, GUEST_RAM_SIZE, MADV_DONTFORK) ?:
		madvise(host, GUEST_RAM_SIZE, MADV_DONTDUMP);
}

FIXTURE_SETUP(lent_user)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, prepare(&self->vm));
	if (!ioctl(self->vm.gunyah, GH_CHECK_EXTENSION, GH_CAP_USER_MEM_LENT))
		SKIP(return, "lending of user memory is not allowed on this host");
}

FIXTURE_TEARDOWN(lent_user)
{
	gh_vm_close(&self->vm);
}

/* The guest has what was there, and leaves nothing behind */
TEST_F(lent_user, wiped)
{
	uint8_t *host = self->vm.host;
	uint64_t value, *words = (uint64_t *)host;
	size_t n = GUEST_RAM_SIZE / sizeof(value), other = 0;

	ASSERT_EQ(0, boot(&self->vm));
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_READ64, GUEST_RAM + SECRET_OFFSET, 0, 0,
				&value));
	EXPECT_EQ(SECRET, value);
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_WRITE64, GUEST_RAM + SECRET_OFFSET + 8,
				SECRET, 0, &value));
	POWER_OFF(&self->vm, 0);

	/* What is mapped is this process's, whatever becomes of the VM */
	self->vm.host = NULL;
	gh_vm_close(&self->vm);
	for (size_t i = 0; i < n; i++)
		other += !!words[i];
	EXPECT_EQ(0, other);
	memset(host, 0x5a, GUEST_RAM_SIZE);
	EXPECT_EQ(0, munmap(host, GUEST_RAM_SIZE));
}

/* The address space is gone before the VM is: the pages have to wait for it */
TEST_F(lent_user, killed)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, pipe(ready));
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			struct gh_test_vm vm;

			if (prepare(&vm) || boot(&vm) ||
			    gh_command(&vm, 0, GUEST_SPIN, 0, 0, 0) ||
			    write(ready[1], "", 1) != 1)
				_exit(1);
			gh_vcpu_run(&vm, 0);
			_exit(1);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		close(ready[0]);
		EXPECT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}

	/* Whoever has the pages now may have them */
	ASSERT_EQ(0, boot(&self->vm));
	POWER_OFF(&self->vm, 0);
}

TEST_HARNESS_MAIN

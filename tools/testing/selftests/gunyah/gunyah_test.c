// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/gunyah and VM files: what can be said and done before a vCPU runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

static void *addr(uint64_t value)
{
	return (void *)(uintptr_t)value;
}

FIXTURE(gunyah) {
	int fd;
};

FIXTURE_SETUP(gunyah)
{
	const char *why_not;

	self->fd = gh_open(&why_not);
	if (self->fd < 0)
		SKIP(return, "%s", why_not);
}

FIXTURE_TEARDOWN(gunyah)
{
	close(self->fd);
}

TEST_F(gunyah, create_vm)
{
	int vm;

	vm = ioctl(self->fd, GH_CREATE_VM, 0);
	ASSERT_GE(vm, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(vm, F_GETFD));
	EXPECT_EQ(0, close(vm));

	EXPECT_FAIL(EINVAL, ioctl(self->fd, GH_CREATE_VM, 1));
	EXPECT_FAIL(EINVAL, ioctl(self->fd, GH_CREATE_VM, 1UL << 32));
}

#define DRIVER	"/sys/bus/platform/drivers/gunyah_rsc_mgr"

/* Nobody can take the resource manager away from the VMs */
TEST_F(gunyah, no_unbind)
{
	if (access(DRIVER, F_OK))
		SKIP(return, "no " DRIVER);

	EXPECT_FAIL(ENOENT, open(DRIVER "/unbind", O_WRONLY));
}

TEST_F(gunyah, check_extension)
{
	int lent, vcpu, irqfd, ioeventfd;

	EXPECT_EQ(1, ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_GUEST_MEM));
	EXPECT_EQ(1, ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_USER_MEM));
	EXPECT_EQ(1, ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_BOOT_CONTEXT));
	lent = ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_USER_MEM_LENT);
	EXPECT_TRUE(lent == 0 || lent == 1);
	/* Not every hypervisor has them, and not every kernel */
	vcpu = ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_VCPU);
	EXPECT_TRUE(vcpu == 0 || vcpu == 1);
	irqfd = ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_IRQFD);
	EXPECT_TRUE(irqfd == 0 || irqfd == 1);
	ioeventfd = ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_IOEVENTFD);
	EXPECT_TRUE(ioeventfd == 0 || ioeventfd == 1);
	EXPECT_EQ(0, ioctl(self->fd, GH_CHECK_EXTENSION, GH_CAP_VCPU | 1UL << 32));

	EXPECT_EQ(0, ioctl(self->fd, GH_CHECK_EXTENSION, 0));
	EXPECT_EQ(0, ioctl(self->fd, GH_CHECK_EXTENSION, 12345));
	EXPECT_EQ(0, ioctl(self->fd, GH_CHECK_EXTENSION, -1UL));
}

/* Each kind of file knows its own calls only */
TEST_F(gunyah, unknown_calls)
{
	int vm, mem, vcpu;

	vm = ioctl(self->fd, GH_CREATE_VM, 0);
	ASSERT_GE(vm, 0);
	mem = gh_create_mem(self->fd, getpagesize());
	ASSERT_GE(mem, 0);
	vcpu = gh_add_vcpu(vm, 0);
	ASSERT_GE(vcpu, 0);

	EXPECT_FAIL(ENOTTY, ioctl(self->fd, _IO('G', 0xff), 0));
	EXPECT_FAIL(ENOTTY, ioctl(self->fd, _IO('X', 0x0), 0));
	EXPECT_FAIL(ENOTTY, ioctl(self->fd, GH_VM_START, 0));
	EXPECT_FAIL(ENOTTY, ioctl(self->fd, GH_VCPU_RUN, 0));

	EXPECT_FAIL(ENOTTY, ioctl(vm, _IO('G', 0xff), 0));
	EXPECT_FAIL(ENOTTY, ioctl(vm, GH_CREATE_VM, 0));
	EXPECT_FAIL(ENOTTY, ioctl(vm, GH_CHECK_EXTENSION, 0));
	EXPECT_FAIL(ENOTTY, ioctl(vm, GH_VCPU_RUN, 0));
	/* The right number with the wrong size */
	EXPECT_FAIL(ENOTTY, ioctl(vm, _IOW('G', 0x2, char[8]), 0));

	EXPECT_FAIL(ENOTTY, ioctl(vcpu, _IO('G', 0xff), 0));
	EXPECT_FAIL(ENOTTY, ioctl(vcpu, GH_VM_START, 0));

	EXPECT_FAIL(ENOTTY, ioctl(mem, _IO('G', 0xff), 0));
	EXPECT_FAIL(ENOTTY, ioctl(mem, GH_VM_START, 0));

	close(vcpu);
	close(mem);
	close(vm);
}

FIXTURE(vm) {
	struct gh_test_vm vm;
};

/* All is there but GH_VM_START */
FIXTURE_SETUP(vm)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
}

FIXTURE_TEARDOWN(vm)
{
	gh_vm_close(&self->vm);
}

TEST_F(vm, bad_pointers)
{
	unsigned long calls[] = {
		GH_VM_SET_USER_MEM_REGION, GH_VM_SET_DTB_CONFIG, GH_VM_ADD_FUNCTION,
		GH_VM_ADD_FUNCTION_DESC, GH_VM_REMOVE_FUNCTION, GH_VM_MAP_MEM,
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		EXPECT_FAIL(EFAULT, ioctl(self->vm.vm, calls[i], addr(-4096UL)));
	EXPECT_FAIL(EFAULT, ioctl(self->vm.gunyah, GH_CREATE_GUEST_MEM, addr(-4096UL)));
}

TEST_F(vm, dtb_config)
{
	uint64_t page = getpagesize();
	int vm = self->vm.vm;

	EXPECT_FAIL(EINVAL, gh_set_dtb(vm, GUEST_RAM, 0));
	EXPECT_FAIL(EINVAL, gh_set_dtb(vm, GUEST_RAM + 1, page));
	EXPECT_FAIL(EINVAL, gh_set_dtb(vm, GUEST_RAM + 0x100, page));
	EXPECT_FAIL(EINVAL, gh_set_dtb(vm, GUEST_RAM, page + 8));
	EXPECT_FAIL(EINVAL, gh_set_dtb(vm, -page, 2 * page));
	EXPECT_FAIL(EINVAL, gh_set_dtb(vm, page, -page));
	/* Whether there is memory is known at the start only */
	EXPECT_EQ(0, gh_set_dtb(vm, 0, page));
	/* The last one counts */
	EXPECT_EQ(0, gh_set_dtb(vm, GUEST_RAM + GUEST_DTB_OFFSET, GUEST_DTB_ROOM));
	EXPECT_EQ(0, ioctl(vm, GH_VM_START));
	EXPECT_FAIL(EBUSY, gh_set_dtb(vm, GUEST_RAM + GUEST_DTB_OFFSET, GUEST_DTB_ROOM));
}

TEST_F(vm, start_twice)
{
	EXPECT_EQ(0, ioctl(self->vm.vm, GH_VM_START));
	EXPECT_EQ(0, ioctl(self->vm.vm, GH_VM_START));
	POWER_OFF(&self->vm, 0);
	EXPECT_EQ(0, ioctl(self->vm.vm, GH_VM_START));
}

/* What is broken in a VM, and how the start fails */
FIXTURE(bad_start) {
	struct gh_test_vm vm;
};

FIXTURE_VARIANT(bad_start) {
	bool no_memory;
	bool no_dtb_config;
	bool share;
	bool bad_dtb;
	uint64_t dtb;
	uint64_t dtb_size;
	int error;
};

FIXTURE_VARIANT_ADD(bad_start, no_dtb_config)
{
	.no_dtb_config = true,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(bad_start, no_memory)
{
	.no_memory = true,
	.error = EINVAL,
};

/* The memory that a guest starts in must be its own */
FIXTURE_VARIANT_ADD(bad_start, shared_memory)
{
	.share = true,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(bad_start, dtb_below_memory)
{
	.dtb = GUEST_RAM - 0x10000,
	.dtb_size = 0x10000,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(bad_start, dtb_ends_behind_memory)
{
	.dtb = GUEST_RAM + GUEST_RAM_SIZE - 0x10000,
	.dtb_size = 0x20000,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(bad_start, dtb_behind_memory)
{
	.dtb = GUEST_RAM + GUEST_RAM_SIZE,
	.dtb_size = 0x10000,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(bad_start, dtb_far_away)
{
	.dtb = 1ULL << 63,
	.dtb_size = 0x10000,
	.error = EINVAL,
};

/* The resource manager is the one who refuses: the error is what it makes of it */
FIXTURE_VARIANT_ADD(bad_start, no_dtb)
{
	.bad_dtb = true,
};

FIXTURE_SETUP(bad_start)
{
	struct gh_test_vm *vm = &self->vm;
	const char *why_not;
	int fd;

	gh_vm_clear(vm);
	fd = gh_open(&why_not);
	if (fd < 0)
		SKIP(return, "%s", why_not);

	if (!variant->no_memory && !variant->no_dtb_config) {
		close(fd);
		ASSERT_EQ(0, gh_vm_prepare(vm, 1));
		if (variant->share) {
			ASSERT_EQ(0, gh_map_mem(vm->vm, vm->mem, GUEST_RAM, GUEST_RAM_SIZE,
						GH_MAP_MEM_LEND_RWX | GH_MAP_MEM_UNMAP));
			ASSERT_EQ(0, gh_map_mem(vm->vm, vm->mem, GUEST_RAM, GUEST_RAM_SIZE,
						GH_MAP_MEM_SHARE_RWX));
		}
		if (variant->bad_dtb)
			memset(vm->host + GUEST_DTB_OFFSET, 0xff, 0x1000);
		if (variant->dtb_size)
			ASSERT_EQ(0, gh_set_dtb(vm->vm, variant->dtb, variant->dtb_size));
		return;
	}

	vm->gunyah = fd;
	vm->vm = ioctl(fd, GH_CREATE_VM, 0);
	ASSERT_GE(vm->vm, 0);
	if (variant->no_memory) {
		ASSERT_EQ(0, gh_set_dtb(vm->vm, GUEST_RAM, 0x10000));
	} else {
		vm->mem = gh_create_mem(fd, GUEST_RAM_SIZE);
		ASSERT_GE(vm->mem, 0);
		ASSERT_EQ(0, gh_map_mem(vm->vm, vm->mem, GUEST_RAM, GUEST_RAM_SIZE,
					GH_MAP_MEM_LEND_RWX));
		vm->host = gh_map_host(vm->mem, GUEST_RAM_SIZE);
		ASSERT_NE(NULL, vm->host);
	}
	vm->vcpu_fd[0] = gh_add_vcpu(vm->vm, 0);
	ASSERT_GE(vm->vcpu_fd[0], 0);
	vm->run[0] = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
			  vm->vcpu_fd[0], 0);
	ASSERT_NE(MAP_FAILED, vm->run[0]);
}

FIXTURE_TEARDOWN(bad_start)
{
	gh_vm_close(&self->vm);
}

TEST_F(bad_start, fails)
{
	struct gh_test_vm *vm = &self->vm;
	struct gh_test_vm next;
	int error;

	EXPECT_FAIL(ENODEV, ioctl(vm->vcpu_fd[0], GH_VCPU_RUN));

	EXPECT_EQ(-1, ioctl(vm->vm, GH_VM_START));
	error = errno;
	TH_LOG("GH_VM_START: %s", strerror(error));
	if (variant->error)
		EXPECT_EQ(variant->error, error);

	/* The VM stays dead, in the same way, and says so to its vCPUs */
	EXPECT_FAIL(error, ioctl(vm->vm, GH_VM_START));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, gh_vcpu_run(vm, 0));
		EXPECT_EQ(GH_VCPU_EXIT_STATUS, vm->run[0]->exit_reason);
		EXPECT_EQ(GH_VM_STATUS_LOAD_FAILED, vm->run[0]->status.status);
	}

	/* The memory is the host's again */
	if (vm->host) {
		EXPECT_TRUE(gh_can_read(vm->host));
		EXPECT_TRUE(gh_can_write(vm->host + GUEST_RAM_SIZE - 1));
	}

	/* Nothing is left that disturbs the next VM */
	ASSERT_EQ(0, gh_vm_boot(&next, 1));
	POWER_OFF(&next, 0);
	gh_vm_close(&next);
}

FIXTURE(function) {
	int gunyah;
	int vm;
};

FIXTURE_SETUP(function)
{
	const char *why_not;

	self->gunyah = gh_open(&why_not);
	if (self->gunyah < 0)
		SKIP(return, "%s", why_not);
	self->vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
}

FIXTURE_TEARDOWN(function)
{
	close(self->vm);
	close(self->gunyah);
}

static int add_by_name(int vm, const char *name, size_t size)
{
	struct gh_vm_function function = { };

	memcpy(function.name, name, size);
	return ioctl(vm, GH_VM_ADD_FUNCTION, &function);
}

static int add_by_number(int vm, uint32_t type, uint32_t size, void *arg)
{
	struct gh_fn_desc desc = { .type = type, .arg_size = size, .arg = (uintptr_t)arg };

	return ioctl(vm, GH_VM_ADD_FUNCTION_DESC, &desc);
}

TEST_F(function, by_name)
{
	struct gh_vm_function function = { .name = "vcpu" };
	char long_name[GH_FN_NAME_SIZE];
	int fd;

	fd = add_by_name(self->vm, "vcpu", 5);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);

	EXPECT_FAIL(ENOENT, add_by_name(self->vm, "", 1));
	EXPECT_FAIL(ENOENT, add_by_name(self->vm, "vcp", 4));
	EXPECT_FAIL(ENOENT, add_by_name(self->vm, "vcpus", 6));
	EXPECT_FAIL(ENOENT, add_by_name(self->vm, "../../vcpu", 11));
	memset(long_name, 'v', sizeof(long_name));
	EXPECT_FAIL(EINVAL, add_by_name(self->vm, long_name, sizeof(long_name)));

	function.data[sizeof(function.vcpu)] = 1;
	EXPECT_FAIL(EINVAL, ioctl(self->vm, GH_VM_ADD_FUNCTION, &function));
	function.data[sizeof(function.vcpu)] = 0;
	function.data[GH_FN_MAX_ARG_SIZE - 1] = 1;
	EXPECT_FAIL(EINVAL, ioctl(self->vm, GH_VM_ADD_FUNCTION, &function));
}

TEST_F(function, by_number)
{
	struct gh_fn_vcpu_arg arg = { .vcpu_id = 0 };
	int fd;

	fd = add_by_number(self->vm, GH_FN_VCPU, sizeof(arg), &arg);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);

	EXPECT_FAIL(ENOENT, add_by_number(self->vm, 0, sizeof(arg), &arg));
	EXPECT_FAIL(ENOENT, add_by_number(self->vm, 1234, sizeof(arg), &arg));
	EXPECT_FAIL(ENOENT, add_by_number(self->vm, -1U, sizeof(arg), &arg));
	EXPECT_FAIL(EINVAL, add_by_number(self->vm, GH_FN_VCPU, 0, &arg));
	EXPECT_FAIL(EINVAL, add_by_number(self->vm, GH_FN_VCPU, sizeof(arg) - 1, &arg));
	EXPECT_FAIL(EINVAL, add_by_number(self->vm, GH_FN_VCPU, 256, &arg));
	EXPECT_FAIL(EINVAL, add_by_number(self->vm, GH_FN_VCPU, -1U, &arg));
	EXPECT_FAIL(EFAULT, add_by_number(self->vm, GH_FN_VCPU, sizeof(arg), addr(-4096UL)));
}

/* One function, whichever way it was added */
TEST_F(function, duplicate_and_remove)
{
	struct gh_fn_vcpu_arg arg = { .vcpu_id = 3 };
	int fd;

	EXPECT_FAIL(ENOENT, gh_remove_vcpu(self->vm, 3));

	fd = gh_add_vcpu(self->vm, 3);
	ASSERT_GE(fd, 0);
	EXPECT_FAIL(EEXIST, gh_add_vcpu(self->vm, 3));
	EXPECT_FAIL(EEXIST, add_by_number(self->vm, GH_FN_VCPU, sizeof(arg), &arg));

	/* Closing the file leaves the function */
	close(fd);
	EXPECT_FAIL(EEXIST, gh_add_vcpu(self->vm, 3));

	EXPECT_EQ(0, gh_remove_vcpu(self->vm, 3));
	EXPECT_FAIL(ENOENT, gh_remove_vcpu(self->vm, 3));
	fd = gh_add_vcpu(self->vm, 3);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, gh_remove_vcpu(self->vm, 3));
	EXPECT_FAIL(ENOENT, gh_remove_function(self->vm, 0, &arg, sizeof(arg)));
	EXPECT_FAIL(EINVAL, gh_remove_function(self->vm, GH_FN_VCPU, &arg, 0));
	EXPECT_FAIL(EINVAL, gh_remove_function(self->vm, GH_FN_VCPU, &arg, sizeof(arg) - 1));
	EXPECT_FAIL(EFAULT, gh_remove_function(self->vm, GH_FN_VCPU, addr(-4096UL), sizeof(arg)));
	/* The file outlives the function */
	EXPECT_EQ(getpagesize(), ioctl(fd, GH_VCPU_MMAP_SIZE));
	EXPECT_FAIL(ENODEV, ioctl(fd, GH_VCPU_RUN));
	close(fd);
}

TEST_HARNESS_MAIN

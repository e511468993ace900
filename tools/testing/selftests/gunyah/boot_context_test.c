// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boot context: registers that the guest starts with, with resource managers
 * that can set them and with those that can't.
 */
#define _GNU_SOURCE
#include "gh_util.h"
#include "kselftest_harness.h"

#define DTB		(GUEST_RAM + GUEST_DTB_OFFSET)
/* For another copy of the guest, and for a jump to the first one */
#define SECOND_GUEST	0x00100800
#define JUMP		0x00100044

FIXTURE(boot) {
	struct gh_test_vm vm;
};

FIXTURE_SETUP(boot)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
}

FIXTURE_TEARDOWN(boot)
{
	gh_vm_close(&self->vm);
}

#define SET(set, index, value)	gh_set_boot_reg(self->vm.vm, set, index, value)
#define SET_X(index, value)	SET(GH_VM_BOOT_REG_SET_X, index, value)
#define SET_PC(value)		SET(GH_VM_BOOT_REG_SET_PC, 0, value)

#define EXPECT_BOOT_X(index, expected) do {					\
	uint64_t __x;								\
										\
	ASSERT_EQ(0, gh_execute(&self->vm, 0, GUEST_BOOT_X, index, 0, 0, &__x));	\
	EXPECT_EQ(expected, __x);						\
} while (0)

TEST_F(boot, arguments)
{
	static const struct {
		uint32_t set;
		uint32_t n;
	} sets[] = {
		{ GH_VM_BOOT_REG_SET_X, 31 },
		{ GH_VM_BOOT_REG_SET_PC, 1 },
		{ GH_VM_BOOT_REG_SET_SP, 3 },
	};
	struct gh_vm_boot_context context = { .reserved = 1 };

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		uint32_t index = 0;

		for (; index < sets[i].n; index++)
			EXPECT_EQ(0, SET(sets[i].set, index, -1ULL));
		for (; index < 256; index++)
			EXPECT_FAIL(EINVAL, SET(sets[i].set, index, 0));
	}
	EXPECT_FAIL(EINVAL, SET(3, 0, 0));
	EXPECT_FAIL(EINVAL, SET(0x100, 0, 0));
	EXPECT_FAIL(EINVAL, SET(0x800000, 0, 0));
	EXPECT_FAIL(EINVAL, ioctl(self->vm.vm, GH_VM_SET_BOOT_CONTEXT, &context));
	EXPECT_FAIL(EFAULT, ioctl(self->vm.vm, GH_VM_SET_BOOT_CONTEXT, NULL));
	EXPECT_FAIL(ENOTTY, ioctl(self->vm.gunyah, GH_VM_SET_BOOT_CONTEXT, &context));
}

TEST_F(boot, without_context)
{
	START();
	EXPECT_BOOT_X(0, DTB);
	EXPECT_FAIL(EINVAL, SET_X(0, DTB));
	EXPECT_FAIL(EINVAL, SET_PC(GUEST_RAM));
	POWER_OFF(&self->vm, 0);
}

/* What every resource manager does anyway */
TEST_F(boot, defaults)
{
	EXPECT_EQ(0, SET_PC(GUEST_RAM));
	EXPECT_EQ(0, SET_X(0, DTB));
	START();
	EXPECT_BOOT_X(0, DTB);
	POWER_OFF(&self->vm, 0);
}

TEST_F(boot, pc_inside)
{
	/* Who starts at the beginning gets no further */
	gh_write_guest(self->vm.host + SECOND_GUEST);
	*(uint32_t *)self->vm.host = 0x14000000;	/* b . */
	EXPECT_EQ(0, SET_PC(GUEST_RAM + SECOND_GUEST));
	START();
	EXPECT_BOOT_X(0, DTB);
	POWER_OFF(&self->vm, 0);
}

/* At an address without any alignment but that of instructions: a jump */
TEST_F(boot, pc_unaligned)
{
	*(uint32_t *)(self->vm.host + JUMP) = 0x14000000 |
		((-(int32_t)JUMP / 4) & 0x03ffffff);	/* b GUEST_RAM */
	EXPECT_EQ(0, SET_PC(GUEST_RAM + JUMP));
	START();
	EXPECT_BOOT_X(0, DTB);
	POWER_OFF(&self->vm, 0);
}

TEST_F(boot, last_value_counts)
{
	EXPECT_EQ(0, SET_PC(0));
	EXPECT_EQ(0, SET_PC(GUEST_RAM));
	EXPECT_EQ(0, SET_X(0, 1));
	EXPECT_EQ(0, SET_X(0, DTB));
	START();
	EXPECT_BOOT_X(0, DTB);
	POWER_OFF(&self->vm, 0);
}

/*
 * What only some resource managers do: either the guest gets it, or the VM does
 * not start, and says why each time.
 */
static bool starts(struct __test_metadata *_metadata, struct gh_test_vm *vm)
{
	if (!ioctl(vm->vm, GH_VM_START))
		return true;

	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_FAIL(EOPNOTSUPP, ioctl(vm->vm, GH_VM_START));
	EXPECT_EQ(0, gh_vcpu_run(vm, 0));
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, vm->run[0]->exit_reason);
	EXPECT_EQ(GH_VM_STATUS_LOAD_FAILED, vm->run[0]->status.status);
	return false;
}

TEST_F(boot, x0)
{
	EXPECT_EQ(0, SET_X(0, 0x123456789abcdef0));
	if (!starts(_metadata, &self->vm))
		return;
	EXPECT_BOOT_X(0, 0x123456789abcdef0);
	POWER_OFF(&self->vm, 0);
}

TEST_F(boot, x1)
{
	EXPECT_EQ(0, SET_X(1, 0x123456789abcdef0));
	if (!starts(_metadata, &self->vm))
		return;
	EXPECT_BOOT_X(0, DTB);
	EXPECT_BOOT_X(1, 0x123456789abcdef0);
	POWER_OFF(&self->vm, 0);
}

TEST_F(boot, pc_outside)
{
	static const uint64_t outside[] = {
		0, GUEST_RAM - 4, GUEST_RAM + GUEST_RAM_SIZE, -4ULL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		EXPECT_EQ(0, SET_PC(outside[i]));
		/* A guest that starts there does nothing good */
		starts(_metadata, &self->vm);
		gh_vm_close(&self->vm);
		ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
	}
	START();
	POWER_OFF(&self->vm, 0);
}

TEST_HARNESS_MAIN

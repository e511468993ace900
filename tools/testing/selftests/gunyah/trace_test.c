// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace events of a VM's life.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define TRACING	"/sys/kernel/tracing/"
#define TRACE	TRACING "trace"

static const char * const switches[] = {
	TRACING "events/gunyah_rm/enable",
	TRACING "events/gunyah_vm/enable",
	TRACING "events/gunyah_vcpu/enable",
};

FIXTURE(trace) {
	struct gh_test_vm vm;
	bool on;
};

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t ret = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return ret == (ssize_t)strlen(text) ? 0 : -1;
}

static bool is_off(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = 0;

	if (fd < 0)
		return false;
	(void)!read(fd, &value, 1);
	close(fd);
	return value == '0';
}

static int set_events(const char *on)
{
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		ret |= put(switches[i], on);
	return ret;
}

FIXTURE_SETUP(trace)
{
	const char *why_not = gh_why_not();

	gh_vm_clear(&self->vm);
	if (why_not)
		SKIP(return, "%s", why_not);
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!is_off(switches[i]))
			SKIP(return, "no %s, or in use", switches[i]);
	ASSERT_EQ(0, gh_vm_prepare(&self->vm, 1));
}

FIXTURE_TEARDOWN(trace)
{
	if (self->on) {
		EXPECT_EQ(0, set_events("0"));
		EXPECT_EQ(0, put(TRACE, ""));
	}
	gh_vm_close(&self->vm);
}

/* Number of events with this name and, somewhere behind it, this text */
static int count_events(const char *name, const char *text)
{
	FILE *file = fopen(TRACE, "re");
	char line[512], *event;
	int n = 0;

	while (file && fgets(line, sizeof(line), file)) {
		event = strstr(line, name);
		n += event && strstr(event + strlen(name), text);
	}
	if (file)
		fclose(file);
	return n;
}

TEST_F(trace, life)
{
	self->on = true;
	ASSERT_EQ(0, put(TRACE, ""));
	ASSERT_EQ(0, set_events("1"));
	START();
	POWER_OFF(&self->vm, 0);
	gh_vm_close(&self->vm);
	EXPECT_EQ(0, set_events("0"));

	EXPECT_EQ(1, count_events("gh_vm_start: ", " ret=0"));
	EXPECT_EQ(1, count_events("gh_vm_mem_lend: ", "guest_addr=0x80000000 size=0x400000"));
	EXPECT_LE(1, count_events("gh_vm_status: ", "(EXITED)"));
	EXPECT_EQ(1, count_events("gh_vm_exited: ", ""));
	EXPECT_EQ(1, count_events("gh_vm_mem_reclaim: ", "guest_addr=0x80000000 size=0x400000"));
	EXPECT_EQ(1, count_events("gh_vm_teardown: ", ""));
	EXPECT_LE(5, count_events("gh_rm_request: ", ""));
	EXPECT_EQ(count_events("gh_rm_request: ", ""), count_events("gh_rm_reply: ", ""));
	EXPECT_LE(1, count_events("gh_rm_notification: ", ""));
	EXPECT_LE(1, count_events("gh_vcpu_exit: ", "(MMIO_READ)"));
	EXPECT_EQ(count_events("gh_vcpu_enter: ", ""), count_events("gh_vcpu_exit: ", ""));
}

TEST_HARNESS_MAIN

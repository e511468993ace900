// SPDX-License-Identifier: GPL-2.0-only
/*
 * The drivers as modules: they are loaded when a VM wants something of theirs, stay
 * for as long as it has that, and can go and come back at any other time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gh_util.h"
#include "kselftest_harness.h"

#define CORE		"gunyah"

/* Users of the core that no test of it is about */
static const char * const function_modules[] = {
	"gunyah_vcpu", "gunyah_irqfd", "gunyah_ioeventfd",
};

#define BELL_LABEL	99
#define IO_ADDR		gh_dev(0, 0x200)

/* What is built in has a directory at most */
static bool is_loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", module);
	return !access(path, F_OK);
}

static int unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK);
}

/* As the kernel does it */
static int load(const char *module)
{
	char program[256] = "";
	int fd = open("/proc/sys/kernel/modprobe", O_RDONLY | O_CLOEXEC), status;
	pid_t pid;

	if (fd < 0)
		return -1;
	(void)!read(fd, program, sizeof(program) - 1);
	close(fd);
	program[strcspn(program, "\n")] = 0;

	pid = fork();
	if (!pid) {
		execl(program, program, "-q", "--", module, NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -1;
}

/* Why modules can't be unloaded, now that @module was used, or NULL */
static const char *why_not_unload(const char *module)
{
	if (!is_loaded(module))
		return "built in";
	if (unload(module) && errno != EAGAIN)
		return errno == EPERM ? "needs root" : "kernel that can't unload modules";
	return NULL;
}

union argument {
	struct gh_fn_vcpu_arg vcpu;
	struct gh_fn_irqfd_arg irqfd;
	struct gh_fn_ioeventfd_arg ioeventfd;
};

/*
 * A type of function, whose module is loaded when a VM gets the first of them and
 * was not loaded when the test began.
 */
FIXTURE(function) {
	int gunyah;
	int vm;
	int eventfd;
	union argument arg;
};

FIXTURE_VARIANT(function) {
	const char *module;
	const char *name;
	uint32_t type;
	uint32_t arg_size;
};

FIXTURE_VARIANT_ADD(function, vcpu) {
	.module = "gunyah_vcpu",
	.name = "vcpu",
	.type = GH_FN_VCPU,
	.arg_size = sizeof(struct gh_fn_vcpu_arg),
};

FIXTURE_VARIANT_ADD(function, irqfd) {
	.module = "gunyah_irqfd",
	.name = "irqfd",
	.type = GH_FN_IRQFD,
	.arg_size = sizeof(struct gh_fn_irqfd_arg),
};

FIXTURE_VARIANT_ADD(function, ioeventfd) {
	.module = "gunyah_ioeventfd",
	.name = "ioeventfd",
	.type = GH_FN_IOEVENTFD,
	.arg_size = sizeof(struct gh_fn_ioeventfd_arg),
};

#define ADD()		gh_add_function(self->vm, variant->type, &self->arg, variant->arg_size)
#define REMOVE()	gh_remove_function(self->vm, variant->type, &self->arg, variant->arg_size)
#define EXPECT_HELD()	EXPECT_FAIL(EAGAIN, unload(variant->module))
#define EXPECT_FREE()	EXPECT_EQ(0, unload(variant->module))

/* vCPUs are files, the others are not */
static void close_function(uint32_t type, int fd)
{
	if (type == GH_FN_VCPU)
		close(fd);
}

FIXTURE_SETUP(function)
{
	const char *why_not;
	int fd;

	self->vm = -1;
	self->eventfd = -1;
	self->gunyah = gh_open(&why_not);
	if (self->gunyah < 0)
		SKIP(return, "%s", why_not);
	self->vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
	self->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_GE(self->eventfd, 0);

	switch (variant->type) {
	case GH_FN_VCPU:
		self->arg.vcpu = (struct gh_fn_vcpu_arg){ .vcpu_id = 0 };
		break;
	case GH_FN_IRQFD:
		self->arg.irqfd = (struct gh_fn_irqfd_arg){
			.fd = self->eventfd, .label = BELL_LABEL,
		};
		break;
	case GH_FN_IOEVENTFD:
		self->arg.ioeventfd = (struct gh_fn_ioeventfd_arg){
			.fd = self->eventfd, .addr = IO_ADDR, .len = 8,
		};
		break;
	}

	fd = ADD();
	if (fd < 0 && (errno == ENOENT || errno == EOPNOTSUPP))
		SKIP(return, "no %s on this host", variant->name);
	ASSERT_GE(fd, 0);
	why_not = why_not_unload(variant->module);
	close_function(variant->type, fd);
	ASSERT_EQ(0, REMOVE());
	if (why_not)
		SKIP(return, "%s", why_not);
	ASSERT_EQ(0, unload(variant->module));
	ASSERT_FALSE(is_loaded(variant->module));
}

FIXTURE_TEARDOWN(function)
{
	close(self->eventfd);
	close(self->vm);
	close(self->gunyah);
}

TEST_F(function, loaded_by_number)
{
	for (int i = 0; i < 2; i++) {
		int fd = ADD();

		ASSERT_GE(fd, 0);
		EXPECT_TRUE(is_loaded(variant->module));
		close_function(variant->type, fd);
		EXPECT_EQ(0, REMOVE());
		EXPECT_FREE();
		EXPECT_FALSE(is_loaded(variant->module));
	}
}

TEST_F(function, loaded_by_name)
{
	struct gh_vm_function function = {};

	strcpy(function.name, variant->name);
	memcpy(function.data, &self->arg, variant->arg_size);
	for (int i = 0; i < 2; i++) {
		int fd = ioctl(self->vm, GH_VM_ADD_FUNCTION, &function);

		ASSERT_GE(fd, 0);
		EXPECT_TRUE(is_loaded(variant->module));
		close_function(variant->type, fd);
		EXPECT_EQ(0, REMOVE());
		EXPECT_FREE();
		EXPECT_FALSE(is_loaded(variant->module));
	}
}

/* There is nothing to remove, and no module is needed to see that */
TEST_F(function, not_loaded_to_remove)
{
	EXPECT_FAIL(ENOENT, REMOVE());
	EXPECT_FALSE(is_loaded(variant->module));
}

TEST_F(function, held_by_instance)
{
	int fd = ADD();

	ASSERT_GE(fd, 0);
	close_function(variant->type, fd);
	EXPECT_HELD();
	EXPECT_EQ(0, REMOVE());
	EXPECT_FREE();
}

/* Functions that a VM has when it is closed go with it */
TEST_F(function, held_until_vm_is_gone)
{
	int fd = ADD();

	ASSERT_GE(fd, 0);
	close_function(variant->type, fd);
	EXPECT_HELD();
	close(self->vm);
	EXPECT_FREE();
	self->vm = -1;
}

TEST_F(function, not_held_by_failure)
{
	union argument bad = self->arg;
	int fd;

	/* The module is loaded, but does not want this */
	switch (variant->type) {
	case GH_FN_IRQFD:
		bad.irqfd.flags = ~GH_IRQFD_LEVEL;
		break;
	case GH_FN_IOEVENTFD:
		bad.ioeventfd.len = 3;
		break;
	}
	fd = ADD();
	ASSERT_GE(fd, 0);
	/* Also because it is there already */
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(-1, gh_add_function(self->vm, variant->type, &bad, variant->arg_size));
	close_function(variant->type, fd);
	EXPECT_EQ(0, REMOVE());
	EXPECT_FREE();
}

static void *keep_unloading(void *module)
{
	for (;;) {
		unload(module);
		usleep(rand() % 5000);
	}
	return NULL;
}

/* Whoever wants the module gets it, or hears that there is none */
TEST_F_TIMEOUT(function, unloaded_at_any_time, 60)
{
	pthread_t thread;
	int added = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, keep_unloading, (void *)variant->module));
	for (int i = 0; i < 100; i++) {
		int fd = ADD();

		if (fd < 0) {
			EXPECT_EQ(ENOENT, errno);
			continue;
		}
		added++;
		EXPECT_TRUE(is_loaded(variant->module));
		close_function(variant->type, fd);
		EXPECT_EQ(0, REMOVE());
	}
	EXPECT_EQ(0, pthread_cancel(thread));
	EXPECT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("added %d times of 100", added);
	EXPECT_LT(0, added);

	added = ADD();
	EXPECT_GE(added, 0);
	close_function(variant->type, added);
	EXPECT_EQ(0, REMOVE());
	EXPECT_FREE();
}

/* A vCPU's file outlives its function, and its page the file */
FIXTURE(vcpu) {
	int gunyah;
	int vm;
	int fd;
};

FIXTURE_SETUP(vcpu)
{
	const char *why_not;

	self->vm = -1;
	self->fd = -1;
	self->gunyah = gh_open(&why_not);
	if (self->gunyah < 0)
		SKIP(return, "%s", why_not);
	self->vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
	self->fd = gh_add_vcpu(self->vm, 0);
	if (self->fd < 0 && (errno == ENOENT || errno == EOPNOTSUPP))
		SKIP(return, "no vcpu on this host");
	ASSERT_GE(self->fd, 0);
	why_not = why_not_unload("gunyah_vcpu");
	if (why_not)
		SKIP(return, "%s", why_not);
}

FIXTURE_TEARDOWN(vcpu)
{
	if (self->fd >= 0)
		close(self->fd);
	close(self->vm);
	close(self->gunyah);
}

TEST_F(vcpu, held_by_file)
{
	EXPECT_EQ(0, gh_remove_vcpu(self->vm, 0));
	/* Without the file's own hold, closing it is an execution of nothing */
	ASSERT_EQ(-1, unload("gunyah_vcpu"));
	EXPECT_EQ(EAGAIN, errno);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, unload("gunyah_vcpu"));
}

TEST_F(vcpu, held_by_page)
{
	size_t size = getpagesize();
	uint8_t *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, run);
	EXPECT_EQ(0, gh_remove_vcpu(self->vm, 0));
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(-1, unload("gunyah_vcpu"));
	EXPECT_EQ(EAGAIN, errno);
	/* There is somebody to ask for the page */
	EXPECT_TRUE(gh_can_read(run));
	munmap(run, size);
	EXPECT_EQ(0, unload("gunyah_vcpu"));
}

/* The VM is there for as long as the file is, and so are its functions */
TEST_F(vcpu, held_by_file_alone)
{
	close(self->vm);
	close(self->gunyah);
	self->vm = -1;
	self->gunyah = -1;
	ASSERT_EQ(-1, unload("gunyah_vcpu"));
	EXPECT_EQ(EAGAIN, errno);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, unload("gunyah_vcpu"));
}

FIXTURE(core) {
	int gunyah;
};

FIXTURE_SETUP(core)
{
	const char *why_not;

	self->gunyah = gh_open(&why_not);
	if (self->gunyah < 0)
		SKIP(return, "%s", why_not);
	why_not = why_not_unload(CORE);
	if (why_not)
		SKIP(return, "%s", why_not);
	for (size_t i = 0; i < ARRAY_SIZE(function_modules); i++)
		if (is_loaded(function_modules[i]))
			ASSERT_EQ(0, unload(function_modules[i]));
}

FIXTURE_TEARDOWN(core)
{
	if (self->gunyah >= 0)
		close(self->gunyah);
	EXPECT_EQ(0, load(CORE));
}

TEST_F(core, held_by_files)
{
	int vm, mem;
	void *host;

	EXPECT_FAIL(EAGAIN, unload(CORE));
	vm = ioctl(self->gunyah, GH_CREATE_VM, 0);
	ASSERT_GE(vm, 0);
	mem = gh_create_mem(self->gunyah, getpagesize());
	ASSERT_GE(mem, 0);
	close(self->gunyah);
	self->gunyah = -1;

	ASSERT_EQ(-1, unload(CORE));
	EXPECT_EQ(EAGAIN, errno);
	close(vm);
	ASSERT_EQ(-1, unload(CORE));
	EXPECT_EQ(EAGAIN, errno);
	host = gh_map_host(mem, getpagesize());
	ASSERT_NE(NULL, host);
	close(mem);
	ASSERT_EQ(-1, unload(CORE));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_TRUE(gh_can_write(host));
	munmap(host, getpagesize());
	EXPECT_EQ(0, unload(CORE));
	EXPECT_FALSE(is_loaded(CORE));
	EXPECT_FAIL(ENOENT, open("/dev/gunyah", O_RDWR | O_CLOEXEC));
}

/* Its user may be killed */
TEST_F_TIMEOUT(core, held_by_running_vm, 60)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	close(self->gunyah);
	self->gunyah = -1;
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct gh_test_vm vm;

		if (gh_vm_boot(&vm, 1) || gh_command(&vm, 0, GUEST_SPIN, 0, 0, 0) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		gh_vcpu_run(&vm, 0);
		_exit(1);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);

	ASSERT_EQ(-1, unload("gunyah_vcpu"));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(-1, unload(CORE));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, unload("gunyah_vcpu"));
	EXPECT_EQ(0, unload(CORE));
}

/* Once without anything, and once with a VM that uses all of it */
static bool come_and_go(void)
{
	struct gh_test_vm vm;
	bool done;

	if (unload(CORE) || is_loaded(CORE) || load(CORE) || unload(CORE) || load(CORE))
		return false;
	done = !gh_vm_boot(&vm, 1) && !gh_power_off(&vm, 0);
	gh_vm_close(&vm);
	return done && !unload("gunyah_vcpu");
}

#define TIMES		20
/* A leak of a page each time is seen */
#define MAX_LOST_PAGES	(TIMES - 1)

TEST_F_TIMEOUT(core, comes_and_goes, 120)
{
	long before, after;

	close(self->gunyah);
	self->gunyah = -1;
	/* Caches of the kernel fill up */
	for (int i = 0; i < TIMES; i++)
		ASSERT_TRUE(come_and_go());
	before = gh_count_pages();
	for (int i = 0; i < TIMES; i++)
		ASSERT_TRUE(come_and_go());
	after = gh_count_pages();
	TH_LOG("%ld pages before, %ld after %d times", before, after, TIMES);
	EXPECT_LE(before - after, MAX_LOST_PAGES);
	EXPECT_EQ(0, unload(CORE));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/* Runs every test in a process of its own and reports KTAP. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

bool test_failed;

static const struct test *const groups[] = {
	object_tests, rpc_tests, parcel_tests, vm_tests, dt_tests, debug_tests, vgic_tests,
	guest_tests, firmware_tests,
};

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

bool in_child(void (*run)(u32 arg), u32 arg)
{
	/* Of its own time: on a busy machine a second can take a minute. */
	const struct rlimit limit = { 60, 60 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return false;
	if (!pid) {
		setrlimit(RLIMIT_CPU, &limit);
		test_failed = false;
		run(arg);
		fflush(stdout);
		_exit(test_failed);
	}
	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static const struct test *current;

static void run_current(u32 unused)
{
	(void)unused;
	current->run();
}

int main(int argc, char **argv)
{
	u32 passed = 0;
	u32 n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	fake_verbose = getenv("VERBOSE");
	printf("KTAP version 1\n");
	for (u32 i = 0; i < N_GROUPS; i++)
		for (const struct test *t = groups[i]; t->name; t++)
			n += argc < 2 || strstr(t->name, argv[1]);
	printf("1..%u\n", n);
	n = 0;
	for (u32 i = 0; i < N_GROUPS; i++) {
		for (const struct test *t = groups[i]; t->name; t++) {
			bool ok;

			if (argc >= 2 && !strstr(t->name, argv[1]))
				continue;
			current = t;
			ok = in_child(run_current, 0);
			passed += ok;
			printf("%s %u %s\n", ok ? "ok" : "not ok", ++n, t->name);
		}
	}
	printf("# Totals: pass:%u fail:%u skip:0\n", passed, n - passed);
	return passed != n || !n;
}

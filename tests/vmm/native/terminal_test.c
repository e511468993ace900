// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's main(), signals and terminal, with a guest that is played here: every
 * way out gives the terminal back. Each VMM is a process at a terminal of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define main vmm_main
#include "../main.c"
#undef main

#define SECONDS	20

static unsigned int results, failures;
/* Of the terminal: this end, and that of the VMM */
static int keyboard, terminal;
static struct termios before;
static pid_t vmm;
/* --append of a VMM whose guest does not start, and of one to kill in the background */
#define NO_START	"no-start"
#define KILL		"kill"
/* ... and of one that is started as nohup and a shell without jobs would do it */
#define IGNORE		"ignore"

/* It would look for leaks when a VMM ends, with a SIGSTOP that a SIGCONT here takes away */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* --- what the rest of the VMM would do ------------------------------------- */

_Atomic bool pl011_line_ended = true;

int vm_create(int *gunyah)
{
	*gunyah = -1;
	return -1;
}

void vm_create_memory(int gunyah, struct memory *memory, uint64_t base, uint64_t size)
{
	(void)gunyah;
	*memory = (struct memory){ .base = base, .size = size };
}

void load_linux(const struct memory *ram, struct boot *boot)
{
	(void)ram;
	*boot = (struct boot){ };
}

void devtree_write(const struct memory *ram, const struct boot *boot)
{
	(void)ram;
	(void)boot;
}

struct pl011 *pl011_create(int vm)
{
	(void)vm;
	return NULL;
}

void pvpanic_create(void)
{
}

void vm_share_memory(int vm, const struct memory *memory)
{
	(void)vm;
	(void)memory;
}

void blk_create(int vm, const struct memory *shared)
{
	(void)vm;
	(void)shared;
}

void vm_lend_memory(int vm, struct memory *memory)
{
	(void)vm;
	(void)memory;
}

void vm_set_dtb(int vm, uint64_t addr, uint64_t size)
{
	(void)vm;
	(void)addr;
	(void)size;
}

void vcpus_create(int vm)
{
	(void)vm;
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

void vm_start(int vm)
{
	(void)vm;
	if (!strcmp(options.append, NO_START)) {
		say("starts");
		for (;;)
			pause();
	}
}

void vcpus_run(void)
{
	say("runs");
}

/* The guest: "q" is its power off, "f" fills its console, "c" crashes the VMM */
void pl011_receive(struct pl011 *uart, uint8_t c)
{
	char text[8];

	(void)uart;
	switch (c) {
	case 'q':
		finish(EXIT_POWER_OFF, "the guest powered off");
	case 'c':
		raise(SIGSEGV);
		break;
	case 'f':
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "<%02x>", c);
	say(text);
}

/* --- at the terminal --------------------------------------------------------- */

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void result(bool ok, const char *format, ...)
{
	va_list args;

	printf("%sok %u ", ok ? "" : "not ", ++results);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	failures += !ok;
}

static void type(const char *text)
{
	if (write(keyboard, text, strlen(text)) < 0)
		abort();
}

/* Whether the VMM says this; what it said before is gone */
static bool said(const char *text)
{
	long long end = now_ms() + SECONDS * 1000LL;
	struct pollfd p = { .fd = keyboard, .events = POLLIN };
	char seen[4096];
	size_t fill = 0;
	ssize_t n;

	seen[0] = '\0';
	while (!strstr(seen, text) && now_ms() < end && fill < sizeof(seen) - 1) {
		if (poll(&p, 1, 50) <= 0)
			continue;
		n = read(keyboard, seen + fill, sizeof(seen) - 1 - fill);
		if (n <= 0)
			break;
		fill += n;
		seen[fill] = '\0';
	}
	return strstr(seen, text);
}

static bool is_as_before(void)
{
	struct termios now;

	return !tcgetattr(terminal, &now) && now.c_iflag == before.c_iflag &&
	       now.c_oflag == before.c_oflag && now.c_cflag == before.c_cflag &&
	       now.c_lflag == before.c_lflag && !memcmp(now.c_cc, before.c_cc, sizeof(now.c_cc));
}

static bool becomes_raw(void)
{
	long long end = now_ms() + SECONDS * 1000LL;

	while (is_as_before() && now_ms() < end)
		usleep(1000);
	return !is_as_before();
}

static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTSTP };

/* In the child: at the terminal, as a job of its own, in the foreground or not */
static void __attribute__((noreturn)) run(const char *append, bool is_raw, bool in_background)
{
	char *argv[] = {
		"vmm", "--kernel", "-", "--append", (char *)append, is_raw ? "--raw" : NULL, NULL
	};
	bool killed = false;
	pid_t pid;
	int status;

	setsid();
	if (ioctl(terminal, TIOCSCTTY, 0))
		_exit(1);
	dup2(terminal, STDIN_FILENO);
	dup2(terminal, STDOUT_FILENO);
	dup2(terminal, STDERR_FILENO);
	if (!strcmp(append, IGNORE))
		for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
			signal(ignored[i], SIG_IGN);
	if (!in_background)
		exit(vmm_main(6 - !is_raw, argv));

	/* A shell with one job, which says what becomes of it and does what it is told */
	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (!pid) {
		signal(SIGTTOU, SIG_DFL);
		setpgid(0, 0);
		exit(vmm_main(6 - !is_raw, argv));
	}
	for (;;) {
		if (waitpid(pid, &status, WUNTRACED) != pid)
			_exit(1);
		if (!WIFSTOPPED(status))
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		if (WSTOPSIG(status) != SIGTTIN || killed)
			_exit(2);
		if (!strcmp(append, KILL)) {
			kill(pid, SIGTERM);
			killed = true;
		} else {
			tcsetpgrp(STDIN_FILENO, pid);
		}
		kill(pid, SIGCONT);
	}
}

static void start_with(const char *append, bool is_raw, bool in_background)
{
	if (openpty(&keyboard, &terminal, NULL, NULL, NULL) || tcgetattr(terminal, &before))
		abort();
	fflush(stdout);
	vmm = fork();
	if (!vmm)
		run(append, is_raw, in_background);
}

static void start(void)
{
	start_with("", false, false);
}

/* end() is still to be called */
static bool has_ended(void)
{
	siginfo_t info = { };

	return !waitid(P_PID, vmm, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == vmm;
}

/* How it ended, or -1 if it did not; the terminal is gone then, and what it was like is left */
static int end(bool *back)
{
	long long until = now_ms() + SECONDS * 1000LL;
	int status = -1;
	pid_t pid;

	do {
		pid = waitpid(vmm, &status, WNOHANG);
		usleep(1000);
	} while (!pid && now_ms() < until);
	if (pid != vmm) {
		kill(vmm, SIGKILL);
		waitpid(vmm, NULL, 0);
		status = -1;
	}
	*back = is_as_before();
	close(keyboard);
	close(terminal);
	if (status == -1)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void ends_with(int want, bool ok, const char *what)
{
	bool back;
	int status = end(&back);

	result(ok && status == want && back, "%s: status %d, terminal %s", what, status,
	       back ? "as it was" : "changed");
}

static bool stopped(int number)
{
	int status;

	kill(vmm, number);
	return waitpid(vmm, &status, WUNTRACED) == vmm && WIFSTOPPED(status);
}

/* --- tests ---------------------------------------------------------------- */

static void test_signals(void)
{
	static const int numbers[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF,
		SIGIO, SIGPWR, SIGXCPU, SIGXFSZ,
		SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP
	};
	char what[64];
	bool ok;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		start();
		ok = becomes_raw() && said("runs");
		kill(vmm, numbers[i]);
		snprintf(what, sizeof(what), "SIG%s", sigabbrev_np(numbers[i]));
		ends_with(128 + numbers[i], ok, what);
	}

	start_with(IGNORE, false, false);
	ok = becomes_raw() && said("runs");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		kill(vmm, ignored[i]);
	type("\x03" "a");
	ok = ok && said("<61>") && !has_ended();
	type("q");
	ends_with(EXIT_POWER_OFF, ok, "signals that were ignored from the start");

	start_with(IGNORE, false, false);
	ok = becomes_raw() && said("runs");
	kill(vmm, SIGTERM);
	ends_with(128 + SIGTERM, ok, "SIGTERM, which was not");

	start_with(NO_START, false, false);
	ok = said("starts") && is_as_before();
	type("\x03");
	ends_with(128 + SIGINT, ok, "Ctrl-C while the VM starts");
}

static void test_keys(void)
{
	bool ok;

	start();
	ok = becomes_raw() && said("runs");
	type("a\r\x1a\x1c\x1d\x13");
	ok = ok && said("<61><0d><1a><1c><1d><13>");
	type("\x03");
	ends_with(128 + SIGINT, ok, "Ctrl-C, and no other key");

	start_with("", true, false);
	ok = becomes_raw() && said("runs");
	type("a\x03");
	ok = ok && said("<61><03>");
	type("\x1d");
	ends_with(128 + SIGINT, ok, "--raw: Ctrl-]");

	start_with("", true, false);
	ok = becomes_raw() && said("runs");
	type("f");
	usleep(50000);
	type("and more\x1d");
	ends_with(128 + SIGINT, ok, "--raw: Ctrl-] when the guest takes no characters");

	start();
	ok = becomes_raw();
	type("q");
	ends_with(EXIT_POWER_OFF, ok, "power off");

	start();
	ok = becomes_raw();
	type("c");
	ends_with(128 + SIGSEGV, ok, "crash of a thread");
}

static void test_stops(void)
{
	bool ok;

	start();
	ok = becomes_raw() && stopped(SIGTSTP) && is_as_before();
	kill(vmm, SIGCONT);
	ok = ok && becomes_raw();
	type("q");
	ends_with(EXIT_POWER_OFF, ok, "SIGTSTP and SIGCONT");

	start();
	ok = becomes_raw() && stopped(SIGSTOP) && !tcsetattr(terminal, TCSANOW, &before);
	kill(vmm, SIGCONT);
	ok = ok && becomes_raw();
	type("q");
	ends_with(EXIT_POWER_OFF, ok, "SIGSTOP and SIGCONT");

	start();
	ok = becomes_raw() && stopped(SIGTSTP);
	kill(vmm, SIGTERM);
	kill(vmm, SIGCONT);
	ends_with(128 + SIGTERM, ok, "SIGTERM while it is stopped");

	start_with(KILL, false, true);
	ends_with(128 + SIGTERM, true, "SIGTERM in the background");

	start_with("", false, true);
	ok = becomes_raw();
	type("q");
	ends_with(EXIT_POWER_OFF, ok, "from the background to the foreground");
}

/* It ends while it stops and goes on, a bit later each time */
static void test_races(void)
{
	bool back, ok = true;
	int status;

	for (int i = 0; i < 200; i++) {
		start();
		ok = ok && becomes_raw();
		kill(vmm, SIGTSTP);
		usleep(i * 10);
		type("q");
		for (int j = 0; j < 3; j++) {
			kill(vmm, SIGCONT);
			usleep(i * 5);
		}
		/* The last SIGCONT may have come before the stop */
		for (long long until = now_ms() + SECONDS * 1000LL; !has_ended() && now_ms() < until; ) {
			kill(vmm, SIGCONT);
			usleep(1000);
		}
		status = end(&back);
		ok = ok && status == EXIT_POWER_OFF && back;
		if (!ok) {
			printf("# round %d: status %d, %s\n", i, status, back ? "back" : "changed");
			break;
		}
	}
	result(ok, "power off while it is stopped and goes on");
}

int main(void)
{
	test_signals();
	test_keys();
	test_stops();
	test_races();
	printf("1..%u\n%u passed, %u failed\n", results, results - failures, failures);
	return failures != 0;
}

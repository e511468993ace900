// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal as the guest's keyboard.
 *
 * A terminal is switched to pass on each key as it is, and back on every way
 * out. What the kernel does on output stays on, so that messages of this
 * program look right, too. Anything else can be the standard input as well.
 *
 * A job in the background leaves the terminal alone. It is stopped instead of
 * reading from it, as any job is, and hears by SIGCONT that it is in the foreground.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm.h"

/* Ctrl-], in place of Ctrl-C */
#define STOP_KEY	0x1d

static struct termios original;
static volatile sig_atomic_t changed;
/* Held while the terminal is switched, and from the end on: it stays as it was */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* After each SIGCONT */
static pthread_cond_t resumed = PTHREAD_COND_INITIALIZER;
static unsigned int resumes;

/* True as well where there are no jobs */
static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group < 0 || group == getpgrp();
}

static void make_raw(void)
{
	struct termios raw;

	if (!in_foreground())
		return;
	/* After a SIGSTOP, which nobody sees, what is there may be raw already */
	if (!changed && tcgetattr(STDIN_FILENO, &original))
		return;

	raw = original;
	raw.c_iflag &= ~(BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* One key alone is a signal, whether the guest takes what was typed before or not */
	if (options.raw)
		raw.c_cc[VINTR] = STOP_KEY;
	raw.c_cc[VQUIT] = _POSIX_VDISABLE;
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	changed = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Also called by a signal handler */
static void restore(void)
{
	if (changed && in_foreground())
		tcsetattr(STDIN_FILENO, TCSANOW, &original);
	changed = 0;
}

/* A crash of this program: now the same signal ends it */
static void crash(int number)
{
	restore();
	raise(number);
}

void terminal_open(void)
{
	static const int crashes[] = {
		SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP
	};
	struct sigaction action = { .sa_handler = crash, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
	terminal_resume();
}

void terminal_suspend(void)
{
	pthread_mutex_lock(&lock);
	restore();
	raise(SIGSTOP);
	pthread_mutex_unlock(&lock);
}

void terminal_resume(void)
{
	pthread_mutex_lock(&lock);
	make_raw();
	resumes++;
	pthread_cond_signal(&resumed);
	pthread_mutex_unlock(&lock);
}

void terminal_close(void)
{
	pthread_mutex_lock(&lock);
	restore();
}

/*
 * What the kernel does with a job that reads from the terminal in the background.
 * But the kernel would do it again at once when the job goes on, and the main thread
 * would not get to the signal that is to end it.
 */
static void stop_in_background(void)
{
	unsigned int before;

	pthread_mutex_lock(&lock);
	before = resumes;
	kill(0, SIGTTIN);
	while (resumes == before)
		pthread_cond_wait(&resumed, &lock);
	pthread_mutex_unlock(&lock);
}

void *terminal_input(void *console)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint8_t keys[64];
	sigset_t set;
	ssize_t n;

	/* An error of read() instead */
	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	for (;;) {
		n = read(STDIN_FILENO, keys, sizeof(keys));
		/* Others may have the same file, and made it one that does not block */
		if (n < 0 && errno == EAGAIN) {
			poll(&input, 1, -1);
			continue;
		}
		if (n < 0 && errno == EIO && !in_foreground()) {
			stop_in_background();
			continue;
		}
		/* The guest goes on without a keyboard */
		if (n <= 0)
			return NULL;

		for (ssize_t i = 0; i < n; i++)
			pl011_receive(console, keys[i]);
	}
}

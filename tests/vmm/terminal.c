// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal as the guest's keyboard.
 *
 * A terminal is switched to pass on each key as it is, and back on every way
 * out. What the kernel does on output stays on, so that messages of this
 * program look right, too. Anything else can be the standard input as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm.h"

/* Ctrl-] */
#define STOP_KEY	0x1d

static struct termios original;
static volatile sig_atomic_t changed;

static void make_raw(void)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &original))
		return;

	raw = original;
	raw.c_iflag &= ~(BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (options.raw) {
		raw.c_lflag &= ~ISIG;
	} else {
		/* Ctrl-C alone is a signal */
		raw.c_cc[VQUIT] = _POSIX_VDISABLE;
		raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	}
	changed = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Also called by a signal handler */
void terminal_restore(void)
{
	if (changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &original);
	changed = 0;
}

/* A crash of this program: now the same signal ends it */
static void crash(int number)
{
	terminal_restore();
	raise(number);
}

void terminal_open(void)
{
	static const int crashes[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };
	struct sigaction action = { .sa_handler = crash, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
	make_raw();
}

/* SIGTSTP: stop as anything else does, with the terminal as it was */
void terminal_suspend(void)
{
	terminal_restore();
	raise(SIGSTOP);
	make_raw();
}

void *terminal_input(void *console)
{
	uint8_t keys[64];
	ssize_t n;

	while ((n = read(STDIN_FILENO, keys, sizeof(keys))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (options.raw && keys[i] == STOP_KEY)
				finish(128 + SIGINT, "stopped by Ctrl-], and the guest with it");
			pl011_receive(console, keys[i]);
		}
	}
	/* The guest goes on without a keyboard */
	return NULL;
}

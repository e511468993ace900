// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine monitor that boots Linux under the Gunyah hypervisor.
 *
 * main() has the life of a VM from top to bottom. After it has started the VM,
 * each vCPU has a thread (vcpu.c), and so have the terminal (terminal.c) and
 * the disk (blk.c). The first of them for which there is nothing left to do, for
 * whatever reason, calls finish() (end.c). The main thread waits for signals.
 *
 * Documentation/virt/gunyah/vm-manager.rst describes the calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

struct options options = {
	.cpus = 1,
	.mem_size = 256 << 20,
	.append = "",
};

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: vmm --kernel IMAGE [OPTION]...\n"
		"Boot Linux as a guest of the Gunyah hypervisor, with the terminal as its\n"
		"console.\n"
		"\n"
		"  --kernel FILE   arm64 kernel, the file Image of its build\n"
		"  --initrd FILE   initial RAM disk\n"
		"  --append TEXT   kernel command line\n"
		"  --disk FILE     disk of the guest, its /dev/vda: a file of whole sectors\n"
		"                  of 512 bytes\n"
		"  --cpus N        number of vCPUs, 1 to %d (default 1)\n"
		"  --mem SIZE      memory, with K, M or G, a multiple of 2M (default 256M)\n"
		"  --raw           Ctrl-C is for the guest, too, and Ctrl-] stops it\n"
		"  --trace-exits   show each exit of each vCPU on the standard error\n"
		"  --help          show this text\n"
		"\n"
		"Exit status: 0 if the guest powered off, %d if this program failed, %d if\n"
		"the guest asked for a reset, %d if it panicked or crashed, and 128 and the\n"
		"signal's number if a signal stopped it; Ctrl-C is 130.\n",
		MAX_CPUS, EXIT_VMM_ERROR, EXIT_GUEST_RESET, EXIT_GUEST_CRASHED);
}

static uint64_t parse_size(const char *text)
{
	static const char units[] = "KMG";
	unsigned int shift = 0;
	unsigned long size;
	const char *unit;
	char *end;

	errno = 0;
	size = strtoul(text, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit && end != text) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (errno || end == text || *end || *text == '-' || size > UINT64_MAX >> shift)
		die("--mem %s: give a number of bytes, or of K, M or G", text);
	size <<= shift;
	if (!size || size % BLOCK_SIZE || size > RAM_END - RAM_BASE)
		die("--mem %s: give a multiple of 2M, up to %luM", text,
		    (RAM_END - RAM_BASE) >> 20);
	return size;
}

static unsigned int parse_cpus(const char *text)
{
	unsigned long cpus;
	char *end;

	cpus = strtoul(text, &end, 0);
	if (end == text || *end || !cpus || cpus > MAX_CPUS)
		die("--cpus %s: give a number from 1 to %d", text, MAX_CPUS);
	return cpus;
}

static void parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "cpus", required_argument, NULL, 'c' },
		{ "mem", required_argument, NULL, 'm' },
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "append", required_argument, NULL, 'a' },
		{ "disk", required_argument, NULL, 'd' },
		{ "raw", no_argument, NULL, 'r' },
		{ "trace-exits", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			options.cpus = parse_cpus(optarg);
			break;
		case 'm':
			options.mem_size = parse_size(optarg);
			break;
		case 'k':
			options.kernel = optarg;
			break;
		case 'i':
			options.initrd = optarg;
			break;
		case 'a':
			options.append = optarg;
			break;
		case 'd':
			options.disk = optarg;
			break;
		case 'r':
			options.raw = true;
			break;
		case 't':
			options.trace_exits = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EXIT_VMM_ERROR);
		}
	}
	if (optind < argc)
		die("%s: not an option (try --help)", argv[optind]);
	if (!options.kernel)
		die("no kernel: give --kernel FILE (try --help)");
}

/* Those that end or stop the process, and the one after which it goes on */
static sigset_t handled;

/* What is ignored from the start stays so, for nohup and for jobs in the background */
static void choose_signals(void)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
		SIGPROF, SIGIO, SIGPWR, SIGXCPU, SIGXFSZ, SIGTSTP
	};
	struct sigaction action;

	sigemptyset(&handled);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], NULL, &action);
		if (action.sa_handler != SIG_IGN)
			sigaddset(&handled, signals[i]);
	}
	/* It goes on, whatever becomes of the signal */
	sigaddset(&handled, SIGCONT);
}

/* Signals are for the main thread */
void start_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	sigset_t before;
	int err;

	pthread_sigmask(SIG_BLOCK, &handled, &before);
	err = pthread_create(&thread, NULL, function, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		die("pthread_create: %s", strerror(err));
}

static void __attribute__((noreturn)) wait_for_signals(void)
{
	int number;

	for (;;) {
		if (sigwait(&handled, &number))
			continue;
		switch (number) {
		case SIGTSTP:
			terminal_suspend();
			break;
		case SIGCONT:
			terminal_resume();
			break;
		default:
			finish(128 + number, "stopped by SIG%s, and the guest with it",
			       sigabbrev_np(number));
		}
	}
}

int main(int argc, char **argv)
{
	struct memory ram, shared;
	struct pl011 *uart;
	struct boot boot;
	int gunyah, vm;

	parse_options(argc, argv);
	choose_signals();
	/* The writer gets an error instead */
	signal(SIGPIPE, SIG_IGN);

	vm = vm_create(&gunyah);

	vm_create_memory(gunyah, &ram, RAM_BASE, options.mem_size);
	load_linux(&ram, &boot);
	devtree_write(&ram, &boot);

	uart = pl011_create(vm);
	pvpanic_create();
	if (options.disk) {
		vm_create_memory(gunyah, &shared, SHARED_BASE, SHARED_SIZE);
		vm_share_memory(vm, &shared);
		blk_create(vm, &shared);
	}

	vm_lend_memory(vm, &ram);
	vm_set_dtb(vm, boot.dtb, DTB_ROOM);
	vcpus_create(vm);
	vm_start(vm);

	/* From here on there is a terminal to give back */
	pthread_sigmask(SIG_BLOCK, &handled, NULL);
	terminal_open();
	start_thread(terminal_input, uart);
	vcpus_run();
	wait_for_signals();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux guests under tests/vmm, each at a terminal of its own, with somebody at
 * the keyboard: this program. It runs in the host, reports KTAP, and shows what
 * the guests say as comments.
 *
 *	session check CPUS MIB	what tests/guest/init finds, and the disk afterwards
 *	session ends		each way to end a guest: status, and the terminal
 *	session pair		two guests at once, one of them killed
 *	session repeat N	one after the other: nothing is left of them
 *	session record		a recording: somebody starts a guest and uses it
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define VMM		"/guest/vmm"
#define KERNEL		"/guest/Image"
#define INITRD		"/guest/initrd"
#define DISK_MIB	64

/* Within this, on two cores and under emulation, a guest reaches its init */
#define BOOT_SECONDS	60
/* And these are for anything else that is waited for: one thing, and all of a check */
#define SECONDS		120
#define CHECK_SECONDS	300

/* Exit status of the VMM */
enum { POWERED_OFF = 0, FAILED = 100, RESET = 101, CRASHED = 102 };

#define READY		"runs its init"

struct guest {
	char name[16];
	char disk[32];
	pid_t pid;
	/* Of its terminal: this end, and that of the VMM */
	int keyboard;
	int terminal;
	struct termios before;
	/* Of its output: the line at the end, and all of it */
	char line[512];
	size_t fill;
	char *seen;
	size_t seen_size;
	/* Of @seen: where the answer to what was typed last begins */
	size_t mark;
	long long start;
	/* As events of an asciicast */
	bool record;
	/* Its panic is wanted, and tests/run-qemu would take it for the host's */
	bool silent;
	bool ended;
	int status;
};

static unsigned int results;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void __attribute__((noreturn, format(printf, 1, 2))) fatal(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

static bool __attribute__((format(printf, 2, 3))) result(bool ok, const char *format, ...)
{
	va_list args;

	printf("%sok %u ", ok ? "" : "not ", ++results);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	return ok;
}

static void make_disk(struct guest *g)
{
	int fd;

	snprintf(g->disk, sizeof(g->disk), "/tmp/disk-%s", g->name);
	fd = open(g->disk, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, DISK_MIB << 20))
		fatal("%s: %s", g->disk, strerror(errno));
	close(fd);
}

/* In the child: the VMM with this terminal, and with one more option if it is given */
static void __attribute__((noreturn)) run_vmm(struct guest *g, const char *cpus,
					      const char *mem, const char *append,
					      const char *option)
{
	char *argv[] = {
		VMM, "--kernel", KERNEL, "--initrd", INITRD, "--cpus", (char *)cpus,
		"--mem", (char *)mem, "--append", (char *)append, "--disk", g->disk,
		(char *)option, NULL
	};

	setsid();
	ioctl(g->terminal, TIOCSCTTY, 0);
	dup2(g->terminal, STDIN_FILENO);
	dup2(g->terminal, STDOUT_FILENO);
	dup2(g->terminal, STDERR_FILENO);
	execv(argv[0], argv);
	printf("%s: %s\n", argv[0], strerror(errno));
	fflush(stdout);
	_exit(127);
}

static void guest_start_with(struct guest *g, const char *name, unsigned int cpus,
			     unsigned int mib, const char *append, const char *option)
{
	char cpus_text[16], mem_text[16];

	memset(g, 0, sizeof(*g));
	snprintf(g->name, sizeof(g->name), "%s", name);
	make_disk(g);
	if (openpty(&g->keyboard, &g->terminal, NULL, NULL, NULL) ||
	    fcntl(g->keyboard, F_SETFD, FD_CLOEXEC) ||
	    fcntl(g->terminal, F_SETFD, FD_CLOEXEC) || tcgetattr(g->terminal, &g->before))
		fatal("openpty: %s", strerror(errno));

	snprintf(cpus_text, sizeof(cpus_text), "%u", cpus);
	snprintf(mem_text, sizeof(mem_text), "%uM", mib);
	g->start = now_ms();
	fflush(stdout);
	g->pid = fork();
	if (g->pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!g->pid)
		run_vmm(g, cpus_text, mem_text, append, option);
	/* A key that is pressed before is nobody's */
	while (tcgetpgrp(g->keyboard) != g->pid && now_ms() - g->start < 5000)
		usleep(1000);
}

static void guest_start(struct guest *g, const char *name, unsigned int cpus,
			unsigned int mib, const char *session)
{
	char append[128];

	snprintf(append, sizeof(append), "quiet session=%s cpus=%u mib=%u", session, cpus, mib);
	guest_start_with(g, name, cpus, mib, append, NULL);
}

static void end_line(struct guest *g)
{
	g->line[g->fill] = '\0';
	if (!g->silent && !g->record)
		printf("# %s: %s\n", g->name, g->line);
	fflush(stdout);
	g->fill = 0;
}

/* One event: when, and what appeared on the screen; short enough for tests/init.c */
static void record(struct guest *g, const char *text, size_t len)
{
	printf("cast: [%.3f, \"o\", \"", (now_ms() - g->start) / 1000.0);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c > '~')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	printf("\"]\n");
	fflush(stdout);
}

/* Take in what the guest says within @ms */
static void guest_read(struct guest *g, int ms)
{
	struct pollfd p = { .fd = g->keyboard, .events = POLLIN };
	char buf[128];
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return;
	n = read(g->keyboard, buf, sizeof(buf));
	if (n <= 0)
		return;
	if (g->record)
		record(g, buf, n);
	g->seen = realloc(g->seen, g->seen_size + n + 1);
	if (!g->seen)
		fatal("out of memory");
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\r' || !buf[i])
			continue;
		g->seen[g->seen_size++] = buf[i];
		if (buf[i] == '\n' || g->fill == sizeof(g->line) - 1)
			end_line(g);
		if (buf[i] != '\n')
			g->line[g->fill++] = buf[i];
	}
	g->seen[g->seen_size] = '\0';
}

static bool guest_has_ended(struct guest *g)
{
	size_t before;

	if (!g->ended && waitpid(g->pid, &g->status, WNOHANG) == g->pid) {
		g->ended = true;
		/* What is left in the terminal, and a line without an end */
		do {
			before = g->seen_size;
			guest_read(g, 0);
		} while (g->seen_size > before);
		if (g->fill)
			end_line(g);
	}
	return g->ended;
}

static bool guest_said(const struct guest *g, const char *text)
{
	return g->seen && strstr(g->seen + g->mark, text);
}

static bool guest_wait(struct guest *g, const char *text, int seconds)
{
	long long end = now_ms() + seconds * 1000LL;

	while (!guest_said(g, text)) {
		if (guest_has_ended(g) && !guest_said(g, text)) {
			printf("# %s: ended without \"%s\"\n", g->name, text);
			return false;
		}
		if (now_ms() > end) {
			printf("# %s: no \"%s\" within %d s\n", g->name, text, seconds);
			return false;
		}
		guest_read(g, 100);
	}
	return true;
}

/* Until it is in its init, and so can be typed to */
static bool guest_wait_ready(struct guest *g)
{
	if (!guest_wait(g, READY, BOOT_SECONDS))
		return false;
	printf("# %s: init after %lld ms\n", g->name, now_ms() - g->start);
	return true;
}

static void guest_type(struct guest *g, const char *text)
{
	if (write(g->keyboard, text, strlen(text)) < 0)
		fatal("%s: write to its terminal: %s", g->name, strerror(errno));
}

static bool same_terminal(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
	       a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag &&
	       !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

static bool guest_terminal_is_back(struct guest *g)
{
	struct termios now;

	return !tcgetattr(g->terminal, &now) && same_terminal(&now, &g->before);
}

/* The VMM's status once it has ended, 128 and the signal, or -1 if it does not end */
static int guest_end(struct guest *g, int seconds)
{
	long long end = now_ms() + seconds * 1000LL;

	while (!guest_has_ended(g)) {
		if (now_ms() > end) {
			printf("# %s: no end within %d s\n", g->name, seconds);
			kill(g->pid, SIGKILL);
			waitpid(g->pid, NULL, 0);
			return -1;
		}
		guest_read(g, 50);
	}
	printf("# %s: ended after %lld ms\n", g->name, now_ms() - g->start);
	return WIFEXITED(g->status) ? WEXITSTATUS(g->status) : 128 + WTERMSIG(g->status);
}

static void guest_forget(struct guest *g)
{
	close(g->keyboard);
	close(g->terminal);
	unlink(g->disk);
	free(g->seen);
}

/* It ended with @want, and the terminal is as it was; the guest is forgotten */
static bool guest_judge(struct guest *g, int want, const char *what)
{
	int status = guest_end(g, SECONDS);
	bool back = guest_terminal_is_back(g);

	guest_forget(g);
	return result(status == want && back, "%s: status %d, terminal %s", what, status,
		      back ? "as it was" : "changed");
}

/* --- check ---------------------------------------------------------------- */

/* The host finds in the file what the guest says it has written */
static bool same_sha256(struct guest *g)
{
	char command[128], hash[65], *said = g->seen ? strstr(g->seen, "sha256 ") : NULL;
	bool same;
	FILE *f;

	if (!said)
		return false;
	snprintf(command, sizeof(command),
		 "/bin/busybox dd if=%s bs=1M count=32 | /guest/sha256", g->disk);
	f = popen(command, "r");
	if (!f)
		return false;
	same = fscanf(f, "%64s", hash) == 1 && strlen(hash) == 64 &&
	       !strncmp(said + strlen("sha256 "), hash, 64);
	pclose(f);
	return same;
}

/* What is to be said of a guest that runs the session "check" */
#define CHECK_RESULTS	9

static void guest_check(struct guest *g)
{
	static const char * const names[] = {
		"console", "cpus", "memory", "timer", "disk", "interrupts"
	};
	char text[32];
	int status;

	result(guest_wait_ready(g), "%s: boot", g->name);
	if (guest_wait(g, "guest: type", SECONDS))
		guest_type(g, "something\r");
	status = guest_end(g, CHECK_SECONDS);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "\n%s: ok", names[i]);
		result(guest_said(g, text), "%s: %s", g->name, names[i]);
	}
	result(same_sha256(g), "%s: sha256 of the disk, in the guest and in the host", g->name);
	result(status == POWERED_OFF, "%s: power off, status %d", g->name, status);
	guest_forget(g);
}

static void check(unsigned int cpus, unsigned int mib)
{
	struct guest g;

	printf("1..%d\n", CHECK_RESULTS);
	guest_start(&g, "guest", cpus, mib, "check");
	guest_check(&g);
}

/* --- ends ----------------------------------------------------------------- */

static void end_with(const char *session, int want, const char *what)
{
	struct guest g;

	guest_start(&g, "guest", 1, 128, session);
	g.silent = want == CRASHED;
	guest_judge(&g, want, what);
}

/* It has the terminal: from here on there is something to give back */
static void guest_wait_raw(struct guest *g)
{
	long long end = now_ms() + SECONDS * 1000LL;

	while (guest_terminal_is_back(g) && !guest_has_ended(g) && now_ms() < end)
		guest_read(g, 20);
}

/* Stopped like any job of a shell: the terminal is the shell's meanwhile */
static bool stop(struct guest *g, int number)
{
	long long end = now_ms() + SECONDS * 1000LL;
	int status;

	kill(g->pid, number);
	while (now_ms() < end) {
		if (waitpid(g->pid, &status, WNOHANG | WUNTRACED) == g->pid) {
			g->ended = !WIFSTOPPED(status);
			g->status = status;
			return !g->ended;
		}
		guest_read(g, 50);
	}
	return false;
}

static void keyboard(void)
{
	struct guest g;
	bool ok;

	guest_start(&g, "guest", 1, 128, "echo");
	ok = guest_wait(&g, "guest: type", BOOT_SECONDS);
	guest_type(&g, "something\r");
	result(ok && guest_wait(&g, "guest: you typed something", SECONDS),
	       "what is typed arrives, and comes back");

	result(stop(&g, SIGTSTP) && guest_terminal_is_back(&g),
	       "SIGTSTP: stopped, and the terminal is back");
	kill(g.pid, SIGCONT);
	guest_wait_raw(&g);
	guest_type(&g, "again\r");
	result(guest_wait(&g, "guest: you typed again", SECONDS), "SIGCONT: the guest goes on");

	/* Nobody sees a SIGSTOP; the shell that does this has the terminal meanwhile */
	result(stop(&g, SIGSTOP) && !tcsetattr(g.terminal, TCSANOW, &g.before),
	       "SIGSTOP: stopped");
	kill(g.pid, SIGCONT);
	guest_wait_raw(&g);
	guest_type(&g, "once more\r");
	result(guest_wait(&g, "guest: you typed once more", SECONDS),
	       "SIGCONT: the guest has its terminal again");

	guest_type(&g, "off\r");
	guest_judge(&g, POWERED_OFF, "power off at a word from the keyboard");
}

static void raw(void)
{
	struct guest g;
	bool ok;

	guest_start_with(&g, "guest", 1, 128, "quiet session=echo", "--raw");
	ok = guest_wait(&g, "guest: type", BOOT_SECONDS);
	/* The guest's own terminal drops the line when it sees Ctrl-U */
	guest_type(&g, "dropped\x15kept\r");
	ok = ok && guest_wait(&g, "guest: you typed kept", SECONDS);
	guest_type(&g, "\x03\r");
	result(ok && guest_wait(&g, "^C", SECONDS) && !g.ended, "--raw: Ctrl-C is for the guest");
	guest_type(&g, "\x1d");
	guest_judge(&g, 128 + SIGINT, "--raw: Ctrl-]");

	/* More than its console can take: it is not there yet */
	guest_start_with(&g, "guest", 1, 128, "quiet session=spin", "--raw");
	guest_wait_raw(&g);
	guest_type(&g, "It is a long way from here to there, isn't it?\x1d");
	guest_judge(&g, 128 + SIGINT, "--raw: Ctrl-] before the guest listens");
}

/* In a VMM that has hardly begun, and while the guest boots */
static void ctrl_c(void)
{
	static const int delays_ms[] = { 0, 20, 50, 100, 200, 500, 1000, 2000 };
	struct guest g;
	char what[64];

	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		guest_start(&g, "guest", 2, 128, "spin");
		while (now_ms() - g.start < delays_ms[i])
			guest_read(&g, 10);
		guest_type(&g, "\x03");
		snprintf(what, sizeof(what), "Ctrl-C after %d ms", delays_ms[i]);
		guest_judge(&g, 128 + SIGINT, what);
	}

	guest_start(&g, "guest", 2, 128, "spin");
	guest_wait_ready(&g);
	guest_type(&g, "\x03");
	guest_judge(&g, 128 + SIGINT, "Ctrl-C at a guest that does not listen");
}

static void signals(void)
{
	static const int numbers[] = {
		SIGHUP, SIGTERM, SIGQUIT, SIGUSR1, SIGXCPU, SIGSEGV, SIGABRT
	};
	struct guest g;
	char what[64];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		guest_start(&g, "guest", 1, 128, "spin");
		guest_wait_raw(&g);
		kill(g.pid, numbers[i]);
		snprintf(what, sizeof(what), "SIG%s", sigabbrev_np(numbers[i]));
		guest_judge(&g, 128 + numbers[i], what);
	}
}

static void ends(void)
{
	printf("1..28\n");
	end_with("off", POWERED_OFF, "power off");
	end_with("reboot", RESET, "reboot");
	end_with("panic", CRASHED, "panic");
	ctrl_c();
	signals();
	keyboard();
	raw();
}

/* --- what a guest leaves behind ------------------------------------------- */

/* Sum of the numbers that follow @name at the start of a line of @path */
static long sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	size_t len = strlen(name);
	char line[512];
	long sum = 0;

	if (!file)
		fatal("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		char *start = line + strspn(line, " ");

		if (!strncmp(start, name, len) && start[len] && strchr(" :", start[len]))
			sum += atol(start + len + 1);
	}
	fclose(file);
	return sum;
}

static long lines_with(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[512];
	long lines = 0;

	if (!file)
		fatal("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		lines += !!strstr(line, text);
	fclose(file);
	return lines;
}

static long first_number(const char *path, const char *format)
{
	FILE *file = fopen(path, "re");
	long number;

	if (!file || fscanf(file, format, &number) != 1)
		fatal("%s: %s", path, file ? "not as expected" : strerror(errno));
	fclose(file);
	return number;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* An arm64 kernel's stack is 16 KiB, and the host has pages of 4 KiB */
#define STACK_PAGES	4

/* What the host counts, and how much more of it a guest may leave behind */
enum { PAGES, PINNED, LOST, TABLES, AREAS, INTERRUPTS, PARCELS, VMS, THREADS, FILES, FIGURES };

static const struct {
	const char *name;
	/* A leak of a page by every other guest is seen */
	double limit;
	/* How much of it each CPU may keep for later: two stacks of threads that ended */
	unsigned int kept;
} figures[FIGURES] = {
	[PAGES] = { "pages in use", 0.5, 2 * STACK_PAGES },
	[PINNED] = { "pinned pages", 0 },
	[LOST] = { "pages lent or lost", 0 },
	[TABLES] = { "page tables", 0.5 },
	[AREAS] = { "areas of virtual memory", 0.5, 2 },
	[INTERRUPTS] = { "interrupts", 0 },
	[PARCELS] = { "memory parcels", 0 },
	[VMS] = { "VMs, live or lost", 0 },
	[THREADS] = { "threads", 0 },
	[FILES] = { "open files", 0 },
};

/* The same of each of the kernel's object caches */
#define OBJECT_LIMIT	0.5
/* Its objects outlive what they are for, until there are thousands: see AREAS */
#define LAZY_CACHE	"vmap_area"
#define MAX_CACHES	512
#define OBJECT_LOOKS	4

struct counts {
	long figures[FIGURES];
	size_t caches;
	struct {
		char name[64];
		long objects;
	} cache[MAX_CACHES];
};

/* A cache that is not there has none */
static long objects_of(const struct counts *counts, const char *name)
{
	for (size_t i = 0; i < counts->caches; i++)
		if (!strcmp(counts->cache[i].name, name))
			return counts->cache[i].objects;
	return 0;
}

/* Objects that CPUs keep for later count as in use, but for those that go back here */
static void shrink_caches(void)
{
	const char *dir = "/sys/kernel/slab";
	DIR *handle = opendir(dir);
	struct dirent *d;
	char path[512];

	if (!handle)
		fatal("%s: %s", dir, strerror(errno));
	while ((d = readdir(handle))) {
		/* Links are other names of the same cache */
		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/shrink", dir, d->d_name);
		if (!write_file(path, "1"))
			fatal("%s: %s", path, strerror(errno));
	}
	closedir(handle);
}

static void look_at_objects(struct counts *to)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[512];

	if (!file)
		fatal("/proc/slabinfo: %s", strerror(errno));
	to->caches = 0;
	while (fgets(line, sizeof(line), file) && to->caches < MAX_CACHES)
		if (sscanf(line, "%63s %ld", to->cache[to->caches].name,
			   &to->cache[to->caches].objects) == 2)
			to->caches++;
	fclose(file);
	if (!to->caches || to->caches == MAX_CACHES)
		fatal("/proc/slabinfo: %zu caches", to->caches);
}

/*
 * The least of some looks: a CPU that wants a single object after the caches shrank
 * takes a sheaf of up to 60, which count as in use, and may do so at any time.
 */
static void count_objects(struct counts *to)
{
	static struct counts look;
	cpu_set_t before, one;

	/* What this program itself wants is on the same CPU each time */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_getaffinity(0, sizeof(before), &before) ||
	    sched_setaffinity(0, sizeof(one), &one))
		fatal("affinity: %s", strerror(errno));
	shrink_caches();
	look_at_objects(to);
	for (int i = 1; i < OBJECT_LOOKS; i++) {
		shrink_caches();
		look_at_objects(&look);
		for (size_t j = 0; j < to->caches; j++) {
			long objects = objects_of(&look, to->cache[j].name);

			if (objects < to->cache[j].objects)
				to->cache[j].objects = objects;
		}
	}
	sched_setaffinity(0, sizeof(before), &before);
}

static void count(struct counts *to)
{
	long *n = to->figures;

	/* What is freed after a grace period is free then, also what shrinking frees so */
	for (int i = 0; i < 2; i++) {
		if (!write_file("/proc/sys/vm/drop_caches", "3"))
			fatal("drop_caches: %s", strerror(errno));
		shrink_caches();
		sleep(2);
	}

	/* Free are those of the zones, and those on the lists of each CPU */
	n[PAGES] = sum_of("/proc/zoneinfo", "managed") -
		   sum_of("/proc/zoneinfo", "nr_free_pages") - sum_of("/proc/zoneinfo", "count");
	n[PINNED] = sum_of("/proc/vmstat", "nr_foll_pin_acquired") -
		    sum_of("/proc/vmstat", "nr_foll_pin_released");
	n[LOST] = sum_of("/sys/kernel/debug/gunyah/vms", "lent_pages") +
		  sum_of("/sys/kernel/debug/gunyah/vms", "leaked_pages");
	n[TABLES] = sum_of("/proc/vmstat", "nr_page_table_pages");
	n[AREAS] = lines_with("/proc/vmallocinfo", "0x") -
		   lines_with("/proc/vmallocinfo", "unpurged vm_area");
	n[INTERRUPTS] = lines_with("/proc/interrupts", "gunyah");
	n[PARCELS] = sum_of("/sys/kernel/debug/gunyah/rm", "parcels");
	n[VMS] = sum_of("/sys/kernel/debug/gunyah/vms", "live_vms") +
		 sum_of("/sys/kernel/debug/gunyah/vms", "lost_vmids");
	n[THREADS] = first_number("/proc/loadavg", "%*s %*s %*s %*d/%ld");
	n[FILES] = first_number("/proc/sys/fs/file-nr", "%ld");
	count_objects(to);
}

/*
 * How many caches grew with the number of guests, and did so when as many ran before,
 * from @earlier to @before, if it is not NULL; those that grew at all are shown
 */
static unsigned int caches_grew(const struct counts *earlier, const struct counts *before,
				const struct counts *after, unsigned int n)
{
	unsigned int grew = 0;

	for (size_t i = 0; i < after->caches; i++) {
		const char *name = after->cache[i].name;
		long more = after->cache[i].objects - objects_of(before, name);

		if (!strcmp(name, LAZY_CACHE))
			continue;
		if (more > 0)
			printf("# %s: %ld objects, %ld more\n", name, after->cache[i].objects, more);
		if (earlier && objects_of(before, name) - objects_of(earlier, name) < more)
			more = objects_of(before, name) - objects_of(earlier, name);
		grew += more > OBJECT_LIMIT * n;
	}
	return grew;
}

static bool figure_grew(const struct counts *before, const struct counts *after, size_t i,
			unsigned int n)
{
	unsigned int kept = figures[i].kept * sysconf(_SC_NPROCESSORS_ONLN);

	return after->figures[i] - before->figures[i] > figures[i].limit * n + kept;
}

static bool anything_grew(const struct counts *before, const struct counts *after,
			  unsigned int n)
{
	bool grew = caches_grew(NULL, before, after, n);

	for (size_t i = 0; i < FIGURES; i++)
		grew |= figure_grew(before, after, i, n);
	return grew;
}

/* --- pair ----------------------------------------------------------------- */

#define VICTIM_MIB	128

static void pair(void)
{
	long parcels, free_kib;
	struct guest other, victim, next;
	int status;

	printf("1..%d\n", CHECK_RESULTS + 5);
	guest_start(&other, "other", 2, 128, "check");
	/* It says what it does when it does it, and not when its console is found */
	guest_start_with(&victim, "victim", 2, VICTIM_MIB, "earlycon session=off", NULL);
	/* With the terminal it has all its memory parcels; the victim boots meanwhile */
	guest_wait_raw(&other);
	result(guest_wait(&victim, "Brought up 1 node, 2 CPUs", BOOT_SECONDS), "two guests boot");

	parcels = sum_of("/sys/kernel/debug/gunyah/rm", "parcels");
	free_kib = sum_of("/proc/meminfo", "MemFree");
	kill(victim.pid, SIGKILL);
	status = guest_end(&victim, SECONDS);
	result(status == 128 + SIGKILL && !guest_said(&victim, READY),
	       "victim: killed while it booted");
	free_kib = sum_of("/proc/meminfo", "MemFree") - free_kib;
	/* The other one allocates some at the same time */
	result(free_kib > VICTIM_MIB * 1024 * 9 / 10, "victim: %ld KiB came back", free_kib);
	/* Private and shared memory */
	result(sum_of("/sys/kernel/debug/gunyah/rm", "parcels") == parcels - 2,
	       "victim: both memory parcels are gone");
	guest_forget(&victim);

	guest_check(&other);

	guest_start(&next, "next", 2, 128, "off");
	guest_judge(&next, POWERED_OFF, "next: boot and power off");
}

/* --- repeat --------------------------------------------------------------- */

/* Whether each of @n guests powered off and gave the terminal back */
static bool live(unsigned int n)
{
	bool ok = true;
	struct guest g;
	int status;

	for (unsigned int i = 0; i < n; i++) {
		guest_start(&g, "guest", 1 << i % 3, 128, "off");
		status = guest_end(&g, SECONDS);
		if (status != POWERED_OFF || !guest_terminal_is_back(&g)) {
			printf("# guest %u of %u: status %d\n", i + 1, n, status);
			ok = false;
		}
		guest_forget(&g);
	}
	return ok;
}

static void repeat(unsigned int n)
{
	static struct counts earlier, before, after;
	bool ok, again;

	printf("1..%d\n", FIGURES + 2);
	/* The caches of the kernel fill up */
	ok = live(3);
	count(&before);
	ok &= live(n);
	count(&after);
	/* A leak goes on for ever, and a cache that was not full is full now */
	again = anything_grew(&before, &after, n);
	if (again) {
		printf("# something grew: %u guests more\n", n);
		earlier = before;
		before = after;
		ok &= live(n);
		count(&after);
	}

	result(ok, "guests boot and power off");
	for (size_t i = 0; i < FIGURES; i++)
		result(!figure_grew(&before, &after, i, n), "%s: %ld before, %ld after %u guests",
		       figures[i].name, before.figures[i], after.figures[i], n);
	result(!caches_grew(again ? &earlier : NULL, &before, &after, n), "objects of %zu caches after %u guests",
	       after.caches, n);
}

/* --- record --------------------------------------------------------------- */

static void __attribute__((noreturn)) run_shell(struct guest *g)
{
	char *argv[] = { "sh", NULL };
	char *envp[] = { "PS1=host# ", "PATH=/guest:/bin", "TERM=vt100", "HOME=/", NULL };

	login_tty(g->terminal);
	execve("/bin/busybox", argv, envp);
	_exit(127);
}

/* Type like a person, once there is a prompt, and wait for the next one */
static void enter(struct guest *g, const char *command, const char *prompt)
{
	for (; *command; command++) {
		char key[] = { *command, '\0' };

		guest_type(g, key);
		for (long long end = now_ms() + 80; now_ms() < end; )
			guest_read(g, 10);
	}
	g->mark = g->seen_size;
	guest_type(g, "\r");
	if (!guest_wait(g, prompt, CHECK_SECONDS))
		fatal("no prompt %s", prompt);
}

static void make_recording(void)
{
	struct winsize size = { .ws_row = 30, .ws_col = 100 };
	struct guest g = { .name = "record", .record = true };

	printf("1..1\n");
	make_disk(&g);
	if (openpty(&g.keyboard, &g.terminal, NULL, NULL, &size))
		fatal("openpty: %s", strerror(errno));
	g.start = now_ms();
	fflush(stdout);
	g.pid = fork();
	if (!g.pid)
		run_shell(&g);
	if (g.pid < 0 || !guest_wait(&g, "host# ", SECONDS))
		fatal("no shell");

	enter(&g, "cd /guest; ls", "host# ");
	enter(&g, "./vmm --kernel Image --initrd initrd --append quiet --cpus 2 --mem 256M --raw --disk /tmp/disk-record", "guest# ");
	enter(&g, "uname -a", "guest# ");
	enter(&g, "nproc; free -m", "guest# ");
	enter(&g, "cat /proc/interrupts", "guest# ");
	enter(&g, "dd if=/dev/urandom of=/dev/vda bs=64k count=16", "guest# ");
	enter(&g, "exit", "host# ");
	enter(&g, "echo the status is $?", "host# ");
	guest_type(&g, "exit\r");
	result(guest_end(&g, SECONDS) == 0 && strstr(g.seen, "the status is 0"), "recording");
	guest_forget(&g);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "check"))
		check(atoi(argv[2]), atoi(argv[3]));
	else if (argc == 2 && !strcmp(argv[1], "ends"))
		ends();
	else if (argc == 2 && !strcmp(argv[1], "pair"))
		pair();
	else if (argc == 3 && !strcmp(argv[1], "repeat"))
		repeat(atoi(argv[2]));
	else if (argc == 2 && !strcmp(argv[1], "record"))
		make_recording();
	else
		fatal("session: see the top of tests/guest/session.c");
	return 0;
}

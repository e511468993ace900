// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first program of the hosting Linux in the boot tests.
 *
 * test=NAME on the kernel command line names a plan, /tests/NAME, with one
 * test in each line:
 *
 *	NAME SECONDS COMMAND [ARGUMENT]...
 *
 * Each command runs as a child with that time limit.  A word "$WORD" of it is
 * what WORD= gave on the kernel command line.  Exit status 0 passes, 4 skips,
 * everything else fails.  When its output is KTAP the tests in it are
 * counted instead, and they have to agree with the plan the output announced
 * and with the exit status.  A command that begins with ':' is one of the
 * checks in this file.
 *
 * A line ":last COMMAND" names a program that is started when everything else is
 * done, and sees the machine being powered off.
 *
 * /sbin/modprobe is this program, too.
 *
 * The totals go to the console and to the virtio port named "result", with
 * the word that run= gave, and the machine is powered off.  test=shell starts
 * a shell instead, and test=console a Linux guest with a shell.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGS	32
#define STATUS_SKIP	4

/* A child of a test that has ended may hold its output open, and say nothing. */
#define QUIET_MS	500
/* Until the port for the results has its name. */
#define PORT_MS		3000
/* Until processes that were killed have given back what they had pinned. */
#define PINS_MS		5000

struct count {
	unsigned int passed, failed, skipped;
};

/* What a test's own output says, when it is KTAP. */
struct ktap {
	bool plan_seen;
	unsigned int planned;
	struct count count;
};

static struct count total;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void __attribute__((noreturn)) power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	/* Only a kernel without a way to power off comes back. */
	for (;;)
		pause();
}

static void mount_one(const char *type, const char *where, const char *data)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, data) && errno != EBUSY && errno != ENODEV)
		printf("init: mount %s on %s: %s\n", type, where, strerror(errno));
}

static void mount_all(void)
{
	mount_one("devtmpfs", "/dev", NULL);
	mount_one("proc", "/proc", NULL);
	mount_one("sysfs", "/sys", NULL);
	mount_one("debugfs", "/sys/kernel/debug", NULL);
	mount_one("tracefs", "/sys/kernel/tracing", NULL);
	mount_one("cgroup2", "/sys/fs/cgroup", NULL);
	mount_one("tmpfs", "/tmp", "mode=1777");
	mount_one("tmpfs", "/dev/shm", "mode=1777");
	mount_one("devpts", "/dev/pts", NULL);
}

/* The value of NAME= in the kernel command line, or fallback. */
static char *cmdline_option(const char *name, char *fallback)
{
	char copy[4096];
	size_t len = strlen(name);
	char *word, *save;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f)
		return fallback;
	if (!fgets(copy, sizeof(copy), f))
		copy[0] = '\0';
	fclose(f);

	for (word = strtok_r(copy, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		if (!strncmp(word, name, len) && word[len] == '=')
			return strdup(word + len + 1);
	}
	return fallback;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

/*
 * The modules of a kernel that has its drivers in modules are in /modules, and
 * /modules/index says of them, one in each line,
 *
 *	alias PATTERN NAME	what it serves
 *	needs NAME OTHER	what has to be loaded before, in this order
 *	boot - NAME		nothing asks for it
 */
static bool load_module(const char *name)
{
	char path[300];
	int fd, ret;

	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", 0);
	if (ret && errno == EEXIST)
		ret = 0;
	if (ret)
		printf("init: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return !ret;
}

/* For each line of the index with this first word; has any of them done it? */
static bool each_line(const char *word, bool (*line)(const char *, const char *, const char *),
		      const char *wanted)
{
	char first[16], second[512], third[256];
	FILE *f = fopen("/modules/index", "re");
	bool done = false;

	while (f && fscanf(f, "%15s %511s %255s", first, second, third) == 3)
		if (!strcmp(first, word))
			done |= line(second, third, wanted);
	if (f)
		fclose(f);
	return done;
}

static bool load_need(const char *name, const char *need, const char *wanted)
{
	return !strcmp(name, wanted) && load_module(need);
}

static bool load_match(const char *pattern, const char *name, const char *wanted)
{
	if (fnmatch(pattern, wanted, 0))
		return false;
	each_line("needs", load_need, name);
	return load_module(name);
}

/* What the kernel starts when it wants a module: modprobe -q -- ALIAS */
static int modprobe(const char *alias)
{
	return !each_line("alias", load_match, alias);
}

/* What udev does at boot: a module for each device, also for the new ones. */
static void load_modules(void)
{
	char alias[512];
	size_t i, devices = 0;
	glob_t found;
	FILE *f;

	if (access("/modules/index", F_OK))
		return;
	write_file("/proc/sys/kernel/modprobe", "/sbin/modprobe");
	while (!glob("/sys/bus/*/devices/*/modalias", 0, NULL, &found) &&
	       found.gl_pathc > devices) {
		devices = found.gl_pathc;
		for (i = 0; i < devices; i++) {
			f = fopen(found.gl_pathv[i], "re");
			if (f && fscanf(f, "%511s", alias) == 1)
				modprobe(alias);
			if (f)
				fclose(f);
		}
		globfree(&found);
	}
	each_line("boot", load_match, "-");
}

/* One line of a test's output; only top-level results count. */
static void ktap_line(struct ktap *k, const char *line)
{
	unsigned int n;
	bool ok;

	if (sscanf(line, "1..%u", &n) == 1) {
		k->plan_seen = true;
		k->planned = n;
		return;
	}
	ok = !strncmp(line, "ok ", 3);
	if (!ok && strncmp(line, "not ok ", 7))
		return;
	if (strstr(line, "# SKIP"))
		k->count.skipped++;
	else if (ok)
		k->count.passed++;
	else
		k->count.failed++;
}

static void emit_line(struct ktap *k, const char *line)
{
	printf("  %s\n", line);
	ktap_line(k, line);
}

/* --- checks of this file ------------------------------------------------- */

static void read_pins(unsigned long long *acquired, unsigned long long *released)
{
	unsigned long long value;
	char name[64];
	FILE *f;

	/* Reading it adds up what each CPU has counted for itself. */
	f = fopen("/proc/sys/vm/stat_refresh", "r");
	if (f) {
		fgetc(f);
		fclose(f);
	}
	*acquired = 0;
	*released = 1;
	f = fopen("/proc/vmstat", "r");
	if (!f)
		return;
	while (fscanf(f, "%63s %llu", name, &value) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			*acquired = value;
		if (!strcmp(name, "nr_foll_pin_released"))
			*released = value;
	}
	fclose(f);
}

/*
 * Every page that was pinned for long has been unpinned, at the latest when the
 * last process of the test before is gone.
 */
static int check_pins(struct ktap *k)
{
	const long long end = now_ms() + PINS_MS;
	unsigned long long acquired, released;

	(void)k;
	read_pins(&acquired, &released);
	while (acquired != released && now_ms() < end) {
		usleep(10000);
		read_pins(&acquired, &released);
	}
	printf("  # pins acquired %llu, released %llu\n", acquired, released);
	return acquired != released;
}

/* Memory that nothing points to; kmemleak ignores what is younger than 5 s. */
static int check_kmemleak(struct ktap *k)
{
	const char *path = "/sys/kernel/debug/kmemleak";
	char line[256];
	int leaks = 0;
	FILE *f;

	(void)k;
	if (access(path, F_OK)) {
		printf("  # the kernel has no kmemleak\n");
		return 1;
	}
	sleep(6);
	write_file(path, "scan");
	if (write_file(path, "scan")) {
		printf("  # kmemleak is switched off: %s\n", strerror(errno));
		return 1;
	}
	f = fopen(path, "r");
	if (!f)
		return 1;
	while (fgets(line, sizeof(line), f)) {
		printf("  # %s", line);
		leaks++;
	}
	fclose(f);
	return leaks != 0;
}

/* The KUnit suites that ran at boot, as debugfs keeps them. */
static int check_kunit(struct ktap *k)
{
	const char *dir = "/sys/kernel/debug/kunit";
	char path[512], line[512], *text;
	struct dirent *d;
	FILE *f;
	DIR *handle = opendir(dir);

	if (!handle) {
		printf("  # the kernel has no KUnit results\n");
		return 1;
	}
	while ((d = readdir(handle))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/results", dir, d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = '\0';
			/* The cases are one level below their suite. */
			text = line + strspn(line, " ");
			if (text - line == 4 && !strstr(text, "1.."))
				emit_line(k, text);
			else
				printf("  # %s\n", line);
		}
		fclose(f);
	}
	closedir(handle);
	if (!k->count.passed && !k->count.failed)
		printf("  # no suite ran\n");
	return !k->count.passed || k->count.failed;
}

/* How the runner itself is tested: ends that are not a result. */
static int check_panic(struct ktap *k)
{
	(void)k;
	write_file("/proc/sysrq-trigger", "c");
	return 1;
}

static int check_hang(struct ktap *k)
{
	(void)k;
	/* Until the runner's time limit; only a signal could end it. */
	pause();
	return 1;
}

static int check_warning(struct ktap *k)
{
	(void)k;
	return write_file("/dev/kmsg", "WARNING: seeded by tests/init.c") ? 1 : 0;
}

static int check_early_end(struct ktap *k)
{
	(void)k;
	power_off();
}

static const struct {
	const char *name;
	int (*run)(struct ktap *k);
} checks[] = {
	{ ":pins", check_pins },
	{ ":kmemleak", check_kmemleak },
	{ ":kunit", check_kunit },
	{ ":panic", check_panic },
	{ ":hang", check_hang },
	{ ":warning", check_warning },
	{ ":early-end", check_early_end },
};

/* --- commands ------------------------------------------------------------- */

static void run_child(char **argv, int out)
{
	struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };

	setsid();
	signal(SIGPIPE, SIG_DFL);
	setrlimit(RLIMIT_CORE, &core);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (chdir("/tmp") == 0)
		execv(argv[0], argv);
	printf("# %s: %s\n", argv[0], strerror(errno));
	fflush(stdout);
	_exit(127);
}

/*
 * Copy the child's output, line by line, until it is gone or out of time.
 * Returns its exit status, 128 + signal, or -1 after the time limit.
 */
static int run_command(char **argv, unsigned int seconds, struct ktap *k)
{
	const long long limit = now_ms() + seconds * 1000LL;
	long long end = limit, left;
	char buf[4096], line[1024];
	size_t fill = 0;
	int pipefd[2], status = 0;
	bool exited = false, late = false;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return 126;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return 126;
	if (!pid)
		run_child(argv, pipefd[1]);
	close(pipefd[1]);

	for (;;) {
		struct pollfd p = { .fd = pipefd[0], .events = POLLIN };
		ssize_t n, i;

		if (!exited && waitpid(pid, &status, WNOHANG) == pid) {
			exited = true;
			end = now_ms() + QUIET_MS;
		}
		left = end - now_ms();
		if (left <= 0) {
			late = !exited;
			break;
		}
		if (poll(&p, 1, left < 50 ? left : 50) <= 0)
			continue;
		n = read(pipefd[0], buf, sizeof(buf));
		if (n <= 0) {
			if (exited)
				break;
			/* It closed its output and goes on. */
			usleep(10000);
			continue;
		}
		for (i = 0; i < n; i++) {
			if (buf[i] == '\r')
				continue;
			if (buf[i] != '\n' && fill < sizeof(line) - 1) {
				line[fill++] = buf[i];
				continue;
			}
			line[fill] = '\0';
			emit_line(k, line);
			fill = 0;
		}
		fflush(stdout);
		/* All that it left in the pipe, however slow the console is. */
		if (exited && now_ms() < limit)
			end = now_ms() + QUIET_MS;
	}
	if (fill) {
		line[fill] = '\0';
		emit_line(k, line);
	}
	close(pipefd[0]);

	/* Nothing of this test lives on in the next one. */
	kill(-1, SIGKILL);
	if (!exited)
		waitpid(pid, &status, 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (late)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run_test(unsigned int number, const char *name,
		     unsigned int seconds, char **argv)
{
	struct ktap k = { 0 };
	long long start = now_ms();
	const char *why = NULL;
	char reason[64];
	unsigned int seen;
	int status = -2;
	size_t i;

	printf("  # %s\n", name);
	if (argv[0][0] == ':') {
		for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
			if (!strcmp(argv[0], checks[i].name))
				status = checks[i].run(&k);
	} else {
		status = run_command(argv, seconds, &k);
	}

	seen = k.count.passed + k.count.failed + k.count.skipped;
	if (status == -2) {
		why = "no such check";
	} else if (status == -1) {
		snprintf(reason, sizeof(reason), "no end after %u s", seconds);
		why = reason;
	} else if (k.plan_seen && seen != k.planned) {
		snprintf(reason, sizeof(reason), "%u results, %u planned", seen, k.planned);
		why = reason;
	} else if (status == STATUS_SKIP && !k.count.failed) {
		printf("ok %u %s # SKIP\n", number, name);
		total.skipped += k.count.skipped ? k.count.skipped : 1;
		total.passed += k.count.passed;
		return;
	} else if (status > 128) {
		snprintf(reason, sizeof(reason), "killed by signal %d", status - 128);
		why = reason;
	} else if (status) {
		snprintf(reason, sizeof(reason), "exit status %d", status);
		why = reason;
	} else if (k.count.failed) {
		why = "failures in its output";
	}

	total.passed += k.count.passed;
	total.failed += k.count.failed;
	total.skipped += k.count.skipped;
	if (why) {
		if (!k.count.failed)
			total.failed++;
		printf("not ok %u %s # %s\n", number, name, why);
	} else {
		if (!seen)
			total.passed++;
		printf("ok %u %s # %lld ms\n", number, name, now_ms() - start);
	}
	fflush(stdout);
}

/* What a plan has as ":last" */
static char *last_command;

/* Lines of a plan; "#" starts a comment. */
static unsigned int run_plan(const char *test, bool count_only)
{
	char path[256], line[1024], *argv[MAX_ARGS + 1], *save, *word;
	unsigned int tests = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/tests/%s", test);
	f = fopen(path, "re");
	if (!f) {
		printf("init: there is no plan %s\n", path);
		return 0;
	}
	while (fgets(line, sizeof(line), f)) {
		unsigned int n = 0;

		line[strcspn(line, "#\n")] = '\0';
		for (word = strtok_r(line, " \t", &save); word && n < MAX_ARGS;
		     word = strtok_r(NULL, " \t", &save))
			argv[n++] = word[0] == '$' ? cmdline_option(word + 1, "") : word;
		argv[n] = NULL;
		if (n == 2 && !strcmp(argv[0], ":last")) {
			last_command = strdup(argv[1]);
			continue;
		}
		if (n < 3)
			continue;
		tests++;
		if (!count_only)
			run_test(tests, argv[0], strtoul(argv[1], NULL, 10), argv + 2);
	}
	fclose(f);
	return tests;
}

/* The virtio port named "result", or false when there is none (yet). */
static bool result_port(char *path, size_t size)
{
	const char *class = "/sys/class/virtio-ports";
	DIR *dir = opendir(class);
	bool found = false;
	struct dirent *d;
	char name[64];
	FILE *f;

	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, size, "%s/%s/name", class, d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		found = fscanf(f, "%63s", name) == 1 && !strcmp(name, "result");
		fclose(f);
		snprintf(path, size, "/dev/%s", d->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void report(const char *run)
{
	const long long end = now_ms() + PORT_MS;
	char path[512], text[256];
	bool found;

	snprintf(text, sizeof(text), "result %s: %u passed, %u failed, %u skipped\n",
		 run, total.passed, total.failed, total.skipped);
	printf("%s", text);
	fflush(stdout);

	while (!(found = result_port(path, sizeof(path))) && now_ms() < end)
		usleep(10000);
	if (found && write_file(path, text))
		printf("init: %s: %s\n", path, strerror(errno));
}

/*
 * Goes on in the background until the machine is off: its results are lines on the
 * console that the runner expects.
 */
static void start_last(void)
{
	long long end = now_ms() + 60000;
	char *argv[] = { last_command, NULL };
	pid_t pid;

	if (!last_command)
		return;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return;
	if (!pid)
		run_child(argv, STDOUT_FILENO);
	while (now_ms() < end && waitpid(pid, NULL, WNOHANG) != pid)
		usleep(10000);
}

/* Until it ends; somebody sits at the terminal */
static void run_at_terminal(char **argv)
{
	char *const envp[] = {
		"PATH=/bin:/sbin:/usr/bin:/usr/sbin:/guest", "HOME=/", "TERM=linux",
		"PS1=host# ", NULL
	};
	pid_t pid = fork();

	if (!pid) {
		setsid();
		ioctl(STDIN_FILENO, TIOCSCTTY, 1);
		execve(argv[0], argv, envp);
		printf("init: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	while (waitpid(-1, NULL, 0) != pid)
		;
}

static void shell(void)
{
	char *argv[] = { "/bin/busybox", "sh", "-l", NULL };

	run_at_terminal(argv);
}

static void console(void)
{
	char *argv[] = {
		"/guest/vmm", "--kernel", "/guest/Image", "--initrd", "/guest/initrd",
		"--append", "quiet panic=-1 session=shell", "--disk", "/tmp/disk", "--raw",
		"--cpus", cmdline_option("guest_cpus", "1"),
		"--mem", cmdline_option("guest_mem", "256M"), NULL
	};
	int fd = open("/tmp/disk", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 64 << 20))
		printf("init: /tmp/disk: %s\n", strerror(errno));
	run_at_terminal(argv);
}

int main(int argc, char **argv)
{
	const char *test, *run;
	unsigned int tests;

	if (getpid() != 1)
		return argc > 1 ? modprobe(argv[argc - 1]) : 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	mount_all();
	load_modules();
	test = cmdline_option("test", "boot");
	run = cmdline_option("run", "-");

	if (!strcmp(test, "shell")) {
		shell();
		power_off();
	}
	if (!strcmp(test, "console")) {
		console();
		power_off();
	}

	tests = run_plan(test, true);
	printf("KTAP version 1\n1..%u\n", tests);
	run_plan(test, false);
	if (!tests)
		total.failed++;
	report(run);
	start_last();
	power_off();
}

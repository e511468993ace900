// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small virtual machine monitor for the Gunyah hypervisor.
 *
 * main() has the life of a VM from top to bottom: make memory and fill it, give
 * it to the VM, say where the device tree is, add vCPUs, start, run.  Each vCPU
 * has a thread, run_vcpu(), which calls GH_VCPU_RUN until the VM has ended and
 * answers the accesses that the guest makes to the one emulated device.
 *
 * Documentation/virt/gunyah/vm-manager.rst describes the calls.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/gunyah.h>

#include "sample_vm.h"

/* Exit status, unless the guest powered off: then it is the guest's result */
#define EXIT_VMM_ERROR		100
#define EXIT_GUEST_RESET	101
#define EXIT_GUEST_CRASHED	102

/* Tokens of a flattened device tree's structure block */
#define FDT_MAGIC		0xd00dfeed
#define FDT_BEGIN_NODE		1
#define FDT_END_NODE		2
#define FDT_PROP		3
#define FDT_NOP			4

struct vcpu {
	pthread_t thread;
	unsigned int id;
	int fd;
	struct gh_vcpu_run *run;
	/* Exits, by reason */
	unsigned long mmio_reads;
	unsigned long mmio_writes;
	unsigned long status;
	unsigned long interrupted;
	/* Of the STATUS exit */
	__u32 vm_status;
	__u16 exit_type;
};

static struct {
	unsigned int cpus;
	size_t mem_size;
	const char *image;
	const char *dtb;
	bool verbose;
} options = {
	.cpus = 1,
	.mem_size = 16 << 20,
};

static struct vcpu vcpus[SAMPLE_MAX_CPUS];

/* The emulated device: all vCPUs may access it at the same time */
static struct {
	pthread_mutex_t lock;
	char line[256];
	size_t line_len;
	unsigned int result;
} device = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

/* Stops everything: the kernel takes the VM down when its files are closed */
#define die(format, ...) do {						\
	fprintf(stderr, "gunyah_vmm: " format "\n", ##__VA_ARGS__);	\
	exit(EXIT_VMM_ERROR);						\
} while (0)

#define verbose(format, ...) do {					\
	if (options.verbose)						\
		printf(format "\n", ##__VA_ARGS__);			\
} while (0)

static size_t parse_size(const char *text)
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
	if (errno || end == text || *end || *text == '-' || size > SIZE_MAX >> shift)
		die("--mem %s: give a number of bytes, or of K, M or G", text);

	return size << shift;
}

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: gunyah_vmm [OPTION]...\n"
		"Run a guest of the Gunyah hypervisor until it powers off.\n"
		"\n"
		"  --cpus N      number of vCPUs, 1 to %d (default 1)\n"
		"  --mem SIZE    memory of the guest, with K, M or G (default 16M)\n"
		"  --image FILE  guest image (default guest.bin beside this program)\n"
		"  --dtb FILE    device tree (default sample_vm.dtb beside this program)\n"
		"  --verbose     show each step and each access to the emulated device\n"
		"  --help        show this text\n"
		"\n"
		"Exit status: what the guest wrote to its result register if it powered\n"
		"off, %d if this program failed, %d if the guest asked for a reset, %d if\n"
		"it crashed or was stopped.\n",
		SAMPLE_MAX_CPUS, EXIT_VMM_ERROR, EXIT_GUEST_RESET,
		EXIT_GUEST_CRASHED);
}

static const char *beside_program(const char *name)
{
	static char program[PATH_MAX];
	char *path;

	if (!program[0] &&
	    readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		die("/proc/self/exe: %s (mount /proc, or give --image and --dtb)",
		    strerror(errno));

	/* dirname() changes what it is given */
	path = strdup(program);
	if (!path || asprintf(&path, "%s/%s", dirname(path), name) < 0)
		die("out of memory");
	return path;
}

static void parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "cpus", required_argument, NULL, 'c' },
		{ "mem", required_argument, NULL, 'm' },
		{ "image", required_argument, NULL, 'i' },
		{ "dtb", required_argument, NULL, 'd' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long cpus;
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			cpus = strtoul(optarg, &end, 0);
			if (end == optarg || *end || !cpus || cpus > SAMPLE_MAX_CPUS)
				die("--cpus %s: give a number from 1 to %d",
				    optarg, SAMPLE_MAX_CPUS);
			options.cpus = cpus;
			break;
		case 'm':
			options.mem_size = parse_size(optarg);
			break;
		case 'i':
			options.image = optarg;
			break;
		case 'd':
			options.dtb = optarg;
			break;
		case 'v':
			options.verbose = true;
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

	if (options.mem_size % getpagesize() ||
	    options.mem_size < SAMPLE_DTB_OFFSET + SAMPLE_DTB_ROOM)
		die("--mem: %zu bytes; give a multiple of the page size, %d KiB or more",
		    options.mem_size, (SAMPLE_DTB_OFFSET + SAMPLE_DTB_ROOM) >> 10);

	if (!options.image)
		options.image = beside_program("guest.bin");
	if (!options.dtb)
		options.dtb = beside_program("sample_vm.dtb");
}

/* Read all of a file to @to, where @room bytes are free */
static size_t load_file(const char *path, void *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t done = 0;

	if (fd < 0 || fstat(fd, &st))
		die("open %s: %s (see --image and --dtb)", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size || (size_t)st.st_size > room)
		die("%s: need a file of 1 to %zu bytes", path, room);

	while (done < (size_t)st.st_size) {
		ssize_t ret = read(fd, to + done, st.st_size - done);

		if (ret <= 0)
			die("read %s: %s", path,
			    ret ? strerror(errno) : "it became shorter");
		done += ret;
	}
	close(fd);
	verbose("loaded %s, %zu bytes", path, done);
	return done;
}

/*
 * The resource manager makes a vCPU of each cpu node.  Overwrite the nodes that
 * are too many: nothing moves, and readers of the tree skip a NOP.
 */
static void remove_surplus_cpus(void *dtb, size_t size)
{
	__be32 *header = dtb, *token, *end, *surplus = NULL;
	unsigned int cpu, depth = 0, surplus_depth = 0;

	/* header: magic, total size, offset of the structure block, ... its size */
	if (size < 40 || be32toh(header[0]) != FDT_MAGIC ||
	    be32toh(header[1]) > size || be32toh(header[2]) > size ||
	    be32toh(header[9]) > size - be32toh(header[2]))
		die("%s: not a device tree blob (build it with dtc)", options.dtb);

	token = dtb + be32toh(header[2]);
	end = token + be32toh(header[9]) / 4;
	while (token < end) {
		switch (be32toh(*token)) {
		case FDT_BEGIN_NODE:
			depth++;
			if (!surplus &&
			    sscanf((char *)(token + 1), "cpu@%x", &cpu) == 1 &&
			    cpu >= options.cpus) {
				surplus = token;
				surplus_depth = depth;
			}
			token += 1 + strlen((char *)(token + 1)) / 4 + 1;
			break;
		case FDT_PROP:
			token += 3 + (be32toh(token[1]) + 3) / 4;
			break;
		case FDT_END_NODE:
			token++;
			if (surplus && depth == surplus_depth) {
				while (surplus < token)
					*surplus++ = htobe32(FDT_NOP);
				surplus = NULL;
			}
			depth--;
			break;
		default:
			token++;
		}
	}
}

/* Memory that only the guest will have: write to it before it is lent */
static int create_memory(int gunyah)
{
	struct gh_create_mem_args args = {
		.flags = GH_GUEST_MEM_CLOEXEC | GH_GUEST_MEM_ALLOW_HUGEPAGE,
		.size = options.mem_size,
	};
	size_t size;
	void *mem;
	int fd;

	fd = ioctl(gunyah, GH_CREATE_GUEST_MEM, &args);
	if (fd < 0)
		die("GH_CREATE_GUEST_MEM of %zu bytes: %s (is that much memory free? see --mem)",
		    options.mem_size, strerror(errno));

	mem = mmap(NULL, options.mem_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	if (mem == MAP_FAILED)
		die("mmap of the guest's memory: %s", strerror(errno));

	load_file(options.image, mem, SAMPLE_DTB_OFFSET);
	size = load_file(options.dtb, mem + SAMPLE_DTB_OFFSET,
			 SAMPLE_DTB_ROOM / 2);
	remove_surplus_cpus(mem + SAMPLE_DTB_OFFSET, size);

	/* After GH_VM_START an access would be a SIGBUS */
	munmap(mem, options.mem_size);
	return fd;
}

/* The image is what the memory begins with: the guest is entered there */
static void map_memory(int vm, int mem)
{
	struct gh_map_mem_args map = {
		.guest_addr = SAMPLE_RAM_BASE,
		.flags = GH_MAP_MEM_FORCE_LEND | GH_MAP_MEM_ALLOW_READ |
			 GH_MAP_MEM_ALLOW_WRITE | GH_MAP_MEM_ALLOW_EXEC,
		.guest_mem_fd = mem,
		.size = options.mem_size,
	};
	struct gh_vm_dtb_config dtb = {
		.guest_phys_addr = SAMPLE_RAM_BASE + SAMPLE_DTB_OFFSET,
		.size = SAMPLE_DTB_ROOM,
	};

	if (ioctl(vm, GH_VM_MAP_MEM, &map))
		die("GH_VM_MAP_MEM of %zu bytes at %#x: %s (see --mem)",
		    options.mem_size, SAMPLE_RAM_BASE, strerror(errno));
	if (ioctl(vm, GH_VM_SET_DTB_CONFIG, &dtb))
		die("GH_VM_SET_DTB_CONFIG of %#x bytes at %#x: %s",
		    SAMPLE_DTB_ROOM, SAMPLE_RAM_BASE + SAMPLE_DTB_OFFSET,
		    strerror(errno));
	verbose("%zu KiB to lend at %#x, device tree at %#x",
		options.mem_size >> 10, SAMPLE_RAM_BASE,
		SAMPLE_RAM_BASE + SAMPLE_DTB_OFFSET);
}

static void add_vcpu(int vm, unsigned int id)
{
	struct gh_vm_function function = { .name = "vcpu", .vcpu.vcpu_id = id };
	struct vcpu *vcpu = &vcpus[id];
	int size;

	vcpu->id = id;
	vcpu->fd = ioctl(vm, GH_VM_ADD_FUNCTION, &function);
	if (vcpu->fd < 0)
		die("GH_VM_ADD_FUNCTION of vCPU %u: %s (is the gunyah_vcpu driver there?)",
		    id, strerror(errno));

	size = ioctl(vcpu->fd, GH_VCPU_MMAP_SIZE);
	if (size < 0)
		die("GH_VCPU_MMAP_SIZE of vCPU %u: %s", id, strerror(errno));

	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of vCPU %u: %s", id, strerror(errno));
}

/* Print whole lines, and what does not end: called with device.lock held */
static void flush_console(void)
{
	if (device.line_len) {
		printf("guest: %.*s\n", (int)device.line_len, device.line);
		fflush(stdout);
	}
	device.line_len = 0;
}

static __u64 device_read(struct vcpu *vcpu, __u64 addr, __u32 len)
{
	__u64 value = 0;

	switch (addr) {
	case SAMPLE_DEV_BASE + SAMPLE_DEV_CPUS:
		value = options.cpus;
		break;
	case SAMPLE_DEV_BASE + SAMPLE_DEV_ANSWER:
		value = SAMPLE_ANSWER;
		break;
	default:
		fprintf(stderr, "gunyah_vmm: vCPU %u reads %u bytes at %#llx, where nothing is\n",
			vcpu->id, len, addr);
	}
	verbose("vCPU %u reads %u bytes at %#llx: %#llx", vcpu->id, len, addr, value);
	return value;
}

static void device_write(struct vcpu *vcpu, __u64 addr, __u32 len, __u64 value)
{
	switch (addr) {
	case SAMPLE_DEV_BASE + SAMPLE_DEV_CONSOLE:
		if ((char)value != '\n')
			device.line[device.line_len++] = value;
		if ((char)value == '\n' || device.line_len == sizeof(device.line))
			flush_console();
		return;
	case SAMPLE_DEV_BASE + SAMPLE_DEV_RESULT:
		device.result = value;
		break;
	default:
		fprintf(stderr, "gunyah_vmm: vCPU %u writes %u bytes at %#llx, where nothing is\n",
			vcpu->id, len, addr);
	}
	verbose("vCPU %u writes %u bytes at %#llx: %#llx", vcpu->id, len, addr, value);
}

/* The run page holds the access until the next GH_VCPU_RUN takes the reply */
static void handle_mmio(struct vcpu *vcpu)
{
	struct gh_vcpu_run *run = vcpu->run;
	__u64 value = 0;

	pthread_mutex_lock(&device.lock);
	if (run->mmio.is_write) {
		vcpu->mmio_writes++;
		memcpy(&value, run->mmio.data, run->mmio.len);
		device_write(vcpu, run->mmio.phys_addr, run->mmio.len, value);
	} else {
		vcpu->mmio_reads++;
		value = device_read(vcpu, run->mmio.phys_addr, run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
	pthread_mutex_unlock(&device.lock);
}

static void *run_vcpu(void *data)
{
	struct vcpu *vcpu = data;
	struct gh_vcpu_run *run = vcpu->run;

	for (;;) {
		if (ioctl(vcpu->fd, GH_VCPU_RUN)) {
			/* A signal: what it is about is not for this thread */
			if (errno == EINTR) {
				vcpu->interrupted++;
				continue;
			}
			die("GH_VCPU_RUN of vCPU %u: %s (%s)", vcpu->id, strerror(errno),
			    errno == ENODEV ? "does the device tree have it?" :
			    "see the kernel log");
		}

		switch (run->exit_reason) {
		case GH_VCPU_EXIT_MMIO:
			handle_mmio(vcpu);
			break;
		case GH_VCPU_EXIT_STATUS:
			vcpu->status++;
			vcpu->vm_status = run->status.status;
			vcpu->exit_type = run->status.exit_info.type;
			return NULL;
		default:
			die("GH_VCPU_RUN of vCPU %u: exit reason %u is not known",
			    vcpu->id, run->exit_reason);
		}
	}
}

static int report(void)
{
	struct vcpu sum = { };
	unsigned int i;

	flush_console();
	for (i = 0; i < options.cpus; i++) {
		sum.mmio_reads += vcpus[i].mmio_reads;
		sum.mmio_writes += vcpus[i].mmio_writes;
		sum.status += vcpus[i].status;
		sum.interrupted += vcpus[i].interrupted;
	}
	printf("exits: %lu MMIO reads, %lu MMIO writes, %lu status, %lu interrupted\n",
	       sum.mmio_reads, sum.mmio_writes, sum.status, sum.interrupted);

	/* All vCPUs were told the same */
	if (vcpus[0].vm_status == GH_VM_STATUS_EXITED) {
		switch (vcpus[0].exit_type) {
		case GH_VM_EXIT_TYPE_PSCI_POWER_OFF:
			printf("the guest powered off, with result %u\n", device.result);
			return device.result;
		case GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET:
		case GH_VM_EXIT_TYPE_PSCI_SYSTEM_RESET2:
			printf("the guest asked for a reset\n");
			return EXIT_GUEST_RESET;
		}
	}
	printf("the guest ended with status %u (%s), exit type %u\n",
	       vcpus[0].vm_status,
	       vcpus[0].vm_status == GH_VM_STATUS_LOAD_FAILED ? "load failed" :
	       vcpus[0].vm_status == GH_VM_STATUS_CRASHED ? "crashed" : "exited",
	       vcpus[0].exit_type);
	return EXIT_GUEST_CRASHED;
}

int main(int argc, char **argv)
{
	int gunyah, vm, mem, err;
	unsigned int i;

	parse_options(argc, argv);

	gunyah = open("/dev/gunyah", O_RDWR | O_CLOEXEC);
	if (gunyah < 0)
		die("open /dev/gunyah: %s (%s)", strerror(errno),
		    errno == EACCES ? "may this user open it?" :
		    "is the gunyah driver loaded, and does Linux run under Gunyah?");
	if (ioctl(gunyah, GH_CHECK_EXTENSION, GH_CAP_GUEST_MEM) <= 0 ||
	    ioctl(gunyah, GH_CHECK_EXTENSION, GH_CAP_VCPU) <= 0)
		die("GH_CHECK_EXTENSION: no guest memory or no vCPUs (see CONFIG_GUNYAH_VCPU)");

	vm = ioctl(gunyah, GH_CREATE_VM, 0);
	if (vm < 0)
		die("GH_CREATE_VM: %s (is the host shutting down?)", strerror(errno));

	mem = create_memory(gunyah);
	map_memory(vm, mem);
	for (i = 0; i < options.cpus; i++)
		add_vcpu(vm, i);

	if (ioctl(vm, GH_VM_START))
		die("GH_VM_START: %s (the kernel log says which step the resource manager refused)",
		    strerror(errno));
	verbose("started with %u vCPUs", options.cpus);

	for (i = 0; i < options.cpus; i++) {
		err = pthread_create(&vcpus[i].thread, NULL, run_vcpu, &vcpus[i]);
		if (err)
			die("pthread_create for vCPU %u: %s", i, strerror(err));
	}
	for (i = 0; i < options.cpus; i++)
		pthread_join(vcpus[i].thread, NULL);

	return report();
}

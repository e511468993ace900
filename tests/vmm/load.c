// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux in the guest's memory: the kernel at the start, where the VM is entered,
 * then the device tree, then the initrd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm.h"

/* Documentation/arch/arm64/booting.rst */
struct image_header {
	uint32_t code[2];
	uint64_t text_offset;
	uint64_t image_size;
	uint64_t flags;
	uint64_t reserved[3];
	uint32_t magic;
	uint32_t pe_offset;
};

#define IMAGE_MAGIC		0x644d5241
#define IMAGE_BIG_ENDIAN	0x1
#define IMAGE_PAGE_SIZE(flags)	((flags) >> 1 & 0x3)
/* 0 is "not said" */
#define IMAGE_PAGE_4K		1

static uint64_t align(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

/* Read all of a file to @offset of the memory */
static uint64_t load_file(const char *path, const char *option, const struct memory *ram,
			  uint64_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t done = 0, size;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("open %s: %s (see %s)", path, strerror(errno), option);
	size = st.st_size;
	if (!S_ISREG(st.st_mode) || !size)
		die("%s: not a file with something in it (see %s)", path, option);
	if (offset > ram->size || size > ram->size - offset)
		die("%s: its %lu KiB don't fit in the %lu MiB of the guest (see --mem)",
		    path, size >> 10, ram->size >> 20);

	while (done < size) {
		ssize_t n = read(fd, (char *)ram->host + offset + done, size - done);

		if (n <= 0)
			die("read %s: %s", path, n ? strerror(errno) : "it became shorter");
		done += n;
	}
	close(fd);
	return size;
}

static void check_header(const struct image_header *header, uint64_t size)
{
	if (size < sizeof(*header) || header->magic != IMAGE_MAGIC)
		die("%s: not an arm64 kernel (give arch/arm64/boot/Image, neither vmlinux nor Image.gz)",
		    options.kernel);
	if (header->flags & IMAGE_BIG_ENDIAN)
		die("%s: a big endian kernel (build it without CONFIG_CPU_BIG_ENDIAN)",
		    options.kernel);
	if (IMAGE_PAGE_SIZE(header->flags) > IMAGE_PAGE_4K)
		die("%s: needs pages of 16 or 64 KiB, and a guest has pages of 4 KiB (build it with CONFIG_ARM64_4K_PAGES)",
		    options.kernel);
	if (header->text_offset)
		die("%s: has to be loaded %#lx bytes into the memory, and a guest starts at its beginning (use Linux 5.8 or newer)",
		    options.kernel, header->text_offset);
}

void load_linux(const struct memory *ram, struct boot *boot)
{
	uint64_t size = load_file(options.kernel, "--kernel", ram, 0);
	const struct image_header *header = ram->host;

	check_header(header, size);
	/* What the kernel uses before it knows of any memory; more than the file has */
	if (header->image_size > size)
		size = header->image_size;
	if (size > ram->size || align(size, BLOCK_SIZE) + DTB_ROOM > ram->size)
		die("%s: needs %lu KiB, and the guest has %lu (see --mem)", options.kernel,
		    size >> 10, ram->size >> 10);

	boot->dtb = ram->base + align(size, BLOCK_SIZE);
	boot->initrd = boot->dtb + DTB_ROOM;
	boot->initrd_end = boot->initrd;
	if (options.initrd)
		boot->initrd_end += load_file(options.initrd, "--initrd", ram,
					      boot->initrd - ram->base);
}

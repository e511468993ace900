// SPDX-License-Identifier: GPL-2.0-only
/*
 * sha256 [FILE]: the SHA-256 of the standard input, which is copied to FILE, too.
 * Under emulation sha256sum of busybox takes several times as long, and its tee
 * copies 1 KiB at a time.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	64

static uint32_t constants[64];
static uint32_t state[8];

/* The first 32 bits behind the point of the square or cube root of @n */
static uint32_t root(unsigned int n, unsigned int power)
{
	unsigned __int128 want = (unsigned __int128)n << 32 * power;
	uint64_t low = 0;

	/* 2^37 is above the roots of all that is asked for */
	for (int bit = 36; bit >= 0; bit--) {
		unsigned __int128 x = low | 1UL << bit;

		if ((power == 2 ? x * x : x * x * x) <= want)
			low = x;
	}
	return low;
}

static void init(void)
{
	unsigned int found = 0, n = 1, d;

	while (found < 64) {
		n++;
		for (d = 2; d * d <= n && n % d; d++)
			;
		if (d * d <= n)
			continue;
		if (found < 8)
			state[found] = root(n, 2);
		constants[found++] = root(n, 3);
	}
}

static inline uint32_t rotate(uint32_t value, unsigned int by)
{
	return value >> by | value << (32 - by);
}

static void add_block(const uint8_t *data)
{
	uint32_t words[64], a[8];

	for (int i = 0; i < 16; i++) {
		memcpy(&words[i], data + 4 * i, 4);
		words[i] = be32toh(words[i]);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t x = words[i - 15], y = words[i - 2];

		words[i] = words[i - 16] + words[i - 7] +
			   (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
			   (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
	}

	memcpy(a, state, sizeof(a));
	for (int i = 0; i < 64; i++) {
		uint32_t x = a[7] + (rotate(a[4], 6) ^ rotate(a[4], 11) ^ rotate(a[4], 25)) +
			     ((a[4] & a[5]) ^ (~a[4] & a[6])) + constants[i] + words[i];
		uint32_t y = (rotate(a[0], 2) ^ rotate(a[0], 13) ^ rotate(a[0], 22)) +
			     ((a[0] & a[1]) ^ (a[0] & a[2]) ^ (a[1] & a[2]));

		for (int j = 7; j > 0; j--)
			a[j] = a[j - 1];
		a[4] += x;
		a[0] = x + y;
	}
	for (int i = 0; i < 8; i++)
		state[i] += a[i];
}

static void __attribute__((noreturn)) fail(const char *what)
{
	perror(what);
	exit(1);
}

/* All of @data, or what is left */
static size_t read_some(uint8_t *data, size_t size)
{
	size_t fill = 0;
	ssize_t n;

	do {
		n = read(STDIN_FILENO, data + fill, size - fill);
		if (n < 0)
			fail("sha256: read");
		fill += n;
	} while (n && fill < size);
	return fill;
}

static void write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0)
			fail("sha256: write");
		data += n;
		size -= n;
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[1 << 16];
	size_t fill, done, end;
	uint64_t total = 0;
	int copy = -1;

	if (argc > 1) {
		copy = open(argv[1], O_WRONLY);
		if (copy < 0)
			fail(argv[1]);
	}
	init();
	do {
		fill = read_some(data, sizeof(data));
		if (copy >= 0)
			write_all(copy, data, fill);
		total += fill;
		for (done = 0; fill - done >= BLOCK; done += BLOCK)
			add_block(data + done);
	} while (fill == sizeof(data));

	/* A bit that is set, zeros, and the length in bits */
	fill -= done;
	memmove(data, data + done, fill);
	memset(data + fill, 0, 2 * BLOCK);
	data[fill] = 0x80;
	end = fill + 9 > BLOCK ? 2 * BLOCK : BLOCK;
	for (int i = 0; i < 8; i++)
		data[end - 1 - i] = total * 8 >> 8 * i;
	for (done = 0; done < end; done += BLOCK)
		add_block(data + done);

	for (int i = 0; i < 8; i++)
		printf("%08x", state[i]);
	printf("\n");
	return 0;
}

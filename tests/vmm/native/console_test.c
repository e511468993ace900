// SPDX-License-Identifier: GPL-2.0-only
/* The console, with a driver that keeps to the rules and one that does not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

#define DR	0x00
#define FR	0x18
#define IMSC	0x38
#define RIS	0x3c
#define MIS	0x40
#define ICR	0x44

#define FR_RXFE	0x10
#define FR_RXFF	0x40
#define FR_TXFE	0x80

#define INT_RX	0x10
#define INT_TX	0x20
#define INT_RT	0x40

static struct pl011 *console;
static struct mmio_device *uart;
static int interrupts, output[2], results_fd;
static unsigned int results, failures;

/* --- what the rest of the VMM would do ------------------------------------- */

void finish(int status, const char *format, ...)
{
	(void)format;
	dprintf(results_fd, "# the console ends the VMM\n");
	exit(status);
}

void irq_raise(int irq)
{
	(void)irq;
	interrupts++;
}

int vm_add_irq(int vm, unsigned int irq)
{
	(void)vm;
	return irq;
}

void mmio_add(struct mmio_device *mmio)
{
	uart = mmio;
}

/* --- the guest ---------------------------------------------------------------- */

static uint32_t read16(uint64_t offset)
{
	return uart->read(uart, offset, 2);
}

static void write16(uint64_t offset, uint32_t value)
{
	uart->write(uart, offset, 2, value);
}

static void result(bool ok, const char *what)
{
	dprintf(results_fd, "%sok %u %s\n", ok ? "" : "not ", ++results, what);
	failures += !ok;
}

/* How many interrupts there were since the last call */
static int take_interrupts(void)
{
	int n = interrupts;

	interrupts = 0;
	return n;
}

/* --- tests ---------------------------------------------------------------- */

static void test_transmit(void)
{
	char text[8];

	result(read16(FR) == (FR_TXFE | FR_RXFE), "idle");
	write16(DR, 'o');
	result(!pl011_line_ended, "in a line");
	write16(DR, 'k');
	write16(DR, '\n');
	result(read(output[0], text, sizeof(text)) == 3 && !memcmp(text, "ok\n", 3), "output");
	result(pl011_line_ended, "line ended");
	result(read16(RIS) == INT_TX && !read16(MIS) && !take_interrupts(), "sent, and masked");
	write16(IMSC, INT_TX);
	result(read16(MIS) == INT_TX && take_interrupts() == 1, "interrupt once it is not");
	write16(ICR, INT_TX);
	result(!read16(RIS), "cleared");
	write16(DR, '\n');
	result(take_interrupts() == 1, "interrupt for the next character");
	write16(IMSC, 0);
	write16(ICR, INT_TX);
}

static void test_receive(void)
{
	bool ok = true;

	pl011_receive(console, 'a');
	result(read16(FR) == FR_TXFE && !take_interrupts(), "received, and masked");
	write16(IMSC, INT_RX | INT_RT);
	result(take_interrupts() == 1 && read16(MIS) == (INT_RX | INT_RT),
	       "interrupt once it is not");
	pl011_receive(console, 'b');
	result(take_interrupts() == 1, "each character is an interrupt");
	result(read16(DR) == 'a' && read16(MIS) && read16(DR) == 'b', "in their order");
	result(!read16(MIS) && read16(FR) == (FR_TXFE | FR_RXFE) && !take_interrupts(),
	       "nothing left");
	result(!read16(DR), "read of nothing");

	for (int i = 0; i < 16; i++)
		pl011_receive(console, i);
	result(read16(FR) == (FR_TXFE | FR_RXFF), "full");
	for (int i = 0; i < 16; i++)
		ok = ok && read16(DR) == (uint32_t)i;
	result(ok && read16(FR) & FR_RXFE, "and empty again");
}

static volatile int flooded;

static void *flood(void *argument)
{
	(void)argument;
	for (flooded = 0; flooded < 1000; flooded++)
		pl011_receive(console, flooded);
	return NULL;
}

/* The keyboard is faster than the guest */
static void test_flood(void)
{
	pthread_t thread;
	bool ok = true;

	if (pthread_create(&thread, NULL, flood, NULL))
		abort();
	for (int i = 0; i < 1000; i++) {
		while (read16(FR) & FR_RXFE)
			sched_yield();
		ok = ok && read16(DR) == (uint8_t)i;
	}
	pthread_join(thread, NULL);
	result(ok && flooded == 1000, "nothing gets lost");
}

static void test_nonsense(void)
{
	char text[4096];

	write16(0x2c, 0x70);
	result(read16(0x2c) == 0x70, "line control is kept");
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		unsigned int len = 1 << random() % 4;
		uint64_t offset = random() % (i % 2 ? 0x50 : UART_SIZE - len + 1);

		if (random() % 2)
			uart->write(uart, offset, len, random());
		else
			uart->read(uart, offset, len);
		while (read(output[0], text, sizeof(text)) > 0)
			;
	}
	write16(ICR, 0x7ff);
	result(read16(FR) == (FR_TXFE | FR_RXFE) && !read16(RIS), "after nonsense");
}

int main(void)
{
	results_fd = dup(STDOUT_FILENO);
	if (results_fd < 0 || pipe2(output, O_NONBLOCK) || dup2(output[1], STDOUT_FILENO) < 0)
		return 1;
	console = pl011_create(-1);

	test_transmit();
	test_receive();
	test_flood();
	test_nonsense();
	dprintf(results_fd, "1..%u\n%u passed, %u failed\n", results, results - failures, failures);
	return failures != 0;
}

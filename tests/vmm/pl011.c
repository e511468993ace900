// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console: as much of an Arm PL011 as a driver needs. It sends at once, so
 * its transmit FIFO is always empty; what is received waits in the FIFO here
 * until the guest reads it.
 *
 * The interrupt line is level-triggered on a real PL011 and edge-triggered
 * here. That is the same for a driver that handles interrupts until none is
 * left, since the line falls in between and each rise is an interrupt. A driver
 * may give up before, however, if more and more arrives: so each character that
 * arrives is an interrupt, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

#define UARTDR		0x00
#define UARTFR		0x18
#define UARTIMSC	0x38
#define UARTRIS		0x3c
#define UARTMIS		0x40
#define UARTICR		0x44
#define UARTDMACR	0x48

#define FR_RXFE		0x10
#define FR_RXFF		0x40
#define FR_TXFE		0x80

#define INT_RX		0x10
#define INT_TX		0x20
/* Received characters that the driver leaves in the FIFO */
#define INT_RT		0x40

#define FIFO_SIZE	16

struct pl011 {
	struct mmio_device mmio;
	int irq;
	pthread_mutex_t lock;
	/* Signalled when the guest takes a character */
	pthread_cond_t room;
	uint8_t fifo[FIFO_SIZE];
	unsigned int first, count;
	bool sent;
	uint32_t mask;
	bool line;
	/* Line control, baud rate and the like: kept, and without effect */
	uint32_t settings[UARTDMACR / 4 + 1];
};

_Atomic bool pl011_line_ended = true;

static uint32_t raw_interrupts(const struct pl011 *uart)
{
	return (uart->count ? INT_RX | INT_RT : 0) | (uart->sent ? INT_TX : 0);
}

static void update_line(struct pl011 *uart)
{
	bool line = raw_interrupts(uart) & uart->mask;

	if (line && !uart->line)
		irq_raise(uart->irq);
	uart->line = line;
}

static void transmit(struct pl011 *uart, uint8_t c)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (write(STDOUT_FILENO, &c, 1) != 1) {
		/* Others may have the same file, and made it one that does not block */
		if (errno != EINTR && errno != EAGAIN)
			die("write of the console: %s (is the standard output closed?)",
			    strerror(errno));
		poll(&output, 1, -1);
	}
	pl011_line_ended = c == '\n';
	uart->sent = true;
}

static uint8_t take(struct pl011 *uart)
{
	uint8_t c;

	if (!uart->count)
		return 0;
	c = uart->fifo[uart->first];
	uart->first = (uart->first + 1) % FIFO_SIZE;
	uart->count--;
	pthread_cond_signal(&uart->room);
	return c;
}

static uint64_t read_register(struct mmio_device *mmio, uint64_t offset, unsigned int len)
{
	struct pl011 *uart = container_of(mmio, struct pl011, mmio);
	uint64_t value = 0;

	(void)len;
	pthread_mutex_lock(&uart->lock);
	switch (offset) {
	case UARTDR:
		value = take(uart);
		break;
	case UARTFR:
		value = FR_TXFE | (uart->count ? 0 : FR_RXFE) |
			(uart->count == FIFO_SIZE ? FR_RXFF : 0);
		break;
	case UARTIMSC:
		value = uart->mask;
		break;
	case UARTRIS:
		value = raw_interrupts(uart);
		break;
	case UARTMIS:
		value = raw_interrupts(uart) & uart->mask;
		break;
	default:
		if (offset <= UARTDMACR)
			value = uart->settings[offset / 4];
	}
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
	return value;
}

static void write_register(struct mmio_device *mmio, uint64_t offset, unsigned int len,
			   uint64_t value)
{
	struct pl011 *uart = container_of(mmio, struct pl011, mmio);

	(void)len;
	pthread_mutex_lock(&uart->lock);
	switch (offset) {
	case UARTDR:
		transmit(uart, value);
		break;
	case UARTIMSC:
		uart->mask = value;
		break;
	case UARTICR:
		if (value & INT_TX)
			uart->sent = false;
		break;
	default:
		if (offset <= UARTDMACR)
			uart->settings[offset / 4] = value;
	}
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

void pl011_receive(struct pl011 *uart, uint8_t c)
{
	pthread_mutex_lock(&uart->lock);
	while (uart->count == FIFO_SIZE)
		pthread_cond_wait(&uart->room, &uart->lock);
	uart->fifo[(uart->first + uart->count++) % FIFO_SIZE] = c;
	uart->line = false;
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

struct pl011 *pl011_create(int vm)
{
	static struct pl011 uart = {
		.mmio = {
			.name = "pl011",
			.base = UART_BASE,
			.size = UART_SIZE,
			.read = read_register,
			.write = write_register,
		},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.room = PTHREAD_COND_INITIALIZER,
	};

	uart.irq = vm_add_irq(vm, UART_IRQ);
	mmio_add(&uart.mmio);
	return &uart;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log, and the end of a test.  The PL011 is the host's: nothing here
 * touches its configuration, a line is only written when there is room.
 */
#include <string.h>

#include "core.h"

#define UART_DR		0x00
#define UART_FR		0x18
#define FR_TXFF		BIT(5)

/* Exit status of QEMU, by semihosting */
#define EXIT_VIOLATION	70
#define EXIT_PANIC	71

#define SYS_EXIT_EXTENDED	0x20
#define APPLICATION_EXIT	0x20026

#define PSCI_SYSTEM_OFF		0x84000008u

static volatile u32 *uart;
static bool ending;

void console_init(u64 base)
{
	uart = (volatile u32 *)base;
}

static void put_char(char c)
{
	if (!uart)
		return;
	while (uart[UART_FR / 4] & FR_TXFF)
		;
	uart[UART_DR / 4] = (u8)c;
}

static void put_string(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			put_char('\r');
		put_char(*s);
	}
}

struct out {
	char *buf;
	size_t size, len;
};

static void out_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void out_field(struct out *o, const char *s, size_t len, size_t width,
		      bool left)
{
	size_t pad = width > len ? width - len : 0;

	while (!left && pad) {
		out_char(o, ' ');
		pad--;
	}
	while (len--)
		out_char(o, *s++);
	while (pad--)
		out_char(o, ' ');
}

static void out_number(struct out *o, u64 val, bool negative, u32 base,
		       bool alternate, bool zero, bool left, size_t width)
{
	char digits[24];
	char *p = digits + sizeof(digits);
	size_t prefix = (negative ? 1 : 0) + (alternate ? 2 : 0);

	do {
		*--p = "0123456789abcdef"[val % base];
		val /= base;
	} while (val);
	while (zero && (size_t)(digits + sizeof(digits) - p) + prefix < width &&
	       p > digits + 3)
		*--p = '0';
	if (alternate) {
		*--p = 'x';
		*--p = '0';
	}
	if (negative)
		*--p = '-';
	out_field(o, p, (size_t)(digits + sizeof(digits) - p), width, left);
}

int core_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };

	for (; *fmt; fmt++) {
		bool alternate = false, zero = false, left = false;
		size_t width = 0, precision = ~0ul;
		int length = 0;
		u64 val;

		if (*fmt != '%') {
			out_char(&o, *fmt);
			continue;
		}
		for (fmt++; *fmt && strchr("#0-", *fmt); fmt++) {
			alternate |= *fmt == '#';
			zero |= *fmt == '0';
			left |= *fmt == '-';
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (size_t)(*fmt - '0');
		if (*fmt == '.') {
			fmt++;
			if (*fmt == '*') {
				precision = (size_t)va_arg(ap, int);
				fmt++;
			} else {
				precision = 0;
			}
			for (; *fmt >= '0' && *fmt <= '9'; fmt++)
				precision = precision * 10 +
					    (size_t)(*fmt - '0');
		}
		for (; *fmt == 'l' || *fmt == 'z' || *fmt == 'h'; fmt++)
			length += *fmt == 'h' ? 0 : 1;

		switch (*fmt) {
		case 'd':
		case 'i': {
			s64 s = length ? va_arg(ap, long) : va_arg(ap, int);

			out_number(&o, s < 0 ? 0 - (u64)s : (u64)s, s < 0, 10,
				   false, zero, left, width);
			break;
		}
		case 'u':
		case 'x':
			val = length ? va_arg(ap, unsigned long) :
				       va_arg(ap, unsigned int);
			out_number(&o, val, false, *fmt == 'u' ? 10 : 16,
				   alternate, zero, left, width);
			break;
		case 'p':
			out_number(&o, (u64)va_arg(ap, void *), false, 16, true,
				   false, left, width);
			break;
		case 'c':
			out_char(&o, (char)va_arg(ap, int));
			break;
		case 's': {
			const char *s = va_arg(ap, const char *);

			if (!s)
				s = "(null)";
			out_field(&o, s, strnlen(s, precision), width, left);
			break;
		}
		case '%':
			out_char(&o, '%');
			break;
		default:
			out_char(&o, '?');
			if (!*fmt)
				fmt--;
		}
	}
	if (size)
		buf[MIN(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int core_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = core_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return len;
}

static void log_line(const char *kind, const char *fmt, va_list ap)
{
	char line[256];

	core_vsnprintf(line, sizeof(line), fmt, ap);
	put_string("hyp: ");
	put_string(kind);
	put_string(line);
	if (!line[0] || line[strlen(line) - 1] != '\n')
		put_string("\n");
}

void plat_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("", fmt, ap);
	va_end(ap);
}

static void __attribute__((noreturn)) end_test(u64 status)
{
	static bool tried;

	/* Without -semihosting-config this comes back as an exception. */
	if (!tried && option_u64("semihosting", 0)) {
		u64 block[2] = { APPLICATION_EXIT, status };
		register u64 x0 asm("x0") = SYS_EXIT_EXTENDED;
		register u64 x1 asm("x1") = (u64)block;

		tried = true;
		asm volatile("hlt #0xf000" : "+r" (x0) : "r" (x1) : "memory");
	}
	psci_smc(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		asm volatile("wfe");
}

/*
 * The last line.  No CPU of the host may write into it: one that tries waits
 * for the lock, with its stage-2 fault.
 */
static void __attribute__((noreturn)) last_line(const char *kind, u64 status,
						const char *fmt, va_list ap)
{
	/* A fault on the way out must not come back here for ever. */
	if (!ending) {
		ending = true;
		if (host_s2.root && uart)
			stage2_unmap(&host_s2, (u64)uart, HYP_PAGE_SIZE);
		put_string("\n");
		log_line(kind, fmt, ap);
	}
	end_test(status);
}

void plat_violation(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	last_line("VIOLATION: ", EXIT_VIOLATION, fmt, ap);
}

void plat_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	last_line("PANIC: ", EXIT_PANIC, fmt, ap);
}

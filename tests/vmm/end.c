// SPDX-License-Identifier: GPL-2.0-only
/* Every way out of the VMM */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm.h"

void finish(int status, const char *format, ...)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	va_list args;

	/* Never released: a thread that comes later has nothing to add */
	pthread_mutex_lock(&once);

	terminal_close();
	fprintf(stderr, "%svmm: ", pl011_line_ended ? "" : "\n");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

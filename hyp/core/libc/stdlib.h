/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HYP_STDLIB_H
#define HYP_STDLIB_H

unsigned long strtoul(const char *s, char **end, int base);

#endif

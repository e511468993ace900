/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HYP_LIMITS_H
#define HYP_LIMITS_H

#define CHAR_BIT	8
#define INT_MAX		__INT_MAX__
#define INT_MIN		(-INT_MAX - 1)
#define UINT_MAX	(INT_MAX * 2u + 1u)
#define LONG_MAX	__LONG_MAX__
#define ULONG_MAX	(LONG_MAX * 2ul + 1ul)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error in something a person wrote, with its place. The caller hands one in; whoever finds the
 * error fills it; tests and the CLI show it. Nothing here prints.
 */
#pragma once

#include "base/cleanup.h"

struct diag {
	char file[256];
	unsigned line, col; /* 1-based; 0: the place is not known */
	char text[512]; /* object, cause, what was expected */
};

/* Fills d (which may be NULL) and returns -EINVAL, so that it can end a function. */
int diag_at(struct diag *d, unsigned line, unsigned col, const char *fmt, ...) _printf_(4, 5);
/* "file:line:col: text" into `to`. */
void diag_format(const struct diag *d, char *to, size_t size);

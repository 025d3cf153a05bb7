/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

int diag_at(struct diag *d, unsigned line, unsigned col, const char *fmt, ...)
{
	va_list ap;

	if (!d)
		return -EINVAL;
	d->line = line;
	d->col = col;
	va_start(ap, fmt);
	(void)vsnprintf(d->text, sizeof(d->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

void diag_format(const struct diag *d, char *to, size_t size)
{
	if (d->line)
		(void)snprintf(to, size, "%s:%u:%u: %s", d->file, d->line, d->col, d->text);
	else if (d->file[0])
		(void)snprintf(to, size, "%s: %s", d->file, d->text);
	else
		(void)snprintf(to, size, "%s", d->text);
}

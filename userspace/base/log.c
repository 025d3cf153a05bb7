/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "egret/rpc.h"

#define LINE_MAX_BYTES 1024

static struct {
	const char *module;
	enum log_level level;
	bool json;
} settings = { "egret", LOG_INFO, false };

static const char *const names[] = { "error", "warn", "info", "debug" };

bool log_level_of(const char *name, enum log_level *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

void log_set_level(unsigned level)
{
	if (level < ARRAY_SIZE(names))
		settings.level = (enum log_level)level;
}

void log_told_level(struct slice body)
{
	struct eg_log_level told;

	if (body.n != sizeof(told))
		return;
	memcpy(&told, body.p, sizeof(told));
	log_set_level(told.level);
}

void log_setup(const char *module, enum log_level level, bool json)
{
	settings.module = module;
	settings.level = level;
	settings.json = json;
}

/* Control characters and quotes are escaped, so that one event stays one line. */
static size_t escape(const char *s, char *to, size_t size)
{
	size_t n = 0;

	for (; *s && n + 7 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			to[n++] = '\\';
			to[n++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			n += (size_t)snprintf(to + n, size - n, "\\u%04x", c);
		} else {
			to[n++] = (char)c;
		}
	}
	to[n] = '\0';
	return n;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES], safe[LINE_MAX_BYTES * 2], line[LINE_MAX_BYTES * 3], ts[32];
	uint64_t now = clock_wall_us();
	time_t sec = (time_t)(now / 1000000u);
	struct tm tm;
	va_list ap;
	int n, saved = errno;

	if (level > settings.level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)escape(text, safe, sizeof(safe));
	(void)gmtime_r(&sec, &tm);
	(void)strftime(ts, sizeof(ts), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(
		line, sizeof(line),
		settings.json
			? "{\"ts\":\"%s.%06uZ\",\"lvl\":\"%s\",\"mod\":\"%s\",\"msg\":\"%s\"}\n"
			: "ts=%s.%06uZ lvl=%s mod=%s msg=\"%s\"\n",
		ts, (unsigned)(now % 1000000u), names[level], settings.module, safe);
	if (n > 0)
		(void)!write(STDERR_FILENO, line, (size_t)n);
	errno = saved;
}

bool log_allowed(struct log_limit *l, unsigned burst)
{
	unsigned long window = (unsigned long)(clock_mono_us() / 10000000u);

	if (window != l->window) {
		if (l->dropped)
			log_write(LOG_WARN, "%lu similar lines were left out", l->dropped);
		*l = (struct log_limit){ .window = window };
	}
	if (l->seen++ < burst)
		return true;
	l->dropped++;
	return false;
}

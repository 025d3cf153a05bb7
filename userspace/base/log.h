/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on standard error, key=value or JSON by switch, keys fixed:
 * ts lvl mod msg, then what the caller adds. Only daemon/, proxy/ and cli/ log (others return
 * errors), and role mains of vault and recorder. Never a header value, a body or a key.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/slice.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

bool log_level_of(const char *name, enum log_level *ret); /* false: there is no such level */

/* `module` must outlive the process: it is printed as mod=. */
void log_setup(const char *module, enum log_level level, bool json);
void log_set_level(unsigned level); /* one that is none changes nothing */
/* The same by the body of EG_MSG_log_level, as every child takes it; of another size, ignored. */
void log_told_level(struct slice body);
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);
/* At most `burst` lines per 10 seconds for each call site; what was left out is counted and said.
 */
struct log_limit {
	unsigned long window, seen, dropped;
};
bool log_allowed(struct log_limit *l, unsigned burst);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_warn_limited(...)                                                                      \
	do {                                                                                       \
		static struct log_limit _limit;                                                    \
		if (log_allowed(&_limit, 10))                                                      \
			log_write(LOG_WARN, __VA_ARGS__);                                          \
	} while (0)

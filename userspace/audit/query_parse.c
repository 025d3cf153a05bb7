/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/query_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/store_db.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/reason.h"
#include "egret/reasons.h"

#define TAIL_LIMIT    10
#define ID_DIGITS     32u
#define ID_DIGITS_MIN 8u

enum arg { ARG_TEXT, ARG_GLOB, ARG_REASON, ARG_DECISION, ARG_SINCE, ARG_UNTIL, ARG_LIMIT, ARG_ID };

/* Which commands take an argument. */
enum { LIST = 1, TAIL = 2, SHOW = 4, EVENTS = 8, WATCH = 16 };

static const struct {
	const char *name;
	enum arg kind;
	unsigned commands;
} args_table[] = {
	{ "since_us", ARG_SINCE, LIST | EVENTS },
	{ "until_us", ARG_UNTIL, LIST | EVENTS },
	{ "limit", ARG_LIMIT, LIST | TAIL | EVENTS | WATCH },
	{ "workload", ARG_TEXT, LIST | TAIL | EVENTS | WATCH },
	{ "provider", ARG_TEXT, LIST | TAIL },
	{ "model", ARG_GLOB, LIST | TAIL },
	{ "operation", ARG_TEXT, LIST | TAIL },
	{ "rule", ARG_TEXT, LIST | TAIL },
	{ "key_fingerprint", ARG_GLOB, LIST | TAIL },
	{ "decision", ARG_DECISION, LIST | TAIL },
	{ "reason", ARG_REASON, EVENTS | WATCH },
	{ "request_id", ARG_ID, SHOW },
};

static const struct {
	const char *name;
	unsigned command;
	bool events, watch, show;
} commands[] = {
	{ "audit.list", LIST, false, false, false }, { "audit.tail", TAIL, false, true, false },
	{ "audit.show", SHOW, false, false, true },  { "event.list", EVENTS, true, false, false },
	{ "event.watch", WATCH, true, true, false },
};

static int refuse(struct query_error *e, const char *reason, const char *fmt, ...) _printf_(3, 4);

static int refuse(struct query_error *e, const char *reason, const char *fmt, ...)
{
	va_list ap;

	e->reason = reason;
	va_start(ap, fmt);
	(void)vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int read_number(const char *name, const json_t *value, struct query_error *e, int64_t *ret)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return refuse(e, "bad_request", "%s: must be a whole number, 0 or more", name);
	*ret = json_integer_value(value);
	return 0;
}

/* `*` is the only sign with a meaning; what SQLite's GLOB knows besides is written as a set of one.
 */
static bool write_glob(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from; from++) {
		bool special = *from == '?' || *from == '[' || *from == ']';

		if (n + 4 > size)
			return false;
		if (special)
			to[n++] = '[';
		to[n++] = *from;
		if (special)
			to[n++] = ']';
	}
	to[n] = '\0';
	return true;
}

static bool is_reason(const char *name)
{
	for (uint32_t i = 0; i < EG_REASON_COUNT; i++)
		if (strcmp(name, reason_name(i)) == 0)
			return true;
	return false;
}

static int refuse_reason(const char *name, enum arg kind, const char *value, struct query_error *e)
{
	struct nearest near;
	char hint[96];

	nearest_init(&near, slice_str(value));
	for (uint32_t i = 0; i < EG_REASON_COUNT; i++)
		nearest_offer(&near, slice_str(reason_name(i)));
	nearest_hint(&near, hint, sizeof(hint));
	return refuse(e, "bad_request", "%s \"%.64s\": must be %sone of REASONS in egret(8)%s",
		      name, value, kind == ARG_DECISION ? "denied or " : "", hint);
}

static int add_filter(const char *name, enum arg kind, const char *value, struct query_error *e,
		      struct query_spec *q)
{
	struct query_filter *f = &q->filter[q->n_filters];
	bool denied = kind == ARG_DECISION && strcmp(value, "denied") == 0;

	if (strlen(value) > QUERY_TEXT_MAX)
		return refuse(e, "bad_request", "%s: longer than %d bytes", name, QUERY_TEXT_MAX);
	if ((kind == ARG_DECISION || kind == ARG_REASON) && !denied && !is_reason(value))
		return refuse_reason(name, kind, value, e);
	f->column = name;
	f->op = denied					 ? FILTER_DENIED
		: kind == ARG_GLOB && strchr(value, '*') ? FILTER_GLOB
							 : FILTER_EQ;
	if (f->op != FILTER_GLOB)
		(void)slice_copy(slice_str(value), f->value, sizeof(f->value));
	else if (!write_glob(value, f->value, sizeof(f->value)))
		return refuse(e, "bad_request", "%s: too many special characters", name);
	q->n_filters++;
	return 0;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* A beginning of an id stands for every id from it with zeros to it with ones. */
static int read_id(const char *text, struct query_error *e, struct query_spec *q)
{
	size_t n = strlen(text);

	memset(q->id_from, 0, sizeof(q->id_from));
	memset(q->id_to, 0xff, sizeof(q->id_to));
	for (size_t i = 0; i < n && i < ID_DIGITS; i++) {
		int v = hex_value(text[i]);
		unsigned shift = i % 2 ? 0 : 4;

		if (v < 0)
			n = 0;
		q->id_from[i / 2] = (uint8_t)(q->id_from[i / 2] | (unsigned)v << shift);
		q->id_to[i / 2] =
			(uint8_t)((q->id_to[i / 2] & ~(0xfu << shift)) | (unsigned)v << shift);
	}
	if (n < ID_DIGITS_MIN || n > ID_DIGITS)
		return refuse(e, "bad_request",
			      "request \"%.64s\": its id is 32 hex digits, of which the first 8 or "
			      "more will do: `egret audit list` shows them",
			      text);
	(void)slice_copy(slice_str(text), q->id, sizeof(q->id));
	return 0;
}

static int read_arg(const char *name, enum arg kind, const json_t *value, struct query_error *e,
		    struct query_spec *q)
{
	int64_t number = 0;
	int r;

	switch (kind) {
	case ARG_SINCE:
		return read_number(name, value, e, &q->since_us);
	case ARG_UNTIL:
		return read_number(name, value, e, &q->until_us);
	case ARG_LIMIT:
		r = read_number(name, value, e, &number);
		q->has_limit = true;
		q->limit = (uint64_t)number;
		return r;
	default:
		break;
	}
	if (!json_is_string(value))
		return refuse(e, "bad_request", "%s: must be a string", name);
	return kind == ARG_ID ? read_id(json_string_value(value), e, q)
			      : add_filter(name, kind, json_string_value(value), e, q);
}

static int read_args(json_t *args, unsigned command, struct query_error *e, struct query_spec *q)
{
	const char *key;
	json_t *value;
	bool has_id = false;
	int r = 0;

	json_object_foreach(args, key, value)
	{
		size_t i = 0;

		while (i < ARRAY_SIZE(args_table) && (strcmp(args_table[i].name, key) != 0 ||
						      !(args_table[i].commands & command)))
			i++;
		if (i == ARRAY_SIZE(args_table))
			return refuse(e, "bad_request", "args: this command takes no \"%.64s\"",
				      key);
		/* The name in the table is static: it becomes the column's. */
		r = read_arg(args_table[i].name, args_table[i].kind, value, e, q);
		if (r < 0)
			return r;
		has_id |= args_table[i].kind == ARG_ID;
	}
	if (q->show && !has_id)
		return refuse(e, "bad_request", "args.request_id: is missing");
	return 0;
}

static int read_request(json_t *root, struct query_error *e, struct query_spec *q)
{
	const char *name = json_string_value(json_object_get(root, "cmd"));
	json_t *args = json_object_get(root, "args");

	if (!name || (args && !json_is_object(args)))
		return refuse(e, "bad_request", "the request is malformed");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		q->events = commands[i].events;
		q->watch = commands[i].watch;
		q->show = commands[i].show;
		q->has_limit = q->watch;
		return read_args(args, commands[i].command, e, q);
	}
	return refuse(e, "unknown_command", "the recorder does not know \"%.64s\"", name);
}

int query_parse(struct slice text, struct query_error *e, struct query_spec *ret)
{
	struct query_spec q = { .until_us = INT64_MAX - 1, .limit = TAIL_LIMIT };
	json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	int r = json_is_object(root) ? read_request(root, e, &q)
				     : refuse(e, "bad_request", "the request is not a JSON object");

	json_decref(root);
	if (r == 0)
		*ret = q;
	return r;
}

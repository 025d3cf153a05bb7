/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command's arguments, read by its synopsis: the text that help shows is the grammar itself.
 *
 *   NAME              must be given          --when TIME       an option that must be given
 *   [NAME]            may be given           [--when TIME]     an option with a value
 *   FILE...           one or more, last      [--flag]          an option without
 *   -- COMMAND...     everything after --, at least one word
 *
 * Options may stand anywhere before `--`, their value as the next word or after `=`, which also
 * takes one that begins with `--`. Exact words only; no option twice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "cli/cli.h"

#define ARGS_MAX 16 /* words of one synopsis */

struct args_word {
	const char *p; /* in the synopsis: "--since", "NAME" */
	size_t n;
	struct slice value; /* of an option: its placeholder ("TIME"); empty: a flag */
	bool is_option, is_optional, is_many, is_rest;
};

struct args {
	struct args_word words[ARGS_MAX];
	/* In argv or below; NULL: not given. Of `many` and `rest`: the first. They point into the
	 * struct itself, which must stay where it is. */
	char **values[ARGS_MAX];
	char *after_equals[ARGS_MAX];
	size_t n_words;
};

/* Reads the synopsis alone: for help and completion. */
void args_words(const char *synopsis, struct args *ret);
/* Reads argv (no program name in it); -EIO after cli_usage(). */
int args_parse(struct cli *cli, const char *synopsis, char **argv, struct args *ret) _must_check_;

/* By name as in the synopsis ("--since", "NAME"); NULL: not given. */
const char *args_get(const struct args *a, const char *name);
bool args_has(const struct args *a, const char *name);
/* The words of FILE... or after --, NULL-terminated. */
char **args_rest(const struct args *a, const char *name);
/* A whole number from 0; untouched when it was not given. -EIO after cli_usage(). */
int args_number(struct cli *cli, const struct args *a, const char *name,
		uint64_t *ret) _must_check_;

/* How arguments become members of a request. */
enum args_kind { ARGS_TEXT, ARGS_NUMBER, ARGS_TIME, ARGS_FLAG };
struct args_member {
	const char *name, *key;
	enum args_kind kind;
};
/* A new object with what was given. -EIO after cli_usage(). */
int args_object(struct cli *cli, const struct args *a, const struct args_member *members, size_t n,
		json_t **ret) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line `egret [OPTIONS] OBJECT COMMAND [ARGS]`: what an object and a command are, and
 * what a command gets. Each object is one file with one const table; help, completion and the man
 * page are printed from the same tables (help.c, manual.c). objects.c lists them.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/json.h"

enum cli_format { CLI_PLAIN, CLI_JSON, CLI_PRETTY };

enum cli_status { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct args;
struct cli;

struct command {
	const char *name; /* NULL: the object is its own command (`egret status`) */
	const char *args; /* the synopsis, which is also the grammar: see args.h */
	const char *help; /* one line, no full stop */
	/* An exit status, or negative after cli_fail() and its kin, which the caller passes on. */
	int (*run)(struct cli *cli, const struct args *args);
};

struct object {
	const char *name;
	const char *help;
	const struct command *commands;
	size_t n_commands;
};

struct cli {
	enum cli_format format;
	const char *run_dir; /* holds the control socket, the pins, the CA's certificate */
	const struct object *object;
	const struct command *command;
	int status; /* exit status of the failure */
	json_t *error; /* the failure: {reason, message, [file, line, col]}; NULL: none */
};

/* Notes a failure and returns a negative number, so that it can end a command. The first one
 * stays. The message says object, action, cause, and what to do. */
int cli_fail(struct cli *cli, const char *reason, const char *fmt, ...) _printf_(3, 4);
/* As found in a file a person wrote. */
int cli_fail_diag(struct cli *cli, const char *reason, const struct diag *d);
/* As the daemon said it, which may be that the command was called wrongly; steals the object. */
int cli_fail_error(struct cli *cli, json_t *error);
/* The command was called wrongly: exit status 2. */
int cli_usage(struct cli *cli, const char *fmt, ...) _printf_(2, 3);
int cli_oom(struct cli *cli);
/* Prints what was noted, as the format wants it, and returns the exit status. */
int cli_report(struct cli *cli);
/* Says something beside the answer, on standard error. */
void cli_note(const struct cli *cli, const char *fmt, ...) _printf_(2, 3);

/* RUN_DIR/NAME; false when it does not fit. */
bool cli_path(const struct cli *cli, const char *name, char *to, size_t size);

/* Every object in the order of the help. */
extern const struct object *const cli_objects[];
extern const size_t cli_n_objects;
const struct object *cli_find_object(const char *name);
const struct command *cli_find_command(const struct object *o, const char *name);

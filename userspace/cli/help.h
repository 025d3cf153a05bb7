/* SPDX-License-Identifier: Apache-2.0 */
/* Help at every level, from the tables of objects and commands. */
#pragma once

#include "cli/cli.h"

/* o NULL: every object; c NULL: every command of it. */
int help_print(struct cli *cli, const struct object *o, const struct command *c) _must_check_;
/* A usage error that lists the object's commands; word: what was found instead of one; NULL:
 * nothing. */
int help_usage_commands(struct cli *cli, const struct object *o, const char *word);

/* manual.c: sections of the man page (mdoc), the table of the bash completion. */
int manual_commands(struct cli *cli) _must_check_;
int manual_reasons(struct cli *cli) _must_check_;
int manual_completion(struct cli *cli) _must_check_;

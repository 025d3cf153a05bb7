/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange with the daemon (control/PROTOCOL.md), its failures noted for the command. */
#pragma once

#include "base/json.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"

/* Borrows the row; negative ends the exchange and is returned. */
typedef int (*ask_row_fn)(void *ctx, json_t *row);

struct ask {
	const char *command; /* "flow.list" */
	json_t *args; /* stolen; NULL: none */
	ask_row_fn on_row; /* NULL: rows are not expected and skipped */
	void *ctx;
};

#define ASK_DEAD (-ECONNREFUSED)

/* 0 with *ret_end (the caller's); ASK_DEAD: no daemon is there, *dead says so, nothing is noted;
 * other negative numbers: noted. `dead` NULL: that is noted too. */
int ask(struct cli *cli, const struct ask *a, struct diag *dead, json_t **ret_end) _must_check_;

/* The usual commands: ask, then show what came. args is stolen. Negative: noted. */
int ask_object(struct cli *cli, const char *command, json_t *args, const struct column *fields,
	       size_t n) _must_check_;
int ask_list(struct cli *cli, const char *command, json_t *args, const struct column *columns,
	     size_t n, bool is_stream) _must_check_;
/* As ask_list(); ASK_DEAD with *dead filled when there is no daemon. */
int ask_list_or_dead(struct cli *cli, const char *command, json_t *args,
		     const struct column *columns, size_t n, struct diag *dead) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include "control/client.h"
#include "egret/names.h"

static void free_client(struct client **c)
{
	*c = client_free(*c);
}

static int fail(struct cli *cli, int r, const struct diag *d)
{
	if (!d->text[0])
		return r == -ENOMEM ? cli_oom(cli)
				    : cli_fail(cli, "unavailable", "cannot ask egretd: %s",
					       strerror(-r));
	return cli_fail(cli, "unavailable", "%s", d->text);
}

static int connect_daemon(struct cli *cli, struct diag *dead, struct client **ret)
{
	struct diag d = { 0 };
	char path[256];
	int r;

	if (!cli_path(cli, "control.sock", path, sizeof(path)))
		return cli_usage(cli, "--run-dir: the path is too long");
	r = client_open(path, &d, ret);
	if ((r == -ENOENT || r == -ECONNREFUSED) && dead) {
		*dead = d;
		return ASK_DEAD;
	}
	return r < 0 ? fail(cli, r, &d) : 0;
}

static int read_answer(struct cli *cli, struct client *c, const struct ask *a, json_t **ret_end)
{
	struct diag d = { 0 };

	for (;;) {
		json_t *line = NULL;
		int kind = client_next(c, &d, &line), r = 0;

		if (kind == CLIENT_END) {
			*ret_end = line;
			return 0;
		}
		if (kind == CLIENT_ERROR)
			return cli_fail_error(cli, line);
		if (kind < 0)
			return fail(cli, kind, &d);
		if (a->on_row)
			r = a->on_row(a->ctx, line);
		json_decref(line);
		if (r < 0)
			return r;
	}
}

int ask(struct cli *cli, const struct ask *a, struct diag *dead, json_t **ret_end)
{
	_cleanup_(free_client) struct client *c = NULL;
	struct diag d = { 0 };
	int r = connect_daemon(cli, dead, &c);

	if (r == 0) {
		r = client_send(c, a->command, a->args, &d);
		if (r < 0)
			r = fail(cli, r, &d);
	}
	json_decref(a->args);
	return r < 0 ? r : read_answer(cli, c, a, ret_end);
}

int ask_object(struct cli *cli, const char *command, json_t *args, const struct column *fields,
	       size_t n)
{
	struct ask a = { .command = command, .args = args };
	json_t *end = NULL;
	int r = ask(cli, &a, NULL, &end);

	if (r == 0)
		r = out_object(cli, end, fields, n);
	json_decref(end);
	return r;
}

static int on_row(void *ctx, json_t *row)
{
	return out_list_row(ctx, row);
}

static int list(struct cli *cli, const struct ask *asked, const struct column *columns, size_t n,
		bool is_stream, struct diag *dead)
{
	_cleanup_(out_list_done) struct out_list l = { 0 };
	struct ask a = *asked;
	json_t *end = NULL;
	int r = out_list_begin(cli, &l, columns, n, is_stream);

	if (r < 0) {
		json_decref(a.args);
		return r;
	}
	a.on_row = on_row;
	a.ctx = &l;
	r = ask(cli, &a, dead, &end);
	json_decref(end);
	return r < 0 ? r : out_list_end(&l);
}

int ask_list(struct cli *cli, const char *command, json_t *args, const struct column *columns,
	     size_t n, bool is_stream)
{
	struct ask a = { .command = command, .args = args };

	return list(cli, &a, columns, n, is_stream, NULL);
}

int ask_list_or_dead(struct cli *cli, const char *command, json_t *args,
		     const struct column *columns, size_t n, struct diag *dead)
{
	struct ask a = { .command = command, .args = args };

	return list(cli, &a, columns, n, false, dead);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gather.h"

#include "daemon/children.h"

#define WAIT_US	 3000000u
#define ROWS_MAX 100000u /* of all workers, in one answer */

struct gather {
	struct monitor *m;
	struct request *req; /* NULL: its server is gone */
	gather_fn fn;
	bool want_rows;
	unsigned pending;
	unsigned n;
	json_t *rows;
	json_t **stats;
	struct part {
		struct gather *g;
		unsigned i; /* children_at() */
		uint32_t from; /* of the rows that it was asked for last */
	} part[];
};

static void on_request_gone(void *ctx, struct request *req, bool server_gone)
{
	struct gather *g = ctx;

	(void)req;
	if (server_gone)
		g->req = NULL;
}

static void finish(struct gather *g)
{
	if (g->req) {
		request_on_gone(g->req, NULL, NULL);
		g->fn(g->m, g->req, g->stats, g->rows);
	}
	for (unsigned i = 0; i < g->n; i++)
		json_decref(g->stats[i]);
	json_decref(g->rows);
	free(g->stats);
	free(g);
}

static void on_conns(void *ctx, struct msg *msg);

static struct child *worker_of(const struct part *p)
{
	return children_at(p->g->m->children, p->i);
}

static bool ask(struct part *p)
{
	struct gather *g = p->g;
	struct channel *ch = child_channel(worker_of(p));
	const struct eg_conns q = { .want_rows = g->want_rows, .from = p->from };

	if (!ch || channel_call(ch, EG_MSG_conns, &q, sizeof(q), NULL, 0, NULL, 0, WAIT_US,
				on_conns, p) < 0)
		return false;
	g->pending++;
	return true;
}

static void take_rows(struct part *p, const json_t *answer)
{
	const json_t *rows = json_object_get(answer, "conns");
	struct gather *g = p->g;

	for (size_t i = 0; i < json_array_size(rows) && json_array_size(g->rows) < ROWS_MAX; i++) {
		json_t *row = json_array_get(rows, i);

		if (!json_is_object(row))
			continue;
		(void)json_object_set_new(row, "worker", json_integer(child_index(worker_of(p))));
		if (child_is_adopted(worker_of(p)))
			(void)json_object_set_new(row, "draining", json_true());
		(void)json_array_append(g->rows, row);
	}
}

static void on_conns(void *ctx, struct msg *msg)
{
	struct part *p = ctx;
	struct gather *g = p->g;
	json_t *answer = msg && msg->type == EG_MSG_conns ? json_loadb(msg->body.p, msg->body.n,
								       JSON_REJECT_DUPLICATES, NULL)
							  : NULL;
	json_int_t next = json_integer_value(json_object_get(answer, "next"));

	if (!g->stats[p->i])
		g->stats[p->i] = json_incref(json_object_get(answer, "stats"));
	take_rows(p, answer);
	json_decref(answer);
	/* A worker is not trusted to come to an end. */
	if (g->want_rows && next > p->from && next <= UINT32_MAX &&
	    json_array_size(g->rows) < ROWS_MAX) {
		p->from = (uint32_t)next;
		(void)ask(p);
	}
	if (--g->pending == 0)
		finish(g);
}

void gather(struct monitor *m, struct request *req, bool want_rows, gather_fn fn)
{
	unsigned n = (unsigned)children_count(m->children);
	struct gather *g = calloc(1, sizeof(*g) + n * sizeof(g->part[0]));

	if (g) {
		*g = (struct gather){
			.m = m, .req = req, .fn = fn, .want_rows = want_rows, .n = n
		};
		g->rows = json_array();
		g->stats = calloc(n, sizeof(json_t *));
	}
	if (!g || !g->rows || !g->stats) {
		if (g)
			json_decref(g->rows);
		free(g);
		request_error(req, "failed", "egretd: out of memory");
		return;
	}
	request_on_gone(req, on_request_gone, g);
	g->pending = 1; /* ours, so that an answer cannot finish it while others are being asked */
	for (unsigned i = 0; i < n; i++) {
		g->part[i] = (struct part){ g, i, 0 };
		if (child_role(children_at(m->children, i)) == EG_WORKER)
			(void)ask(&g->part[i]);
	}
	if (--g->pending == 0)
		finish(g);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/predecessors.h"

#include "daemon/children_private.h"
#include "daemon/role.h"
#include "daemon/slabs.h"
#include "event/channel.h"

#define RECORDER_MS 10000u
#define VAULT_MS    12000u /* no worker waits longer for an answer of it (proxy/vault_link.c) */

static bool is_alive(const struct kin *k, uint32_t role)
{
	return child_role(k->child) == role && child_pid(k->child);
}

bool predecessors_record(const struct children *c)
{
	for (size_t i = 0; i < c->n_old; i++)
		if (is_alive(&c->old[i], EG_RECORDER))
			return true;
	return false;
}

void predecessors_gone(struct children *c, const struct kin *k)
{
	if (child_role(k->child) != EG_RECORDER || predecessors_record(c) ||
	    child_state(children_recorder(c)) != CHILD_DOWN)
		return;
	if (child_start(children_recorder(c)) < 0)
		monitor_fail(c->m, "the recorder cannot be started after the one before it");
}

void predecessors_send_policy(struct children *c)
{
	for (size_t i = 0; i < c->n_old; i++) {
		struct child *w = c->old[i].child;

		if (child_role(w) == EG_WORKER && child_channel(w) && wiring_send_policy(c, w) < 0)
			child_kill(w);
	}
}

void predecessors_join_vault(struct children *c)
{
	for (size_t i = 0; c->drained && i < c->n_old; i++) {
		struct child *w = c->old[i].child;

		if (child_role(w) == EG_WORKER && child_channel(w) &&
		    wiring_join(w, children_vault(c)) < 0)
			child_kill(w);
	}
}

/* ---- hand over ---- */

static int pack_kin(json_t *list, const struct kin *k)
{
	const struct child *c = k->child;

	if (!child_channel(c))
		return 0;
	return json_array_append_new(
		list, json_pack("{sI sI sI sI si si sI}", "role", (json_int_t)child_role(c),
				"index", (json_int_t)child_index(c), "slab", (json_int_t)k->slab,
				"generation", (json_int_t)k->generation, "pid", (int)child_pid(c),
				"channel", channel_fd(child_channel(c)), "started_us",
				(json_int_t)child_started_us(c)));
}

json_t *predecessors_hand_over(const struct children *c)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++)
		r = pack_kin(list, &c->v[i]);
	for (size_t i = 0; r == 0 && i < c->n_old; i++)
		r = pack_kin(list, &c->old[i]);
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

static bool is_written(const struct kin *v, size_t n, json_int_t slab)
{
	for (size_t i = 0; i < n; i++)
		if (child_role(v[i].child) == EG_WORKER && child_channel(v[i].child) &&
		    v[i].slab == slab)
			return true;
	return false;
}

json_t *predecessors_hand_over_slabs(const struct children *c)
{
	json_t *list = slabs_hand_over(c->slabs);

	for (size_t i = json_array_size(list); i-- > 0;) {
		json_int_t number =
			json_integer_value(json_object_get(json_array_get(list, i), "number"));

		if (!is_written(c->v, c->n, number) && !is_written(c->old, c->n_old, number))
			(void)json_array_remove(list, i);
	}
	return list;
}

/* ---- take ---- */

static uint64_t number(const json_t *v, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(v, name));
}

static int take_one(struct children *c, const json_t *v)
{
	struct kin *k = &c->old[c->n_old];
	const struct child_opts o = { .role = (uint32_t)number(v, "role"),
				      .index = (uint32_t)number(v, "index"),
				      .events = &children_events,
				      .ctx = k };
	int r;

	if (!role_name(o.role))
		return -EPROTO;
	*k = (struct kin){ .set = c,
			   .slab = (unsigned)number(v, "slab"),
			   .generation = number(v, "generation") };
	r = child_new(c->m->loop, &o, &k->child);
	if (r < 0)
		return r;
	c->n_old++;
	return child_adopt(k->child, (pid_t)number(v, "pid"), (int)number(v, "channel"),
			   number(v, "started_us"));
}

int predecessors_take(struct children *c, const json_t *list, struct diag *d)
{
	int r = 0;

	c->old = calloc(json_array_size(list) + 1, sizeof(*c->old));
	if (!c->old)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
		r = take_one(c, json_array_get(list, i));
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot take over the processes before: %s", strerror(-r));
		return r;
	}
	predecessors_send_policy(c);
	for (size_t i = 0; i < c->n_old; i++)
		if (child_role(c->old[i].child) == EG_RECORDER)
			child_stop(c->old[i].child, RECORDER_MS);
	return 0;
}

/* ---- the end ---- */

void predecessors_drain(struct children *c, uint32_t deadline_ms)
{
	c->drained = true;
	predecessors_join_vault(c);
	for (size_t i = 0; i < c->n_old; i++) {
		struct child *old = c->old[i].child;

		if (child_role(old) == EG_WORKER)
			child_drain(old, deadline_ms);
		else if (child_role(old) == EG_VAULT)
			child_stop(old, VAULT_MS);
	}
}

void predecessors_stop(struct children *c, uint32_t deadline_ms)
{
	for (size_t i = 0; i < c->n_old; i++)
		child_stop_by(c->old[i].child, deadline_ms);
}

void predecessors_free(struct children *c)
{
	for (size_t i = c->n_old; i-- > 0;)
		(void)child_free(c->old[i].child);
	free(c->old);
	c->old = NULL;
	c->n_old = 0;
}

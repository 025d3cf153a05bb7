/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/note.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/reason.h"
#include "event/channel.h"
#include "proxy/conn.h"
#include "proxy/refusal.h"
#include "proxy/state.h"

#define AGAIN_US    60000000u
#define COARSE_MOST 8u

/* One more of the kind `key`, of which `most` may come in a while. */
static bool take(struct note_slot *slots, uint64_t key, unsigned most, uint64_t now)
{
	struct note_slot *s = &slots[key % NOTE_SLOTS];

	if (s->key != key || s->until_us <= now)
		*s = (struct note_slot){ .key = key, .until_us = now + AGAIN_US };
	if (s->n >= most)
		return false;
	s->n++;
	return true;
}

static bool is_news(struct worker *w, enum eg_reason reason, const struct caller *c)
{
	uint64_t now = loop_now_us(w->loop);
	uint64_t key = hash_bytes(HASH_SEED, slice_of(&c->flow.cgroup, sizeof(c->flow.cgroup)));

	key = hash_bytes(key, slice_of(&reason, sizeof(reason)));
	return take(w->notes.recent, hash_bytes(key, caller_host(c)), 1, now) &&
	       take(w->notes.coarse, key, COARSE_MOST, now);
}

void note_caller(struct worker *w, const struct caller *caller, enum eg_reason reason,
		 const char *text)
{
	struct eg_note n = { .time_us = clock_wall_us(),
			     .reason = reason,
			     .pid = caller->flow.tgid,
			     .uid = caller->flow.uid,
			     .hook = EG_HOOK_COUNT,
			     .cgroup = caller->flow.cgroup };

	if (!is_news(w, reason, caller))
		return;
	(void)slice_copy(caller_host(caller), n.host, sizeof(n.host));
	(void)slice_copy(slice_str(text ? text : refusal_advice(reason)), n.text, sizeof(n.text));
	if (caller->who) {
		(void)slice_copy(slice_str(caller->who->who.name), n.workload, sizeof(n.workload));
		(void)slice_copy(slice_str(caller->who->who.exe), n.exe, sizeof(n.exe));
	} else {
		(void)slice_copy(slice_of(caller->flow.comm, strnlen(caller->flow.comm, 16)), n.exe,
				 sizeof(n.exe));
	}
	if (channel_send(w->monitor, EG_MSG_note, &n, sizeof(n), NULL, 0) < 0)
		log_warn_limited("cannot tell the monitor of an event reason=%s",
				 reason_name(reason));
}

void note_conn(struct conn *c, enum eg_reason reason, const char *text)
{
	note_caller(c->w, &c->caller, reason, text);
}

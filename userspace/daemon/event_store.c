/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/event_store.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "event/channel.h"

struct waiting {
	struct eg_note note;
	STAILQ_ENTRY(waiting) link;
};

struct event_store {
	unsigned n, lost;
	STAILQ_HEAD(, waiting) all;
};

int event_store_new(struct event_store **ret)
{
	struct event_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	STAILQ_INIT(&s->all);
	*ret = s;
	return 0;
}

static void drop_first(struct event_store *s)
{
	struct waiting *w = STAILQ_FIRST(&s->all);

	STAILQ_REMOVE_HEAD(&s->all, link);
	s->n--;
	free(w);
}

struct event_store *event_store_free(struct event_store *s)
{
	while (s && s->n)
		drop_first(s);
	free(s);
	return NULL;
}

static bool send(struct channel *recorder, const struct eg_note *note)
{
	return recorder && channel_send(recorder, EG_MSG_event, note, sizeof(*note), NULL, 0) == 0;
}

static void keep(struct event_store *s, const struct eg_note *note)
{
	struct waiting *w = malloc(sizeof(*w));

	if (s->n == EVENT_STORE_MAX || !w) {
		s->lost++;
		free(w);
		return;
	}
	w->note = *note;
	STAILQ_INSERT_TAIL(&s->all, w, link);
	s->n++;
}

void event_store_put(struct event_store *s, struct channel *recorder, const struct eg_note *note)
{
	if (!send(recorder, note))
		keep(s, note);
}

bool event_store_is_empty(const struct event_store *s)
{
	return s->n == 0;
}

void event_store_flush(struct event_store *s, struct channel *recorder)
{
	while (s->n && send(recorder, &STAILQ_FIRST(&s->all)->note))
		drop_first(s);
	if (s->lost)
		log_warn("%u events were not stored while there was no recorder", s->lost);
	s->lost = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/slabs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "audit/slab.h"
#include "daemon/trusted.h"
#include "event/channel.h"

#define INDEX_MAX 1024u /* of a slab that an earlier daemon may have left */

struct slabs {
	unsigned n; /* those of living workers come first */
	struct one {
		unsigned index;
		int fd, wake_fd;
	} v[INDEX_MAX];
};

/* The eventfd that a living worker of an earlier generation wakes the recorder by. */
static const json_t *find_held(const json_t *held, unsigned number)
{
	json_t *v;
	size_t i;

	json_array_foreach(held, i, v) if (json_integer_value(json_object_get(v, "number")) ==
					   (json_int_t)number) return v;
	return NULL;
}

static int take_held(struct slabs *s, const json_t *held, unsigned number)
{
	struct one *o = &s->v[s->n++];

	o->index = number;
	o->fd = (int)json_integer_value(json_object_get(held, "fd"));
	o->wake_fd = (int)json_integer_value(json_object_get(held, "wake"));
	return 0;
}

static int open_one(struct slabs *s, const char *dir, unsigned index, bool create, struct diag *d)
{
	struct one *o = &s->v[s->n];
	char path[4200];
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/worker-%u", dir, index);
	o->index = index;
	o->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
	if (o->fd < 0 && !create)
		return 0;
	o->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->fd < 0 || o->wake_fd < 0)
		r = -errno;
	s->n++;
	if (r == 0 && create)
		r = slab_format(o->fd, SLAB_SLOTS_DEFAULT);
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot make the audit slab %s: %s%s", path, strerror(-r),
			      r == -ENOSPC ? ": free space on its file system" : "");
	return r;
}

int slabs_new(const char *dir, unsigned n, const json_t *held, struct diag *d, struct slabs **ret)
{
	struct slabs *s = calloc(1, sizeof(*s));
	char path[4096];
	int r;

	if (!s)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "%s/slabs", dir);
	r = trusted_directory(path, 0700, d);
	/* Ours first, in the lowest numbers that nobody holds; then what others write or left. */
	for (unsigned i = 0; r == 0 && i < INDEX_MAX && s->n < n; i++)
		if (!find_held(held, i))
			r = open_one(s, path, i, true, d);
	for (unsigned i = 0; r == 0 && i < INDEX_MAX; i++)
		if (find_held(held, i))
			r = take_held(s, find_held(held, i), i);
		else if (n == 0 || i > s->v[n - 1].index)
			r = open_one(s, path, i, false, d);
	if (r < 0) {
		(void)slabs_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

unsigned slabs_number(const struct slabs *s, unsigned index)
{
	return s->v[index].index;
}

json_t *slabs_hand_over(const struct slabs *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->n; i++)
		if (json_array_append_new(list, json_pack("{si si si}", "number",
							  (int)s->v[i].index, "fd", s->v[i].fd,
							  "wake", s->v[i].wake_fd)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

struct slabs *slabs_free(struct slabs *s)
{
	if (!s)
		return NULL;
	for (unsigned i = 0; i < s->n; i++) {
		cleanup_close(&s->v[i].fd);
		cleanup_close(&s->v[i].wake_fd);
	}
	free(s);
	return NULL;
}

static int send_one(const struct one *o, struct channel *ch)
{
	const struct eg_slab body = { .worker = o->index, .slots = SLAB_SLOTS_DEFAULT };
	const int fds[2] = { o->fd, o->wake_fd };

	return channel_send(ch, EG_MSG_slab, &body, sizeof(body), fds, 2);
}

int slabs_send_worker(const struct slabs *s, struct channel *worker, unsigned index)
{
	return send_one(&s->v[index], worker);
}

int slabs_send_recorder(const struct slabs *s, struct channel *recorder)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < s->n; i++) {
		r = send_one(&s->v[i], recorder);
		/* Of no effect while its worker lives: that one holds a lock. */
		if (r == 0)
			r = slabs_send_orphan(recorder, s->v[i].index);
	}
	return r;
}

int slabs_send_orphan(struct channel *recorder, unsigned number)
{
	const struct eg_slab body = { .worker = number, .slots = SLAB_SLOTS_DEFAULT };

	return channel_send(recorder, EG_MSG_slab_orphan, &body, sizeof(body), NULL, 0);
}

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
		(void)diag_at(d, 0, 0, "cannot make the audit slab %s: %s", path, strerror(-r));
	return r;
}

int slabs_new(const char *dir, unsigned n, struct diag *d, struct slabs **ret)
{
	struct slabs *s = calloc(1, sizeof(*s));
	char path[4096];
	int r;

	if (!s)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "%s/slabs", dir);
	r = trusted_directory(path, 0700, d);
	for (unsigned i = 0; r == 0 && i < INDEX_MAX; i++)
		r = open_one(s, path, i, i < n, d);
	if (r < 0) {
		(void)slabs_free(s);
		return r;
	}
	*ret = s;
	return 0;
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

int slabs_send_orphan(struct channel *recorder, unsigned index)
{
	const struct eg_slab body = { .worker = index, .slots = SLAB_SLOTS_DEFAULT };

	return channel_send(recorder, EG_MSG_slab_orphan, &body, sizeof(body), NULL, 0);
}

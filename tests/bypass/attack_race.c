/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads on one socket: an address that changes while, or after, it is looked at. */
#include "attack.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 3000 /* of each thread, at least */

struct race {
	const struct target *t;
	int fd;
	union address to; /* what the calls read, and the other thread writes */
	atomic_uint turns; /* that the other thread had */
	atomic_bool over;
};

/* The other thread gets its turn also where both share a CPU. */
static void turn(struct race *r)
{
	atomic_fetch_add(&r->turns, 1);
	(void)sched_yield();
}

/* Between an innocent address and the target, in the caller's memory. */
static void *flip(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->over)) {
		memcpy(&r->to, &r->t->to, sizeof(r->to));
		turn(r);
		memcpy(&r->to, &r->t->free, sizeof(r->to));
		turn(r);
	}
	return NULL;
}

/* Connected to one, to the other, to nobody. */
static void *wander(void *arg)
{
	struct sockaddr_in6 none = { .sin6_family = AF_UNSPEC };
	struct race *r = arg;

	while (!atomic_load(&r->over)) {
		(void)connect(r->fd, &r->t->free.sa, r->t->n);
		turn(r);
		(void)connect(r->fd, &r->t->to.sa, r->t->n);
		turn(r);
		(void)connect(r->fd, (struct sockaddr *)&none, sizeof(none));
	}
	return NULL;
}

static int run(struct race *r, void *(*other)(void *), long (*call)(struct race *r))
{
	pthread_t id;
	int worst = 0;

	if (pthread_create(&id, NULL, other, r) != 0)
		give_up("pthread_create");
	for (int i = 0; i < ROUNDS || atomic_load(&r->turns) < ROUNDS; i++) {
		if (call(r) < 0 && errno != EDESTADDRREQ && errno != ENOTCONN)
			worst = -errno;
		(void)sched_yield();
	}
	atomic_store(&r->over, true);
	(void)pthread_join(id, NULL);
	return worst;
}

static long send_to_flipping(struct race *r)
{
	return sendto(r->fd, "data", 4, 0, &r->to.sa, r->t->n);
}

static long connect_flipping(struct race *r)
{
	if (connect(r->fd, &r->to.sa, r->t->n) < 0)
		return -1;
	return send(r->fd, "data", 4, 0);
}

static long send_wandering(struct race *r)
{
	return send(r->fd, "data", 4, 0);
}

static int flipping_sendto(const struct target *t)
{
	struct race r = { .t = t, .fd = make_socket(t->family, SOCK_DGRAM, 0), .to = t->free };

	return run(&r, flip, send_to_flipping);
}

static int flipping_connect(const struct target *t)
{
	struct race r = { .t = t, .fd = make_socket(t->family, SOCK_DGRAM, 0), .to = t->free };

	return run(&r, flip, connect_flipping);
}

static int wandering(const struct target *t)
{
	struct race r = { .t = t, .fd = make_socket(t->family, SOCK_DGRAM, 0), .to = t->free };

	return run(&r, wander, send_wandering);
}

const struct attack attacks_race[] = {
	{ "race-sendto", flipping_sendto },
	{ "race-connect", flipping_connect },
	{ "race-send", wandering },
	{ NULL, NULL },
};

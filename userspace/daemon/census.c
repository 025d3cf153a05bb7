/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/census.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/slice.h"
#include "identity/process.h"

#define SLICE_MAX 64u /* processes a turn */
#define SLICE_US  2000u /* and no longer */
#define PAUSE_US  1000u /* between turns */
#define RETRY_US  1000000u /* when /proc cannot be opened */

struct census {
	struct loop *loop;
	struct timer turn;
	DIR *proc; /* while it runs */
	census_process_fn on_process;
	census_end_fn on_end;
	void *ctx;
};

int census_netns(int process_dir, pid_t tid, uint64_t *ret)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "task/%d/ns/net", (int)tid);
	return process_namespace(process_dir, tid ? path : "ns/net", "net", ret);
}

static void look(struct census *c, const char *name)
{
	char path[300], *end;
	long pid = strtol(name, &end, 10);
	uint64_t netns;

	if (*end || pid <= 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/ns/net", name);
	if (process_namespace(dirfd(c->proc), path, "net", &netns) == 0)
		c->on_process(c->ctx, (pid_t)pid, netns);
}

static void finish(struct census *c)
{
	(void)closedir(c->proc);
	c->proc = NULL;
	c->on_end(c->ctx);
}

static void on_turn(struct timer *t)
{
	struct census *c = container_of(t, struct census, turn);
	uint64_t until = clock_mono_us() + SLICE_US;
	struct dirent *e;

	if (!c->proc)
		c->proc = opendir("/proc");
	if (!c->proc) {
		log_warn_limited("/proc cannot be read: %s: network namespaces are not found",
				 strerror(errno));
		timer_start(t, c->loop, RETRY_US, on_turn);
		return;
	}
	for (unsigned i = 0; i < SLICE_MAX && clock_mono_us() < until; i++) {
		e = readdir(c->proc);
		if (!e) {
			finish(c);
			return;
		}
		look(c, e->d_name);
	}
	timer_start(t, c->loop, PAUSE_US, on_turn);
}

int census_new(struct loop *l, census_process_fn on_process, census_end_fn on_end, void *ctx,
	       struct census **ret)
{
	struct census *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->loop = l;
	c->on_process = on_process;
	c->on_end = on_end;
	c->ctx = ctx;
	*ret = c;
	return 0;
}

struct census *census_free(struct census *c)
{
	if (!c)
		return NULL;
	timer_stop(&c->turn);
	if (c->proc)
		(void)closedir(c->proc);
	free(c);
	return NULL;
}

void census_start(struct census *c)
{
	if (!timer_is_running(&c->turn))
		timer_start(&c->turn, c->loop, PAUSE_US, on_turn);
}

bool census_is_running(const struct census *c)
{
	return c->proc || timer_is_running(&c->turn);
}

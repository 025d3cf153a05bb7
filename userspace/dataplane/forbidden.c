/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/forbidden.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "dataplane/cgroup.h"
#include "dataplane/endpoint.h"
#include "dataplane/inspect.h"
#include "dataplane/state.h"

#include "egret.skel.h"

#include "../../bpf/lib/addr.h"

#define DNS_PORT 53

struct wanted {
	struct eg_addr addr; /* as the hooks look it up */
	uint16_t port;
	uint8_t proto;
	uint32_t list;
};

void forbidden_init(struct forbidden *f, struct dataplane *dp, int mount_fd, uint64_t netns,
		    uint64_t now_ns)
{
	*f = (struct forbidden){ .dp = dp,
				 .mount_fd = mount_fd,
				 .netns = netns,
				 .now_ns = now_ns,
				 .cgroup_fd = -EBADF };
}

void forbidden_done(struct forbidden *f)
{
	cleanup_close(&f->cgroup_fd);
	f->cgroup_fd = -EBADF;
}

void forbidden_note_listener(struct forbidden *f, const struct sockdiag_sock *sock)
{
	unsigned port = ntohs(sock->id.idiag_sport);

	f->listens[port / 8] |= (uint8_t)(1u << port % 8);
}

static bool is_from_listener(const struct forbidden *f, const struct sockdiag_sock *sock)
{
	unsigned port = ntohs(sock->id.idiag_sport);

	return sock->protocol == IPPROTO_TCP && f->listens[port / 8] >> port % 8 & 1;
}

/* Its own or the nearest above: as bpf/lib/mode.h. */
static struct eg_mode find_mode(const struct forbidden *f, int fd)
{
	const struct inspect *in = dataplane_inspect(f->dp);
	_cleanup_close_ int at = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct eg_mode mode = { 0 };
	struct stat st, root;

	while (at >= 0 && inspect_mode(in, at, &mode) < 0) {
		int above;

		if (fstat(at, &st) < 0 || fstat(f->mount_fd, &root) < 0 || st.st_ino == root.st_ino)
			return (struct eg_mode){ 0 };
		above = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		cleanup_close(&at);
		at = above;
	}
	return mode;
}

static bool look_up_cgroup(struct forbidden *f, uint64_t id)
{
	if (f->cgroup == id)
		return f->cgroup_fd >= 0;
	cleanup_close(&f->cgroup_fd);
	f->cgroup_fd = -EBADF;
	f->cgroup = id;
	if (cgroup_open_id(f->mount_fd, id, &f->cgroup_fd) < 0)
		return false;
	f->mode = find_mode(f, f->cgroup_fd);
	return true;
}

static bool serves(const struct eg_allow *a, const struct wanted *w)
{
	if (a->list != w->list)
		return false;
	for (unsigned i = 0; i < a->n && i < EG_SERVICES_MAX; i++)
		if (a->service[i].port == w->port && a->service[i].proto == w->proto)
			return true;
	return a->n == 0;
}

static bool is_rule_for(const struct forbidden *f, uint64_t rule, const struct wanted *w)
{
	struct eg_allow a;

	return rule && bpf_map_lookup_elem(f->dp->in.map[PINS_eg_allow_rule], &rule, &a) == 0 &&
	       serves(&a, w);
}

struct search {
	const struct forbidden *f;
	const struct wanted *w;
};

static int on_allowed(void *ctx, const struct eg_allowed_entry *e)
{
	const struct search *s = ctx;

	return e->netns == s->f->netns && memcmp(&e->addr, &s->w->addr, sizeof(e->addr)) == 0 &&
	       s->f->now_ns - e->time_ns < EG_ALLOWED_KEEP_NS && is_rule_for(s->f, e->rule, s->w);
}

static bool is_permitted(const struct forbidden *f, const struct wanted *w,
			 const struct sockdiag_sock *sock)
{
	struct eg_allow_key key = { .prefix_len = 160, .list = w->list, .addr = w->addr };
	struct search s = { f, w };
	struct eg_allow a;
	uint64_t where;

	if (w->port == DNS_PORT &&
	    bpf_map_lookup_elem(f->dp->in.map[PINS_eg_resolver], &w->addr, &where) == 0 &&
	    (where == 0 || where == f->netns))
		return true;
	if (bpf_map_lookup_elem(f->dp->in.map[PINS_eg_allow], &key, &a) == 0 && serves(&a, w))
		return true;
	if (inspect_allowed(dataplane_inspect(f->dp), f->cgroup_fd, on_allowed, &s) == 1)
		return true;
	return sock->opened &&
	       (sock->open.passive || (memcmp(&sock->open.dst, &w->addr, sizeof(w->addr)) == 0 &&
				       is_rule_for(f, sock->open.rule, w)));
}

static bool is_redirected(const struct forbidden *f, uint16_t port)
{
	for (unsigned i = 0; i < DATAPLANE_PORTS_MAX; i++)
		if (port && f->dp->skel->rodata->eg_ports[i] == port)
			return true;
	return false;
}

/* One that went to its address itself, where it would now go through egret. */
static bool is_uncaptured(const struct forbidden *f, const struct wanted *w,
			  const struct sockdiag_sock *sock)
{
	if (f->mode.capture == EG_CAPTURE_NAMES)
		return false;
	if (w->proto != IPPROTO_TCP)
		return w->proto == IPPROTO_UDP && is_redirected(f, w->port);
	if (addr_is_link_local(&w->addr) || is_from_listener(f, sock))
		return false;
	return f->mode.capture == EG_CAPTURE_ALL || is_redirected(f, w->port);
}

bool forbidden_is(struct forbidden *f, const struct sockdiag_sock *sock)
{
	const struct egret_bpf__rodata *config = f->dp->skel->rodata;
	struct eg_addr nat64 = config->eg_nat64;
	struct eg_endpoint_key key = { .prefix_len = 128, .addr = sock->peer };
	struct wanted w = { .port = ntohs(sock->id.idiag_dport), .proto = sock->protocol };

	if (endpoint_form(&key, &nat64, config->eg_nat64_bits, &key) < 0 ||
	    addr_is_local(&key.addr) || sock->cgroup == 0 || !look_up_cgroup(f, sock->cgroup))
		return false;
	w.addr = key.addr;
	w.list = f->mode.list;
	if (is_uncaptured(f, &w, sock))
		return true;
	return f->mode.egress == EG_EGRESS_DENY && !is_permitted(f, &w, sock);
}

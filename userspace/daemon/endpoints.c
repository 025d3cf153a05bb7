/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/endpoints.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/rows.h"
#include "daemon/endpoints_private.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"

#define ADDRESSES_MAX 1024u /* of one name; the oldest gives way */
#define NAMES_MAX     4096u
#define SAVE_US	      2000000u /* after a change */
#define EXPIRE_US     300000000u /* between two looks */

static void on_save(struct timer *t);
static void on_expire(struct timer *t);

static void touch(struct endpoints *e)
{
	e->changed = true;
	if (!timer_is_running(&e->save))
		timer_start(&e->save, e->opts.loop, SAVE_US, on_save);
}

struct name *endpoints_find_name(const struct endpoints *e, const char *host)
{
	for (size_t i = 0; i < e->n_names; i++)
		if (strcmp(e->names[i].host, host) == 0)
			return &e->names[i];
	return NULL;
}

struct name *endpoints_add_name(struct endpoints *e, struct slice host)
{
	struct name *grown, *name;

	if (e->n_names == NAMES_MAX || host.n == 0 || host.n >= sizeof(name->host))
		return NULL;
	grown = realloc(e->names, (e->n_names + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	e->names = grown;
	name = &grown[e->n_names++];
	*name = (struct name){ 0 };
	(void)slice_copy(host, name->host, sizeof(name->host));
	return name;
}

/* ---- the kernel's map ---- */

static struct eg_endpoint_key key_of(const struct eg_addr *a)
{
	return (struct eg_endpoint_key){ .prefix_len = 128, .addr = *a };
}

static void set(struct endpoints *e, const struct eg_endpoint_key *key, uint32_t provider,
		uint32_t source)
{
	char text[INET6_ADDRSTRLEN];
	int r;

	if (!e->opts.dp)
		return;
	r = dataplane_endpoint_set(e->opts.dp, key, provider, source, clock_mono_us() * 1000);
	rows_address(&key->addr, text, sizeof(text));
	if (r == -EADDRNOTAVAIL)
		log_warn_limited(
			"governed address %s/%u is left out: it covers loopback, link-local, "
			"multicast or unspecified addresses",
			text, key->prefix_len);
	else if (r < 0)
		warnings_set(
			e->opts.warnings, "endpoint map",
			"governed address %s cannot be put in the kernel's map: %s: connections to "
			"it are not governed",
			text, strerror(-r));
}

static bool has_address(const struct name *name, const struct eg_addr *a)
{
	for (size_t i = 0; i < name->n; i++)
		if (memcmp(&name->v[i].addr, a, sizeof(*a)) == 0)
			return true;
	return false;
}

/* The first provider one of whose names has it: what is shared is shown alike each time. NULL: no
 * governed name has it. */
static const struct name *owner_of(const struct endpoints *e, const struct eg_addr *a)
{
	const struct name *owner = NULL;

	for (size_t i = 0; i < e->n_names; i++) {
		const struct name *name = &e->names[i];

		if (name->governed && (!owner || name->provider < owner->provider) &&
		    has_address(name, a))
			owner = name;
	}
	return owner;
}

static void set_address(struct endpoints *e, const struct eg_addr *a)
{
	const struct name *owner = owner_of(e, a);
	struct eg_endpoint_key key = key_of(a);

	if (owner)
		set(e, &key, owner->provider + 1, EG_ENDPOINT_RESOLVED);
}

static void unset(struct endpoints *e, const struct eg_addr *a)
{
	struct eg_endpoint_key key = key_of(a);

	/* -ENOENT: it was never taken, or a CIDR of the catalogue stands there. */
	if (e->opts.dp && !owner_of(e, a))
		(void)!dataplane_endpoint_delete(e->opts.dp, &key);
}

static int set_cidrs(struct endpoints *e, const struct edition *ed)
{
	uint64_t before_ns = clock_mono_us() * 1000;
	struct eg_endpoint_key key;
	unsigned provider;

	for (size_t i = 0; catalogue_cidr_at(ed->catalogue, i, &key, &provider); i++)
		set(e, &key, provider + 1, EG_ENDPOINT_CATALOGUE);
	return e->opts.dp ? dataplane_endpoint_expire(e->opts.dp, EG_ENDPOINT_CATALOGUE, before_ns)
			  : 0;
}

/* ---- names ---- */

static struct address *find_address(struct name *name, const struct eg_addr *a)
{
	for (size_t i = 0; i < name->n; i++)
		if (memcmp(&name->v[i].addr, a, sizeof(*a)) == 0)
			return &name->v[i];
	return NULL;
}

static void remove_address(struct endpoints *e, struct name *name, size_t i)
{
	struct eg_addr addr = name->v[i].addr;

	name->v[i] = name->v[--name->n];
	unset(e, &addr);
	touch(e);
}

static void remove_oldest(struct endpoints *e, struct name *name)
{
	size_t oldest = 0;

	for (size_t i = 1; i < name->n; i++)
		if (name->v[i].confirmed_us < name->v[oldest].confirmed_us)
			oldest = i;
	remove_address(e, name, oldest);
}

/* Whether the address was not known before. */
bool endpoints_confirm(struct endpoints *e, struct name *name, const struct eg_addr *a,
		       uint64_t now_us)
{
	struct address *at = find_address(name, a);
	bool is_new = !at;

	if (is_new) {
		if (name->n == ADDRESSES_MAX)
			remove_oldest(e, name);
		at = realloc(name->v, (name->n + 1) * sizeof(*at));
		if (!at) {
			warnings_set(e->opts.warnings, "endpoint map",
				     "an address of %s cannot be kept: out of memory", name->host);
			return true;
		}
		name->v = at;
		at = &name->v[name->n++];
		*at = (struct address){ .addr = *a };
		touch(e);
	}
	/* Kept roughly: a file written for every confirmation would be written all the time. */
	if (now_us > at->confirmed_us + ENDPOINTS_KEEP_US / 4)
		touch(e);
	at->confirmed_us = now_us;
	return is_new;
}

static void install(struct endpoints *e, const struct name *name)
{
	for (size_t i = 0; i < name->n; i++)
		set_address(e, &name->v[i].addr);
}

int endpoints_apply(struct endpoints *e, const struct edition *ed, struct diag *d)
{
	struct slice host;
	unsigned provider;
	int r;

	for (size_t i = 0; i < e->n_names; i++)
		e->names[i].governed = false;
	for (size_t i = 0; catalogue_name_at(ed->catalogue, i, &host, &provider); i++) {
		char text[256];
		struct name *name;

		(void)slice_copy(host, text, sizeof(text));
		name = endpoints_find_name(e, text);
		if (!name)
			name = endpoints_add_name(e, host);
		if (!name)
			return diag_at(d, 0, 0, "cannot govern %s: more than %u names", text,
				       NAMES_MAX);
		name->governed = true;
		name->provider = provider;
		install(e, name);
	}
	r = set_cidrs(e, ed);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot read the kernel's map of governed addresses: %s",
			      strerror(-r));
		return r;
	}
	for (size_t i = 0; i < e->n_names; i++)
		while (!e->names[i].governed && e->names[i].n)
			remove_address(e, &e->names[i], e->names[i].n - 1);
	return 0;
}

void endpoints_resolved(struct endpoints *e, const struct eg_resolved *res, uint64_t now_us)
{
	struct name *name;
	bool any_new = false;
	char host[256];

	(void)slice_copy(slice_of(res->host, strnlen(res->host, sizeof(res->host))), host,
			 sizeof(host));
	name = endpoints_find_name(e, host);
	if (!name || !name->governed || res->n > EG_RESOLVED_ADDRS)
		return;
	/* The worker parses the network: which provider a name is of comes from the catalogue. */
	name->tried = true;
	for (uint32_t i = 0; i < res->n; i++) {
		any_new |= endpoints_confirm(e, name, &res->addr[i], now_us);
		set_address(e, &res->addr[i]);
	}
	if (any_new && e->opts.on_new)
		e->opts.on_new(e->opts.ctx);
	if (res->n)
		name->answered_us = now_us;
}

size_t endpoints_expire(struct endpoints *e, uint64_t now_us)
{
	size_t removed = 0;

	for (size_t i = 0; i < e->n_names; i++) {
		struct name *name = &e->names[i];

		for (size_t k = name->n; k-- > 0;) {
			uint64_t end_us = name->v[k].confirmed_us + ENDPOINTS_KEEP_US;

			/* Only a name that has answered since then says anything. */
			if (now_us < end_us || name->answered_us < end_us)
				continue;
			remove_address(e, name, k);
			removed++;
		}
	}
	return removed;
}

static void on_expire(struct timer *t)
{
	struct endpoints *e = container_of(t, struct endpoints, expire);

	(void)endpoints_expire(e, clock_wall_us());
	endpoints_save(e); /* what could not be written lately */
	/* Left in an adopted map by an earlier daemon that did not write them down. */
	if (e->opts.dp && clock_mono_us() - e->started_us > ENDPOINTS_KEEP_US &&
	    endpoints_tried(e) == endpoints_names(e))
		(void)!dataplane_endpoint_expire(e->opts.dp, EG_ENDPOINT_RESOLVED,
						 e->started_us * 1000);
	timer_start(t, e->opts.loop, EXPIRE_US, on_expire);
}

/* ---- life, and what others ask ---- */

static void on_save(struct timer *t)
{
	endpoints_save(container_of(t, struct endpoints, save));
}

int endpoints_new(const struct endpoints_opts *o, struct endpoints **ret)
{
	struct endpoints *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->opts = *o;
	e->started_us = clock_mono_us();
	(void)slice_copy(slice_str(o->file), e->file, sizeof(e->file));
	timer_start(&e->expire, o->loop, EXPIRE_US, on_expire);
	*ret = e;
	return 0;
}

struct endpoints *endpoints_free(struct endpoints *e)
{
	if (!e)
		return NULL;
	endpoints_save(e);
	timer_stop(&e->save);
	timer_stop(&e->expire);
	for (size_t i = 0; i < e->n_names; i++)
		free(e->names[i].v);
	free(e->names);
	free(e);
	return NULL;
}

size_t endpoints_names(const struct endpoints *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_names; i++)
		n += e->names[i].governed;
	return n;
}

size_t endpoints_tried(const struct endpoints *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_names; i++)
		n += e->names[i].governed && e->names[i].tried;
	return n;
}

json_t *endpoints_unresolved(const struct endpoints *e)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < e->n_names; i++)
		if (e->names[i].governed && e->names[i].n == 0)
			(void)json_array_append_new(list, json_string(e->names[i].host));
	return list;
}

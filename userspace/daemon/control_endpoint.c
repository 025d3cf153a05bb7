/* SPDX-License-Identifier: Apache-2.0 */
/* `endpoint list`, `provider list|show`. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/rows.h"
#include "daemon/cgroup_rows.h"
#include "daemon/control.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"
#include "egret/rpc.h"
#include "policy/question.h"

struct listing {
	struct monitor *m;
	struct request *req;
	const char *provider; /* wanted; NULL: all */
	uint64_t now_ns;
};

static int endpoint_row(void *ctx, const struct eg_endpoint_key *key, const struct eg_endpoint *e)
{
	struct listing *l = ctx;
	char name[EG_NAME_MAX];
	const char *provider = edition_provider(l->m->edition, e->provider - 1, name, sizeof(name));

	if (l->provider && (!provider || strcmp(provider, l->provider) != 0))
		return 0;
	return request_row(l->req, rows_endpoint(key, e, provider, l->now_ns));
}

/* False: the request has been answered. */
static bool put_map(struct monitor *m, struct request *req)
{
	struct listing l = { .m = m, .req = req, .now_ns = clock_mono_us() * 1000 };
	struct diag d = { 0 };
	int r;

	if (!request_string(req, "provider", &l.provider))
		return false;
	if (l.provider && question_provider(l.provider, m->edition->catalogue, &d) < 0) {
		request_diag(req, "bad_request", &d);
		return false;
	}
	r = inspect_endpoints(dataplane_inspect(m->dp), endpoint_row, &l);
	if (r == 0)
		return true;
	if (r == -EPIPE)
		request_end(req, NULL);
	else
		request_error(req, "unavailable", "endpoints: the kernel's map cannot be read: %s",
			      strerror(-r));
	return false;
}

void control_endpoint_dump(void *ctx, struct request *req)
{
	if (put_map(ctx, req))
		request_end(req, NULL);
}

struct learned {
	struct listing list;
	const struct cgroup_item *of;
};

static int learned_row(void *ctx, const struct eg_learned_entry *e)
{
	struct learned *l = ctx;
	char name[EG_NAME_MAX];
	const char *provider =
		edition_provider(l->list.m->edition, e->provider - 1, name, sizeof(name));

	if (l->list.provider && (!provider || strcmp(provider, l->list.provider) != 0))
		return 0;
	return request_row(l->list.req, rows_learned(e, l->of, provider, l->list.now_ns));
}

static int learned_rows(struct monitor *m, struct request *req, const struct cgroup_item *i)
{
	struct learned l = { { m, req, NULL, clock_mono_us() * 1000 }, i };

	l.list.provider = json_string_value(json_object_get(request_args(req), "provider"));
	return inspect_learned(dataplane_inspect(m->dp), i->fd, learned_row, &l);
}

void control_endpoint_list(void *ctx, struct request *req)
{
	if (put_map(ctx, req))
		cgroup_rows(ctx, req, learned_rows, NULL);
}

static json_t *text(struct slice s)
{
	return json_stringn(s.p, s.n);
}

static json_t *texts(const struct slice *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		(void)json_array_append_new(list, text(v[i]));
	return list;
}

static json_t *provider_row(struct monitor *m, unsigned i)
{
	const struct catalogue_provider *p = catalogue_provider(m->edition->catalogue, i);
	char name[EG_NAME_MAX];

	(void)slice_copy(p->name, name, sizeof(name));
	return json_pack("{so so so so so}", "name", text(p->name), "trust", text(p->trust),
			 "dialect", text(p->dialect), "hosts", texts(p->hosts, p->n_hosts),
			 "credentials", credentials_of(m->credentials, name));
}

void control_provider_list(void *ctx, struct request *req)
{
	struct monitor *m = ctx;

	for (unsigned i = 0; i < catalogue_providers(m->edition->catalogue); i++)
		if (request_row(req, provider_row(m, i)) < 0)
			break;
	request_end(req, NULL);
}

void control_provider_show(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	const struct catalogue_provider *p;
	struct diag d = { 0 };
	const char *name;
	json_t *end;
	int i;

	if (!request_string(req, "name", &name))
		return;
	if (!name) {
		request_error(req, "bad_request", "name: a provider's name is missing");
		return;
	}
	i = question_provider(name, m->edition->catalogue, &d);
	if (i < 0) {
		request_diag(req, "not_found", &d);
		return;
	}
	p = catalogue_provider(m->edition->catalogue, (unsigned)i);
	end = provider_row(m, (unsigned)i);
	(void)json_object_set_new(end, "env", texts(p->env, p->n_env));
	(void)json_object_set_new(end, "placeholder", text(p->placeholder));
	(void)json_object_set_new(end, "credential_field", text(p->credential_field));
	(void)json_object_set_new(end, "operations", edition_operations(m->edition, (unsigned)i));
	request_end(req, end);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/learning.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/slice.h"
#include "daemon/config.h"
#include "daemon/edition.h"
#include "daemon/resolv.h"
#include "dataplane/dataplane.h"
#include "provider/catalogue.h"

bool learning_parse_server(const char *text, struct eg_addr *ret)
{
	struct slice s = slice_str(text);
	char addr[INET6_ADDRSTRLEN];
	struct in_addr v4;
	const char *end;

	if (s.n && s.p[0] == '[') {
		end = memchr(s.p, ']', s.n);
		if (!end)
			return false;
		s = slice_of(s.p + 1, (size_t)(end - s.p) - 1);
	} else {
		end = memchr(s.p, ':', s.n);
		if (end && !memchr(end + 1, ':', s.n - (size_t)(end + 1 - s.p)))
			s.n = (size_t)(end - s.p); /* a port: IPv6 has more colons */
	}
	if (s.n >= sizeof(addr))
		return false;
	(void)slice_copy(s, addr, sizeof(addr));
	if (inet_pton(AF_INET, addr, &v4) == 1) {
		*ret = (struct eg_addr){ { 0, 0, htonl(0xffff), v4.s_addr } };
		return true;
	}
	return inet_pton(AF_INET6, addr, ret) == 1;
}

#define SERVERS_MAX 1024u /* as many as the kernel's map takes */

struct trust {
	struct eg_addr addr[SERVERS_MAX];
	size_t n;
	bool too_many;
};

static void believe(void *ctx, const struct eg_addr *addr)
{
	struct trust *t = ctx;

	if (t->n == SERVERS_MAX)
		t->too_many = true;
	else
		t->addr[t->n++] = *addr;
}

static void believe_text(struct trust *t, const char *text)
{
	struct eg_addr addr;

	if (learning_parse_server(text, &addr))
		believe(t, &addr);
}

static int apply_resolvers(struct dataplane *dp, const struct config *c,
			   const struct resolv *resolv, struct diag *d)
{
	_cleanup_free_ struct trust *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	resolv_each(resolv, believe, t);
	for (size_t i = 0; i < c->resolvers.n; i++)
		believe_text(t, c->resolvers.v[i]);
	for (size_t i = 0; i < c->dns_trust.n; i++)
		believe_text(t, c->dns_trust.v[i]);
	/* One that is no longer named is no longer believed, nor is its port 53 open. */
	r = dataplane_resolvers_set(dp, t->addr, t->n);
	if (r == 0 && t->too_many)
		r = -E2BIG;
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot tell the kernel which resolvers to believe: %s",
			      strerror(-r));
	return r;
}

/* Every host of every provider. */
static int gather_names(const struct catalogue *cat, struct dataplane_name **ret, size_t *ret_n)
{
	struct dataplane_name *names;
	size_t n = 0, room = 0;

	for (size_t p = 0; p < catalogue_providers(cat); p++)
		room += catalogue_provider(cat, (unsigned)p)->n_hosts;
	names = calloc(room + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t p = 0; p < catalogue_providers(cat); p++) {
		const struct catalogue_provider *one = catalogue_provider(cat, (unsigned)p);

		for (size_t i = 0; i < one->n_hosts; i++)
			names[n++] = (struct dataplane_name){ one->hosts[i], (uint32_t)p + 1 };
	}
	*ret = names;
	*ret_n = n;
	return 0;
}

int learning_apply(struct dataplane *dp, const struct config *c, const struct resolv *resolv,
		   const struct edition *e, struct diag *d)
{
	_cleanup_free_ struct dataplane_name *names = NULL;
	size_t n = 0;
	int r;

	r = apply_resolvers(dp, c, resolv, d);
	if (r == 0)
		r = gather_names(e->catalogue, &names, &n);
	return r < 0 ? r : dataplane_names_set(dp, names, n, d);
}

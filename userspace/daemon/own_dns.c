/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own_dns.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/nameservers.h"
#include "identity/process.h"
#include "identity/rootfile.h"

#define FILE_MAX 4096u

/* Its place, or one that is free for it; OWN_DNS_VIEWS: there is none. */
static unsigned find(const struct own_dns *o, uint64_t mnt)
{
	unsigned to = OWN_DNS_VIEWS;

	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++) {
		if (o->view[i].mnt == mnt)
			return i;
		if (o->view[i].mnt == 0 && to == OWN_DNS_VIEWS)
			to = i;
	}
	return to;
}

void own_dns_begin(struct own_dns *o)
{
	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++)
		o->view[i].is_seen = false;
}

bool own_dns_wants(const struct own_dns *o, pid_t pid)
{
	char path[64];
	uint64_t mnt;
	unsigned i;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (process_namespace(AT_FDCWD, path, "mnt", &mnt) < 0)
		return false;
	i = find(o, mnt);
	return i < OWN_DNS_VIEWS && !o->view[i].is_seen;
}

bool own_dns_look(struct own_dns *o, int dir)
{
	char text[FILE_MAX + 1];
	struct eg_addr addr[OWN_DNS_SERVERS];
	uint64_t mnt;
	unsigned i, n;
	ssize_t got;
	bool differs;

	if (process_namespace(dir, "ns/mnt", "mnt", &mnt) < 0)
		return false;
	i = find(o, mnt);
	if (i == OWN_DNS_VIEWS)
		return false;
	o->view[i].mnt = mnt;
	o->view[i].is_seen = true;
	got = rootfile_read(dir, "etc/resolv.conf", &o->view[i].key, text, sizeof(text));
	if (got == -EALREADY || got == -EAGAIN || got == -ESRCH)
		return false;
	if (got < 0)
		memset(&o->view[i].key, 0, sizeof(o->view[i].key));
	n = got < 0 ? 0 : nameservers_parse(slice_of(text, (size_t)got), addr, OWN_DNS_SERVERS);
	differs = n != o->view[i].n || memcmp(addr, o->view[i].addr, n * sizeof(*addr)) != 0;
	memcpy(o->view[i].addr, addr, n * sizeof(*addr));
	o->view[i].n = n;
	return differs;
}

bool own_dns_end(struct own_dns *o)
{
	bool differs = false;

	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++) {
		if (o->view[i].mnt == 0 || o->view[i].is_seen)
			continue;
		differs |= o->view[i].n > 0;
		memset(&o->view[i], 0, sizeof(o->view[i]));
	}
	return differs;
}

static bool is_among(const struct eg_addr *addrs, unsigned n, const struct eg_addr *a)
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(&addrs[i], a, sizeof(*a)) == 0)
			return true;
	return false;
}

unsigned own_dns_servers(const struct own_dns *o, struct eg_addr ret[EG_OWN_DNS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++)
		for (unsigned k = 0; k < o->view[i].n; k++)
			if (n < EG_OWN_DNS_MAX && !is_among(ret, n, &o->view[i].addr[k]))
				ret[n++] = o->view[i].addr[k];
	return n;
}

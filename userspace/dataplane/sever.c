/* SPDX-License-Identifier: Apache-2.0 */
/* Ends the one connection that an event is about. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane/netns.h"
#include "dataplane/sockdiag.h"
#include "dataplane/state.h"

static bool is_mapped(const struct eg_addr *a)
{
	return a->a[0] == 0 && a->a[1] == 0 && a->a[2] == htonl(0xffff);
}

/* The cookie is what names it: ports and addresses only lead there. */
static struct sockdiag_sock socket_of(const struct eg_event *e)
{
	struct sockdiag_sock s = { .protocol = IPPROTO_TCP, .peer = e->raddr };

	s.id.idiag_sport = htons(e->lport);
	s.id.idiag_dport = htons(e->rport);
	s.id.idiag_if = e->ifindex;
	s.id.idiag_cookie[0] = (uint32_t)e->flow.cookie;
	s.id.idiag_cookie[1] = (uint32_t)(e->flow.cookie >> 32);
	if (is_mapped(&e->raddr)) {
		s.family = AF_INET;
		s.id.idiag_src[0] = e->laddr.a[3];
		s.id.idiag_dst[0] = e->raddr.a[3];
		return s;
	}
	s.family = AF_INET6;
	memcpy(s.id.idiag_src, e->laddr.a, sizeof(e->laddr.a));
	memcpy(s.id.idiag_dst, e->raddr.a, sizeof(e->raddr.a));
	return s;
}

int dataplane_sever(struct dataplane *dp, int netns_fd, const struct eg_event *e)
{
	struct sockdiag_sock sock = socket_of(e);
	struct sockdiag *s = NULL;
	int home = -EBADF, r;

	if (e->lport == 0)
		return -EINVAL;
	if (netns_fd >= 0) {
		r = netns_enter(netns_fd, &home);
		if (r < 0)
			return r;
	}
	r = sockdiag_open(dp->in.map[PINS_eg_stamp], dp->in.map[PINS_eg_open], &s);
	if (r == 0)
		r = sockdiag_destroy(s, &sock);
	(void)sockdiag_close(s);
	if (home >= 0)
		netns_leave(home);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/slice.h"

#define BUFFER	  32768 /* more than the kernel puts in one datagram of a dump */
#define WATCH_BUF (1 << 20) /* of notifications that wait: devices come in bursts */

struct rtnl {
	struct mnl_socket *ask, *watch;
	unsigned seq;
	char buf[BUFFER];
};

struct listing {
	rtnl_fn fn;
	void *ctx;
};

static int open_one(unsigned groups, struct mnl_socket **ret)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int error;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0) {
		error = -errno;
		(void)mnl_socket_close(nl);
		return error;
	}
	*ret = nl;
	return 0;
}

int rtnl_open(struct rtnl **ret)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int error, size = WATCH_BUF;

	if (!r)
		return -ENOMEM;
	error = open_one(0, &r->ask);
	if (error == 0)
		error = open_one(RTMGRP_LINK, &r->watch);
	if (error < 0) {
		(void)rtnl_close(r);
		return error;
	}
	(void)setsockopt(rtnl_fd(r), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	*ret = r;
	return 0;
}

struct rtnl *rtnl_close(struct rtnl *r)
{
	if (r && r->ask)
		(void)mnl_socket_close(r->ask);
	if (r && r->watch)
		(void)mnl_socket_close(r->watch);
	free(r);
	return NULL;
}

int rtnl_fd(const struct rtnl *r)
{
	return mnl_socket_get_fd(r->watch);
}

static void read_info(const struct nlattr *info, struct rtnl_link *link)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_STRING) == 0)
			link->is_pair = strcmp(mnl_attr_get_str(attr), "veth") == 0 ||
					strcmp(mnl_attr_get_str(attr), "netkit") == 0;
	}
}

static int on_link(const struct nlmsghdr *h, void *data)
{
	struct rtnl_link link = { .peer_nsid = -1 };
	const struct listing *l = data;
	const struct ifinfomsg *m;
	struct nlattr *attr;

	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return MNL_CB_OK;
	m = mnl_nlmsg_get_payload(h);
	/* Bridges speak of their ports in messages of this type too. */
	if (m->ifi_family != AF_UNSPEC || m->ifi_index <= 0)
		return MNL_CB_OK;
	link.ifindex = (uint32_t)m->ifi_index;
	link.is_gone = h->nlmsg_type == RTM_DELLINK;
	mnl_attr_for_each(attr, h, sizeof(*m))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
		    mnl_attr_validate(attr, MNL_TYPE_STRING) == 0)
			(void)slice_copy(slice_str(mnl_attr_get_str(attr)), link.name,
					 sizeof(link.name));
		else if (mnl_attr_get_type(attr) == IFLA_LINK_NETNSID &&
			 mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			link.peer_nsid = (int32_t)mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			read_info(attr, &link);
	}
	l->fn(l->ctx, &link);
	return MNL_CB_OK;
}

static struct nlmsghdr *begin(struct rtnl *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(r->buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++r->seq;
	return h;
}

/* Sends what begin() began and gives every answer to cb. The kernel answers while it is asked. */
static int talk(struct rtnl *r, const struct nlmsghdr *h, mnl_cb_t cb, void *data)
{
	unsigned port = mnl_socket_get_portid(r->ask);
	int more = MNL_CB_OK;
	ssize_t n;

	if (mnl_socket_sendto(r->ask, h, h->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(r->ask, r->buf, sizeof(r->buf));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(r->buf, (size_t)n, r->seq, port, cb, data);
	}
	if (more >= 0)
		return 0;
	n = errno;
	while (mnl_socket_recvfrom(r->ask, r->buf, sizeof(r->buf)) > 0)
		; /* what is left of an answer would be taken for one to the next question */
	return -(int)n;
}

int rtnl_list(struct rtnl *r, rtnl_fn fn, void *ctx)
{
	struct nlmsghdr *h = begin(r, RTM_GETLINK, NLM_F_DUMP);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct listing l = { fn, ctx };

	m->ifi_family = AF_UNSPEC;
	return talk(r, h, on_link, &l);
}

int rtnl_drain(struct rtnl *r, unsigned max, rtnl_fn fn, void *ctx)
{
	struct listing l = { fn, ctx };
	unsigned n = 0;
	ssize_t got;

	for (; n < max; n++) {
		got = mnl_socket_recvfrom(r->watch, r->buf, sizeof(r->buf));
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (got < 0)
			return -errno;
		if (mnl_cb_run(r->buf, (size_t)got, 0, 0, on_link, &l) < 0)
			return -errno;
	}
	return (int)n;
}

static int on_nsid(const struct nlmsghdr *h, void *data)
{
	struct nlattr *attr;
	int32_t *id = data;

	mnl_attr_for_each(attr, h, sizeof(struct rtgenmsg))
	{
		if (mnl_attr_get_type(attr) == NETNSA_NSID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*id = (int32_t)mnl_attr_get_u32(attr);
	}
	return MNL_CB_STOP;
}

static struct nlmsghdr *begin_nsid(struct rtnl *r, uint16_t type, uint16_t flags, int netns_fd)
{
	struct nlmsghdr *h = begin(r, type, flags);
	struct rtgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(h, NETNSA_FD, (uint32_t)netns_fd);
	return h;
}

int rtnl_nsid(struct rtnl *r, int netns_fd, int32_t *ret)
{
	struct nlmsghdr *h = begin_nsid(r, RTM_NEWNSID, NLM_F_ACK, netns_fd);
	int32_t id = NETNSA_NSID_NOT_ASSIGNED;
	int error;

	mnl_attr_put_u32(h, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED); /* any */
	error = talk(r, h, NULL, NULL);
	if (error < 0 && error != -EEXIST)
		return error;
	h = begin_nsid(r, RTM_GETNSID, 0, netns_fd);
	error = talk(r, h, on_nsid, &id);
	if (error == 0 && id < 0)
		error = -ENOENT;
	if (error == 0)
		*ret = id;
	return error;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/sockdiag.h"

#include <bpf/bpf.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define BUFFER 32768 /* more than the kernel puts in one datagram of a dump */

struct sockdiag {
	struct mnl_socket *nl;
	int mark_map_fd, open_map_fd;
	uint32_t mark_map_id;
	unsigned seq;
	char buf[BUFFER];
};

struct listing {
	sockdiag_fn fn;
	void *ctx;
	uint8_t protocol;
	uint32_t mark_map_id;
	int error; /* what fn said */
};

static int map_id(int fd, uint32_t *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t n = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &n) < 0)
		return -errno;
	*ret = info.id;
	return 0;
}

int sockdiag_open(int mark_map_fd, int open_map_fd, struct sockdiag **ret)
{
	struct sockdiag *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->mark_map_fd = mark_map_fd;
	s->open_map_fd = open_map_fd;
	r = map_id(mark_map_fd, &s->mark_map_id);
	if (r < 0) {
		(void)sockdiag_close(s);
		return r;
	}
	s->nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!s->nl || mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;

		(void)sockdiag_close(s);
		return -error;
	}
	*ret = s;
	return 0;
}

struct sockdiag *sockdiag_close(struct sockdiag *s)
{
	if (s && s->nl)
		(void)mnl_socket_close(s->nl);
	free(s);
	return NULL;
}

static struct nlmsghdr *begin(struct sockdiag *s, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(s->buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	h->nlmsg_seq = ++s->seq;
	return h;
}

/* Sends what begin() began and gives every answer to cb. */
static int talk(struct sockdiag *s, const struct nlmsghdr *h, mnl_cb_t cb, void *data)
{
	unsigned port = mnl_socket_get_portid(s->nl);
	int r = MNL_CB_OK;
	ssize_t n;

	if (mnl_socket_sendto(s->nl, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(s->nl, s->buf, sizeof(s->buf));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(s->buf, (size_t)n, s->seq, port, cb, data);
	}
	return r < 0 ? -errno : 0;
}

/* One map's value on the socket; without a value it has none. */
static void read_storage(const struct nlattr *storage, uint32_t mark_map_id,
			 struct sockdiag_sock *ret)
{
	const struct nlattr *value = NULL;
	struct nlattr *part; /* libmnl casts the const of it away */
	uint32_t id = 0;

	mnl_attr_for_each_nested(part, storage)
	{
		if (mnl_attr_get_type(part) == SK_DIAG_BPF_STORAGE_MAP_ID)
			id = mnl_attr_get_u32(part);
		else if (mnl_attr_get_type(part) == SK_DIAG_BPF_STORAGE_MAP_VALUE)
			value = part;
	}
	if (!value)
		return;
	if (id == mark_map_id) {
		ret->marked = true;
	} else if (mnl_attr_get_payload_len(value) >= sizeof(ret->open)) {
		ret->opened = true;
		memcpy(&ret->open, mnl_attr_get_payload(value), sizeof(ret->open));
	}
}

static void read_storages(const struct nlattr *storages, uint32_t mark_map_id,
			  struct sockdiag_sock *ret)
{
	struct nlattr *one = NULL;

	mnl_attr_for_each_nested(one, storages)
	{
		read_storage(one, mark_map_id, ret);
	}
}

static void read_peer(const struct inet_diag_msg *m, struct eg_addr *ret)
{
	if (m->idiag_family == AF_INET6)
		memcpy(ret->a, m->id.idiag_dst, sizeof(ret->a));
	else
		*ret = (struct eg_addr){ { 0, 0, htonl(0xffff), m->id.idiag_dst[0] } };
}

static int on_sock(const struct nlmsghdr *h, void *data)
{
	struct listing *l = data;
	struct sockdiag_sock sock = { .protocol = l->protocol };
	const struct inet_diag_msg *m;
	struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return MNL_CB_OK;
	m = mnl_nlmsg_get_payload(h);
	sock.family = m->idiag_family;
	sock.id = m->id;
	read_peer(m, &sock.peer);
	mnl_attr_for_each(attr, h, sizeof(*m))
	{
		if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID &&
		    mnl_attr_get_payload_len(attr) == sizeof(sock.cgroup))
			memcpy(&sock.cgroup, mnl_attr_get_payload(attr), sizeof(sock.cgroup));
		else if (mnl_attr_get_type(attr) == INET_DIAG_SK_BPF_STORAGES)
			read_storages(attr, l->mark_map_id, &sock);
	}
	l->error = l->fn(l->ctx, &sock);
	if (l->error >= 0)
		return MNL_CB_OK;
	errno = -l->error;
	return MNL_CB_ERROR;
}

int sockdiag_list(struct sockdiag *s, uint8_t family, uint8_t protocol, enum sockdiag_which which,
		  sockdiag_fn fn, void *ctx)
{
	struct nlmsghdr *h = begin(s, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(h, sizeof(*req));
	struct listing l = { fn, ctx, protocol, s->mark_map_id, 0 };
	struct nlattr *nest;

	req->sdiag_family = family;
	req->sdiag_protocol = protocol;
	/* All that have a peer: UDP sockets without one are in TCP_CLOSE. */
	req->idiag_states = which == SOCKDIAG_LISTENING
				    ? 1u << TCP_LISTEN
				    : ~(1u << TCP_LISTEN | 1u << TCP_CLOSE | 1u << TCP_TIME_WAIT);
	nest = mnl_attr_nest_start(h, INET_DIAG_REQ_SK_BPF_STORAGES);
	mnl_attr_put_u32(h, SK_DIAG_BPF_STORAGE_REQ_MAP_FD, (uint32_t)s->mark_map_fd);
	mnl_attr_put_u32(h, SK_DIAG_BPF_STORAGE_REQ_MAP_FD, (uint32_t)s->open_map_fd);
	mnl_attr_nest_end(h, nest);
	return talk(s, h, on_sock, &l);
}

int sockdiag_destroy(struct sockdiag *s, const struct sockdiag_sock *sock)
{
	struct nlmsghdr *h = begin(s, SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(h, sizeof(*req));

	req->sdiag_family = sock->family;
	req->sdiag_protocol = sock->protocol;
	req->idiag_states = ~0u;
	req->id = sock->id;
	return talk(s, h, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the dataplane for tests/integration/test_hooks.py: one command a line on standard input,
 * one JSON object a line on standard output. Holds the programs as the monitor does, accepts as a
 * worker does. Ends at end of input, without releasing anything: that is a command of its own.
 *
 *	hooks CGROUP PINS [OWNER_UID]		(mounts the bpffs when OWNER_UID is given)
 *	hooks inspect PINS CGROUP		as the CLI does, from the pins alone
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/reason.h"
#include "base/slice.h"
#include "dataplane/dataplane.h"
#include "dataplane/flow.h"
#include "dataplane/inspect.h"
#include "egret/reasons.h"

#define SEVER_MAX 64

struct test {
	struct dataplane *dp;
	struct eg_event severed[SEVER_MAX]; /* seen by `events`, for `sever` */
	unsigned n_severed;
	int flow_fd;
	int listener[16];
	unsigned n_listeners;
	int held; /* the last connection of `dial` */
	struct dataplane_allow allow[64];
	char names[64][128];
	size_t n_allow;
};

static void print_addr(const struct eg_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	printf("\"%s\"", inet_ntop(AF_INET6, a, text, sizeof(text)));
}

static void print_flow(const struct eg_flow *f)
{
	printf("{\"tgid\":%u,\"tid\":%u,\"uid\":%u,\"gid\":%u,\"start_ns\":%" PRIu64
	       ",\"exe_ino\":%" PRIu64 ",\"exe_dev\":%u,\"cgroup\":%" PRIu64
	       ",\"sk_cgroup\":%" PRIu64 ",\"netns\":%" PRIu64
	       ",\"flags\":%u,\"provider\":%u,\"dport\":%u,\"family\":%u,"
	       "\"dst\":",
	       f->tgid, f->tid, f->uid, f->gid, (uint64_t)f->start_ns, (uint64_t)f->exe_ino,
	       f->exe_dev, (uint64_t)f->cgroup, (uint64_t)f->sk_cgroup, (uint64_t)f->netns,
	       f->flags, f->provider, f->dport, f->family);
	print_addr(&f->dst);
	printf(",\"ancestor\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]}",
	       (uint64_t)f->ancestor[0], (uint64_t)f->ancestor[1], (uint64_t)f->ancestor[2],
	       (uint64_t)f->ancestor[3]);
}

static void print_result(int r)
{
	printf("{\"r\":%d}\n", r);
}

static int parse_key(const char *addr, unsigned bits, struct eg_endpoint_key *ret)
{
	*ret = (struct eg_endpoint_key){ .prefix_len = bits };
	return inet_pton(AF_INET6, addr, &ret->addr) == 1 ? 0 : -EINVAL;
}

static int run_endpoint(struct test *t, const char *line)
{
	struct eg_endpoint_key key;
	char addr[64];
	unsigned bits, source;
	int r;

	if (sscanf(line, "endpoint %63s %u %u", addr, &bits, &source) != 3)
		return -EINVAL;
	r = parse_key(addr, bits, &key);
	return r < 0 ? r : dataplane_endpoint_set(t->dp, &key, 7, source, clock_mono_us() * 1000);
}

static int run_listen(struct test *t, const char *line)
{
	_cleanup_close_ int ns = -EBADF;
	char path[256] = "";
	unsigned family, n;
	uint64_t cookie;
	int r;

	if (sscanf(line, "listen %u %u %255s", &family, &n, path) < 2 ||
	    t->n_listeners + n > ARRAY_SIZE(t->listener))
		return -EINVAL;
	if (path[0]) {
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			return -errno;
	}
	r = dataplane_listen(t->dp, path[0] ? ns : -1, (int)family, n, &t->listener[t->n_listeners],
			     &cookie);
	if (r == 0)
		t->n_listeners += n;
	return r;
}

/* Waits for a connection on any listener; prints its record and answers with the byte 'E'. */
static int run_accept(struct test *t)
{
	struct pollfd p[ARRAY_SIZE(t->listener)];
	_cleanup_close_ int fd = -EBADF;
	struct eg_flow flow;
	int r;

	for (unsigned i = 0; i < t->n_listeners; i++)
		p[i] = (struct pollfd){ .fd = t->listener[i], .events = POLLIN };
	if (poll(p, t->n_listeners, 10000) <= 0)
		return -ETIMEDOUT;
	for (unsigned i = 0; i < t->n_listeners && fd < 0; i++)
		if (p[i].revents)
			fd = accept4(p[i].fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = flow_take(t->flow_fd, fd, &flow);
	printf("{\"r\":%d", r);
	if (r == 0) {
		printf(",\"flow\":");
		print_flow(&flow);
	}
	printf("}\n");
	return write(fd, "E", 1) == 1 ? 1 : -EIO;
}

struct printing {
	struct test *t;
	unsigned n;
};

static void print_event(void *ctx, const struct eg_event *e)
{
	struct printing *p = ctx;

	printf("%s{\"hook\":\"%s\",\"reason\":\"%s\",\"name\":\"%s\",\"flow\":", p->n++ ? "," : "",
	       hook_name(e->hook), reason_name(e->reason), e->name);
	print_flow(&e->flow);
	printf("}");
	if (e->lport && p->t->n_severed < SEVER_MAX)
		p->t->severed[p->t->n_severed++] = *e;
}

/* "sever": ends the connections that events were about. */
static int run_sever(struct test *t)
{
	int r = 0;

	for (; t->n_severed && r == 0; t->n_severed--)
		r = dataplane_sever(t->dp, -1, &t->severed[t->n_severed - 1]);
	return r;
}

static int run_events(struct test *t)
{
	struct printing p = { .t = t };
	int r;

	printf("{\"events\":[");
	r = dataplane_events_drain(t->dp, 1000, print_event, &p);
	printf("],\"r\":%d}\n", r);
	return 1;
}

static int run_counts(const struct inspect *in)
{
	struct inspect_counts c;
	int r = inspect_counts(in, &c);

	if (r < 0)
		return r;
	printf("{\"r\":0");
	for (uint32_t h = 0; h < EG_HOOK_COUNT; h++)
		for (uint32_t k = 0; k < EG_REASON_COUNT; k++)
			if (c.by[h][k])
				printf(",\"%s.%s\":%" PRIu64, hook_name(h), reason_name(k),
				       c.by[h][k]);
	printf(",\"lost\":%" PRIu64 ",\"limited\":%" PRIu64 ",\"dns_answers\":%" PRIu64
	       ",\"dns_learned\":%" PRIu64 ",\"dns_bad\":%" PRIu64 ",\"dns_ech\":%" PRIu64
	       ",\"sni_other\":%" PRIu64 ",\"sni_none\":%" PRIu64 "}\n",
	       c.events_lost, c.events_limited, c.dns_answers, c.dns_learned, c.dns_bad, c.dns_ech,
	       c.sni_other, c.sni_none);
	return 1;
}

static int on_prog(void *ctx, const struct inspect_prog *p)
{
	unsigned *n = ctx;

	printf("%s{\"name\":\"%s\",\"attached\":%s,\"insns\":%u,\"run_cnt\":%" PRIu64
	       ",\"run_ns\":%" PRIu64 "}",
	       (*n)++ ? "," : "", p->name, p->attached ? "true" : "false", p->insns, p->run_cnt,
	       p->run_ns);
	return 0;
}

static int on_map(void *ctx, const struct inspect_map *m)
{
	unsigned *n = ctx;

	printf("%s{\"name\":\"%s\",\"type\":\"%s\",\"entries\":%" PRId64 ",\"bytes\":%" PRIu64 "}",
	       (*n)++ ? "," : "", m->name, m->type_name, m->entries, m->bytes);
	return 0;
}

static int on_flow(void *ctx, const struct eg_flow *f)
{
	unsigned *n = ctx;

	if ((*n)++)
		printf(",");
	print_flow(f);
	return 0;
}

static int on_endpoint(void *ctx, const struct eg_endpoint_key *key, const struct eg_endpoint *e)
{
	unsigned *n = ctx;

	printf("%s{\"bits\":%u,\"provider\":%u,\"source\":%u,\"addr\":", (*n)++ ? "," : "",
	       key->prefix_len, e->provider, e->source);
	print_addr(&key->addr);
	printf("}");
	return 0;
}

static int on_hook(void *ctx, const struct inspect_hook *h)
{
	unsigned *n = ctx;

	printf("%s{\"name\":\"%s\",\"attached\":%s,\"rivals\":[", (*n)++ ? "," : "", h->name,
	       h->attached ? "true" : "false");
	for (unsigned i = 0; i < h->n_rivals && i < ARRAY_SIZE(h->rival); i++)
		printf("%s\"%s\"", i ? "," : "", h->rival[i].name);
	printf("]}");
	return 0;
}

static int run_inspect(const struct inspect *in, const char *cgroup)
{
	bool iterates;
	unsigned n = 0;
	int r;

	printf("{\"progs\":[");
	r = inspect_progs(in, on_prog, &n);
	printf("],\"maps\":[");
	n = 0;
	r = r ? r : inspect_maps(in, on_map, &n);
	printf("],\"flows\":[");
	n = 0;
	r = r ? r : inspect_flows(in, on_flow, &n);
	iterates = r != -EOPNOTSUPP;
	r = iterates ? r : 0;
	printf("],\"iterates\":%s,\"endpoints\":[", iterates ? "true" : "false");
	n = 0;
	r = r ? r : inspect_endpoints(in, on_endpoint, &n);
	printf("],\"hooks\":[");
	n = 0;
	r = r ? r : inspect_hooks(in, cgroup, on_hook, &n);
	printf("],\"r\":%d}\n", r);
	return 1;
}

/* Connects a socket, stamped or not, as the daemon would upstream. */
static int run_dial(struct test *t, const char *line)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	_cleanup_close_ int fd = -EBADF;
	unsigned stamped, port;
	char addr[64];

	if (sscanf(line, "dial %u %63s %u", &stamped, addr, &port) != 3 ||
	    inet_pton(AF_INET, addr, &to.sin_addr) != 1)
		return -EINVAL;
	to.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (stamped && dataplane_stamp(t->dp, fd) < 0)
		return -EIO;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	cleanup_close(&t->held);
	t->held = TAKE_FD(fd);
	return 0;
}

/* In a child without any privilege: reads the record, tries to forge one, asks about a socket that
 * is no accepted one. */
static void unprivileged(int flow_fd, int conn_fd)
{
	_cleanup_close_ int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct eg_flow flow = { 0 };
	union bpf_attr attr = { .map_fd = (uint32_t)flow_fd,
				.key = (uintptr_t)&conn_fd,
				.value = (uintptr_t)&flow };
	int r, written;

	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	r = flow_take(flow_fd, conn_fd, &flow);
	written = syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0 ? -errno : 0;
	printf("{\"r\":%d,\"tgid_ok\":%s,\"write\":%d,\"foreign\":%d}\n", r,
	       flow.tgid > 1 ? "true" : "false", written, flow_take(flow_fd, other, &flow));
	_exit(0);
}

static int run_unprivileged(struct test *t)
{
	struct pollfd p = { .fd = t->listener[0], .events = POLLIN };
	_cleanup_close_ int fd = -EBADF;
	int status;
	pid_t pid;

	if (poll(&p, 1, 10000) <= 0)
		return -ETIMEDOUT;
	fd = accept4(p.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		unprivileged(t->flow_fd, fd);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return -ECHILD;
	return write(fd, "E", 1) == 1 ? 1 : -EIO;
}

/* "names PATTERN...": what is learned from now on. */
static int run_names(struct test *t, const char *line, struct diag *d)
{
	struct dataplane_name names[32];
	size_t n = 0;

	for (line += strcspn(line, " \n"); *line == ' ' && n < ARRAY_SIZE(names);) {
		size_t k = strcspn(++line, " \n");

		names[n++] = (struct dataplane_name){ slice_of(line, k), 7 };
		line += k;
	}
	return dataplane_names_set(t->dp, names, n, d);
}

static int run_resolver(struct test *t, const char *line)
{
	struct eg_endpoint_key key;
	char addr[64];

	if (sscanf(line, "resolver %63s", addr) != 1 || parse_key(addr, 128, &key) < 0)
		return -EINVAL;
	return dataplane_resolver_set(t->dp, &key.addr);
}

/* "own NETNS [ADDR]": the resolver that a network namespace, by its path, has of its own, or none.
 */
static int run_own(struct test *t, const char *line)
{
	_cleanup_close_ int fd = -EBADF;
	struct eg_endpoint_key key = { 0 };
	char path[400], addr[64];
	uint64_t netns;
	int n = sscanf(line, "own %399s %63s", path, addr), r;

	if (n < 1 || (n == 2 && parse_key(addr, 128, &key) < 0))
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : dataplane_netns_cookie(fd, &netns);
	return r < 0 ? r : dataplane_own_dns_set(t->dp, netns, &key.addr, n == 2);
}

static int on_learned(void *ctx, const struct eg_learned_entry *e)
{
	unsigned *n = ctx;

	if ((*n)++)
		printf(",");
	print_addr(&e->addr);
	return 0;
}

/* "learned CGROUP" */
static int run_learned(struct test *t, const char *line)
{
	_cleanup_close_ int fd = -EBADF;
	unsigned n = 0;
	char dir[400];
	int r;

	if (sscanf(line, "learned %399s", dir) != 1)
		return -EINVAL;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	printf("{\"addrs\":[");
	r = inspect_learned(dataplane_inspect(t->dp), fd, on_learned, &n);
	printf("],\"r\":%d}\n", r);
	return 1;
}

static int on_allowed(void *ctx, const struct eg_allowed_entry *e)
{
	unsigned *n = ctx;

	if ((*n)++)
		printf(",");
	print_addr(&e->addr);
	return 0;
}

/* "allowed CGROUP" */
static int run_allowed(struct test *t, const char *line)
{
	_cleanup_close_ int fd = -EBADF;
	unsigned n = 0;
	char dir[400];
	int r;

	if (sscanf(line, "allowed %399s", dir) != 1)
		return -EINVAL;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	printf("{\"addrs\":[");
	r = inspect_allowed(dataplane_inspect(t->dp), fd, on_allowed, &n);
	printf("],\"r\":%d}\n", r);
	return 1;
}

/* "mode CGROUP CAPTURE EGRESS LIST", "mode CGROUP" */
static int run_mode(struct test *t, const char *line)
{
	_cleanup_close_ int fd = -EBADF;
	struct eg_mode mode = { .workload = 3 };
	char dir[400];
	int n = sscanf(line, "mode %399s %u %u %u", dir, &mode.capture, &mode.egress, &mode.list);

	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (n != 1 && n != 4))
		return -EINVAL;
	return dataplane_mode_set(t->dp, fd, n == 4 ? &mode : NULL);
}

/* "lists LIST NAME|ADDR BITS PORT PROTO" adds an entry, "lists" puts them in force, "lists none"
 * starts anew. */
static int run_lists(struct test *t, const char *line, struct diag *d)
{
	struct dataplane_allow *a = &t->allow[t->n_allow];
	unsigned list, bits, port, proto;
	char text[128];

	if (strncmp(line, "lists none", 10) == 0) {
		t->n_allow = 0;
		return 0;
	}
	if (sscanf(line, "lists %u %127s %u %u %u", &list, text, &bits, &port, &proto) != 5)
		return dataplane_lists_set(t->dp, t->allow, t->n_allow, d);
	if (t->n_allow == ARRAY_SIZE(t->allow))
		return -E2BIG;
	*a = (struct dataplane_allow){ .list = list,
				       .port = (uint16_t)port,
				       .proto = (uint8_t)proto };
	if (parse_key(text, bits, &a->addr) < 0) {
		(void)slice_copy(slice_str(text), t->names[t->n_allow], sizeof(t->names[0]));
		a->name = slice_str(t->names[t->n_allow]);
	}
	t->n_allow++;
	return 0;
}

static int run_sweep(struct test *t)
{
	int r = dataplane_sweep(t->dp, -1, true);

	printf("{\"r\":%d,\"destroyed\":%d}\n", r < 0 ? r : 0, r);
	return 1;
}

/* 0: print the result; 1: the command printed. */
static int run(struct test *t, const char *line, struct diag *d)
{
	if (strncmp(line, "attach", 6) == 0)
		return dataplane_attach(t->dp, d);
	if (strncmp(line, "release", 7) == 0)
		return dataplane_release(t->dp, d);
	if (strncmp(line, "endpoint", 8) == 0)
		return run_endpoint(t, line);
	if (strncmp(line, "expire", 6) == 0)
		return dataplane_endpoint_expire(t->dp, EG_ENDPOINT_RESOLVED, UINT64_MAX) < 0;
	if (strncmp(line, "listen", 6) == 0)
		return run_listen(t, line);
	if (strncmp(line, "accept_unprivileged", 19) == 0)
		return run_unprivileged(t);
	if (strncmp(line, "accept", 6) == 0)
		return run_accept(t);
	if (strncmp(line, "dial", 4) == 0)
		return run_dial(t, line);
	if (strncmp(line, "names", 5) == 0)
		return run_names(t, line, d);
	if (strncmp(line, "resolver", 8) == 0)
		return run_resolver(t, line);
	if (strncmp(line, "own", 3) == 0)
		return run_own(t, line);
	if (strncmp(line, "learned", 7) == 0)
		return run_learned(t, line);
	if (strncmp(line, "allowed", 7) == 0)
		return run_allowed(t, line);
	if (strncmp(line, "mode", 4) == 0)
		return run_mode(t, line);
	if (strncmp(line, "lists", 5) == 0)
		return run_lists(t, line, d);
	if (strncmp(line, "switch", 6) == 0)
		return dataplane_modes_switch(t->dp, line[7] == '1');
	if (strncmp(line, "held", 4) == 0) /* still connected? */
		return send(t->held, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
	if (strncmp(line, "sever", 5) == 0)
		return run_sever(t);
	if (strncmp(line, "sweep", 5) == 0)
		return run_sweep(t);
	if (strncmp(line, "events", 6) == 0)
		return run_events(t);
	if (strncmp(line, "counts", 6) == 0)
		return run_counts(dataplane_inspect(t->dp));
	if (strncmp(line, "inspect", 7) == 0)
		return run_inspect(dataplane_inspect(t->dp), dataplane_cgroup(t->dp));
	return -EINVAL;
}

static int inspect_main(const char *pins, const char *cgroup)
{
	struct inspect *in = NULL;
	struct diag d = { 0 };
	int r = inspect_open(pins, &d, &in);

	if (r < 0)
		printf("{\"r\":%d,\"error\":\"%s\"}\n", r, d.text);
	else
		(void)run_inspect(in, cgroup);
	(void)inspect_free(in);
	return 0;
}

static void on_print(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "libbpf: %s\n", line);
}

int main(int argc, char **argv)
{
	struct test t = { .flow_fd = -EBADF, .held = -EBADF };
	struct diag d = { 0 };
	char line[512];
	int r = 0;

	if (argc == 4 && strcmp(argv[1], "inspect") == 0)
		return inspect_main(argv[2], argv[3]);
	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 3)
		r = dataplane_bpffs_mount(argv[2], (uid_t)strtoul(argv[3], NULL, 10), &d);
	if (r == 0) {
		struct dataplane_opts o = { .cgroup = argv[1], .pins = argv[2], .print = on_print };

		r = dataplane_open(&o, &d, &t.dp);
	}
	if (r == 0)
		r = dataplane_flow_fd(t.dp, &t.flow_fd);
	printf("{\"r\":%d,\"adopted\":%s,\"error\":\"%s\"}\n", r,
	       r == 0 && dataplane_adopted(t.dp) ? "true" : "false", d.text);
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		int done = run(&t, line, &d);

		if (done <= 0)
			print_result(done);
		if (done < 0 && d.text[0])
			fprintf(stderr, "%s\n", d.text);
	}
	(void)dataplane_free(t.dp);
	return 0;
}

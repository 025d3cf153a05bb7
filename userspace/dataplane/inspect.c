/* SPDX-License-Identifier: Apache-2.0 */
/* Programs, endpoints and counters of what is attached: see inspect.h. */
#include "dataplane/inspect.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dataplane/pins.h"

int inspect_open(const char *dir, struct diag *d, struct inspect **ret)
{
	struct inspect *in = calloc(1, sizeof(*in));
	int r;

	if (!in)
		return -ENOMEM;
	pins_init(in);
	r = pins_read(dir, d, in);
	if (r == 0 && pins_links(in) == 0) {
		(void)diag_at(d, 0, 0, "nothing is pinned in %s", dir);
		r = -ENOENT;
	}
	if (r < 0) {
		(void)inspect_free(in);
		return r;
	}
	*ret = in;
	return 0;
}

struct inspect *inspect_free(struct inspect *in)
{
	if (in)
		pins_close(in);
	free(in);
	return NULL;
}

/* kernel.bpf_stats_enabled: the kernel counts runs only then. */
static bool counts_runs(void)
{
	FILE *f = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");
	bool on = f && fgetc(f) == '1';

	if (f)
		(void)fclose(f);
	return on;
}

static int fill_prog(const struct inspect *in, unsigned i, struct inspect_prog *p)
{
	struct bpf_prog_info prog = { 0 };
	struct bpf_link_info link = { 0 };
	uint32_t n = sizeof(link);

	*p = (struct inspect_prog){ .name = pins_prog_name(i), .attach_type = pins_prog_type(i) };
	if (in->link[i] < 0 || in->prog[i] < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(in->link[i], &link, &n) < 0)
		return -errno;
	n = sizeof(prog);
	if (bpf_obj_get_info_by_fd(in->prog[i], &prog, &n) < 0)
		return -errno;
	p->attached = link.cgroup.cgroup_id != 0;
	p->id = prog.id;
	p->link_id = link.id;
	p->cgroup = link.cgroup.cgroup_id;
	p->loaded_ns = prog.load_time;
	p->insns = prog.xlated_prog_len / 8;
	p->run_cnt = prog.run_cnt;
	p->run_ns = prog.run_time_ns;
	p->is_counted = prog.run_cnt > 0;
	return 0;
}

int inspect_progs(const struct inspect *in, inspect_prog_fn fn, void *ctx)
{
	bool counts = counts_runs();
	int r = 0;

	for (unsigned i = 0; r == 0 && i < PINS_PROG_COUNT; i++) {
		struct inspect_prog p;

		r = fill_prog(in, i, &p);
		if (r < 0)
			break;
		p.is_counted |= counts;
		r = fn(ctx, &p);
	}
	return r;
}

int inspect_endpoints(const struct inspect *in, inspect_endpoint_fn fn, void *ctx)
{
	int fd = in->map[PINS_eg_endpoint], r = 0;
	struct eg_endpoint_key key, next;
	struct eg_endpoint value;
	bool more;

	more = bpf_map_get_next_key(fd, NULL, &key) == 0;
	while (r == 0 && more) {
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &value) == 0)
			r = fn(ctx, &key, &value);
		key = next;
	}
	return r;
}

static int sum_cpus(int fd, uint32_t key, uint64_t *cpus, int n_cpus, uint64_t *ret)
{
	*ret = 0;
	if (bpf_map_lookup_elem(fd, &key, cpus) < 0)
		return -errno;
	for (int i = 0; i < n_cpus; i++)
		*ret += cpus[i];
	return 0;
}

int inspect_counts(const struct inspect *in, struct inspect_counts *ret)
{
	int fd = in->map[PINS_eg_count], n = libbpf_num_possible_cpus(), r = 0;
	_cleanup_free_ uint64_t *cpus = NULL;
	const struct {
		uint32_t key;
		uint64_t *to;
	} others[] = { { EG_COUNT_EVENTS_LOST, &ret->events_lost },
		       { EG_COUNT_EVENTS_LIMITED, &ret->events_limited },
		       { EG_COUNT_DNS_ANSWERS, &ret->dns_answers },
		       { EG_COUNT_DNS_LEARNED, &ret->dns_learned },
		       { EG_COUNT_DNS_BAD, &ret->dns_bad },
		       { EG_COUNT_DNS_ECH, &ret->dns_ech },
		       { EG_COUNT_SNI_OTHER, &ret->sni_other },
		       { EG_COUNT_SNI_NONE, &ret->sni_none } };

	if (n < 0)
		return n;
	cpus = calloc((size_t)n, sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	for (uint32_t k = 0; r == 0 && k < EG_COUNT_EVENTS_LOST; k++)
		r = sum_cpus(fd, k, cpus, n, &ret->by[k / EG_REASON_COUNT][k % EG_REASON_COUNT]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(others); i++)
		r = sum_cpus(fd, others[i].key, cpus, n, others[i].to);
	return r;
}

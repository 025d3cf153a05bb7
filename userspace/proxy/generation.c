/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/generation.h"

#include <sys/mman.h>
#include <sys/stat.h>

#define TEXTS_MAX ((size_t)32 << 20) /* an image has at most 16 MiB */

static int map(int fd, void **ret, size_t *ret_n)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0)
		return -EINVAL;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	*ret_n = (size_t)st.st_size;
	return 0;
}

static int open_images(struct generation *g, int catalogue_fd, int policy_fd)
{
	int r = map(catalogue_fd, &g->catalogue_mem, &g->catalogue_n);

	if (r == 0)
		r = map(policy_fd, &g->policy_mem, &g->policy_n);
	if (r == 0)
		r = catalogue_open(g->catalogue_mem, g->catalogue_n, &g->catalogue);
	if (r == 0)
		r = policy_open(g->policy_mem, g->policy_n, &g->policy);
	return r;
}

static int make_plans(struct generation *g)
{
	const struct catalogue_operation *op;
	unsigned n = 0;
	int r = 0;

	while (catalogue_operation(g->catalogue, n))
		n++;
	g->plans = calloc(n ? n : 1, sizeof(*g->plans));
	if (!g->plans)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && (op = catalogue_operation(g->catalogue, i)); i++)
		r = inspect_plan_make(&g->plans[i], op, &g->texts);
	return r;
}

int generation_new(uint32_t number, int catalogue_fd, int policy_fd, struct generation **ret)
{
	struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->refs = 1;
	g->number = number;
	pool_init(&g->texts, TEXTS_MAX);
	r = open_images(g, catalogue_fd, policy_fd);
	if (r == 0)
		r = make_plans(g);
	if (r < 0) {
		g = generation_unref(g);
		return r;
	}
	*ret = g;
	return 0;
}

struct generation *generation_unref(struct generation *g)
{
	if (!g || --g->refs)
		return NULL;
	free(g->plans);
	pool_clear(&g->texts, false);
	g->policy = policy_free(g->policy);
	g->catalogue = catalogue_free(g->catalogue);
	if (g->policy_mem)
		(void)munmap(g->policy_mem, g->policy_n);
	if (g->catalogue_mem)
		(void)munmap(g->catalogue_mem, g->catalogue_n);
	free(g);
	return NULL;
}

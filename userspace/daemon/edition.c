/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/edition.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "daemon/trusted.h"

#include "embed_default.h"
#include "embed_providers.h"

#define IMAGE_MAX      (64u << 20)
#define BUILT_IN       "built-in"
#define CATALOGUE_DOCS (CONFIG_LIST_MAX + 1)

static void edition_freep(struct edition **e)
{
	*e = edition_free(*e);
}

/* The documents of one catalogue, built-in first. */
struct docs {
	struct json_doc *v[CATALOGUE_DOCS];
	size_t n;
};

static void docs_done(struct docs *docs)
{
	for (size_t i = 0; i < docs->n; i++)
		(void)json_doc_free(docs->v[i]);
}

static int read_doc(const char *path, struct diag *d, struct json_doc **ret)
{
	_cleanup_close_ int fd = -EBADF;
	int r = trusted_open(path, EDITION_FILE_MAX, false, d, &fd);

	return r < 0 ? r : json_doc_read(path, fd, EDITION_FILE_MAX, d, ret);
}

static int compile_catalogue(struct edition *e, const struct config_list *files, struct diag *d,
			     struct buf *image)
{
	_cleanup_(docs_done) struct docs docs = { 0 };
	int r;

	r = json_doc_parse("built-in catalogue",
			   slice_of(embed_providers, sizeof(embed_providers) - 1), EDITION_FILE_MAX,
			   d, &docs.v[0]);
	docs.n = r == 0;
	for (size_t i = 0; r == 0 && i < files->n; i++) {
		r = read_doc(files->v[i], d, &docs.v[docs.n]);
		docs.n += r == 0;
	}
	if (r == 0)
		r = catalogue_compile((const struct json_doc *const *)docs.v, docs.n, d, image);
	e->providers = r == 0 ? json_object() : NULL;
	for (size_t i = 0; e->providers && i < docs.n; i++)
		(void)json_object_update(e->providers,
					 json_object_get(json_doc_root(docs.v[i]), "providers"));
	return r == 0 && !e->providers ? -ENOMEM : r;
}

/* What was said, as if it were a file's. */
static int take_text(const struct edition_from *from, struct edition *e, struct diag *d)
{
	(void)slice_copy(slice_str(from->policy), e->source, sizeof(e->source));
	if (from->text->n > EDITION_FILE_MAX) {
		(void)slice_copy(slice_str(e->source), d->file, sizeof(d->file));
		return diag_at(d, 0, 0, "larger than the %u bytes allowed", EDITION_FILE_MAX);
	}
	e->is_given = true;
	buf_init(&e->text, EDITION_FILE_MAX);
	return buf_append(&e->text, from->text->p, from->text->n);
}

/* The policy's text: as said, from the file, or what is built in. */
static int read_policy(const struct edition_from *from, struct edition *e, struct diag *d)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (from->text)
		return take_text(from, e, d);
	r = trusted_open(from->policy, EDITION_FILE_MAX, !from->policy_needed, d, &fd);
	if (r == -ENOENT && !from->policy_needed) {
		buf_init(&e->text, sizeof(embed_default));
		(void)slice_copy(slice_str(BUILT_IN), e->source, sizeof(e->source));
		return buf_append(&e->text, embed_default, sizeof(embed_default) - 1);
	}
	if (r < 0)
		return r;
	(void)slice_copy(slice_str(from->policy), e->source, sizeof(e->source));
	return trusted_read(e->source, fd, EDITION_FILE_MAX, d, &e->text);
}

/* Memory that nobody can change any more, not even we. */
static int seal(const char *name, struct slice image, int *ret_fd, void **ret_mem)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *mem;

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < image.n;) {
		ssize_t n = write(fd, image.p + at, image.n - at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	mem = mmap(NULL, image.n, PROT_READ, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	*ret_mem = mem;
	return 0;
}

static int make_catalogue(struct edition *e, const struct config_list *files, struct diag *d)
{
	_cleanup_(buf_release) struct buf image = { 0 };
	int r;

	buf_init(&image, IMAGE_MAX);
	r = compile_catalogue(e, files, d, &image);
	if (r < 0)
		return r;
	e->catalogue_n = buf_len(&image);
	r = seal("egret-catalogue", buf_slice(&image), &e->catalogue_fd, &e->catalogue_mem);
	return r < 0 ? r : catalogue_open(e->catalogue_mem, e->catalogue_n, &e->catalogue);
}

static int make_policy(struct edition *e, struct diag *d)
{
	_cleanup_(buf_release) struct buf image = { 0 };
	int r;

	buf_init(&image, IMAGE_MAX);
	r = json_doc_parse(e->source, buf_slice(&e->text), EDITION_FILE_MAX, d, &e->doc);
	if (r == 0)
		r = policy_compile(e->doc, e->catalogue, d, &image);
	if (r < 0)
		return r;
	e->policy_n = buf_len(&image);
	r = seal("egret-policy", buf_slice(&image), &e->policy_fd, &e->policy_mem);
	return r < 0 ? r : policy_open(e->policy_mem, e->policy_n, &e->policy);
}

int edition_new(const struct edition_from *from, uint32_t generation, struct diag *d,
		struct edition **ret)
{
	_cleanup_(edition_freep) struct edition *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->generation = generation;
	e->loaded_us = clock_wall_us();
	e->catalogue_fd = e->policy_fd = -EBADF;
	*d = (struct diag){ 0 };
	r = make_catalogue(e, from->catalogue, d);
	if (r == 0)
		r = read_policy(from, e, d);
	if (r == 0)
		r = make_policy(e, d);
	if (r < 0) {
		if (!d->text[0])
			(void)diag_at(d, 0, 0, "cannot compile the policy: %s", strerror(-r));
		return r;
	}
	*ret = TAKE_PTR(e);
	return 0;
}

struct edition *edition_free(struct edition *e)
{
	if (!e)
		return NULL;
	(void)policy_free(e->policy);
	(void)catalogue_free(e->catalogue);
	if (e->policy_mem)
		(void)munmap(e->policy_mem, e->policy_n);
	if (e->catalogue_mem)
		(void)munmap(e->catalogue_mem, e->catalogue_n);
	cleanup_close(&e->policy_fd);
	cleanup_close(&e->catalogue_fd);
	(void)json_doc_free(e->doc);
	json_decref(e->providers);
	buf_release(&e->text);
	free(e);
	return NULL;
}

int edition_check_credentials(const struct edition *e, const struct config *c, struct diag *d)
{
	for (size_t i = 0; i < c->n_credentials; i++) {
		struct slice name = slice_str(c->credentials[i].provider);
		struct nearest near;
		char hint[128];

		if (catalogue_find_provider(e->catalogue, name) >= 0)
			continue;
		nearest_init(&near, name);
		for (unsigned k = 0; k < catalogue_providers(e->catalogue); k++)
			nearest_offer(&near, catalogue_provider(e->catalogue, k)->name);
		nearest_hint(&near, hint, sizeof(hint));
		return diag_at(d, 0, 0, "credential %s: there is no provider \"%s\"%s",
			       c->credentials[i].id, c->credentials[i].provider, hint);
	}
	return 0;
}

const char *edition_provider(const struct edition *e, unsigned provider, char *to, size_t size)
{
	if (provider >= catalogue_providers(e->catalogue))
		return NULL;
	(void)slice_copy(catalogue_provider(e->catalogue, provider)->name, to, size);
	return to;
}

json_t *edition_operations(const struct edition *e, unsigned provider)
{
	struct slice name = catalogue_provider(e->catalogue, provider)->name;
	const json_t *all =
		json_object_get(json_object_getn(e->providers, name.p, name.n), "operations");
	json_t *names = json_array();

	/* One operation may stand there more than once, with other places in other requests. */
	for (size_t i = 0; names && i < json_array_size(all); i++) {
		json_t *name_of = json_object_get(json_array_get(all, i), "name");
		bool seen = false;

		for (size_t k = 0; k < json_array_size(names); k++)
			seen = seen || json_equal(json_array_get(names, k), name_of);
		if (!seen)
			(void)json_array_append(names, name_of);
	}
	return names;
}

json_t *edition_labels(const struct edition *e, unsigned workload)
{
	struct slice name = policy_workload_name(e->policy, workload);
	json_t *workloads = json_object_get(json_doc_root(e->doc), "workloads");

	return json_object_get(json_object_getn(workloads, name.p, name.n), "labels");
}

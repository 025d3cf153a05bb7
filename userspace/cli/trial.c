/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trial.h"

#include <fcntl.h>
#include <string.h>

#include "identity/identity.h"
#include "policy/answer.h"
#include "policy/compile.h"

#include "embed_providers.h"

#define CATALOGUE_MAX (4u << 20)
#define POLICY_MAX    (16u << 20)
#define IMAGE_MAX     (256u << 20)

static void doc_freep(struct json_doc **doc)
{
	*doc = json_doc_free(*doc);
}

static int fail(struct cli *cli, int r, const struct diag *d, const char *what)
{
	if (r == -ENOMEM)
		return cli_oom(cli);
	if (!d->text[0])
		return cli_fail(cli, "failed", "%s: %s", what, strerror(-r));
	return cli_fail_diag(cli, "bad_policy", d);
}

int trial_open_catalogue(struct cli *cli, struct trial *t)
{
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	const struct json_doc *docs[1];
	struct diag d = { 0 };
	int r = json_doc_parse("providers.json", slice_str(embed_providers), CATALOGUE_MAX, &d,
			       &doc);

	buf_init(&t->catalogue_image, IMAGE_MAX);
	docs[0] = doc;
	if (r == 0)
		r = catalogue_compile(docs, 1, &d, &t->catalogue_image);
	if (r == 0)
		r = catalogue_open(buf_slice(&t->catalogue_image).p, buf_len(&t->catalogue_image),
				   &t->catalogue);
	return r < 0 ? fail(cli, r, &d, "the embedded catalogue") : 0;
}

static int load(struct cli *cli, struct trial *t, const struct json_doc *doc)
{
	struct diag d = { 0 };
	int r;

	t->policy = policy_free(t->policy);
	buf_release(&t->policy_image);
	buf_init(&t->policy_image, IMAGE_MAX);
	r = policy_compile(doc, t->catalogue, &d, &t->policy_image);
	if (r == 0)
		r = identity_check(doc, &d);
	if (r == 0)
		r = policy_open(buf_slice(&t->policy_image).p, buf_len(&t->policy_image),
				&t->policy);
	if (r < 0)
		return fail(cli, r, &d, json_doc_file(doc));
	t->n_rules = policy_rules(t->policy);
	return 0;
}

int trial_load_file(struct cli *cli, struct trial *t, const char *file)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	struct diag d = { 0 };
	int r;

	if (fd < 0)
		return cli_fail(cli, "not_found", "cannot open %s: %s", file, strerror(errno));
	r = json_doc_read(file, fd, POLICY_MAX, &d, &doc);
	return r < 0 ? fail(cli, r, &d, file) : load(cli, t, doc);
}

void trial_done(struct trial *t)
{
	t->policy = policy_free(t->policy);
	t->catalogue = catalogue_free(t->catalogue);
	buf_release(&t->policy_image);
	buf_release(&t->catalogue_image);
}

int trial_facts(struct cli *cli, const struct trial *t, const struct question *q,
		struct policy_facts *ret)
{
	struct diag d = { 0 };
	int r = question_facts(q, t->policy, t->catalogue, &d, ret);

	if (r < 0)
		return r == -ENOENT ? cli_fail(cli, "not_found", "%s", d.text)
				    : cli_usage(cli, "%s", d.text);
	return 0;
}

json_t *trial_decision(const struct trial *t, const struct policy_facts *facts)
{
	struct policy_decision decided;

	policy_decide(t->policy, facts, &decided);
	return answer_decision(&decided);
}

static int add_rule(void *ctx, const struct policy_explained *e)
{
	return json_array_append_new(ctx, answer_rule(e)) < 0 ? -ENOMEM : 0;
}

json_t *trial_rules(const struct trial *t, const struct policy_facts *facts)
{
	json_t *rows = json_array();

	if (rows && policy_explain(t->policy, facts, add_rule, rows) < 0) {
		json_decref(rows);
		return NULL;
	}
	return rows;
}

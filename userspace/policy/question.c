/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/question.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

#define KNOWN_MAX 160 /* bytes of names in a message */

struct known {
	char text[KNOWN_MAX];
	size_t n;
	unsigned more; /* names there was no room for */
	struct nearest near;
};

static void known_add(struct known *k, struct slice name)
{
	nearest_offer(&k->near, name);
	if (k->more || k->n + name.n + sizeof(", ") > sizeof(k->text)) {
		k->more++;
		return;
	}
	k->n += (size_t)snprintf(k->text + k->n, sizeof(k->text) - k->n, "%s" SLICE_FMT,
				 k->n ? ", " : "", SLICE_ARG(name));
}

/* WHAT "NAME": WHO has none of that name, but a, b and 3 more; did you mean "b"? See `COMMAND` */
static int refuse(const struct known *k, struct diag *d, int error, const char *what,
		  const char *name, const char *who, const char *command)
{
	char hint[128], more[32] = "";

	nearest_hint(&k->near, hint, sizeof(hint));
	if (k->more)
		(void)snprintf(more, sizeof(more), " and %u more", k->more);
	(void)diag_at(d, 0, 0, "%s \"%.128s\": %s has none of that name%s%s%s%s%s `%s`", what, name,
		      who, k->n ? ", but " : ", nor any other", k->text, more, hint,
		      *hint ? " See" : ": see", command);
	return error;
}

int question_workload(const char *name, const struct policy *p, struct diag *d)
{
	int found = policy_find_workload(p, slice_str(name));
	struct known k = { .n = 0 };

	if (found >= 0)
		return found;
	nearest_init(&k.near, slice_str(name));
	for (unsigned i = 1; i < policy_workloads(p); i++)
		known_add(&k, policy_workload_name(p, i));
	return refuse(&k, d, -ENOENT, "workload", name, "the policy", "egret workload list");
}

int question_provider(const char *name, const struct catalogue *c, struct diag *d)
{
	int found = catalogue_find_provider(c, slice_str(name));
	struct known k = { .n = 0 };

	if (found >= 0)
		return found;
	nearest_init(&k.near, slice_str(name));
	for (unsigned i = 0; i < catalogue_providers(c); i++)
		known_add(&k, catalogue_provider(c, i)->name);
	return refuse(&k, d, -ENOENT, "provider", name, "the catalogue", "egret provider list");
}

static int find_operation(const char *name, const struct catalogue *c, struct diag *d)
{
	int found = catalogue_find_kind(c, slice_str(name));
	struct known k = { .n = 0 };

	if (found >= 0)
		return found;
	nearest_init(&k.near, slice_str(name));
	for (unsigned i = 0; i < catalogue_kinds(c); i++)
		known_add(&k, catalogue_kind_name(c, i));
	return refuse(&k, d, -EINVAL, "operation", name, "the catalogue",
		      "egret provider show PROVIDER");
}

/* No operation of that name, whoever's, has a model. */
static bool has_no_model(const struct catalogue *c, unsigned kind)
{
	const struct catalogue_operation *op;

	for (unsigned i = 0; (op = catalogue_operation(c, i)); i++)
		if (op->kind == kind && (op->model_path.n || op->model_from_path.n))
			return false;
	return true;
}

int question_facts(const struct question *q, const struct policy *p, const struct catalogue *c,
		   struct diag *d, struct policy_facts *ret)
{
	int workload = question_workload(q->workload, p, d), provider, kind;

	if (workload < 0)
		return workload;
	provider = question_provider(q->provider, c, d);
	if (provider < 0)
		return provider;
	kind = find_operation(q->operation, c, d);
	if (kind < 0)
		return kind;
	*ret = (struct policy_facts){ .workload = (unsigned)workload,
				      .provider = (unsigned)provider,
				      .kind = (unsigned)kind,
				      .model = slice_str(q->model ? q->model : ""),
				      .no_model = has_no_model(c, (unsigned)kind) };
	return 0;
}

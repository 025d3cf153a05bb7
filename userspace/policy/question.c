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

/* WHAT "NAME": nobody has it, but a, b and 3 more; did you mean "b"? See `COMMAND` */
static int refuse(const struct known *k, struct diag *d, int error, const char *what,
		  const char *name, const char *who, const char *command)
{
	char hint[128], more[32] = "";

	nearest_hint(&k->near, hint, sizeof(hint));
	if (k->more)
		(void)snprintf(more, sizeof(more), " and %u more", k->more);
	(void)diag_at(d, 0, 0, "%s \"%.128s\": %s has none of that name, but %s%s%s%s `%s`", what,
		      name, who, k->n ? k->text : "no other", more, hint, *hint ? " See" : ": see",
		      command);
	return error;
}

static int no_workload(const struct question *q, const struct policy *p, struct diag *d)
{
	struct known k = { .n = 0 };

	nearest_init(&k.near, slice_str(q->workload));
	for (unsigned i = 1; i < policy_workloads(p); i++)
		known_add(&k, policy_workload_name(p, i));
	return refuse(&k, d, -ENOENT, "workload", q->workload, "the policy", "egret workload list");
}

static int no_provider(const struct question *q, const struct catalogue *c, struct diag *d)
{
	struct known k = { .n = 0 };

	nearest_init(&k.near, slice_str(q->provider));
	for (unsigned i = 0; i < catalogue_providers(c); i++)
		known_add(&k, catalogue_provider(c, i)->name);
	return refuse(&k, d, -ENOENT, "provider", q->provider, "the catalogue",
		      "egret provider list");
}

static int no_operation(const struct question *q, const struct catalogue *c, struct diag *d)
{
	struct known k = { .n = 0 };

	nearest_init(&k.near, slice_str(q->operation));
	for (unsigned i = 0; i < catalogue_kinds(c); i++)
		known_add(&k, catalogue_kind_name(c, i));
	return refuse(&k, d, -EINVAL, "operation", q->operation, "the catalogue",
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
	int workload = policy_find_workload(p, slice_str(q->workload));
	int provider = catalogue_find_provider(c, slice_str(q->provider));
	int kind = catalogue_find_kind(c, slice_str(q->operation));

	if (workload < 0)
		return no_workload(q, p, d);
	if (provider < 0)
		return no_provider(q, c, d);
	if (kind < 0)
		return no_operation(q, c, d);
	*ret = (struct policy_facts){ .workload = (unsigned)workload,
				      .provider = (unsigned)provider,
				      .kind = (unsigned)kind,
				      .model = slice_str(q->model ? q->model : ""),
				      .no_model = has_no_model(c, (unsigned)kind) };
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A catalogue of three providers, so that tests of the compiler do not depend on catalogue data:
 * openai (public), anthropic (public), home (private); "models" has no model, "status" mixes both.
 */
#pragma once

#include "provider/catalogue.h"

struct catalogue {
	int unused;
};

static struct catalogue fake_catalogue;

static const struct catalogue_provider fake_providers[] = {
	{ .name = SLICE("openai"),
	  .trust = SLICE("public"),
	  .credential_field = SLICE("authorization") },
	{ .name = SLICE("anthropic"),
	  .trust = SLICE("public"),
	  .credential_field = SLICE("x-api-key") },
	{ .name = SLICE("home"),
	  .trust = SLICE("private"),
	  .credential_field = SLICE("x-home-key") },
};

enum { OPENAI, ANTHROPIC, HOME };
enum { CHAT, MESSAGES, EMBEDDINGS, MODELS, STATUS };

static const struct catalogue_operation fake_operations[] = {
	{ .name = SLICE("chat"), .kind = CHAT, .model_path = SLICE("model") },
	{ .name = SLICE("messages"), .kind = MESSAGES, .model_path = SLICE("model") },
	{ .name = SLICE("embeddings"), .kind = EMBEDDINGS, .model_path = SLICE("model") },
	{ .name = SLICE("models"), .kind = MODELS },
	{ .name = SLICE("status"), .kind = STATUS },
	{ .name = SLICE("status"), .kind = STATUS, .model_path = SLICE("model") },
};

size_t catalogue_providers(const struct catalogue *c)
{
	(void)c;
	return ARRAY_SIZE(fake_providers);
}

const struct catalogue_provider *catalogue_provider(const struct catalogue *c, unsigned provider)
{
	(void)c;
	return &fake_providers[provider];
}

int catalogue_find_provider(const struct catalogue *c, struct slice name)
{
	for (size_t i = 0; i < catalogue_providers(c); i++)
		if (slice_eq(fake_providers[i].name, name))
			return (int)i;
	return -1;
}

const struct catalogue_operation *catalogue_operation(const struct catalogue *c, unsigned operation)
{
	(void)c;
	return operation < ARRAY_SIZE(fake_operations) ? &fake_operations[operation] : NULL;
}

size_t catalogue_kinds(const struct catalogue *c)
{
	(void)c;
	return STATUS + 1;
}

struct slice catalogue_kind_name(const struct catalogue *c, unsigned kind)
{
	(void)c;
	return fake_operations[kind].name;
}

int catalogue_find_kind(const struct catalogue *c, struct slice name)
{
	for (unsigned i = 0; i < catalogue_kinds(c); i++)
		if (slice_eq(fake_operations[i].name, name))
			return (int)i;
	return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/credential_files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/config_table.h"
#include "daemon/edition.h"
#include "egret/rpc.h"

static bool is_provider(const struct edition *edition, struct slice s)
{
	char name[EG_NAME_MAX];

	for (unsigned i = 0; edition_provider(edition, i, name, sizeof(name)); i++)
		if (slice_eq(s, slice_str(name)))
			return true;
	return false;
}

/* Has an entry: by its id, or as the file of another id. */
static bool is_configured(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_credentials; i++) {
		const struct config_credential *k = &config->credentials[i];
		const char *file = k->source == CONFIG_SOURCE_FILE ? k->words.v[0] : "";
		const char *base = strrchr(file, '/');

		if (strcmp(k->id, name) == 0)
			return true;
		/* Absolute ones count by their last part: a false match only keeps a key out. */
		if (strcmp(base ? base + 1 : file, name) == 0)
			return true;
	}
	return false;
}

static int look_at(const struct config *config, const struct edition *edition, const char *name,
		   credential_files_fn fn, void *ctx)
{
	struct slice provider = slice_of(name, strcspn(name, "."));

	if (name[0] == '.' || is_configured(config, name))
		return 0;
	if (config_is_name(name) && is_provider(edition, provider))
		return fn(ctx, slice_str(name), provider);
	log_warn("credential file %s/%s is not read: no provider is called \"" SLICE_FMT
		 "\"; name it PROVIDER or PROVIDER.NAME, or give it an entry in `credentials`",
		 config->credentials_dir, name, SLICE_ARG(provider));
	return 0;
}

int credential_files(const struct config *config, const struct edition *edition,
		     credential_files_fn fn, void *ctx)
{
	struct dirent **names = NULL;
	int n = scandir(config->credentials_dir, &names, NULL, alphasort);
	int r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = look_at(config, edition, names[i]->d_name, fn, ctx);
		free(names[i]);
	}
	free(names);
	return r;
}

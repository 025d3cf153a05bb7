/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/environment.h"

#include <stdlib.h>

#include "base/cleanup.h"

const struct environment_trust environment_trust[] = {
	{ "NODE_EXTRA_CA_CERTS", ENVIRONMENT_ADDED, "Node.js, Bun" },
	{ "NODE_USE_SYSTEM_CA", ENVIRONMENT_SWITCH, "Node.js 24 and later" },
	{ "DENO_CERT", ENVIRONMENT_ADDED, "Deno" },
	{ "SSL_CERT_FILE", ENVIRONMENT_BUNDLE, "OpenSSL, Python, Go, Rust (rustls-native-certs)" },
	{ "REQUESTS_CA_BUNDLE", ENVIRONMENT_BUNDLE, "Python requests" },
	{ "CURL_CA_BUNDLE", ENVIRONMENT_BUNDLE, "curl, Python requests" },
	{ "GIT_SSL_CAINFO", ENVIRONMENT_BUNDLE, "git" },
	{ "CARGO_HTTP_CAINFO", ENVIRONMENT_BUNDLE, "cargo" },
	{ "AWS_CA_BUNDLE", ENVIRONMENT_BUNDLE, "AWS SDKs and CLI" },
	{ "PIP_CERT", ENVIRONMENT_BUNDLE, "pip" },
	{ "HTTPLIB2_CA_CERTS", ENVIRONMENT_BUNDLE, "Python httplib2" },
	{ "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", ENVIRONMENT_BUNDLE, "gRPC" },
};
const size_t environment_n_trust = ARRAY_SIZE(environment_trust);

int environment_set_trust(const char *cert, const char *bundle)
{
	for (size_t i = 0; i < environment_n_trust; i++) {
		const struct environment_trust *t = &environment_trust[i];
		const char *value = t->kind == ENVIRONMENT_BUNDLE  ? bundle
				    : t->kind == ENVIRONMENT_ADDED ? cert
								   : "1";

		if (setenv(t->name, value, 1) < 0)
			return -errno;
	}
	return 0;
}

int environment_set_keys(const json_t *env, bool keep)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)env, name, v)
	{
		const char *placeholder = json_string_value(v), *had = getenv(name);

		if (!placeholder || (keep && had && *had))
			continue;
		if (setenv(name, placeholder, 1) < 0)
			return -errno;
	}
	return 0;
}

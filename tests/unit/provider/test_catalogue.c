/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the catalogue that ships, and in small ones: hosts, paths, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/provider/compiled.h"

static struct compiled cat;

static void host(const char *name, const char *provider)
{
	int p = catalogue_find_host(cat.c, slice_str(name));
	struct slice got = p < 0 ? SLICE("-") : catalogue_provider(cat.c, (unsigned)p)->name;

	if (!slice_eq(got, slice_str(provider)))
		fail_msg("%s is " SLICE_FMT ", not %s", name, SLICE_ARG(got), provider);
}

static void finds_hosts(void **state)
{
	(void)state;
	host("api.openai.com", "openai");
	host("eu.api.openai.com", "openai");
	host("x.y.api.openai.com", "openai");
	host("api.anthropic.com", "anthropic");
	host("a.openai.azure.com", "azure-openai");
	host("a.b.openai.azure.com", "azure-openai");
	host("bedrock-runtime.us-east-1.amazonaws.com", "bedrock");
	host("bedrock-runtime.nowhere-9.amazonaws.com", "bedrock");
	host("vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "bedrock");
	host("runtime.sagemaker.eu-west-9.amazonaws.com", "sagemaker");
	host("us-central1-aiplatform.googleapis.com", "vertex-ai");
	host("some-other1-aiplatform.googleapis.com", "vertex-ai");
	host("aiplatform.asia.rep.googleapis.com", "vertex-ai");
	host("chatgpt.com", "openai-chatgpt");
	host("ab.chatgpt.com", "openai-chatgpt");
}

static void governs_a_name_however_it_is_spelt(void **state)
{
	(void)state;
	host("API.OpenAI.com", "openai");
	host("api.openai.com.", "openai");
	host("A.OPENAI.azure.com.", "azure-openai");
}

static void finds_no_other_host(void **state)
{
	static const char *const names[] = {
		"",
		".",
		"com",
		"openai.com",
		"xapi.openai.com",
		"api.openai.com.evil.example",
		"api-openai.com",
		".api.openai.com",
		"a..api.openai.com",
		"api.openai.com..",
		"openai.azure.com",
		"xopenai.azure.com",
		"bedrock-runtime.amazonaws.com",
		"bedrock-runtime.a.b.amazonaws.com",
		"bedrock-runtime.*.amazonaws.com",
		"xbedrock-runtime.us-east-1.amazonaws.com",
		"*-aiplatform.googleapis.com",
		"-xaiplatform.googleapis.com",
		"us-central1-aiplatform.googleapis.com.x",
		"x.us-central1-aiplatform.googleapis.com",
		"maps.googleapis.com",
		"example.com",
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		host(names[i], "-");
	/* Labels and names longer than DNS has them. */
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 64, ".openai.azure.com", 18);
	host(longest, "-");
	host(longest + 1, "azure-openai");
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 20; i < 240; i += 20)
		longest[i] = '.';
	memcpy(longest + 240, ".openai.azure.com", 18);
	host(longest, "-");
	host(longest + 4, "azure-openai");
}

/* method path -> operation and model, "-" for none. */
static void operation(const char *provider, const char *method, const char *path,
		      const char *wanted, const char *model)
{
	int p = catalogue_find_provider(cat.c, slice_str(provider));
	struct slice got_model = { "", 0 };
	int op;
	struct slice got;

	assert_true(p >= 0);
	op = catalogue_find_operation(cat.c, (unsigned)p, slice_str(method), slice_str(path),
				      &got_model);
	got = op < 0 ? SLICE("-") : catalogue_operation(cat.c, (unsigned)op)->name;
	if (!slice_eq(got, slice_str(wanted)) || !slice_eq(got_model, slice_str(model)))
		fail_msg("%s %s %s is " SLICE_FMT " of \"" SLICE_FMT "\"", provider, method, path,
			 SLICE_ARG(got), SLICE_ARG(got_model));
}

static void finds_operations(void **state)
{
	static const struct {
		const char *provider, *method, *path, *operation, *model;
	} known[] = {
		{ "openai", "POST", "/v1/chat/completions", "chat", "" },
		{ "openai", "GET", "/v1/chat/completions", "chat-stored", "" },
		{ "openai", "POST", "/v1/responses", "responses", "" },
		{ "openai", "GET", "/v1/responses/resp_123", "responses-stored", "" },
		{ "openai", "DELETE", "/v1/responses/resp_123", "responses-stored", "" },
		{ "openai", "POST", "/v1/responses/resp_123/cancel", "responses-stored", "" },
		{ "openai", "GET", "/v1/responses/resp_123/input_items", "responses-stored", "" },
		{ "openai", "POST", "/v1/responses/input_tokens", "count-tokens", "" },
		{ "openai", "POST", "/v1/completions", "completions", "" },
		{ "openai", "POST", "/v1/embeddings", "embeddings", "" },
		{ "openai", "POST", "/v1/moderations", "moderations", "" },
		{ "openai", "POST", "/v1/images/generations", "images", "" },
		{ "openai", "POST", "/v1/images/edits", "images", "" },
		{ "openai", "POST", "/v1/images/variations", "images", "" },
		{ "openai", "POST", "/v1/audio/speech", "audio-speech", "" },
		{ "openai", "POST", "/v1/audio/transcriptions", "audio-transcriptions", "" },
		{ "openai", "POST", "/v1/audio/translations", "audio-translations", "" },
		{ "openai", "GET", "/v1/models", "models", "" },
		{ "openai", "GET", "/v1/models/gpt-4o", "models", "gpt-4o" },
		{ "openai", "GET", "/v1/models/ft:gpt-4o:org::id", "models", "ft:gpt-4o:org::id" },
		{ "openai", "DELETE", "/v1/models/ft:x", "models-delete", "ft:x" },
		{ "openai", "POST", "/v1/files", "files-upload", "" },
		{ "openai", "GET", "/v1/files/file-1/content", "files-content", "" },
		{ "openai", "POST", "/v1/batches", "batches", "" },
		{ "openai", "POST", "/v1/batches/b/cancel", "batches", "" },
		{ "anthropic", "POST", "/v1/messages", "messages", "" },
		{ "anthropic", "POST", "/v1/messages/count_tokens", "count-tokens", "" },
		{ "anthropic", "POST", "/v1/messages/batches", "batches", "" },
		{ "anthropic", "GET", "/v1/messages/batches/b/results", "batches", "" },
		{ "anthropic", "GET", "/v1/models", "models", "" },
		{ "anthropic", "HEAD", "/", "claude-code-hello", "" },
		{ "anthropic", "HEAD", "/api/hello", "claude-code-hello", "" },
		{ "anthropic", "POST", "/api/eval/sdk-zAZezfDKGoZuXXKe", "claude-code-flags", "" },
		{ "anthropic", "GET", "/api/claude_code/policy_limits", "claude-code-settings",
		  "" },
		{ "anthropic", "GET", "/api/claude_code/settings", "claude-code-settings", "" },
		{ "anthropic", "GET", "/api/claude_cli/bootstrap", "claude-code-settings", "" },
		{ "anthropic", "GET", "/api/claude_code_penguin_mode", "claude-code-settings", "" },
		{ "anthropic", "GET", "/mcp-registry/v0/servers", "claude-code-directory", "" },
		{ "anthropic", "GET", "/api/directory/server-urls", "claude-code-directory", "" },
		{ "anthropic", "GET", "/api/claude_code/organizations/metrics_enabled",
		  "claude-code-telemetry", "" },
		{ "anthropic", "POST", "/api/event_logging/v2/batch", "claude-code-telemetry", "" },
		{ "gemini", "POST", "/v1beta/models/gemini-2.5-flash:generateContent",
		  "generate-content", "gemini-2.5-flash" },
		{ "gemini", "POST", "/v1/models/g:streamGenerateContent", "generate-content", "g" },
		{ "gemini", "POST", "/v1beta/models/g:countTokens", "count-tokens", "g" },
		{ "gemini", "GET", "/v1beta/models/g", "models", "g" },
		{ "vertex-ai", "POST",
		  "/v1/projects/p/locations/us-east5/publishers/anthropic/models/"
		  "claude-sonnet-4@20250514:streamRawPredict",
		  "messages", "claude-sonnet-4@20250514" },
		{ "azure-openai", "POST", "/openai/deployments/my-gpt/chat/completions", "chat",
		  "my-gpt" },
		{ "groq", "POST", "/openai/v1/chat/completions", "chat", "" },
		{ "openrouter", "POST", "/api/v1/chat/completions", "chat", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		operation(known[i].provider, known[i].method, known[i].path, known[i].operation,
			  known[i].model);
}

static void refuses_paths_that_two_servers_could_read_differently(void **state)
{
	static const char *const paths[] = {
		"",
		"v1/messages",
		"//v1/messages",
		"/v1//messages",
		"/v1/messages/",
		"/v1/messages//",
		"/v1/./messages",
		"/v1/../v1/messages",
		"/v1/x/../messages",
		"/v1/messages/.",
		"/v1/messages/..",
		"/v1/%2e/messages",
		"/v1/%2E%2e/messages",
		"/v1/.%2e/messages",
		"/v1%2fmessages",
		"/v1%2Fmessages",
		"/v1%5cmessages",
		"/v1\\messages",
		"/v1/m%65ssages",
		"/v1/messages%20",
		"/v1/messages%00",
		"/v1/messages%",
		"/v1/messages%2",
		"/v1/messages%zz",
		"/v1/messages;a=b",
		"/v1;x/messages",
		"/v1/messages?beta=true",
		"/v1/messages#x",
		"/v1/Messages",
		"/V1/messages",
		"/v1/messages/x",
		"/v1/messages\t",
		" /v1/messages",
		"/v1/mess\xc3\xa4ges",
		"/v1/{}",
		"/{}/messages",
		"https://api.anthropic.com/v1/messages",
		"*",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		operation("anthropic", "POST", paths[i], "-", "");
}

static void refuses_the_same_inside_ids(void **state)
{
	static const char *const ids[] = {
		".",	 "..",	  "%2e%2e", "%2E.",  "a%2fb", "a%2Fb", "a%252fb", "a%5cb",
		"a%00b", "%61bc", "a;b",    "a%3bb", "a%3fb", "a%23b", "a%0db",	  "{}",
	};
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		(void)snprintf(path, sizeof(path), "/v1/files/%s", ids[i]);
		operation("openai", "GET", path, "-", "");
		(void)snprintf(path, sizeof(path), "/v1/files/%s/content", ids[i]);
		operation("openai", "GET", path, "-", "");
	}
	operation("openai", "GET", "/v1/files/", "-", "");
	operation("openai", "GET", "/v1/files//content", "-", "");
	/* What may stand in an id, plain or encoded. */
	operation("openai", "GET", "/v1/files/a-b_c.d~e:f@g,h%3Ai%20j", "files", "");
}

static void takes_no_other_method(void **state)
{
	static const char *const methods[] = { "GET", "PUT", "post", "POST ", "", "PATCH", "{}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		operation("openai", methods[i], "/v1/embeddings", "-", "");
	operation("anthropic", "GET", "/", "-", "");
	operation("openai", "HEAD", "/", "-", "");
	/* A literal segment is not tried as an id once it is known. */
	operation("openai", "DELETE", "/v1/responses/compact", "-", "");
	operation("anthropic", "DELETE", "/v1/messages/batches", "-", "");
}

static void reads_models_in_paths_only_as_they_stand(void **state)
{
	(void)state;
	operation("gemini", "POST", "/v1beta/models/g:unknownVerb", "-", "");
	operation("gemini", "POST", "/v1beta/models/g:predict:generateContent", "-", "");
	operation("gemini", "POST", "/v1beta/models/g%3AgenerateContent", "-", "");
	operation("gemini", "POST", "/v1beta/models/:generateContent", "-", "");
	operation("gemini", "POST", "/v1beta/models/g:", "-", "");
	operation("gemini", "POST", "/v1beta/models/g:generatecontent", "-", "");
	operation("gemini", "POST", "/v1beta/models/a%20b:generateContent", "-", "");
	operation("gemini", "GET", "/v1beta/models/g:generateContent", "-", "");
	operation("gemini", "GET", "/v1beta/models/g:x", "-", "");
	operation("gemini", "GET", "/v1beta/models/g%3ax", "-", "");
	operation("openai", "GET", "/v1/models/ft%3Agpt-4o", "-", "");
	operation("azure-openai", "POST", "/openai/deployments/a%3Ab/chat/completions", "-", "");
}

static void survives_paths_of_many_segments(void **state)
{
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? 'a' : '/';
	path[sizeof(path) - 1] = '\0';
	operation("openai", "GET", path, "-", "");
	path[2 * 16] = '\0';
	operation("openai", "GET", path, "-", "");
}

static void keeps_providers_apart(void **state)
{
	(void)state;
	operation("openai", "POST", "/v1/messages", "-", "");
	operation("anthropic", "POST", "/v1/chat/completions", "-", "");
	operation("bedrock", "POST", "/model/x/converse", "-", "");
	operation("openai-chatgpt", "GET", "/backend-api/codex/models", "-", "");
	assert_int_equal(catalogue_find_operation(cat.c, 100000, SLICE("POST"),
						  SLICE("/v1/messages"), &(struct slice){ 0 }),
			 -1);
}

static void says_where_things_stand(void **state)
{
	const struct catalogue_provider *p;
	const struct catalogue_operation *op;
	struct slice model;
	int i = catalogue_find_provider(cat.c, SLICE("anthropic"));

	(void)state;
	p = catalogue_provider(cat.c, (unsigned)i);
	assert_true(slice_eq(p->credential_field, SLICE("x-api-key")));
	assert_int_equal(p->credential_prefix.n, 0);
	assert_true(slice_eq(p->placeholder, SLICE("sk-ant-egret-placeholder")));
	assert_int_equal(p->n_env, 1);
	assert_true(slice_eq(p->env[0], SLICE("ANTHROPIC_API_KEY")));
	assert_true(slice_eq(p->dialect, SLICE("anthropic")));
	assert_true(slice_eq(p->trust, SLICE("public")));
	assert_true(slice_eq(p->hosts[0], SLICE("api.anthropic.com")));
	op = catalogue_operation(
		cat.c, (unsigned)catalogue_find_operation(cat.c, (unsigned)i, SLICE("POST"),
							  SLICE("/v1/messages/batches"), &model));
	assert_true(slice_eq(op->model_path, SLICE("requests[].params.model")));
	assert_int_equal(op->n_max_tokens_paths, 1);
	assert_true(slice_eq(op->max_tokens_paths[0], SLICE("requests[].params.max_tokens")));
	assert_true(op->has_output);
	assert_int_equal(op->body, CATALOGUE_BODY_JSON);
	assert_int_equal(op->model_from_path.n, 0);
	i = catalogue_find_provider(cat.c, SLICE("openai"));
	p = catalogue_provider(cat.c, (unsigned)i);
	assert_true(slice_eq(p->credential_prefix, SLICE("Bearer ")));
	op = catalogue_operation(
		cat.c, (unsigned)catalogue_find_operation(cat.c, (unsigned)i, SLICE("POST"),
							  SLICE("/v1/chat/completions"), &model));
	assert_int_equal(op->n_max_tokens_paths, 2);
	assert_true(slice_eq(op->max_tokens_paths[0], SLICE("max_completion_tokens")));
	assert_true(slice_eq(op->stream_path, SLICE("stream")));
	assert_null(catalogue_provider(cat.c, (unsigned)catalogue_providers(cat.c)));
}

static void kinds_are_shared_by_name(void **state)
{
	int chat = catalogue_find_kind(cat.c, SLICE("chat"));
	size_t n = 0;
	const struct catalogue_operation *op;

	(void)state;
	assert_true(chat >= 0);
	assert_true(slice_eq(catalogue_kind_name(cat.c, (unsigned)chat), SLICE("chat")));
	assert_int_equal(catalogue_find_kind(cat.c, SLICE("nothing")), -1);
	assert_int_equal(catalogue_kind_name(cat.c, (unsigned)catalogue_kinds(cat.c)).n, 0);
	for (unsigned i = 0; (op = catalogue_operation(cat.c, i)); i++) {
		assert_true(op->kind < catalogue_kinds(cat.c));
		assert_true(slice_eq(op->name, catalogue_kind_name(cat.c, op->kind)));
		n += op->kind == (unsigned)chat;
	}
	assert_true(n > 20);
}

static void names_are_those_without_patterns(void **state)
{
	struct slice name;
	unsigned provider;
	size_t n = 0;

	(void)state;
	for (; catalogue_name_at(cat.c, n, &name, &provider); n++) {
		assert_null(memchr(name.p, '*', name.n));
		assert_int_equal(catalogue_find_host(cat.c, name), provider);
	}
	assert_true(n > 60);
}

static void every_provider_is_found_by_each_of_its_hosts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < catalogue_providers(cat.c); i++) {
		const struct catalogue_provider *p = catalogue_provider(cat.c, i);

		assert_int_equal(catalogue_find_provider(cat.c, p->name), i);
		assert_true(p->n_hosts > 0);
		for (size_t j = 0; j < p->n_hosts; j++) {
			char name[256];
			size_t n = slice_copy(p->hosts[j], name, sizeof(name));

			/* "*" becomes "a-b", which every kind of pattern takes. */
			for (char *star; (star = memchr(name, '*', n)); n += 2) {
				memmove(star + 3, star + 1, n - (size_t)(star + 1 - name) + 1);
				memcpy(star, "a-b", 3);
			}
			assert_int_equal(catalogue_find_host(cat.c, slice_of(name, n)), i);
		}
		assert_true(catalogue_is_placeholder(cat.c, p->placeholder));
	}
}

static void knows_networks(void **state)
{
	struct compiled t;
	struct eg_endpoint_key key;
	unsigned char v4[4], v6[16];
	unsigned provider;

	(void)state;
	compiled_init(&t, "{ \"providers\": { \"a\": { \"trust\": \"private\", \"dialect\": "
			  "\"generic\", \"cidrs\": [\"203.0.113.0/24\", \"2001:db8::/32\", "
			  "\"198.51.100.7/32\"] } } }");
	assert_true(catalogue_cidr_at(t.c, 0, &key, &provider));
	assert_int_equal(key.prefix_len, 120);
	assert_int_equal(inet_pton(AF_INET, "203.0.113.0", v4), 1);
	assert_memory_equal((char *)&key.addr + 12, v4, 4);
	assert_int_equal(((unsigned char *)&key.addr)[11], 0xff);
	assert_true(catalogue_cidr_at(t.c, 1, &key, &provider));
	assert_int_equal(key.prefix_len, 32);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::", v6), 1);
	assert_memory_equal(&key.addr, v6, 16);
	assert_true(catalogue_cidr_at(t.c, 2, &key, &provider));
	assert_int_equal(key.prefix_len, 128);
	assert_false(catalogue_cidr_at(t.c, 3, &key, &provider));
	compiled_done(&t);
}

static int set_up(void **state)
{
	(void)state;
	compiled_init(&cat, embed_providers);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	compiled_done(&cat);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_hosts),
		cmocka_unit_test(governs_a_name_however_it_is_spelt),
		cmocka_unit_test(finds_no_other_host),
		cmocka_unit_test(finds_operations),
		cmocka_unit_test(refuses_paths_that_two_servers_could_read_differently),
		cmocka_unit_test(refuses_the_same_inside_ids),
		cmocka_unit_test(takes_no_other_method),
		cmocka_unit_test(reads_models_in_paths_only_as_they_stand),
		cmocka_unit_test(survives_paths_of_many_segments),
		cmocka_unit_test(keeps_providers_apart),
		cmocka_unit_test(says_where_things_stand),
		cmocka_unit_test(kinds_are_shared_by_name),
		cmocka_unit_test(names_are_those_without_patterns),
		cmocka_unit_test(every_provider_is_found_by_each_of_its_hosts),
		cmocka_unit_test(knows_networks),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/credentials.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/credential_files.h"
#include "daemon/credential_source.h"
#include "daemon/warnings.h"
#include "event/channel.h"

#define SOURCE_US 10000000u /* for a command to end */
#define VAULT_US  15000000u /* for the vault to take a key */

enum state { READING, TAKING, LOADED, FAILED };

struct entry {
	struct credentials *set;
	struct entry *next;
	char id[EG_NAME_MAX], provider[EG_NAME_MAX];
	enum config_source source;
	enum state state;
	bool gone; /* dropped while the vault was asked: freed by the answer */
	bool held; /* the vault has a key, the newest or an older one */
	struct credential_source *reading;
	char error[256];
	struct eg_credential_info info;
};

struct credentials {
	struct credentials_opts opts;
	struct channel *vault;
	struct entry *head;
};

static void settle(struct credentials *c)
{
	if (credentials_settled(c))
		c->opts.on_settled(c->opts.ctx);
}

static void subject_of(const struct entry *e, char *to, size_t size)
{
	(void)snprintf(to, size, "credential %s", e->id);
}

static void fail(struct entry *e, const char *why)
{
	char subject[96];

	subject_of(e, subject, sizeof(subject));
	e->state = FAILED;
	(void)slice_copy(slice_str(why), e->error, sizeof(e->error));
	warnings_set(e->set->opts.warnings, subject,
		     "credential %s could not be read: %s: %s; repair its source, then run `egret "
		     "credential reload`",
		     e->id, why,
		     e->held ? "the key read before stays in use"
			     : "requests that need it are denied");
}

static const char *vault_says(uint32_t status)
{
	switch (status) {
	case ENOENT:
	case ENODATA:
		return "its source is empty";
	case EINVAL:
		return "its source holds something that cannot be a key (more than one line, or "
		       "control "
		       "characters)";
	case EFBIG:
	case EMSGSIZE:
		return "its source is too large for a key";
	default:
		return strerror((int)status);
	}
}

static void on_taken(void *ctx, struct msg *m)
{
	struct eg_credential_info info;
	struct entry *e = ctx;
	char subject[96];

	if (e->gone) {
		free(e);
		return;
	}
	if (!m || m->type != EG_MSG_credential || m->body.n != sizeof(info)) {
		fail(e, "the vault did not take it");
	} else {
		memcpy(&info, m->body.p, sizeof(info));
		info.fingerprint[sizeof(info.fingerprint) - 1] = '\0';
		info.last4[sizeof(info.last4) - 1] = '\0';
		if (info.status) {
			fail(e, vault_says(info.status));
		} else {
			e->state = LOADED;
			e->held = true;
			e->info = info;
			subject_of(e, subject, sizeof(subject));
			warnings_clear(e->set->opts.warnings, subject);
			log_info("credential %s loaded: provider=%s fingerprint=%s", e->id,
				 e->provider, e->info.fingerprint);
		}
	}
	settle(e->set);
}

static void on_source(void *ctx, int fd, const char *why)
{
	_cleanup_close_ int key = fd;
	struct eg_credential body = { 0 };
	struct entry *e = ctx;

	e->reading = NULL;
	if (key < 0) {
		fail(e, why);
		settle(e->set);
		return;
	}
	memcpy(body.id, e->id, sizeof(body.id));
	memcpy(body.provider, e->provider, sizeof(body.provider));
	e->state = TAKING;
	if (!e->set->vault || channel_call(e->set->vault, EG_MSG_credential, &body, sizeof(body),
					   NULL, 0, &key, 1, VAULT_US, on_taken, e) < 0) {
		fail(e, "the vault is not there");
		settle(e->set);
	}
}

/* Forgets an entry; the vault too, if `drop`. */
static void remove_entry(struct entry *e, bool drop)
{
	struct eg_credential body = { 0 };
	char subject[96];

	e->reading = credential_source_cancel(e->reading);
	if (drop) {
		subject_of(e, subject, sizeof(subject));
		warnings_clear(e->set->opts.warnings, subject);
		memcpy(body.id, e->id, sizeof(body.id));
		memcpy(body.provider, e->provider, sizeof(body.provider));
		if (e->set->vault)
			(void)!channel_send(e->set->vault, EG_MSG_credential_drop, &body,
					    sizeof(body), NULL, 0);
	}
	if (e->state == TAKING)
		e->gone = true;
	else
		free(e);
}

static struct entry *find(struct entry *head, const struct entry *like)
{
	for (; head; head = head->next)
		if (strcmp(head->id, like->id) == 0 && strcmp(head->provider, like->provider) == 0)
			return head;
	return NULL;
}

/* Frees a list. With `kept`, what is in neither is dropped from the vault, and what is in both goes
 * on knowing the key that the vault has. */
static void clear(struct entry *head, bool replaced, struct entry *kept)
{
	while (head) {
		struct entry *e = head, *same = find(kept, e);

		head = e->next;
		if (same) {
			same->held = e->held;
			same->info = e->info;
		}
		remove_entry(e, replaced && !same);
	}
}

static int add(struct credentials *c, struct slice id, struct slice provider,
	       enum config_source source)
{
	struct entry *e = calloc(1, sizeof(*e)), **tail = &c->head;

	if (!e)
		return -ENOMEM;
	e->set = c;
	e->source = source;
	(void)slice_copy(id, e->id, sizeof(e->id));
	(void)slice_copy(provider, e->provider, sizeof(e->provider));
	while (*tail)
		tail = &(*tail)->next;
	*tail = e;
	return 0;
}

static int add_configured(struct credentials *c, const struct config *config)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->n_credentials; i++) {
		const struct config_credential *k = &config->credentials[i];

		r = add(c, slice_str(k->id), slice_str(k->provider), k->source);
	}
	return r;
}

static const struct config_credential *configured(const struct config *config, const char *id)
{
	for (size_t i = 0; i < config->n_credentials; i++)
		if (strcmp(config->credentials[i].id, id) == 0)
			return &config->credentials[i];
	return NULL;
}

static int add_file(void *ctx, struct slice id, struct slice provider)
{
	return add(ctx, id, provider, CONFIG_SOURCE_FILE);
}

static void open_source(struct entry *e, const struct config *config)
{
	char *own[] = { e->id, NULL };
	const struct config_credential file = { .source = CONFIG_SOURCE_FILE, .words = { own, 1 } };
	const struct config_credential *k = configured(config, e->id);
	struct credential_source *reading = credential_source_open(
		e->set->opts.loop, k ? k : &file, config->credentials_dir, SOURCE_US, on_source, e);

	/* NULL: on_source() has run already. */
	if (reading)
		e->reading = reading;
}

int credentials_load(struct credentials *c, const struct config *config,
		     const struct edition *edition)
{
	struct entry *old = c->head, *e;
	int r;

	/* All there before any is read: one may be settled at once. */
	c->head = NULL;
	r = add_configured(c, config);
	if (r == 0)
		r = credential_files(config, edition, add_file, c);
	clear(old, r == 0, c->head);
	for (e = c->head; r == 0 && e; e = e->next)
		open_source(e, config);
	return r;
}

int credentials_new(const struct credentials_opts *o, struct credentials **ret)
{
	struct credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opts = *o;
	*ret = c;
	return 0;
}

struct credentials *credentials_free(struct credentials *c)
{
	if (!c)
		return NULL;
	clear(c->head, false, NULL);
	free(c);
	return NULL;
}

void credentials_set_vault(struct credentials *c, struct channel *vault)
{
	c->vault = vault;
	for (struct entry *e = c->head; e; e = e->next)
		e->held = false;
}

bool credentials_settled(const struct credentials *c)
{
	for (const struct entry *e = c->head; e; e = e->next)
		if (e->state == READING || e->state == TAKING)
			return false;
	return true;
}

size_t credentials_total(const struct credentials *c)
{
	size_t n = 0;

	for (const struct entry *e = c->head; e; e = e->next)
		n++;
	return n;
}

size_t credentials_loaded(const struct credentials *c)
{
	size_t n = 0;

	for (const struct entry *e = c->head; e; e = e->next)
		n += e->state == LOADED;
	return n;
}

json_t *credentials_row(const struct credentials *c, size_t i)
{
	static const char *const sources[] = { "file", "systemd", "command" };
	static const char *const states[] = { "reading", "reading", "loaded", "failed" };
	const struct entry *e = c->head;
	json_t *row;

	while (e && i--)
		e = e->next;
	if (!e)
		return NULL;
	row = json_pack("{ss ss ss ss}", "id", e->id, "provider", e->provider, "source",
			sources[e->source], "state", states[e->state]);
	if (row && e->state == FAILED)
		(void)json_object_set_new(row, "error", json_string(e->error));
	if (row && e->held) {
		(void)json_object_set_new(row, "fingerprint", json_string(e->info.fingerprint));
		(void)json_object_set_new(row, "last4", json_string(e->info.last4));
		(void)json_object_set_new(row, "generation", json_integer(e->info.generation));
	}
	return row;
}

bool credentials_has(const struct credentials *c, struct slice id)
{
	for (const struct entry *e = c->head; e; e = e->next)
		if (slice_eq(slice_str(e->id), id))
			return true;
	return false;
}

json_t *credentials_of(const struct credentials *c, const char *provider)
{
	json_t *ids = json_array();

	for (const struct entry *e = c->head; ids && e; e = e->next)
		if (strcmp(e->provider, provider) == 0)
			(void)json_array_append_new(ids, json_string(e->id));
	return ids;
}

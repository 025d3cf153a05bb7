/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reload.h"

#include <string.h>

#include "base/log.h"
#include "control/server.h"
#include "daemon/anchor.h"
#include "daemon/children.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "daemon/endpoints.h"
#include "daemon/learning.h"
#include "daemon/modes.h"
#include "daemon/resolv.h"
#include "daemon/trust.h"
#include "daemon/users.h"
#include "daemon/sweeper.h"
#include "daemon/warnings.h"
#include "identity/identity.h"

void reload_log(const struct config *c)
{
	enum log_level level = LOG_INFO;

	(void)log_level_of(c->log_level, &level);
	log_setup("monitor", level, strcmp(c->log_format, "json") == 0);
}

#define CA_AGAIN_US 30000000u

static void cover_names(struct monitor *m);

static void on_ca_again(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, ca_again);

	if (m->phase != MONITOR_STOPPING)
		cover_names(m);
}

void reload_ca_later(struct monitor *m)
{
	if (anchor_lacks_room(m->anchor))
		timer_start(&m->ca_again, m->loop, CA_AGAIN_US, on_ca_again);
}

static void on_anchor(void *ctx, bool ok)
{
	/* What went wrong is a warning by now; names that the CA does not cover are refused. */
	(void)ok;
	reload_ca_later(ctx);
}

static void cover_names(struct monitor *m)
{
	struct child *vault = children_vault(m->children);
	struct diag d = { 0 };

	if (anchor_covers(m->anchor, m->edition) || !child_channel(vault))
		return;
	if (anchor_load(m->anchor, child_channel(vault), m->edition, false, &d, on_anchor, m) < 0)
		warnings_set(
			m->warnings, "ca",
			"the CA cannot be made for the names now governed: %s: they are refused",
			d.text[0] ? d.text : "it is being loaded; reload again");
}

void reload_learning(struct monitor *m)
{
	struct diag d = { 0 };

	if (learning_apply(m->dp, m->config, m->resolv, m->edition, &d) < 0)
		warnings_set(m->warnings, "learning", "%s", d.text);
	else
		warnings_clear(m->warnings, "learning");
}

/* Everything that can refuse has agreed. */
static void put_in_force(struct monitor *m, struct edition *e)
{
	struct edition *old = m->edition;
	struct diag d = { 0 };

	m->edition = e;
	if (endpoints_apply(m->endpoints, e, &d) < 0)
		warnings_set(m->warnings, "endpoints", "%s", d.text);
	else
		warnings_clear(m->warnings, "endpoints");
	reload_learning(m);
	if (modes_apply(m->modes, e, &d) < 0)
		warnings_set(m->warnings, "modes", "%s", d.text);
	else
		warnings_clear(m->warnings, "modes");
	sweeper_modes(m->sweeper);
	reload_engines(m);
	children_send_policy(m->children);
	cover_names(m);
	(void)edition_free(old);
	log_info("policy in force: source=%s generation=%u workloads=%zu rules=%zu", e->source,
		 e->generation, policy_workloads(e->policy) - 1, policy_rules(e->policy));
}

static int new_edition(struct monitor *m, const struct config *c, const struct slice *text,
		       const char *name, struct diag *d, struct edition **ret)
{
	/* A policy that was in force and is gone is a mistake: what is built in may allow more. */
	const struct edition_from from = { .catalogue = &c->catalogue,
					   .policy = text ? name : c->policy,
					   .text = text,
					   .policy_needed =
						   strcmp(m->edition->source, c->policy) == 0 };

	return edition_new(&from, m->edition->generation + 1, d, ret);
}

int reload_policy(struct monitor *m, const struct slice *text, const char *name, struct diag *d)
{
	struct edition *e;
	int r = new_edition(m, m->config, text, name, d, &e);

	if (r < 0)
		return r;
	r = identity_load(m->identity, e->doc, e->generation, d);
	if (r < 0) {
		(void)edition_free(e);
		return r;
	}
	put_in_force(m, e);
	return 0;
}

static void on_kept(void *ctx, const char *key)
{
	struct buf *keys = ctx;

	(void)!buf_printf(keys, "%s%s", buf_len(keys) ? ", " : "", key);
}

static int check_config(struct monitor *m, struct diag *d, struct config **ret)
{
	_cleanup_(buf_release) struct buf kept = { 0 };
	int r;

	r = config_load(m->where, d, ret);
	if (r < 0)
		return r;
	buf_init(&kept, 400);
	r = config_keep(*ret, m->config, on_kept, &kept);
	if (r < 0) {
		*ret = config_free(*ret);
		return r;
	}
	if (buf_len(&kept))
		warnings_set(
			m->warnings, "restart",
			"changed in the configuration, in force after a restart only: " SLICE_FMT,
			SLICE_ARG(buf_slice(&kept)));
	else
		warnings_clear(m->warnings, "restart");
	return 0;
}

void reload_engines(struct monitor *m)
{
	if (identity_wants_engine(m->identity) && m->config->engine_sockets.n == 0)
		warnings_set(m->warnings, "containers",
			     "the policy asks for image or labels of containers, and nobody can "
			     "tell them: these entries hold for none; name the engine's socket in "
			     "containers.sockets");
	else
		warnings_clear(m->warnings, "containers");
}

void reload_group(struct monitor *m)
{
	const char *name = m->config->control_group;
	gid_t gid = 0;
	bool has_group = *name && users_group(name, &gid);

	if (*name && !has_group)
		warnings_set(m->warnings, "control_group",
			     "control_group: there is no group %s: root alone may look", name);
	else
		warnings_clear(m->warnings, "control_group");
	control_server_set_group(m->control, has_group, gid);
}

int reload_all(struct monitor *m, struct diag *d, const char **ret_reason)
{
	struct config *c, *old = m->config;
	struct edition *e = NULL;
	int trust = -EBADF, r;

	*ret_reason = "bad_config";
	r = check_config(m, d, &c);
	if (r < 0)
		return r;
	r = trust_upstream(c, d, &trust);
	if (r == 0) {
		*ret_reason = "bad_policy";
		r = new_edition(m, c, NULL, NULL, d, &e);
	}
	if (r == 0) {
		*ret_reason = "bad_config";
		r = edition_check_credentials(e, c, d);
	}
	/* The last that can refuse: it puts the workloads in force itself. */
	if (r == 0) {
		*ret_reason = "bad_policy";
		r = identity_load(m->identity, e->doc, e->generation, d);
	}
	if (r < 0) {
		(void)edition_free(e);
		(void)config_free(c);
		cleanup_close(&trust);
		return r;
	}
	m->config = c;
	resolv_look(m->resolv);
	children_set_trust(m->children, trust);
	put_in_force(m, e);
	reload_log(c);
	children_send_log_level(m->children);
	reload_group(m);
	r = credentials_load(m->credentials, c, m->edition);
	if (r < 0)
		warnings_set(m->warnings, "credentials", "credentials cannot be read: %s",
			     strerror(-r));
	else
		warnings_clear(m->warnings, "credentials");
	(void)config_free(old);
	return 0;
}

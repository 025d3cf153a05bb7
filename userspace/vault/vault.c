/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "egret/reasons.h"
#include "vault/memory.h"
#include "vault/state.h"

#define DAY_US		     (86400ull * 1000000)
#define WARN_BEFORE_US	     (30 * DAY_US)
#define LEASE_MS_DEFAULT     300000u
#define CA_DAYS_DEFAULT	     1825u
#define OVERLAP_DAYS_DEFAULT 7u

/* ---- telling ---- */

void vault_note(struct vault *v, unsigned reason, const char *workload, const char *host,
		const char *fmt, ...)
{
	struct eg_note note = { .time_us = clock_wall_us(), .reason = reason };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(note.text, sizeof(note.text), fmt, ap);
	va_end(ap);
	(void)slice_copy(slice_str(workload), note.workload, sizeof(note.workload));
	(void)slice_copy(slice_str(host), note.host, sizeof(note.host));
	/* A worker can cause these: a bound, so that it cannot bury what matters. */
	if (!log_allowed(&v->notes, 50))
		return;
	log_write(reason == EG_REASON_allowed ? LOG_INFO : LOG_WARN, "%s", note.text);
	(void)!channel_send(v->monitor, EG_MSG_note, &note, sizeof(note), NULL, 0);
}

static void on_daily(struct timer *t)
{
	vault_check_ca(container_of(t, struct vault, daily));
}

void vault_check_ca(struct vault *v)
{
	const struct ca *ca = authority_newest(v->authority);
	uint64_t now_us = clock_wall_us();

	timer_start(&v->daily, v->loop, DAY_US, on_daily);
	/* A load renews it, so this is said only by a daemon that has run for very long. */
	if (ca && now_us + WARN_BEFORE_US >= ca->not_after_us &&
	    ca->not_after_us - ca->not_before_us > 2 * WARN_BEFORE_US)
		vault_note(v, EG_REASON_mint_failed, "", "",
			   "the CA certificate expires in %llu days: run `egret ca rotate`",
			   (unsigned long long)(now_us >= ca->not_after_us
							? 0
							: (ca->not_after_us - now_us) / DAY_US));
}

/* ---- life ---- */

void vault_stop(struct vault *v)
{
	loop_stop(v->loop);
}

void vault_peer_free(struct peer *p)
{
	struct vault *v;

	if (!p)
		return;
	v = p->vault;
	p->channel = channel_free(p->channel);
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	v->n_peers--;
	free(p);
	if (v->stopping && v->n_peers == 0)
		vault_stop(v);
}

static void on_monitor_close(struct channel *ch, void *ctx, int error)
{
	struct vault *v = ctx;

	(void)ch;
	if (error < 0) {
		log_error("the channel to the monitor ended: %s", strerror(-error));
		v->status = 1;
	}
	vault_stop(v);
}

/* The member, or `otherwise`; false when it is no number in 0..max. */
static bool get_number(json_t *root, const char *name, unsigned otherwise, unsigned max,
		       unsigned *ret)
{
	json_t *value = json_object_get(root, name);

	*ret = otherwise;
	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > max)
		return false;
	*ret = (unsigned)json_integer_value(value);
	return true;
}

static int configure(struct vault *v, struct slice config, struct diag *d)
{
	struct authority_opts o = { 0 };
	json_t *root = json_loadb(config.p, config.n, JSON_REJECT_DUPLICATES, NULL);
	unsigned lease_ms;
	bool ok = json_is_object(root) &&
		  get_number(root, "lease_ms", LEASE_MS_DEFAULT, 86400000, &lease_ms) &&
		  get_number(root, "leaf_hours", 24, 24, &v->leaf_hours) &&
		  get_number(root, "ca_days", CA_DAYS_DEFAULT, 36500, &o.ca_days) &&
		  get_number(root, "overlap_days", OVERLAP_DAYS_DEFAULT, 365, &o.overlap_days);
	int r;

	json_decref(root);
	if (!ok || lease_ms == 0 || v->leaf_hours == 0 || o.ca_days == 0)
		return diag_at(d, 0, 0, "vault: its configuration is malformed");
	(void)gethostname(o.label, sizeof(o.label) - 1);
	r = authority_new(&o, &v->authority);
	return r < 0 ? r : leases_new(lease_ms, &v->leases);
}

static int make_secrets(struct vault *v, const struct eg_start *start, struct diag *d)
{
	bool all;
	int r = memory_protect(&all);

	/* gmtime() looks for /etc/localtime the first time; later the sandbox forbids to. */
	tzset();
	if (r == 0)
		r = keyfile_init();
	if (r == 0)
		r = tickets_init(&v->tickets, clock_mono_us());
	if (r == 0)
		r = keys_new(start->fingerprint_key, &v->keys);
	if (r < 0)
		(void)diag_at(d, 0, 0,
			      "vault: cannot lock memory for keys: %s; raise the limit on locked "
			      "memory (LimitMEMLOCK= of the unit)",
			      strerror(-r));
	else if (!all)
		log_debug("only memory that holds keys is locked");
	return r;
}

static int set_up(struct vault *v, int *channel_fd, const struct eg_start *start,
		  struct slice config, struct diag *d)
{
	struct channel_opts opts = { .peer_role = EG_MONITOR,
				     .secret = true,
				     .on_msg = from_monitor,
				     .on_close = on_monitor_close,
				     .ctx = v };
	int r = make_secrets(v, start, d);

	if (r == 0)
		r = configure(v, config, d);
	if (r < 0)
		return r;
	v->loop = loop_new();
	if (!v->loop)
		return -ENOMEM;
	r = channel_new(v->loop, *channel_fd, &opts, &v->monitor);
	if (r == 0)
		*channel_fd = -EBADF;
	return r;
}

int vault_new(int channel_fd, const struct eg_start *start, struct slice config, const int *fds,
	      unsigned n_fds, struct diag *d, struct vault **ret)
{
	struct vault *v = calloc(1, sizeof(*v));
	int r = v ? set_up(v, &channel_fd, start, config, d) : -ENOMEM;

	for (unsigned i = 0; i < n_fds; i++)
		(void)close(fds[i]);
	if (r < 0) {
		cleanup_close(&channel_fd);
		(void)vault_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

int vault_run(struct vault *v)
{
	if (channel_send(v->monitor, EG_MSG_ready, NULL, 0, NULL, 0) < 0)
		return 1;
	vault_check_ca(v);
	loop_run(v->loop);
	return v->status;
}

struct vault *vault_free(struct vault *v)
{
	if (!v)
		return NULL;
	v->stopping = false;
	from_monitor_done(v);
	while (v->peers)
		vault_peer_free(v->peers);
	if (v->loop) {
		timer_stop(&v->stop_at);
		timer_stop(&v->daily);
	}
	v->monitor = channel_free(v->monitor);
	v->leases = leases_free(v->leases);
	v->keys = keys_free(v->keys);
	v->authority = authority_free(v->authority);
	tickets_done(&v->tickets);
	v->loop = loop_free(v->loop);
	free(v);
	return NULL;
}

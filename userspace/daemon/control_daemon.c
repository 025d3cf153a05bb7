/* SPDX-License-Identifier: Apache-2.0 */
/* `log level`, `daemon stop`, `daemon reload`. */
#include <string.h>

#include "base/log.h"
#include "daemon/children.h"
#include "daemon/control.h"
#include "daemon/edition.h"
#include "daemon/reload.h"
#include "daemon/upgrade.h"

void control_log_level(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	enum log_level known;
	const char *level;

	if (!request_string(req, "level", &level))
		return;
	if (!level) {
		request_end(req, json_pack("{ss}", "level", m->config->log_level));
		return;
	}
	if (request_peer(req)->uid != 0) {
		request_error(req, "not_allowed", "only root may change it: run it as root");
		return;
	}
	if (!log_level_of(level, &known)) {
		request_error(req, "bad_request", "level: must be error, warn, info or debug");
		return;
	}
	free(m->config->log_level);
	m->config->log_level = strdup(level);
	if (!m->config->log_level) {
		request_error(req, "failed", "egretd: out of memory");
		return;
	}
	reload_log(m->config);
	children_send_log_level(m->children);
	request_end(req, json_pack("{ss}", "level", level));
}

void control_daemon_stop(void *ctx, struct request *req)
{
	const json_t *release = json_object_get(request_args(req), "release");
	bool wanted = json_is_true(release);

	if (release && !json_is_boolean(release)) {
		request_error(req, "bad_request", "release: must be true or false");
		return;
	}
	request_end(req, NULL);
	monitor_stop(ctx, wanted);
}

void control_daemon_upgrade(void *ctx, struct request *req)
{
	const char *path;

	if (request_string(req, "path", &path))
		upgrade_begin(ctx, req, path);
}

void control_daemon_reload(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct diag d = { 0 };
	const char *reason;

	if (reload_all(m, &d, &reason) < 0)
		request_diag(req, reason, &d);
	else
		request_end(req,
			    json_pack("{sI}", "generation", (json_int_t)m->edition->generation));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `credential list|reload`. */
#include <string.h>

#include "daemon/control.h"
#include "daemon/credentials.h"

void control_credential_list(void *ctx, struct request *req)
{
	const struct monitor *m = ctx;

	for (size_t i = 0; i < credentials_total(m->credentials); i++)
		if (request_row(req, credentials_row(m->credentials, i)) < 0)
			break;
	request_end(req, NULL);
}

static void on_request_gone(void *ctx, struct request *req, bool server_gone)
{
	struct monitor *m = ctx;

	(void)req;
	if (server_gone)
		m->waits_for_credentials = NULL;
}

void control_credentials_settled(struct monitor *m)
{
	struct request *req = m->waits_for_credentials;

	if (!req)
		return;
	m->waits_for_credentials = NULL;
	request_on_gone(req, NULL, NULL);
	control_credential_list(m, req);
}

void control_credential_reload(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	int r;

	if (m->waits_for_credentials || !credentials_settled(m->credentials)) {
		request_error(req, "busy", "they are being read: try again in a moment");
		return;
	}
	m->waits_for_credentials = req;
	request_on_gone(req, on_request_gone, m);
	r = credentials_load(m->credentials, m->config, m->edition);
	if (r < 0) {
		m->waits_for_credentials = NULL;
		request_on_gone(req, NULL, NULL);
		request_error(req, "failed", "they cannot be read: %s", strerror(-r));
	} else if (m->waits_for_credentials && credentials_settled(m->credentials)) {
		control_credentials_settled(m); /* there are none */
	}
}

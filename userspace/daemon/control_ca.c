/* SPDX-License-Identifier: Apache-2.0 */
/* `ca show|rotate`. */
#include <string.h>

#include "base/digest.h"
#include "daemon/anchor.h"
#include "daemon/children.h"
#include "daemon/control.h"
#include "daemon/edition.h"

static json_t *names(const struct edition *e)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < catalogue_providers(e->catalogue); i++) {
		const struct catalogue_provider *p = catalogue_provider(e->catalogue, i);

		for (size_t k = 0; k < p->n_hosts; k++)
			(void)json_array_append_new(list,
						    json_stringn(p->hosts[k].p, p->hosts[k].n));
	}
	return list;
}

static void show(struct monitor *m, struct request *req)
{
	const struct eg_ca_info *info = anchor_info(m->anchor);
	char hex[2 * DIGEST_SIZE + 1];

	if (!info) {
		request_error(req, "unavailable", "the CA is not loaded: see `egret status`");
		return;
	}
	digest_hex(info->sha256, sizeof(info->sha256), hex);
	request_end(req, json_pack("{ss sI sI sI so ss ss}", "sha256", hex, "not_before_us",
				   (json_int_t)info->not_before_us, "not_after_us",
				   (json_int_t)info->not_after_us, "certificates",
				   (json_int_t)anchor_certificates(m->anchor), "names",
				   names(m->edition), "cert", anchor_cert(m->anchor), "bundle",
				   anchor_bundle(m->anchor)));
}

void control_ca_show(void *ctx, struct request *req)
{
	show(ctx, req);
}

struct asked {
	struct monitor *m;
	struct request *req; /* NULL: its server is gone */
};

static void on_request_gone(void *ctx, struct request *req, bool server_gone)
{
	struct asked *a = ctx;

	(void)req;
	if (server_gone)
		a->req = NULL;
}

static void on_rotated(void *ctx, bool ok)
{
	struct asked *a = ctx;

	if (a->req) {
		request_on_gone(a->req, NULL, NULL);
		if (ok)
			show(a->m, a->req);
		else
			request_error(a->req, "unavailable",
				      "the vault could not make a new one; the old one stays: see "
				      "`egret status`");
	}
	free(a);
}

void control_ca_rotate(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct channel *vault = child_channel(children_vault(m->children));
	struct asked *a = vault ? malloc(sizeof(*a)) : NULL;
	struct diag d = { 0 };
	int r = -ENOTCONN;

	if (a) {
		*a = (struct asked){ m, req };
		request_on_gone(req, on_request_gone, a);
		r = anchor_load(m->anchor, vault, m->edition, true, &d, on_rotated, a);
	}
	if (r == 0)
		return;
	request_on_gone(req, NULL, NULL);
	free(a);
	request_error(req, r == -EBUSY ? "busy" : "unavailable", "the CA: %s",
		      d.text[0]	    ? d.text
		      : r == -EBUSY ? "it is being loaded: try again in a moment"
				    : "the vault is not there");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egret check: which trust stores have the current CA certificate: egret's own bundle, the
 * system's, Java's, and what the variables of this environment point to.
 */
#include <stdio.h>
#include <string.h>

#include "cli/check.h"
#include "cli/environment.h"
#include "cli/pem.h"
#include "cli/store.h"

#define BUNDLE_NAME "ca-bundle.pem"
#define JAVA_STORE  "/etc/ssl/certs/java/cacerts"

/* The current certificate: the first of ca.pem. Negative: a row says why. */
static int read_current(struct check *c, struct buf *der)
{
	struct buf pem = { 0 };
	struct slice text;
	char path[256];
	int r;

	if (!cli_path(c->cli, "ca.pem", path, sizeof(path)))
		return cli_usage(c->cli, "--run-dir: the path is too long");
	r = pem_read_file(path, &pem);
	if (r == 0) {
		text = buf_slice(&pem);
		r = pem_next(&text, der) == 1 ? 0 : -EBADMSG;
		buf_release(&pem);
	}
	if (r == 0)
		return 0;
	r = check_row(c, "ca certificate", c->has_daemon ? CHECK_FAIL : CHECK_WARN,
		      "egretd writes it when it starts", "%s: %s", path, strerror(-r));
	return r < 0 ? r : -ENOENT;
}

/* 1: the PEM file has it, 0: it has not; -errno. */
static int file_holds(const char *path, struct slice der)
{
	struct buf pem = { 0 };
	int r = pem_read_file(path, &pem);

	if (r < 0)
		return r;
	r = pem_holds(buf_slice(&pem), der);
	buf_release(&pem);
	return r;
}

static int check_own_bundle(struct check *c, struct slice der)
{
	char path[256];
	int r;

	if (!cli_path(c->cli, BUNDLE_NAME, path, sizeof(path)))
		return cli_usage(c->cli, "--run-dir: the path is too long");
	r = file_holds(path, der);
	if (r == 1)
		return check_row(c, "trust egret run", CHECK_OK, NULL, "%s", path);
	return check_row(c, "trust egret run", CHECK_FAIL, "restart egretd: it writes the bundle",
			 "%s %s", path, r == 0 ? "lacks the current certificate" : strerror(-r));
}

static int check_system(struct check *c, struct slice der)
{
	const struct store *s = store_find();
	int r;

	if (!s)
		return check_row(c, "trust system", CHECK_WARN,
				 "put the output of `egret ca export` into it by hand",
				 "this system's trust store is of no kind that egret knows");
	r = file_holds(s->bundle, der);
	if (r == 1)
		return check_row(c, "trust system", CHECK_OK, NULL, "%s", s->bundle);
	return check_row(c, "trust system", CHECK_WARN,
			 "`egret ca install`, unless every workload is started with `egret run`",
			 "%s %s", s->bundle,
			 r == 0 ? "lacks the current certificate" : strerror(-r));
}

/* Java's store keeps certificates as they are (JKS) or plain PKCS #12: their bytes can be found. */
static int check_java(struct check *c, struct slice der)
{
	struct buf store = { 0 };
	int r = pem_read_file(JAVA_STORE, &store);
	bool holds;

	if (r < 0)
		return 0; /* no Java here */
	holds = memmem(buf_slice(&store).p, buf_len(&store), der.p, der.n) != NULL;
	buf_release(&store);
	return check_row(c, "trust java", holds ? CHECK_OK : CHECK_WARN,
			 holds ? NULL
			       : "`egret ca install` updates it where ca-certificates-java is "
				 "installed",
			 "%s %s the current certificate", JAVA_STORE, holds ? "has" : "lacks");
}

/* What this shell's children would trust. Unset is no fault: `egret run` sets them. */
static int check_variable(struct check *c, const struct environment_trust *t, struct slice der)
{
	const char *path = getenv(t->name);
	char name[64];
	int r;

	if (t->kind == ENVIRONMENT_SWITCH || !path || !*path)
		return 0;
	(void)snprintf(name, sizeof(name), "trust %s", t->name);
	r = file_holds(path, der);
	if (r == 1)
		return check_row(c, name, CHECK_OK, NULL, "%s (%s)", path, t->of);
	return check_row(
		c, name, CHECK_WARN,
		t->kind == ENVIRONMENT_ADDED
			? "unset it, or let it name egret's ca.pem; `egret run` does"
			: "unset it, or let it name egret's ca-bundle.pem; `egret run` does",
		"%s %s: %s of this environment will not trust egret", path,
		r == 0 ? "lacks the current certificate" : strerror(-r), t->of);
}

/* Node.js looks at neither the system's store nor OpenSSL's variables by itself. */
static int check_node(struct check *c)
{
	const char *extra = getenv("NODE_EXTRA_CA_CERTS"), *system = getenv("NODE_USE_SYSTEM_CA");
	bool is_told = (extra && *extra) || (system && strcmp(system, "1") == 0);

	return check_row(
		c, "trust node", CHECK_OK, NULL, "%s",
		is_told ? "this environment tells Node.js"
			: "Node.js ignores the system's store: start it with `egret run`, or "
			  "set NODE_EXTRA_CA_CERTS");
}

int check_trust(struct check *c)
{
	struct slice current;
	struct buf der;
	int r;

	buf_init(&der, 1u << 20);
	r = read_current(c, &der);
	current = buf_slice(&der);
	if (r == 0)
		r = check_own_bundle(c, current);
	if (r == 0)
		r = check_system(c, current);
	if (r == 0)
		r = check_java(c, current);
	if (r == 0)
		r = check_node(c);
	for (size_t i = 0; r == 0 && i < environment_n_trust; i++)
		r = check_variable(c, &environment_trust[i], current);
	buf_release(&der);
	return r == -ENOENT ? 0 : r;
}

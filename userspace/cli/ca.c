/* SPDX-License-Identifier: Apache-2.0 */
/* egret ca: the authority whose certificates clients must trust. Its key never comes near here. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/objects.h"
#include "cli/pem.h"
#include "cli/store.h"

static const struct column fields[] = {
	{ "sha256", "sha256", FORM_TEXT },
	{ "not before", "not_before_us", FORM_TIME },
	{ "not after", "not_after_us", FORM_TIME },
	{ "certificates", "certificates", FORM_COUNT },
	{ "certificate", "cert", FORM_TEXT },
	{ "bundle", "bundle", FORM_TEXT },
	{ "names", "names", FORM_TEXT },
};

static const struct column install_fields[] = {
	{ "store", "store", FORM_TEXT },
	{ "installed", "installed", FORM_TEXT },
	{ "removed", "removed", FORM_TEXT },
	{ "bundle", "bundle", FORM_TEXT },
};

static int do_show(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_object(cli, "ca.show", NULL, fields, ARRAY_SIZE(fields));
}

static int do_rotate(struct cli *cli, const struct args *args)
{
	int r = ask_object(cli, "ca.rotate", NULL, fields, ARRAY_SIZE(fields));

	(void)args;
	if (r == 0)
		cli_note(cli, "trust stores that hold the old certificate need the new one: "
			      "`egret ca install` here, and in every container image");
	return r;
}

/* The file is written by the daemon and stays when it dies. */
static int read_pem(struct cli *cli, const char *name, struct buf *ret)
{
	char path[256];
	int r;

	if (!cli_path(cli, name, path, sizeof(path)))
		return cli_usage(cli, "--run-dir: the path is too long");
	r = pem_read_file(path, ret);
	if (r == -ENOENT)
		return cli_fail(cli, "not_found",
				"there is no %s: egretd makes it when it first runs: start it",
				path);
	if (r < 0)
		return cli_fail(cli, "failed", "cannot read %s: %s", path, strerror(-r));
	return 0;
}

static int do_export(struct cli *cli, const struct args *args)
{
	struct buf pem = { 0 };
	json_t *document;
	int r = read_pem(cli, args_has(args, "--bundle") ? "ca-bundle.pem" : "ca.pem", &pem);

	if (r < 0)
		return r;
	if (cli->format == CLI_PLAIN) {
		(void)fwrite(buf_slice(&pem).p, 1, buf_len(&pem), stdout);
	} else {
		document = json_pack("{ss%}", "pem", buf_slice(&pem).p, buf_len(&pem));
		r = out_json(cli, document);
		json_decref(document);
	}
	buf_release(&pem);
	return r;
}

static int find_store(struct cli *cli, const struct store **ret)
{
	*ret = store_find();
	if (!*ret)
		return cli_fail(cli, "unavailable",
				"this system's trust store is of no kind that egret knows: put the "
				"output of `egret ca export` into it by hand");
	if (geteuid() != 0)
		return cli_fail(
			cli, "not_allowed",
			"cannot change the trust store of the system as user %u: run it as root",
			geteuid());
	return 0;
}

static int print_done(struct cli *cli, const struct store *s, const char *what, json_t *files)
{
	json_t *done = json_pack("{ss sO ss}", "store", s->name, what, files, "bundle", s->bundle);
	int r = done ? out_object(cli, done, install_fields, ARRAY_SIZE(install_fields))
		     : cli_oom(cli);

	json_decref(done);
	return r;
}

static int do_install(struct cli *cli, const struct args *args)
{
	const struct store *s;
	struct buf pem = { 0 };
	struct diag d = { 0 };
	json_t *files;
	int r = find_store(cli, &s);

	(void)args;
	if (r == 0)
		r = read_pem(cli, "ca.pem", &pem);
	if (r < 0)
		return r;
	files = json_array();
	r = store_install(s, buf_slice(&pem), files, &d);
	r = r < 0 ? cli_fail_diag(cli, "failed", &d) : print_done(cli, s, "installed", files);
	json_decref(files);
	buf_release(&pem);
	return r;
}

static int do_uninstall(struct cli *cli, const struct args *args)
{
	const struct store *s;
	struct diag d = { 0 };
	json_t *files;
	int r = find_store(cli, &s);

	(void)args;
	if (r < 0)
		return r;
	files = json_array();
	r = store_uninstall(s, files, &d);
	r = r < 0 ? cli_fail_diag(cli, "failed", &d) : print_done(cli, s, "removed", files);
	json_decref(files);
	return r;
}

static const struct command commands[] = {
	{ "show", "", "the current certificate, its names and its end", do_show },
	{ "export", "[--bundle]",
	  "print the certificates as PEM; with --bundle the system's store and they", do_export },
	{ "install", "", "put the certificates into this system's trust store", do_install },
	{ "uninstall", "", "take them out of it again", do_uninstall },
	{ "rotate", "", "make a new key and certificate; the old one stays valid in overlap",
	  do_rotate },
};

const struct object object_ca = { "ca", "the certificate authority that clients must trust",
				  commands, ARRAY_SIZE(commands) };

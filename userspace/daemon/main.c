/* SPDX-License-Identifier: Apache-2.0 */
/* egretd: the command line. Without --role it is the monitor; roles are for the monitor to start.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "daemon/check.h"
#include "daemon/config.h"
#include "daemon/monitor.h"
#include "daemon/role.h"
#include "egret/names.h"

#define SETS_MAX 64u

struct args {
	struct config_where where;
	const char *sets[SETS_MAX];
	const char *role, *as, *root, *print, *takeover;
	bool check, try;
};

static const char usage[] =
	"usage: egretd [--config FILE] [--set KEY=JSON]... [--check | --try]\n"
	"       egretd --print config|schema|man\n"
	"       egretd --version | --help\n"
	"\n"
	"  --config FILE   configuration (default: " EG_CONFIG_FILE ", if there)\n"
	"  --set KEY=JSON  over the configuration: --set workers=2 --set 'run_dir=\"/run/x\"'\n"
	"  --check         read configuration, catalogue and policy, say what is wrong, end\n"
	"  --try           the same, and whether this version could start here now: users, and "
	"the\n"
	"                  BPF programs on the maps of those attached; changes nothing\n"
	"  --print WHAT    the default configuration, its JSON Schema, its man page section\n"
	"  -V, --version   the version\n"
	"  -h, --help      this\n";

static int fail(const char *text, const char *what)
{
	(void)fprintf(stderr, "egretd: %s%s: see egretd --help\n", text, what);
	return 2;
}

/* 0, or the exit status + 1. */
static int parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "set", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'k' },
		{ "try", no_argument, NULL, 't' },
		{ "print", required_argument, NULL, 'p' },
		{ "role", required_argument, NULL, 'r' },
		{ "as", required_argument, NULL, 'u' },
		{ "root", required_argument, NULL, 'd' },
		{ "takeover", required_argument, NULL, 'T' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};

	a->where =
		(struct config_where){ .file = EG_CONFIG_FILE, .optional = true, .sets = a->sets };
	for (int c; (c = getopt_long(argc, argv, "hV", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			a->where.file = optarg;
			a->where.optional = false;
			break;
		case 's':
			if (a->where.n_sets == SETS_MAX)
				return fail("too many --set", "") + 1;
			a->sets[a->where.n_sets++] = optarg;
			break;
		case 'k':
			a->check = true;
			break;
		case 't':
			a->try = true;
			break;
		case 'p':
			a->print = optarg;
			break;
		case 'r':
			a->role = optarg;
			break;
		case 'u':
			a->as = optarg;
			break;
		case 'd':
			a->root = optarg;
			break;
		case 'T':
			a->takeover = optarg;
			break;
		case 'V':
			(void)printf("egretd %s\n", EGRET_VERSION);
			return 1;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			return fail("wrong usage", "") + 1;
		}
	}
	return optind < argc ? fail("unexpected argument ", argv[optind]) + 1 : 0;
}

static int print(const char *what)
{
	int r = -EINVAL;

	if (strcmp(what, "config") == 0)
		r = config_print_defaults(stdout);
	else if (strcmp(what, "schema") == 0)
		r = config_print_schema(stdout);
	else if (strcmp(what, "man") == 0)
		r = config_print_man(stdout);
	else
		return fail("--print: must be config, schema or man, not ", what);
	return r < 0 ? 1 : 0;
}

/* Descriptors 0-2 must be something: the next file opened would take their place. */
static void fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	int takeover_fd = -EBADF;
	char junk;
	int r = parse(argc, argv, &a);

	if (r > 0)
		return r - 1;
	if (a.print)
		return print(a.print);
	if (a.check)
		return check_main(&a.where);
	if (a.try)
		return check_try_main(&a.where);
	if (a.role && role_find(a.role) == 0)
		return fail("--role: unknown: ", a.role);
	if (a.role)
		return role_main(role_find(a.role), a.as, a.root);
	fill_standard();
	if (a.takeover && (sscanf(a.takeover, "%d%c", &takeover_fd, &junk) != 1 || takeover_fd < 3))
		return fail("--takeover: for egretd itself, not ", a.takeover);
	return monitor_main(&a.where, takeover_fd);
}

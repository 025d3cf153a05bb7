/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pinned.h"

#include <string.h>

int pinned_open(struct cli *cli, const struct diag *dead, struct inspect **ret)
{
	struct diag d = { 0 };
	char dir[256];
	int r;

	if (!cli_path(cli, "bpf", dir, sizeof(dir)))
		return cli_usage(cli, "--run-dir: the path is too long");
	r = inspect_open(dir, &d, ret);
	if (r < 0)
		return cli_fail(cli, "unavailable", "%s; and the pins do not help: %s", dead->text,
				d.text[0] ? d.text : strerror(-r));
	cli_note(cli, "%s; this is what is pinned in %s", dead->text, dir);
	return 0;
}

void pinned_close(struct inspect **in)
{
	*in = inspect_free(*in);
}

int pinned_check(struct cli *cli, int error, const char *what)
{
	if (error >= 0)
		return 0;
	if (error == -EOPNOTSUPP)
		return cli_fail(cli, "unavailable",
				"cannot list %s: this kernel has no iterator for it: it needs "
				"Linux 5.10 or later, built with BTF",
				what);
	return cli_fail(cli, "unavailable", "cannot list %s from the pins: %s", what,
			strerror(-error));
}

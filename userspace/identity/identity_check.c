/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from identity.c, so that the command line can check a policy without what a daemon needs.
 */
#include "identity/identity.h"
#include "identity/selectors.h"

int identity_check(const struct json_doc *policy, struct diag *d)
{
	struct selectors *s = NULL;
	int r = selectors_new(policy, "/", d, &s);

	(void)selectors_free(s);
	return r;
}

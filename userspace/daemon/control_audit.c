/* SPDX-License-Identifier: Apache-2.0 */
/* `audit …` and `event …`: the right has been checked, the recorder answers. */
#include "daemon/children.h"
#include "daemon/control.h"

#define QUERY_MAX 65000u /* of a message to the recorder */

void control_recorder(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct channel *recorder = child_channel(children_recorder(m->children));
	struct slice text = request_text(req);
	_cleanup_free_ char *copy = NULL;
	_cleanup_close_ int fd = -EBADF;

	if (!recorder) {
		request_error(req, "unavailable", "the recorder is not there: try again");
		return;
	}
	if (text.n > QUERY_MAX) {
		request_error(req, "too_large", "request: longer than %u bytes", QUERY_MAX);
		return;
	}
	/* It dies with the request. */
	copy = malloc(text.n + 1);
	if (!copy) {
		request_error(req, "failed", "egretd: out of memory");
		return;
	}
	(void)slice_copy(text, copy, text.n + 1);
	fd = request_take_fd(req);
	/* If the recorder cannot be told, the client sees an answer that breaks off. */
	if (fd >= 0)
		(void)!channel_send(recorder, EG_MSG_query, copy, text.n, &fd, 1);
}

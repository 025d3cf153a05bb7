/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/json_path.h"

static size_t key_length(const char *text)
{
	size_t n = 0;

	while (text[n] && text[n] != '.' && text[n] != '[')
		n++;
	return n;
}

int json_path_parse(const char *text, struct json_path *ret)
{
	struct json_path p = { 0 };

	for (;;) {
		size_t n = key_length(text);

		if (n == 0 || p.n == JSON_PATH_STEPS_MAX)
			return -EINVAL;
		p.step[p.n++] = (struct json_path_step){ JSON_PATH_KEY, slice_of(text, n) };
		text += n;
		if (text[0] == '[') {
			if (text[1] != ']' || text[2] != '.' || p.n == JSON_PATH_STEPS_MAX)
				return -EINVAL;
			p.step[p.n++] = (struct json_path_step){ .kind = JSON_PATH_ELEMENT };
			text += 2;
		}
		if (*text == '\0')
			break;
		text++;
	}
	*ret = p;
	return 0;
}

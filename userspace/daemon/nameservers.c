/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/nameservers.h"

#include <arpa/inet.h>
#include <string.h>

#define BLANKS " \t\r"

static struct slice take_word(struct slice *line)
{
	struct slice word;
	size_t n = 0;

	while (line->n && strchr(BLANKS, line->p[0]))
		*line = slice_of(line->p + 1, line->n - 1);
	while (n < line->n && !strchr(BLANKS, line->p[n]))
		n++;
	word = slice_of(line->p, n);
	*line = slice_of(line->p + n, line->n - n);
	return word;
}

static bool parse_address(struct slice word, struct eg_addr *ret)
{
	char text[INET6_ADDRSTRLEN], *zone;
	struct in_addr v4;

	if (word.n >= sizeof(text))
		return false;
	(void)slice_copy(word, text, sizeof(text));
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = (struct eg_addr){ { 0, 0, htonl(0xffff), v4.s_addr } };
		return true;
	}
	zone = strchr(text, '%'); /* of a link-local one: packets do not carry it */
	if (zone)
		*zone = '\0';
	return inet_pton(AF_INET6, text, ret) == 1;
}

unsigned nameservers_parse(struct slice text, struct eg_addr *ret, unsigned max)
{
	unsigned n = 0;

	if (text.n && memchr(text.p, '\0', text.n))
		return 0;
	while (text.n && n < max) {
		const char *end = memchr(text.p, '\n', text.n);
		struct slice line = slice_of(text.p, end ? (size_t)(end - text.p) : text.n);
		size_t used = line.n + (end ? 1 : 0);

		text = slice_of(text.p + used, text.n - used);
		if (slice_eq(take_word(&line), SLICE("nameserver")) &&
		    parse_address(take_word(&line), &ret[n]))
			n++;
	}
	return n;
}

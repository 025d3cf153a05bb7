/* SPDX-License-Identifier: Apache-2.0 */
/* Which records a predecessor stored without living to release them from their slabs. */
#include <stdlib.h>
#include <string.h>

#include "audit/store_db.h"

#define SEEN_MAX (1u << 20) /* ids of one commit: far above what one can hold */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static int read_ids(sqlite3_stmt *st, struct store_seen *seen)
{
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW && seen->n < SEEN_MAX) {
		const void *id = sqlite3_column_blob(st, 0);
		void *more;

		if (!id || sqlite3_column_bytes(st, 0) != 16)
			return -EUCLEAN;
		if (seen->n % 1024 == 0) {
			more = realloc(seen->id, (seen->n + 1024) * sizeof(*seen->id));
			if (!more)
				return -ENOMEM;
			seen->id = more;
		}
		memcpy(seen->id[seen->n++], id, 16);
	}
	return store_errno(rc);
}

int store_seen_load(struct store *s)
{
	struct store_seen *seen = &s->seen;
	sqlite3_stmt *st = NULL;
	int r = store_number(s->db, "SELECT first_record FROM last_commit", &seen->first_record);

	seen->n = 0;
	if (r == 0)
		r = store_errno(sqlite3_prepare_v2(
			s->db, "SELECT request_id FROM entry WHERE id >= ?1", -1, &st, NULL));
	if (r == 0)
		r = store_errno(sqlite3_bind_int64(st, 1, seen->first_record));
	if (r == 0)
		r = read_ids(st, seen);
	(void)sqlite3_finalize(st);
	if (seen->n)
		qsort(seen->id, seen->n, sizeof(*seen->id), compare);
	return r;
}

bool store_seen_has(const struct store_seen *seen, const uint8_t id[16])
{
	return seen->n && bsearch(id, seen->id, seen->n, sizeof(*seen->id), compare);
}

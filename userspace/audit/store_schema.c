/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of the audit database and how older ones become the current one. Each step is history:
 * it is never edited, a change is a new step. PRAGMA user_version counts the steps done.
 *
 * Request ids are random, and an index on them alone would cost more than everything else about a
 * record together: each insertion touches another page. They are in the index by time instead,
 * where new entries go to the end; a look-up of one walks that index back from the newest.
 */
#include "audit/store_db.h"

static const char *const steps[] = {
	/* 1 */
	"CREATE TABLE record ("
	"  id INTEGER PRIMARY KEY,"
	"  request_id BLOB NOT NULL,"
	"  time_us INTEGER NOT NULL,"
	"  decision TEXT NOT NULL,"
	"  \"end\" TEXT NOT NULL,"
	"  status INTEGER NOT NULL,"
	"  workload TEXT NOT NULL,"
	"  provider TEXT NOT NULL,"
	"  operation TEXT NOT NULL,"
	"  model TEXT NOT NULL,"
	"  host TEXT NOT NULL,"
	"  method TEXT NOT NULL,"
	"  path TEXT NOT NULL,"
	"  rule TEXT NOT NULL,"
	"  shadow_rule TEXT NOT NULL,"
	"  credential TEXT NOT NULL,"
	"  max_tokens INTEGER NOT NULL,"
	"  bytes_in INTEGER NOT NULL,"
	"  bytes_out INTEGER NOT NULL,"
	"  first_us INTEGER NOT NULL,"
	"  total_us INTEGER NOT NULL,"
	"  pid INTEGER NOT NULL,"
	"  start_ns INTEGER NOT NULL,"
	"  uid INTEGER NOT NULL,"
	"  gid INTEGER NOT NULL,"
	"  exe TEXT NOT NULL,"
	"  exe_sha256 BLOB,"
	"  cgroup INTEGER NOT NULL,"
	"  cgroup_path TEXT NOT NULL,"
	"  container TEXT NOT NULL,"
	"  key_fingerprint TEXT,"
	"  detail TEXT NOT NULL,"
	"  flags INTEGER NOT NULL,"
	"  worker INTEGER NOT NULL,"
	"  generation INTEGER NOT NULL"
	");"
	"CREATE INDEX record_time ON record (time_us, id, request_id);"
	"CREATE INDEX record_workload ON record (workload, time_us);"
	"CREATE INDEX record_denied ON record (time_us) WHERE decision <> 'allowed';"
	"CREATE TABLE event ("
	"  id INTEGER PRIMARY KEY,"
	"  time_us INTEGER NOT NULL,"
	"  reason TEXT NOT NULL,"
	"  text TEXT NOT NULL,"
	"  pid INTEGER NOT NULL,"
	"  uid INTEGER NOT NULL,"
	"  hook INTEGER NOT NULL,"
	"  workload TEXT NOT NULL,"
	"  exe TEXT NOT NULL,"
	"  host TEXT NOT NULL,"
	"  cgroup INTEGER NOT NULL"
	");"
	"CREATE INDEX event_time ON event (time_us);"
	"CREATE TABLE last_commit (first_record INTEGER NOT NULL);"
	"INSERT INTO last_commit VALUES (0);",
};

static int run_step(sqlite3 *db, size_t i)
{
	char version[40];
	int r = store_exec(db, "BEGIN IMMEDIATE");

	(void)sqlite3_snprintf(sizeof(version), version, "PRAGMA user_version=%u", (unsigned)i + 1);
	if (r == 0)
		r = store_exec(db, steps[i]);
	if (r == 0)
		r = store_exec(db, version);
	if (r == 0)
		r = store_exec(db, "COMMIT");
	return r; /* closing the database rolls back what is open */
}

int store_migrate(sqlite3 *db, bool *ret_newer)
{
	int64_t version;
	int r = store_number(db, "PRAGMA user_version", &version);

	*ret_newer = r == 0 && version > (int64_t)ARRAY_SIZE(steps);
	if (*ret_newer)
		return -EPROTO;
	for (size_t i = (size_t)version; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = run_step(db, i);
	return r;
}

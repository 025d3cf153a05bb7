/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of the audit database and how older ones become the current one. Each step is history:
 * it is never edited, a change is a new step. PRAGMA user_version counts the steps done.
 *
 * View `record` is what people and queries read. Below it, what repeats from record to record is
 * stored once (store_shared.c), and each index must earn its insertions: request ids are random, so
 * that an index on them would touch another page each time, and cost more than everything else
 * about a record together. A look-up of one walks the entries back from the newest.
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
	/* 2 */
	"CREATE TABLE principal ("
	"  id INTEGER PRIMARY KEY,"
	"  workload TEXT NOT NULL,"
	"  pid INTEGER NOT NULL,"
	"  start_ns INTEGER NOT NULL,"
	"  uid INTEGER NOT NULL,"
	"  gid INTEGER NOT NULL,"
	"  exe TEXT NOT NULL,"
	"  exe_sha256 BLOB,"
	"  cgroup INTEGER NOT NULL,"
	"  cgroup_path TEXT NOT NULL,"
	"  container TEXT NOT NULL"
	");"
	"CREATE TABLE route ("
	"  id INTEGER PRIMARY KEY,"
	"  provider TEXT NOT NULL,"
	"  operation TEXT NOT NULL,"
	"  model TEXT NOT NULL,"
	"  host TEXT NOT NULL,"
	"  method TEXT NOT NULL,"
	"  rule TEXT NOT NULL,"
	"  shadow_rule TEXT NOT NULL,"
	"  credential TEXT NOT NULL,"
	"  worker INTEGER NOT NULL,"
	"  generation INTEGER NOT NULL"
	");"
	"CREATE TABLE entry ("
	"  id INTEGER PRIMARY KEY,"
	"  principal INTEGER NOT NULL,"
	"  route INTEGER NOT NULL,"
	"  request_id BLOB NOT NULL,"
	"  time_us INTEGER NOT NULL,"
	"  decision TEXT NOT NULL,"
	"  \"end\" TEXT NOT NULL,"
	"  status INTEGER NOT NULL,"
	"  path TEXT NOT NULL,"
	"  max_tokens INTEGER NOT NULL,"
	"  bytes_in INTEGER NOT NULL,"
	"  bytes_out INTEGER NOT NULL,"
	"  first_us INTEGER NOT NULL,"
	"  total_us INTEGER NOT NULL,"
	"  key_fingerprint TEXT,"
	"  detail TEXT NOT NULL,"
	"  flags INTEGER NOT NULL"
	");"
	"CREATE TABLE sheet ("
	"  first_entry INTEGER PRIMARY KEY,"
	"  first_principal INTEGER NOT NULL,"
	"  first_route INTEGER NOT NULL"
	");"
	/* What there is already. The two indices serve this alone. */
	"CREATE UNIQUE INDEX one ON principal (pid, start_ns, cgroup, workload, uid, gid, exe,"
	"  ifnull(exe_sha256, x''), cgroup_path, container);"
	"CREATE UNIQUE INDEX other ON route (model, operation, provider, host, method, rule,"
	"  shadow_rule, credential, worker, generation);"
	"INSERT OR IGNORE INTO principal (workload, pid, start_ns, uid, gid, exe, exe_sha256, "
	"cgroup,"
	"  cgroup_path, container) SELECT workload, pid, start_ns, uid, gid, exe, exe_sha256, "
	"cgroup,"
	"  cgroup_path, container FROM record;"
	"INSERT OR IGNORE INTO route (provider, operation, model, host, method, rule, shadow_rule,"
	"  credential, worker, generation) SELECT provider, operation, model, host, method, rule,"
	"  shadow_rule, credential, worker, generation FROM record;"
	"INSERT INTO entry SELECT r.id, p.id, t.id, r.request_id, r.time_us, r.decision, r.\"end\","
	"  r.status, r.path, r.max_tokens, r.bytes_in, r.bytes_out, r.first_us, r.total_us,"
	"  r.key_fingerprint, r.detail, r.flags FROM record r CROSS JOIN principal p CROSS JOIN "
	"route t"
	"  WHERE p.pid = r.pid AND p.start_ns = r.start_ns AND p.cgroup = r.cgroup"
	"    AND p.workload = r.workload AND p.uid = r.uid AND p.gid = r.gid AND p.exe = r.exe"
	"    AND ifnull(p.exe_sha256, x'') = ifnull(r.exe_sha256, x'')"
	"    AND p.cgroup_path = r.cgroup_path AND p.container = r.container"
	"    AND t.model = r.model AND t.operation = r.operation AND t.provider = r.provider"
	"    AND t.host = r.host AND t.method = r.method AND t.rule = r.rule"
	"    AND t.shadow_rule = r.shadow_rule AND t.credential = r.credential"
	"    AND t.worker = r.worker AND t.generation = r.generation ORDER BY r.id;"
	"DROP INDEX one;"
	"DROP INDEX other;"
	"DROP TABLE record;"
	"CREATE INDEX entry_time ON entry (time_us);"
	"CREATE INDEX entry_denied ON entry (time_us) WHERE decision <> 'allowed';"
	/* LEFT JOIN: what a query does not ask for is not looked up. */
	"CREATE VIEW record AS SELECT entry.id AS id, request_id, time_us, decision, \"end\", "
	"status,"
	"  workload, provider, operation, model, host, method, path, rule, shadow_rule, credential,"
	"  max_tokens, bytes_in, bytes_out, first_us, total_us, pid, start_ns, uid, gid, exe,"
	"  exe_sha256, cgroup, cgroup_path, container, key_fingerprint, detail, flags, worker,"
	"  generation FROM entry LEFT JOIN principal ON principal.id = entry.principal"
	"  LEFT JOIN route ON route.id = entry.route;",
};

/* Records that step 2 copies while everything waits for it: seconds. */
#define COPY_MAX 500000

static bool is_too_large(sqlite3 *db, int64_t version)
{
	int64_t n = 0;

	return version == 1 && store_number(db, "SELECT count(*) FROM record", &n) == 0 &&
	       n > COPY_MAX;
}

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

int store_migrate(sqlite3 *db, const char **ret_why)
{
	int64_t version;
	int r = store_number(db, "PRAGMA user_version", &version);

	*ret_why = NULL;
	if (r == 0 && version > (int64_t)ARRAY_SIZE(steps))
		*ret_why = "made by a newer version of egret; start that, or move the file away";
	else if (r == 0 && is_too_large(db, version))
		*ret_why = "made by an older version of egret and too large to be converted at a "
			   "start; move the file away: sqlite3 still reads it";
	if (*ret_why)
		return -EPROTO;
	for (size_t i = (size_t)version; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = run_step(db, i);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the database as JSON members (control/PROTOCOL.md). Private to query.c. */
#pragma once

#include <sqlite3.h>

#include "audit/json_out.h"

/* What to select, in the order the functions below read it, after time_us and id. */
#define QUERY_EVENT_COLUMNS "time_us,reason,text,pid,uid,hook,workload,exe,host,cgroup"
int query_record_columns(struct buf *sql) _must_check_;

/* The row's members, from column `at` on. */
void query_put_record(struct json_out *o, sqlite3_stmt *st, int at);
void query_put_event(struct json_out *o, sqlite3_stmt *st, int at);

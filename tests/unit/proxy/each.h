/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every test with a rig of its own. */
#pragma once

#include "tests/unit/proxy/ends.h"

static struct rig rig;
static _unused_ struct rig_end c;
static _unused_ struct rig_end u;

static int each_start(void **state)
{
	(void)state;
	rig_start_with(&rig, NULL);
	return 0;
}

static int each_stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

/* Begins again under other limits. */
static inline void each_again(const char *limits)
{
	rig_stop(&rig);
	rig_start_with(&rig, limits);
}

#define EACH_RUN(tests)                                                                            \
	({                                                                                         \
		struct CMUnitTest _each[ARRAY_SIZE(tests)];                                        \
		for (size_t _i = 0; _i < ARRAY_SIZE(tests); _i++) {                                \
			_each[_i] = (tests)[_i];                                                   \
			_each[_i].setup_func = each_start;                                         \
			_each[_i].teardown_func = each_stop;                                       \
		}                                                                                  \
		cmocka_run_group_tests(_each, NULL, NULL);                                         \
	})

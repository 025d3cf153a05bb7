/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reason.h"

#include "egret/abi.h"

const char *reason_name(uint32_t reason)
{
	static const char *const names[EG_REASON_COUNT] = {
#define X(name, status, error, text) [EG_REASON_##name] = #name,
		EG_REASONS(X)
#undef X
	};

	return reason < EG_REASON_COUNT ? names[reason] : "unknown";
}

const char *hook_name(uint32_t hook)
{
	static const char *const names[EG_HOOK_COUNT] = {
#define X(name, text) [EG_HOOK_##name] = text,
		EG_HOOKS(X)
#undef X
	};

	return hook < EG_HOOK_COUNT ? names[hook] : "unknown";
}

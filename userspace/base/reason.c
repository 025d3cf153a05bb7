/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reason.h"

#include "egret/abi.h"

static const struct {
	const char *name, *text;
	unsigned status;
} reasons[EG_REASON_COUNT] = {
#define X(name, status, error, text) [EG_REASON_##name] = { #name, text, status },
	EG_REASONS(X)
#undef X
};

const char *reason_name(uint32_t reason)
{
	return reason < EG_REASON_COUNT ? reasons[reason].name : "unknown";
}

const char *reason_text(uint32_t reason)
{
	return reason < EG_REASON_COUNT ? reasons[reason].text : "";
}

unsigned reason_status(uint32_t reason)
{
	return reason < EG_REASON_COUNT ? reasons[reason].status : 0;
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

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a hook returns. The only place that allows: every other function ends in one of these.
 * A refusal counts, and sets the errno that reasons.h gives for its reason.
 */
#pragma once

#include "lib/count.h"

enum verdict {
	VERDICT_REFUSE = 0,
	VERDICT_PASS = 1,
	VERDICT_REDIRECT = 2, /* of decide.h: the hook rewrites, then allows */
};

static __always_inline int verdict_errno(enum eg_reason reason)
{
	switch (reason) {
#define X(name, status, error, text)                                                               \
	case EG_REASON_##name:                                                                     \
		return error ? error : ERR_EPERM;
		EG_REASONS(X)
#undef X
	default:
		return ERR_EPERM;
	}
}

static __always_inline int verdict_allow(void)
{
	return VERDICT_PASS;
}

/* Allowed, and of interest: redirects, hand-overs. */
static __always_inline int verdict_allow_counted(enum eg_hook hook)
{
	count_reason(hook, EG_REASON_allowed);
	return VERDICT_PASS;
}

static __always_inline int verdict_refuse(enum eg_hook hook, enum eg_reason reason)
{
	count_reason(hook, reason);
	bpf_set_retval(-verdict_errno(reason));
	return VERDICT_REFUSE;
}

/* For hooks without bpf_set_retval(): the kernel makes it EPERM. */
static __always_inline int verdict_drop(enum eg_hook hook, enum eg_reason reason)
{
	count_reason(hook, reason);
	return VERDICT_REFUSE;
}

/* Not now: the kernel keeps the bytes and comes again with more of them. No denial yet. */
static __always_inline int verdict_hold(void)
{
	return VERDICT_REFUSE;
}

/* Of tcx programs (linux/bpf.h enum tcx_action_base, absent before Linux 6.6). */
#define VERDICT_FRAME_NEXT (-1)
#define VERDICT_FRAME_DROP 2

/* Whatever comes after us decides: a frame that is none of ours. */
static __always_inline int verdict_next_frame(void)
{
	return VERDICT_FRAME_NEXT;
}

static __always_inline int verdict_drop_frame(enum eg_hook hook, enum eg_reason reason)
{
	count_reason(hook, reason);
	return VERDICT_FRAME_DROP;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF. */
#pragma once

#include "base/slice.h"

/* Length of the sequence that s begins with (1..4), 0: it begins with none. s is not empty. */
size_t utf8_length(struct slice s);
/* How many bytes from the start are whole, valid sequences. Fast where most is ASCII. */
size_t utf8_valid_prefix(struct slice s);
/* Valid, and without C0, DEL or C1 control characters: fit to be shown, logged and compared. */
bool utf8_is_text(struct slice s);
/* Equal to a reader that ignores case: ASCII letters, and the two beyond ASCII that fold into one
 * (U+017F into s, U+212A into k). `plain` is ASCII. */
bool utf8_same_but_case(struct slice s, struct slice plain);

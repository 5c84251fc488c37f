/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

/* "Did you mean …?": the known word that is fewest edits away from a mistyped one.  Used for
 * options on command lines and for keys in configuration files. */

#include "base/base.h"

/* The nearest of 'n' words (NULL ones are skipped) to 'word'; NULL when none is near. */
const char *nearest_word(const char *word, const char *const *words, size_t n);

#endif

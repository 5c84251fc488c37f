/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

enum { WORD_MAX = 64 };

/* The number of edits that turn 'a' into 'b', at most WORD_MAX bytes long. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t n = strlen(b);

    if (n > WORD_MAX || strlen(a) > WORD_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);

            diagonal = row[j];
            row[j] = MIN(replace, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t best_distance = MAX(strlen(word) / 3, (size_t) 2) + 1;

    for (size_t i = 0; i < n; i++) {
        size_t d = words[i] ? edit_distance(word, words[i]) : SIZE_MAX;

        if (d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

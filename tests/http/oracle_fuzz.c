/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message ours;
    struct message theirs;

    oracle_ours(&ours, data, size);
    oracle_llhttp(&theirs, data, size);
    ASSERT(oracle_compare(&ours, &theirs) == NULL);
    oracle_free(&ours);
    oracle_free(&theirs);
    return 0;
}

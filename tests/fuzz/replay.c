/* SPDX-License-Identifier: Apache-2.0 */
/* A main for the fuzzers in builds without libFuzzer: gives each file of the named directories to
 * LLVMFuzzerTestOneInput() once, so that an input that broke us before is tried by every build. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
    static uint8_t data[1 << 20];

    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    /* A copy of the exact size lets AddressSanitizer see a read past the end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        abort();
    }
    for (size_t i = 0; i < size; i++) {
        exact[i] = data[i];
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    unsigned n_files = 0;

    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int n_entries = scandir(argv[i], &entries, NULL, alphasort);
        if (n_entries < 0) {
            perror(argv[i]);
            return 1;
        }
        for (int j = 0; j < n_entries; j++) {
            char path[4096];
            if (entries[j]->d_name[0] != '.') {
                snprintf(path, sizeof(path), "%s/%s", argv[i], entries[j]->d_name);
                replay_file(path);
                n_files++;
            }
            free(entries[j]);
        }
        free(entries);
    }
    printf("%u inputs replayed\n", n_files);
    return n_files ? 0 : 1; /* An empty corpus tests nothing. */
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/serve.h"
#include "spec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written and read again: it must be the same.  Then it is judged as a Serve
 * document, and both texts about it are made. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_places *places = yaml_places_new();
    struct spec_report report;
    struct buf b;
    json_t *document = NULL;
    json_t *again = NULL;
    json_t *parsed;

    spec_report_init(&report);
    buf_init(&b);
    if (yaml_parse((struct span){(const char *) data, size}, &document, places, NULL) == 0) {
        yaml_write(document, 0, &b);
        ASSERT(yaml_parse(buf_span(&b), &again, NULL, NULL) == 0);
        ASSERT(json_equal(document, again));
        parsed = spec_serve_parse(document, &report);
        free(spec_serve_error(&report));
        json_decref(parsed);
    }
    json_decref(document);
    json_decref(again);
    buf_deinit(&b);
    spec_report_deinit(&report);
    yaml_places_free(places);
    return 0;
}

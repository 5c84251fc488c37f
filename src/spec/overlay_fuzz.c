/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/diff.h"
#include "spec/field.h"
#include "spec/overlay.h"
#include "spec/serve.h"
#include "spec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that is made of an application once it is laid together. */
static void use(const struct app_spec *a, const struct app_spec *b)
{
    for (size_t i = 0; i < a->n_deployments; i++) {
        const struct deployment_spec *d = &a->deployments[i];

        ASSERT(deployment_initial_replicas(d) >= 0);
        ASSERT(deployment_diff(d, &b->deployments[i]) == CHANGE_NONE);
        json_decref(deployment_replica_config(d));
        json_decref(deployment_replica_resources(d));
    }
}

/* The text is {"artefact": …, "config": …}: what a build says, and what a user asked for.  Laid
 * together twice, the same must come out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec_report report;
    struct app_spec *a = NULL;
    struct app_spec *b = NULL;
    struct err err;
    json_t *document = NULL;
    json_t *config = NULL;

    spec_report_init(&report);
    if (json_parse((struct span){(const char *) data, size}, &document, NULL) == 0) {
        const json_t *given = json_object_get(document, "config");

        config = given ? spec_part_parse(SCHEMA_APPLICATION, given, &report) : NULL;
    }
    if (config) {
        const json_t *artefact = json_object_get(document, "artefact");

        free(app_build_key(config));
        if (app_spec_new(artefact, config, &a, &err) == 0 &&
            app_spec_new(artefact, config, &b, &err) == 0) {
            use(a, b);
        }
    }
    app_spec_free(a);
    app_spec_free(b);
    json_decref(config);
    json_decref(document);
    spec_report_deinit(&report);
    return 0;
}

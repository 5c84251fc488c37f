/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/json.h"
#include "spec/overlay_priv.h"
#include "spec/repr.h"

enum { MAX_REPLICAS_PER_NODE = 100 };

static const char *const strategies[] = {"SPREAD", "PACK", "STRICT_PACK", "STRICT_SPREAD"};

int64_t resource_from_double(double amount)
{
    double units = amount * RESOURCE_UNIT + 0.5;

    return amount >= 0 && units < 0x1p62 ? (int64_t) units : -1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct resource *) a)->name, ((const struct resource *) b)->name);
}

static int read_resources(struct deployment_spec *d, struct err *err)
{
    const char *name;
    json_t *value;

    d->resources = mem_alloc(json_object_size(d->required_resources) * sizeof(*d->resources));
    json_object_foreach(d->required_resources, name, value)
    {
        int64_t amount =
            json_is_number(value) ? resource_from_double(json_number_value(value)) : -1;

        if (amount < 0) {
            return err_set(err, -EINVAL,
                           "Deployment '%s': the amount of resource '%s' must be a number that is "
                           "not negative.",
                           d->name, name);
        }
        if (amount > 0) {
            d->resources[d->n_resources++] = (struct resource){mem_strdup(name), amount};
        }
    }
    qsort(d->resources, d->n_resources, sizeof(*d->resources), compare_names);
    return 0;
}

/* The first bundle holds the replica itself; 'option' is how the user asked for 'amount'. */
static int check_fits(const json_t *bundle, const char *name, const char *option,
                      const json_t *amount, struct err *err)
{
    const json_t *has = json_object_get(bundle, name);
    struct buf want;
    struct buf got;

    if (!json_is_number(amount) || json_number_value(amount) <= json_number_value(has)) {
        return 0;
    }
    buf_init(&want);
    buf_init(&got);
    repr_value(amount, &want);
    buf_put_str(&got, has ? "" : "0");
    if (has) {
        repr_value(has, &got);
    }
    err_set(err, -EINVAL,
            "When using `placement_group_bundles`, the replica actor will be placed in the first "
            "bundle, so the resource requirements for the actor must be a subset of the first "
            "bundle. `%s`%s for the actor is %s, but the bundle only has %s `%s` specified.",
            option, strcmp(option, name) == 0 ? " requirement" : "", buf_cstr(&want),
            buf_cstr(&got), name);
    buf_deinit(&want);
    buf_deinit(&got);
    return -EINVAL;
}

static int check_first_bundle(const struct deployment_spec *d, const json_t *bundle,
                              struct err *err)
{
    const json_t *custom =
        json_object_get(json_object_get(d->effective, "ray_actor_options"), "resources");
    const char *name;
    json_t *amount;
    int r =
        check_fits(bundle, "CPU", "num_cpus", json_object_get(d->required_resources, "CPU"), err);

    if (r == 0) {
        r = check_fits(bundle, "GPU", "num_gpus", json_object_get(d->required_resources, "GPU"),
                       err);
    }
    json_object_foreach(json_unconst(custom), name, amount)
    {
        if (r == 0) {
            r = check_fits(bundle, name, name, amount, err);
        }
    }
    return r;
}

static bool is_empty_bundle(const json_t *bundle)
{
    const char *name;
    json_t *amount;

    json_object_foreach(json_unconst(bundle), name, amount)
    {
        if (json_number_value(amount) != 0) {
            return false;
        }
    }
    return true;
}

static int check_bundles(const struct deployment_spec *d, const json_t *bundles, struct err *err)
{
    size_t n = json_array_size(bundles);

    if (n == 0) {
        return err_set(err, -EINVAL,
                       "Bundles must be a non-empty list of resource dictionaries. For example: "
                       "`[{\"CPU\": 1.0}, {\"GPU\": 1.0}]`. Got empty list instead.");
    }
    for (size_t i = 0; i < n; i++) {
        struct buf text;

        if (!is_empty_bundle(json_array_get(bundles, i))) {
            continue;
        }
        buf_init(&text);
        repr_value(bundles, &text);
        err_set(err, -EINVAL,
                "Bundles cannot be an empty dictionary or resources with only 0 values. Bundles: "
                "%s",
                buf_cstr(&text));
        buf_deinit(&text);
        return -EINVAL;
    }
    return check_first_bundle(d, json_array_get(bundles, 0), err);
}

static int check_strategy(const char *strategy, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(strategies); i++) {
        if (strcmp(strategy, strategies[i]) == 0) {
            return 0;
        }
    }
    return err_set(err, -EINVAL,
                   "Invalid placement group strategy %s. Supported strategies are: "
                   "{'SPREAD', 'PACK', 'STRICT_PACK', 'STRICT_SPREAD'}.",
                   strategy);
}

static int read_bundles(struct deployment_spec *d, struct err *err)
{
    const json_t *bundles = json_object_get(d->effective, "placement_group_bundles");
    const char *strategy =
        json_string_value(json_object_get(d->effective, "placement_group_strategy"));
    int r = 0;

    if (strategy && !bundles) {
        return err_set(err, -EINVAL,
                       "If `placement_group_strategy` is provided, `placement_group_bundles` must "
                       "also be provided.");
    }
    d->placement_strategy = mem_strdup(strategy ? strategy : "PACK");
    if (bundles) {
        r = check_strategy(d->placement_strategy, err);
        if (r == 0) {
            r = check_bundles(d, bundles, err);
        }
        d->bundles = json_deep_copy(bundles);
    }
    return r;
}

int deployment_place(struct deployment_spec *d, struct err *err)
{
    const json_t *per_node = json_object_get(d->effective, "max_replicas_per_node");
    int r = read_resources(d, err);

    if (r == 0) {
        r = read_bundles(d, err);
    }
    if (r < 0 || !per_node) {
        return r;
    }
    d->max_replicas_per_node = json_integer_value(per_node);
    if (d->max_replicas_per_node < 1 || d->max_replicas_per_node > MAX_REPLICAS_PER_NODE) {
        return err_set(err, -EINVAL,
                       "Invalid max_replicas_per_node %lld. Valid values are None or an integer in "
                       "the range of [1, %d].",
                       (long long) d->max_replicas_per_node, MAX_REPLICAS_PER_NODE);
    }
    if (d->bundles) {
        return err_set(err, -EINVAL,
                       "Setting max_replicas_per_node is not allowed when placement_group_bundles "
                       "is provided.");
    }
    return 0;
}

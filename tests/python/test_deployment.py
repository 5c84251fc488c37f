# SPDX-License-Identifier: Apache-2.0
"""`@serve.deployment`: every option's rule and text, as Ray Serve 2.53 has them."""

import pytest
from model_service import api, options
from model_service.deployment import Application, Deployment, deployment
from model_service.exceptions import RayServeException
from pydantic import ValidationError


def function():
    return 1


class Class:
    pass


@pytest.mark.parametrize(
    ("error", "text", "given"),
    [
        (ValueError, "num_replicas is expected to larger than 0", {"num_replicas": 0}),
        (ValidationError, "greater than or equal to 0", {"num_replicas": -1}),
        (ValidationError, "value is not a valid integer", {"num_replicas": "x"}),
        (ValueError, "Manually setting num_replicas is not allowed", {"num_replicas": 2, "autoscaling_config": {}}),
        (ValueError, "`max_ongoing_requests` must be non-null, got None.", {"max_ongoing_requests": None}),
        (ValidationError, "greater than 0", {"max_ongoing_requests": 0}),
        (ValidationError, "must be -1 \\(no limit\\) or a positive integer", {"max_queued_requests": 0}),
        (ValidationError, "none is not an allowed value", {"max_queued_requests": None}),
        (ValidationError, "user_config is not JSON-serializable", {"user_config": object()}),
        (ValidationError, "greater than or equal to 0", {"graceful_shutdown_wait_loop_s": -1}),
        (ValidationError, "greater than 0", {"health_check_period_s": 0}),
        (ValidationError, "none is not an allowed value", {"health_check_timeout_s": None}),
        (ValueError, "Specifying 'foo' in ray_actor_options is not allowed", {"ray_actor_options": {"foo": 1}}),
        (TypeError, "Expected a dictionary", {"ray_actor_options": []}),
        (ValueError, "num_cpus cannot be negative", {"ray_actor_options": {"num_cpus": -1}}),
        (TypeError, "The type of keyword 'num_gpus'", {"ray_actor_options": {"num_gpus": "a"}}),
        (ValueError, "Invalid max_replicas_per_node 101", {"max_replicas_per_node": 101}),
        (TypeError, "for max_replicas_per_node", {"max_replicas_per_node": "a"}),
        (ValueError, "placement_group_bundles is provided",
         {"max_replicas_per_node": 1, "placement_group_bundles": [{"CPU": 1}]}),
        (ValueError, "`placement_group_bundles` must also be provided", {"placement_group_strategy": "PACK"}),
        (ValueError, "only has 0.5 `CPU`", {"placement_group_bundles": [{"CPU": 0.5}]}),
        (ValueError, "Got empty list", {"placement_group_bundles": []}),
        (ValueError, "can no longer be specified at the deployment level", {"route_prefix": "/a"}),
        (TypeError, "version must be a string", {"version": 3}),
        (TypeError, "name must be a string", {"name": 3}),
        (ValidationError, "log_level must be one of", {"logging_config": {"log_level": "foo"}}),
        (ValidationError, "max_replicas \\(1\\) must be greater than or equal to min_replicas \\(3\\)",
         {"autoscaling_config": {"min_replicas": 3, "max_replicas": 1}}),
        (ValidationError, "initial_replicas \\(300\\)",
         {"num_replicas": "auto", "autoscaling_config": {"initial_replicas": 300}}),
        (ValidationError, "greater than 0", {"max_constructor_retry_count": 0}),
        (TypeError, "unexpected keyword argument 'nonsense'", {"nonsense": 1}),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused(error, text, given):
    with pytest.raises(error, match=text):
        deployment(**given)(function)


@pytest.mark.parametrize(
    "given",
    [{"num_replicas": "3"}, {"num_replicas": None}, {"max_queued_requests": "5"}, {"user_config": [1]},
     {"ray_actor_options": None}, {"version": "1"}, {"autoscaling_config": {"unknown": 1}},
     {"num_replicas": "auto", "autoscaling_config": {"min_replicas": 0, "max_replicas": 8}}],
)  # fmt: skip
def test_what_ray_lets_pass_passes_here(given):
    assert isinstance(deployment(**given)(function), Deployment)


def test_unset_differs_from_given_and_defaults_show():
    bare, named = deployment(Class), deployment("other", max_queued_requests=-1)(Class)
    assert (bare.name, named.name) == ("Class", "other")
    assert bare.user_configured_option_names == set()
    assert named.user_configured_option_names == {"max_queued_requests"}
    assert (bare.num_replicas, bare.max_ongoing_requests, bare.max_queued_requests) == (1, 5, -1)
    assert bare.ray_actor_options == {"num_cpus": 1}
    assert deployment(ray_actor_options={"num_gpus": 1})(Class).ray_actor_options == {
        "num_gpus": 1,
        "num_cpus": 1,
    }
    assert options.for_artefact(named._options) == {"max_queued_requests": -1}


def test_options_copies_and_leaves_the_original_alone():
    first = deployment(num_replicas=2)(Class)
    second = first.options(name="second", max_ongoing_requests=9, num_replicas="auto")
    assert (first.name, first.num_replicas, first.max_ongoing_requests) == ("Class", 2, 5)
    assert (second.name, second.max_ongoing_requests) == ("second", 9)
    assert first == deployment(num_replicas=2)(Class) and first != second
    with pytest.raises(ValueError, match="can no longer be specified"):
        first.options(route_prefix="/x")


def test_only_the_decorator_makes_deployments_and_they_are_not_called():
    with pytest.raises(RuntimeError, match="should not be called directly"):
        Deployment("a", Class, {})
    with pytest.raises(RuntimeError, match="cannot be constructed directly"):
        deployment(Class)()
    with pytest.raises(TypeError, match="must be called on a class or function"):
        deployment()(3)
    assert str(deployment(Class)) == "Deployment(name=Class)"


def test_an_application_is_opaque_and_functions_take_no_arguments():
    app = deployment(Class).bind(1)
    assert isinstance(app, Application)
    with pytest.raises(AttributeError, match="'Application' object has no attribute 'remote'"):
        app.remote()
    with pytest.raises(ValueError, match="init_args not supported for function deployments."):
        deployment(function).bind(1)


@pytest.mark.parametrize(
    ("error", "text", "target", "given"),
    [
        (TypeError, "expects an `Application`", "x", {}),
        (TypeError, "expects an `Application`", Class, {}),
        (RayServeException, "must a non-empty string", None, {"name": ""}),
        (ValueError, "must start with a forward slash", None, {"route_prefix": "a"}),
        (ValueError, "may not end with a trailing '/'", None, {"route_prefix": "/a/"}),
        (ValueError, "may not contain wildcards", None, {"route_prefix": "/{a}"}),
    ],
)
def test_run_refuses_before_it_connects(error, text, target, given):
    with pytest.raises(error, match=text):
        api.run(target or deployment(Class).bind(), **given)


def test_run_many_wants_applications_and_start_no_old_options():
    with pytest.raises(ValueError, match="No applications provided."):
        api.run_many([])
    with pytest.raises(ValueError, match="http_host is deprecated"):
        api.start(http_host="a")
    with pytest.raises(ValidationError):
        api.start(http_options={"port": "x"})

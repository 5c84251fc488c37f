# SPDX-License-Identifier: Apache-2.0
"""Autoscaling policies."""

from model_service.private import _calculate_desired_num_replicas, default_autoscaling_policy

replica_queue_length_autoscaling_policy = default_autoscaling_policy

__all__ = [
    "_calculate_desired_num_replicas",
    "default_autoscaling_policy",
    "replica_queue_length_autoscaling_policy",
]

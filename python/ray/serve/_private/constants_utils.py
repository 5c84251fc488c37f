# SPDX-License-Identifier: Apache-2.0
"""Environment variables."""

from model_service.private import (
    _validate_name,
    get_env_bool,
    get_env_float,
    get_env_float_non_negative,
    get_env_float_positive,
    get_env_int,
    get_env_int_non_negative,
    get_env_int_positive,
    get_env_str,
    parse_latency_buckets,
    str_to_list,
)

__all__ = [
    "_validate_name",
    "get_env_bool",
    "get_env_float",
    "get_env_float_non_negative",
    "get_env_float_positive",
    "get_env_int",
    "get_env_int_non_negative",
    "get_env_int_positive",
    "get_env_str",
    "parse_latency_buckets",
    "str_to_list",
]

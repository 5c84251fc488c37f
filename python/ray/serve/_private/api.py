# SPDX-License-Identifier: Apache-2.0
"""Builders."""

from model_service.build import call_builder as call_user_app_builder_with_args_if_necessary

__all__ = ["call_user_app_builder_with_args_if_necessary"]

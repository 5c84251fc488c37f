# SPDX-License-Identifier: Apache-2.0
"""The command line's functions."""

from model_service.cli import _arguments as convert_args_to_dict
from model_service.cli import make_config as build
from model_service.private import not_here as deploy

__all__ = ["build", "convert_args_to_dict", "deploy"]

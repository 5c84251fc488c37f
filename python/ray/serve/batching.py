# SPDX-License-Identifier: Apache-2.0
"""Batching."""

from model_service.batch import _BatchQueue, _RuntimeSummaryStatistics, batch

__all__ = ["_BatchQueue", "_RuntimeSummaryStatistics", "batch"]

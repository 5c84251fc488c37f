# SPDX-License-Identifier: Apache-2.0
"""User metrics."""

from model_service.metrics import Counter, Gauge, Histogram, Metric

__all__ = ["Counter", "Gauge", "Histogram", "Metric"]

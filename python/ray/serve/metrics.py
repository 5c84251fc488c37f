# SPDX-License-Identifier: Apache-2.0
"""User metrics with a replica's tags."""

from model_service.metrics import ServeCounter as Counter
from model_service.metrics import ServeGauge as Gauge
from model_service.metrics import ServeHistogram as Histogram

__all__ = ["Counter", "Gauge", "Histogram"]

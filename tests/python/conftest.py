# SPDX-License-Identifier: Apache-2.0
"""Every test gets a process that is no replica and runs nothing locally."""

import pytest
from model_service import context, local


@pytest.fixture(autouse=True)
def clean_process():
    yield
    local.shutdown()
    context.set_replica_context(None)

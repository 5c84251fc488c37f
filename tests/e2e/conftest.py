# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: `instance` for a test of its own, `shared` for those of one file together."""

import signal
from collections.abc import Iterator

import pytest
from instance import Instance, running

# A shell that runs the tests in its background lets them, and so what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def instance() -> Iterator[Instance]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[Instance]:
    with running() as started:
        yield started

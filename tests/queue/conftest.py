"""Twins: a test that takes `queue` runs on the stdlib's module and on ours."""

from __future__ import annotations

import queue as stdlib
import sys
from typing import TYPE_CHECKING

import pytest

from ropewalk import queue as ours

if TYPE_CHECKING:
    from types import ModuleType

TWINS: dict[str, ModuleType] = {"stdlib": stdlib, "ropewalk": ours}


@pytest.fixture(params=TWINS)
def queue(request: pytest.FixtureRequest) -> ModuleType:
    """The module under test."""
    return TWINS[request.param]


@pytest.fixture
def queue_with_shutdown(queue: ModuleType) -> ModuleType:
    """The module under test, where it has `Queue.shutdown`: ours on every version."""
    if queue is stdlib and sys.version_info < (3, 13):
        pytest.skip("Queue.shutdown came with Python 3.13")
    return queue

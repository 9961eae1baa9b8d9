"""Twins: a test that takes `threading` runs on the stdlib's module and on ours."""

from __future__ import annotations

import threading as stdlib
from typing import TYPE_CHECKING

import pytest

from ropewalk import threading as ours

if TYPE_CHECKING:
    from types import ModuleType

TWINS: dict[str, ModuleType] = {"stdlib": stdlib, "ropewalk": ours}


@pytest.fixture(params=TWINS)
def threading(request: pytest.FixtureRequest) -> ModuleType:
    """The module under test."""
    return TWINS[request.param]

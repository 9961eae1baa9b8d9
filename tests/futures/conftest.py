"""Twins: a test that takes `futures` runs on the stdlib's package and on ours."""

from __future__ import annotations

import concurrent.futures as stdlib
from typing import TYPE_CHECKING

import pytest

from ropewalk.concurrent import futures as ours

if TYPE_CHECKING:
    from types import ModuleType

TWINS: dict[str, ModuleType] = {"stdlib": stdlib, "ropewalk": ours}


@pytest.fixture(params=TWINS)
def futures(request: pytest.FixtureRequest) -> ModuleType:
    """The package under test."""
    return TWINS[request.param]

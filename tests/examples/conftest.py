"""The fixtures that run an example."""

import subprocess
from typing import Protocol

import pytest

from tests.examples.programs import EXAMPLES, RUNNERS, Outcome, run_under, start_under


class Run(Protocol):
    def __call__(self, example: str) -> Outcome: ...


class Start(Protocol):
    def __call__(self, example: str) -> subprocess.Popen[str]: ...


@pytest.fixture(params=list(RUNNERS))
def run(request: pytest.FixtureRequest) -> Run:
    """Run an example that must end well and silently: exit code 0, nothing on stderr."""

    def run(example: str) -> Outcome:
        outcome = run_under(request.param, EXAMPLES / "python" / example)
        assert outcome.code == 0, outcome.errors
        assert outcome.errors == ""
        return outcome

    return run


@pytest.fixture
def run_ropewalk() -> Run:
    """Run an example under Ropewalk; how it ends is for the test to say."""

    def run(example: str) -> Outcome:
        return run_under("ropewalk", EXAMPLES / "python" / example)

    return run


@pytest.fixture
def start_stock() -> Start:
    """Start an example on the stdlib that does not end by itself; the caller kills it."""

    def start(example: str) -> subprocess.Popen[str]:
        return start_under("stock", EXAMPLES / "python" / example)

    return start

"""Uncaught exceptions of threads."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType


def fail() -> None:
    raise ValueError("of the thread")


def run(threading: ModuleType, target: Any = fail) -> Any:
    thread = threading.Thread(target=target, name="failing")
    thread.start()
    thread.join()
    return thread


def test_default_hook_prints(threading: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    # pytest puts its own hook into the stdlib's.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", threading.__excepthook__)
        run(threading)
    errors = capsys.readouterr().err
    assert errors.startswith("Exception in thread failing:\nTraceback (most recent call last):\n")
    assert errors.endswith("ValueError: of the thread\n")


def test_own_hook(threading: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", got.append)
    thread = run(threading)
    (args,) = got
    assert isinstance(args, threading.ExceptHookArgs)
    assert args.exc_type is ValueError
    assert str(args.exc_value) == "of the thread"
    assert args.thread is thread
    assert traceback.extract_tb(args.exc_traceback)[-1].name == "fail"
    args = None
    got.clear()


def test_our_traceback_begins_with_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from ropewalk import threading

    got: list[tuple[list[str], list[str]]] = []

    def hook(args: Any) -> None:
        traced = [args.exc_traceback, args.exc_value.__traceback__]
        first, second = ([frame.name for frame in traceback.extract_tb(it)] for it in traced)
        got.append((first, second))

    monkeypatch.setattr(threading, "excepthook", hook)
    run(threading)
    assert got == [(["fail"], ["fail"])]


def test_exit_of_a_thread_is_silent(
    threading: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    run(threading, sys.exit)
    assert capsys.readouterr().err == ""


def test_hook_that_fails(
    threading: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(_: object) -> None:
        raise TypeError("of the hook")

    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", hook)
    monkeypatch.setattr(sys, "excepthook", lambda *it: seen.append(it[0]))
    run(threading)
    assert capsys.readouterr().err == "Exception in threading.excepthook:\n"
    assert seen == [TypeError]


def test_hook_taken_away(
    threading: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sets it to None after the thread was made gets the original one."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    thread = threading.Thread(target=fail)
    monkeypatch.setattr(threading, "excepthook", None)
    thread.start()
    thread.join()
    assert "ValueError: of the thread" in capsys.readouterr().err

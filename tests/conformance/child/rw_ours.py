"""Whose threading and queue does a test get here? Run on both sides, and each must be itself.

Without this a run under Ropewalk could test the standard library and say that all is well. The
driver asks the same question again at the start of each test, and of the classes that the test
files name as under test.
"""

# ruff: noqa: PT009, PT027 - a test for unittest: the interpreters that run it have no pytest
from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import textwrap
import unittest

import rw_identity

EXPECTED = rw_identity.OURS if "ropewalk" in sys.modules else rw_identity.STOCK
HERE = os.path.dirname(os.path.abspath(rw_identity.__file__))
ASK = (
    f"import sys; sys.path.append({HERE!r}); import rw_identity; print(rw_identity.classify_live())"
)


class OursTest(unittest.TestCase):
    maxDiff = None

    def check(self, found: dict[str, str], at_least: int) -> None:
        self.assertGreaterEqual(len(found), at_least, found)
        wrong = {name: whose for name, whose in found.items() if whose != EXPECTED}
        self.assertEqual(wrong, {}, f"expected {EXPECTED}")

    def test_side_is_as_asked(self) -> None:
        side = rw_identity.SIDE
        self.assertEqual(EXPECTED, rw_identity.STOCK if side == "stock" else rw_identity.OURS)

    def test_names_of_the_four_modules(self) -> None:
        self.check(rw_identity.classify_live(), 20)

    def test_objects_that_factories_make(self) -> None:
        import _thread
        import concurrent.futures
        import queue
        import threading

        made = [
            threading.Lock(), threading.RLock(), threading.Condition(), threading.Semaphore(),
            threading.Event(), threading.BoundedSemaphore(), threading.Barrier(1),
            threading.Thread(), threading.Timer(1, len), _thread.allocate_lock(), queue.Queue(),
            queue.LifoQueue(), queue.PriorityQueue(), queue.SimpleQueue(),
            concurrent.futures.Future(), concurrent.futures.ThreadPoolExecutor(),
        ]  # fmt: skip
        self.check(
            {repr(thing): rw_identity.classify_class(type(thing)) for thing in made}, len(made)
        )

    def test_queue_imported_afresh(self) -> None:
        helper = importlib.import_module("test.support.import_helper")
        for options in ({"blocked": ["_queue"]}, {"fresh": ["_queue"]}):
            with self.subTest(**options):
                fresh = helper.import_fresh_module("queue", **options)
                self.check(
                    rw_identity.classify_module(fresh, ("Queue", "LifoQueue", "PriorityQueue")), 3
                )
                self.check(rw_identity.classify_module(fresh, ("SimpleQueue",)), 1)
                for name in ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"):
                    with self.assertRaises(fresh.Empty, msg=name):
                        getattr(fresh, name)().get(block=False)
                with self.assertRaises(fresh.Full):
                    full = fresh.Queue(1)
                    full.put(1)
                    full.put(2, block=False)

    def test_children(self) -> None:
        assert_python_ok = importlib.import_module("test.support.script_helper").assert_python_ok
        answers = {}
        for flags in ([], ["-E"], ["-I"]):
            command = [sys.executable, *flags, "-c", ASK]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            answers[" ".join(["python", *flags])] = done.stdout
        answers["assert_python_ok"] = assert_python_ok("-c", ASK)[1].decode()
        code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-c', {ASK!r}])"
        answers["a child's child"] = assert_python_ok("-c", code)[1].decode()
        for how, text in answers.items():
            with self.subTest(how=how):
                self.check(ast.literal_eval(text), 20)

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_forked_child(self) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writing, repr(rw_identity.classify_live()).encode())
            os._exit(0)
        os.close(writing)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        with open(reading, encoding="utf-8") as pipe:
            self.check(ast.literal_eval(pipe.read()), 20)

    @unittest.skipUnless(
        hasattr(sys, "monitoring"), "sys.monitoring counts calls of classes from 3.12 on"
    )
    def test_what_the_lock_tests_make_is_counted(self) -> None:
        """Run CPython's lock tests in a child and count the objects that they construct."""
        assert_python_ok = importlib.import_module("test.support.script_helper").assert_python_ok
        code = textwrap.dedent(f"""
            import sys; sys.path.append({HERE!r})
            import collections, rw_identity, unittest
            from test import test_thread
            made = collections.Counter()
            def called(code, offset, function, argument):
                if isinstance(function, type):
                    made[rw_identity.classify_class(function)] += 1
            sys.monitoring.use_tool_id(4, "count")
            sys.monitoring.register_callback(4, sys.monitoring.events.CALL, called)
            import _thread, threading
            tests = unittest.TestLoader().loadTestsFromName("test.test_threading.SemaphoreTests")
            sys.monitoring.set_events(4, sys.monitoring.events.CALL)
            outcome = unittest.TestResult()
            tests.run(outcome)
            sys.monitoring.set_events(4, 0)
            print(dict(made, tests=outcome.testsRun))
        """)
        found = ast.literal_eval(assert_python_ok("-c", code)[1].decode().splitlines()[-1])
        self.assertGreater(found["tests"], 5)
        self.assertGreater(found.get(EXPECTED, 0), found["tests"], found)
        other = {rw_identity.OURS, rw_identity.STOCK} - {EXPECTED}
        self.assertEqual({name: found[name] for name in other if name in found}, {})

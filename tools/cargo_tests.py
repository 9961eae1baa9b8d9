"""Runs `cargo test` with the arguments given and fails if no test was run.

    python -m tools.cargo_tests [arguments for cargo test]

cargo itself succeeds when a filter or a `cfg` leaves nothing to run: a mode that is switched
off by accident would pass for ever.
"""

from __future__ import annotations

import re
import subprocess
import sys

_RESULT = re.compile(r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed;")


def main() -> None:
    command = ["cargo", "test", *sys.argv[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        passed = failed = 0
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if result := _RESULT.match(line):
                passed += int(result[1])
                failed += int(result[2])
    name = " ".join(command)
    print(f"{name}: {passed} passed, {failed} failed", flush=True)
    if process.returncode != 0:
        sys.exit(f"failed with exit status {process.returncode}: {name}")
    if passed == 0:
        sys.exit(f"no test was run: {name}")


if __name__ == "__main__":
    main()

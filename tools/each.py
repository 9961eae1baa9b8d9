"""Runs Python with the same arguments in each environment that `make setup` has made.

    python -m tools.each [--only X.Y]... -- arguments for python

`{name}` in an argument stands for the version, such as 3.13. All are run, also after one failed;
the exit status is 0 if none did.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time

from tools.environments import ROOT, existing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="X.Y", help="with this one (repeatable)")
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    environments = existing()
    if options.only:
        environments = [it for it in environments if it.name in options.only]
    missing = set(options.only or ()) - {it.name for it in environments}
    if missing or not environments:
        sys.exit(f"no environment for {', '.join(sorted(missing)) or 'any Python'}: `make setup`")
    # A job in the background starts with SIGINT ignored, and what it starts inherits that: then
    # Ctrl-C, which the tests are about too, would do nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failed = []
    for environment in environments:
        arguments = [it.replace("{name}", environment.name) for it in options.arguments]
        print(f"--- Python {environment.name}: {' '.join(arguments)}", flush=True)
        started = time.monotonic()
        done = subprocess.run([environment.python, *arguments], cwd=ROOT, check=False)
        print(f"--- Python {environment.name}: {time.monotonic() - started:.0f} s", flush=True)
        if done.returncode != 0:
            failed.append(environment.name)
    names = ", ".join(environment.name for environment in environments)
    if failed:
        sys.exit(f"failed with Python {', '.join(failed)} (of {names})")
    print(f"done with Python {names}")


if __name__ == "__main__":
    main()

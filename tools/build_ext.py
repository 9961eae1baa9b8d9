"""`make build`: builds the extension module and installs the package into each environment.

    python -m tools.build_ext [--default-only]

The install is editable, so that a change to a `.py` file is there at once; only a change to
what the extension is made from builds anew. Each interpreter has its own folder under target/:
PyO3 compiles for one version, and a shared folder would build everything again at each switch.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tools.environments import ROOT, Environment, existing, only_one, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def inputs(root: Path) -> Iterator[Path]:
    """The files that the extension and its installation are made from."""
    yield from (root / name for name in ("Cargo.toml", "Cargo.lock", "pyproject.toml"))
    for crate in ("ropewalk", "ropewalk-py"):
        yield root / "crates" / crate / "Cargo.toml"
        yield from sorted((root / "crates" / crate / "src").rglob("*.rs"))
    yield from sorted((root / "python" / "ropewalk.data").rglob("*.pth"))


def fingerprint(root: Path) -> str:
    """Changes when an input changes, or the folder's place, which an editable install notes."""
    state = hashlib.sha256(f"{root}\0{os.environ.get('RUSTFLAGS')}\0".encode())
    for path in inputs(root):
        content = path.read_bytes()
        state.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()


def extension_file(environment: Environment) -> Path:
    """Where the extension lies when it is built: each interpreter has its own suffix."""
    ask = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"
    done = subprocess.run(
        [environment.python, "-I", "-c", ask], stdout=subprocess.PIPE, text=True, check=True
    )
    return ROOT / "python" / "ropewalk" / f"_ropewalk{done.stdout.strip()}"


def build(environment: Environment, maturin: list[str | Path]) -> None:
    """Builds for one environment, unless what is there was built from the same files."""
    wanted = fingerprint(ROOT)
    if environment.read_stamp("build") == wanted and extension_file(environment).exists():
        return
    print(f"building the extension for Python {environment.name}", flush=True)
    environment.drop_stamp("build")
    target = ROOT / "target" / f"py-{environment.name}"
    env = os.environ | {"VIRTUAL_ENV": str(environment.path), "CARGO_TARGET_DIR": str(target)}
    # PYO3_PYTHON would win over the environment that maturin is told to build for.
    env.pop("PYO3_PYTHON", None)
    started = time.monotonic()
    run([*maturin, "develop", "--release", "--locked"], env=env)
    environment.write_stamp("build", wanted)
    print(f"built in {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--default-only", action="store_true", help="build for .venv alone")
    options = parser.parse_args()
    environments = existing()
    if not environments:
        sys.exit("there is no environment: run `make setup` first")
    maturin: list[str | Path] = [environments[0].python, "-m", "maturin"]
    with only_one():
        for environment in environments[:1] if options.default_only else environments:
            build(environment, maturin)


if __name__ == "__main__":
    main()

"""`make layers`: holds the source tree against the rules in tools/layers.toml.

    python -m tools.check_layers [root]

Prints each violation as `file:line: what`, and fails if there is one or if there was nothing
to check.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.rust_source import Source, Use, read

if TYPE_CHECKING:
    from collections.abc import Iterator

Rules = dict[str, Any]
RULES = Path(__file__).with_name("layers.toml")
_SIZED = {".rs", ".py", ".pyi", ".sh", ".toml"}
_NOT_OURS = {"target", "build", "node_modules", "__pycache__"}


@dataclass
class File:
    """A source file of one of the crates, without those that are for tests only."""

    crate: str
    path: Path
    place: str
    """Where it is under src/, such as `sync/raw.rs`."""
    source: Source

    @property
    def module(self) -> str:
        """The module just under the crate's root that it belongs to; empty for lib.rs."""
        first = self.place.partition("/")[0].removesuffix(".rs")
        return "" if first in ("lib", "main") else first

    def is_in(self, places: list[str]) -> bool:
        return any(self.place == it or self.place.startswith(f"{it}/") for it in places)


def load_crate(root: Path, crate: str) -> list[File]:
    """Reads the files of `crates/<crate>/src`."""
    src = root / "crates" / crate / "src"
    files = []
    for path in sorted(src.rglob("*.rs")):
        place = path.relative_to(src).as_posix()
        parts = place.removesuffix(".rs").split("/")
        module = tuple(parts[:-1] if parts[-1] in ("mod", "lib") else parts)
        files.append(File(crate, path, place, read(path.read_text(), module)))
    tests = {
        folder / name
        for file in files
        for folder in [_folder_of_modules(file.path)]
        for name in file.source.test_modules
    }
    return [
        file
        for file in files
        if file.path.with_suffix("") not in tests and not tests & set(file.path.parents)
    ]


def _folder_of_modules(path: Path) -> Path:
    """The folder that the modules declared in `path` lie in."""
    return path.parent if path.stem in ("mod", "lib") else path.with_suffix("")


def check_ranks(file: File, rules: Rules) -> Iterator[tuple[int, str]]:
    """A module uses lower ranks only, and of its own rank no module but `wait`."""
    ranks: dict[str, int] = rules["ranks"]
    if not file.module:
        return
    own = ranks.get(file.module)
    if own is None:
        yield 1, f"the module `{file.module}` has no rank in tools/layers.toml"
        return
    for use in file.source.uses:
        root, *rest = use.path.split("::")
        if root != "crate" or not rest or rest[0] == file.module:
            continue
        other = ranks.get(rest[0])
        if other is None:
            yield use.line, f"`{use.path}`: name it through its module, which has a rank"
        elif (other > own or (other == own and rest[0] != "wait")) and not any(
            is_under(use.path, it) for it in excepted(file, rules)
        ):
            yield (
                use.line,
                f"`{file.module}` (rank {own}) uses `{use.path}` (rank {other})",
            )


def is_under(path: str, item: str) -> bool:
    """Whether `path` is `item` or something in it."""
    return f"{path}::".startswith(f"{item}::")


def excepted(file: File, rules: Rules) -> list[str]:
    """What this one file may use, whatever the rules say."""
    name = f"crates/{file.crate}/src/{file.place}"
    return [it for entry in rules["exception"] if entry["file"] == name for it in entry["what"]]


def check_unsafe(file: File, places: list[str]) -> Iterator[tuple[int, str]]:
    """`unsafe` only where it is listed; elsewhere the module's first file forbids it."""
    if file.is_in(places):
        return
    for line in file.source.unsafe_lines:
        yield line, "`unsafe` outside the places that are listed for it"
    heads = (f"{file.module}.rs", f"{file.module}/mod.rs")
    if file.module and file.place in heads and not file.source.forbids_unsafe:
        yield 1, "a module without unsafe code says `#![forbid(unsafe_code)]`"


def uses_of(file: File, item: str, exceptions: list[str]) -> Iterator[Use]:
    """The uses of `item` by its path, or through a `*`, but for the exceptions."""
    for use in file.source.uses:
        module = use.path.removesuffix("*")
        through_glob = module != use.path and f"{item}::".startswith(module)
        named = is_under(use.path, item) and not any(is_under(use.path, it) for it in exceptions)
        if through_glob or named:
            yield use


def check_only(file: File, rules: Rules) -> Iterator[tuple[int, str]]:
    """What may be used in some places only, and the files that are excepted one by one."""
    allowed = excepted(file, rules)
    for rule in rules["only"]:
        if rule["crate"] != file.crate or file.is_in(rule["places"]):
            continue
        for item in rule["what"]:
            seen = set()
            for use in uses_of(file, item, rule.get("except", []) + allowed):
                # Its first use is enough: `std::sync::atomic`, not each `Ordering::Relaxed`.
                head = "::".join(use.path.split("::")[: item.count("::") + 2])
                if head not in seen:
                    seen.add(head)
                    yield use.line, f"`{use.path}` is not for this place: {rule['instead']}"
    for item in allowed:
        if not any(uses_of(file, item, [])):
            yield 1, f"`{item}` is not used here any more: remove it from tools/layers.toml"


def check_sizes(root: Path, most: int) -> Iterator[tuple[Path, int, str]]:
    """No file may have more than `most` lines."""
    for folder, folders, names in os.walk(root):
        folders[:] = [it for it in folders if it not in _NOT_OURS and not it.startswith(".")]
        for path in (Path(folder) / name for name in names):
            if path.suffix in _SIZED:
                lines = len(path.read_bytes().splitlines())
                if lines > most:
                    yield path, lines, f"{lines} lines, more than {most}: split it by what it does"


def check_dependencies(root: Path, package: str, banned: list[str]) -> Iterator[str]:
    """No Python in the dependency tree of the core, on any platform and with any feature."""
    command = ["cargo", "tree", "--locked", "--package", package, "--edges", "all"]
    command += ["--all-features", "--target", "all", "--prefix", "none", "--format", "{p}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    names = {line.split()[0] for line in done.stdout.splitlines() if line}
    if done.returncode != 0 or package not in names:
        yield f"cargo tree gave no answer for {package}: {done.stderr.strip()}"
    for name in sorted(names.intersection(banned)):
        yield f"the crate {package} depends on {name}"


def check(root: Path, rules: Rules) -> tuple[int, list[str]]:
    """The number of Rust files looked at, and the violations."""
    files = [*load_crate(root, "ropewalk"), *load_crate(root, "ropewalk-py")]
    found: list[tuple[Path, int, str]] = []
    for file in files:
        unsafe = [
            it for rule in rules["unsafe"] if rule["crate"] == file.crate for it in rule["places"]
        ]
        messages = [*check_unsafe(file, unsafe), *check_only(file, rules)]
        if file.crate == "ropewalk":
            messages += check_ranks(file, rules)
        found += [(file.path, line, message) for line, message in messages]
    found += check_sizes(root, rules["max_lines"])
    return len(files), [
        f"{path.relative_to(root)}:{line}: {message}" for path, line, message in sorted(found)
    ]


def main(root: Path) -> None:
    rules = tomllib.loads(RULES.read_text())
    checked, violations = check(root, rules)
    violations += check_dependencies(root, **rules["dependencies"])
    for violation in violations:
        print(violation)
    if checked == 0:
        sys.exit(f"no Rust source found under {root}")
    if violations:
        sys.exit(f"layers: {len(violations)} violations in {checked} Rust files")
    print(f"layers: {checked} Rust files, no violation")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())

"""`concurrent.futures.process`: the stdlib's own code, run on our futures.

It runs in this module, so that its functions can be found by child processes under the name that
they have here.
"""

import builtins
import sys

from ropewalk import _stdlib
from ropewalk.concurrent import futures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType


def _import(
    name: str,
    globals: "Mapping[str, object] | None" = None,  # noqa: A002 - as `__import__` has them
    locals: "Mapping[str, object] | None" = None,  # noqa: A002
    fromlist: "Sequence[str] | None" = (),
    level: int = 0,
) -> "ModuleType":
    """`__import__` for the stdlib's code, to which our package has the stdlib's name."""
    if name == "concurrent.futures" and fromlist:
        return futures
    return __import__(name, globals, locals, fromlist or (), level)


def _run() -> None:
    spec = _stdlib.find("concurrent.futures.process")
    code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    namespace = globals()
    namespace["__builtins__"] = {**vars(builtins), "__import__": _import}
    exec(code, namespace)


if sys.modules.get("concurrent.futures") is futures:
    from concurrent.futures import process

    sys.modules[__name__] = process
else:
    _run()

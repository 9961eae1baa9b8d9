"""The stdlib's own exceptions of queues: who catches `queue.Full` catches ours.

Under `ropewalk run` the name `queue` leads to our module, so that the stdlib's may never have been
imported; it is then loaded from its file, without a place in `sys.modules`.
"""

from ropewalk import _stdlib

# As the C module `_queue` had it when the extension was loaded: tests block that module.
from ropewalk._ropewalk import _Empty as Empty

__all__ = ["Empty", "Full", "ShutDown"]


_stdlib_queue = _stdlib.module("queue")
Full: type[Exception] = _stdlib_queue.Full

if hasattr(_stdlib_queue, "ShutDown"):
    ShutDown: type[Exception] = _stdlib_queue.ShutDown
else:

    class _ShutDown(Exception):
        """Raised when put/get with shut-down queue."""

        __module__ = "queue"

    _ShutDown.__name__ = _ShutDown.__qualname__ = "ShutDown"
    ShutDown = _ShutDown

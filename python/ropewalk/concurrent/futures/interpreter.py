"""`concurrent.futures.interpreter`, from Python 3.14 on: the stdlib's own.

Sub-interpreters cannot load Ropewalk's extension. Under `ropewalk run` the stdlib's pool of them
works on our futures; used by this name it is the stdlib's altogether.
"""

from concurrent.futures.interpreter import *  # type: ignore[import-not-found] # noqa: F403
from concurrent.futures.interpreter import InterpreterPoolExecutor  # noqa: F401

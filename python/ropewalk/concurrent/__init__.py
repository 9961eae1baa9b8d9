"""As the stdlib's package `concurrent`: it holds `futures`."""

import sys as _sys

import ropewalk as _ropewalk

if not _ropewalk._is_main_interpreter():
    # The extension does not load there: the name leads to the stdlib's own package.
    import concurrent.futures

    _sys.modules[f"{__name__}.futures"] = concurrent.futures

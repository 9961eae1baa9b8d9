"""What an expression of a function that runs stands for, found without running any of the program.

So nothing is called, no attribute is computed, and no key of the program's own classes is compared.
"""

from __future__ import annotations

import ast
import collections
import inspect
import sys
from abc import ABCMeta
from types import MemberDescriptorType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# What an expression is that cannot be found.
UNKNOWN = object()
_LISTS = (list, tuple)
_DICTS = (dict, collections.defaultdict)
_KEYS = (str, int, bytes)
# What these make may be a lock, or be over one.
_OVER_OTHERS = {"contextlib", "threading", "_thread"}


def value(expression: ast.expr, frame: FrameType) -> object:
    """Look up names, their attributes, and items of the builtin containers; or `UNKNOWN`."""
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.Name):
        return _name(expression.id, frame)
    if isinstance(expression, ast.NamedExpr):
        return value(expression.target, frame)
    if isinstance(expression, ast.Attribute):
        return _attribute(value(expression.value, frame), expression.attr)
    if isinstance(expression, ast.Subscript):
        return _item(value(expression.value, frame), value(expression.slice, frame))
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        operand = value(expression.operand, frame)
        return -operand if type(operand) is int else UNKNOWN
    return UNKNOWN


def makes_no_lock(expression: ast.expr, frame: FrameType) -> bool:
    """Whether it makes an object of the stdlib's that is no lock and takes none: `open(...)`."""
    if not isinstance(expression, ast.Call):
        return False
    maker = value(expression.func, frame)
    if type(maker) not in (type, ABCMeta):
        return maker is open
    module = _attribute(maker, "__module__")
    top = module.partition(".")[0] if isinstance(module, str) else ""
    return top in sys.stdlib_module_names and top not in _OVER_OTHERS


def _name(name: str, frame: FrameType) -> object:
    names = frame.f_locals
    # Code that is given to `exec` may have a mapping of the program's.
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED or type(names) is dict:
        found = names.get(name, UNKNOWN)
        if found is not UNKNOWN:
            return found
    found = dict.get(frame.f_globals, name, UNKNOWN)
    return dict.get(frame.f_builtins, name, UNKNOWN) if found is UNKNOWN else found


def _attribute(owner: object, name: str) -> object:
    if owner is UNKNOWN:
        return UNKNOWN
    try:
        found = inspect.getattr_static(owner, name)
        # One of `__slots__`.
        return found.__get__(owner) if type(found) is MemberDescriptorType else found
    except AttributeError:
        return UNKNOWN


def _item(owner: object, key: object) -> object:
    if type(owner) in _LISTS and type(key) is int:
        try:
            return owner[key]  # type: ignore[index]
        except IndexError:
            return UNKNOWN
    if type(owner) in _DICTS and type(key) in _KEYS:
        # A look-up would compare the key with those of the program's own classes.
        items: list[tuple[object, object]] = list(dict.items(owner))  # type: ignore[arg-type]
        for each, found in items:
            if type(each) is type(key) and each == key:
                return found
    return UNKNOWN

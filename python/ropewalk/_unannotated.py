"""Takes the annotations away from what stands in for the stdlib's, which has none.

They are for checkers, which read the source. The names in them are not imported when a program
runs, so whoever evaluates them there (`typing.get_type_hints()`, `inspect.signature()` with
`eval_str=True`) would fail.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Not `types`: it would cost more to import than this does.
_Function = type(lambda: None)


def unannotated(namespace: "dict[str, Any]") -> None:
    """Do so for the functions and classes that a module has defined, and for its variables."""
    for value in namespace.values():
        if isinstance(value, type):
            if value.__module__ == namespace["__name__"]:
                _strip_class(value, namespace)
        else:
            _strip(value, namespace)
    namespace.pop("__annotations__", None)


def _strip_class(cls: type, namespace: "dict[str, Any]") -> None:
    members = vars(cls)
    for member in members.values():
        if isinstance(member, property):
            _strip(member.fget, namespace)
            _strip(member.fset, namespace)
            _strip(member.fdel, namespace)
        elif isinstance(member, (staticmethod, classmethod)):
            _strip(member.__func__, namespace)
        else:
            _strip(member, namespace)
    # CPython 3.14 makes them when they are asked for.
    if "__annotations__" in members or "__annotate_func__" in members:
        cls.__annotations__ = {}


def _strip(value: object, namespace: "dict[str, Any]") -> None:
    if isinstance(value, _Function) and value.__globals__ is namespace:
        value.__annotations__ = {}

"""How a class of the extension is completed in Python."""

import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _C = TypeVar("_C")


class Lazy:
    """An attribute that an instance has only once it is inflated.

    To ask for it inflates the instance, unless `peek` knows it as well. Not a data descriptor: the
    attribute of an inflated instance comes first and costs what it costs in CPython.
    """

    __slots__ = ("_name", "_peek")

    def __init__(self, name: str, peek: "Callable[[Any], object] | None" = None) -> None:
        """Make one for the attribute of this name."""
        self._name = name
        self._peek = peek

    def __get__(self, instance: "Any", owner: type) -> "Any":  # noqa: ANN401
        """The attribute's value, for which the instance is inflated if it has to be."""
        if instance is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute {self._name!r}")
        if self._peek is None:
            instance._ropewalk_inflate()
        elif (value := self._peek(instance)) is not None:
            return value
        try:
            return instance.__dict__[self._name]
        except KeyError:
            pass
        # What was found may have been inflated right after it was peeked at.
        instance._ropewalk_inflate()
        try:
            return instance.__dict__[self._name]
        except KeyError:
            raise AttributeError(
                f"{owner.__name__!r} object has no attribute {self._name!r}"
            ) from None


def completed(cls: "type[_C]") -> "type[_C]":
    """Move what is written in a class into the class of the extension that it derives from.

    Instances are then of that very class, to whose methods the interpreter has a short way.
    """
    native = cls.__base__
    assert native is not None
    for name, value in vars(cls).items():
        if isinstance(value, (Lazy, types.FunctionType)):
            setattr(native, name, value)
    return native

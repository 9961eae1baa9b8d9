"""Where a thread took a lock that it holds: found in the source of a function that runs.

Nothing is recorded when a lock is taken. The function's text has the `with`s that it is inside of,
and the calls of `acquire()` and `release()` before the place where it is now.
"""

from __future__ import annotations

import ast
import dis
import functools
import itertools
import linecache
from typing import NamedTuple

from ropewalk._values import makes_no_lock, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    # Line and column; places can be compared.
    Place = tuple[int, int]
    # From where to where.
    Span = tuple[Place, Place]
    Code = ast.expr | ast.stmt

# What has blocks that may run or not, and what runs at another time.
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Look(NamedTuple):
    """What a function that runs tells about a lock that its thread holds.

    Attributes:
        line: where the function took it, if it is found.
        nested: whether it is inside a `with` of the lock; None if that cannot be decided.
        not_here: whether it is known that the function did not take it.
    """

    line: int | None
    nested: bool | None
    not_here: bool


def look(frame: FrameType, resource: int) -> Look:
    """Look for the place in a function that took a lock which is still held.

    Args:
        frame: the function as it runs.
        resource: the lock, as the extension calls it.
    """
    code = frame.f_code
    function = _function(code)
    if function is None:
        has_with = any(each.opname == "WITH_EXCEPT_START" for each in dis.get_instructions(code))
        not_here = not has_with and "acquire" not in code.co_names
        return Look(None, None if has_with else False, not_here)
    nodes = list(_walk(function))
    changing = _changing(nodes)
    now = _now(frame)
    if any(isinstance(node, ast.With) and _start(node) == now[0] for node, _ in nodes):
        # CPython 3.11 enters and leaves a `with` as a whole: nothing in it is known to be done.
        now = now[0], now[0]
    found: list[Place] = []
    calls = []
    inside: list[bool | None] = [False]
    not_here = True
    for node, blocks in nodes:
        if isinstance(node, ast.With) and now[0] <= _end(node.body[-1]):
            changed = set().union(*map(_stored, ast.walk(ast.Module(list(node.body), []))))
            for lock in (item.context_expr for item in node.items):
                if _is_before(lock, now):
                    is_it = _is(lock, frame, resource, changed)
                    inside.append(is_it)
                    if is_it:
                        found.append(_start(lock))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"acquire", "release"}
        ):
            is_it = _is(node.func.value, frame, resource, changing)
            if is_it and _is_before(node, now):
                calls.append((_start(node), node.func.attr, blocks))
            elif is_it is not False and node.func.attr == "acquire":
                # Of what is not known, or in the last round of a loop.
                not_here = False
    found += _unreleased(calls, now[0])
    nested = None if None in inside and True not in inside else True in inside
    return Look(max(found)[0] if found else None, nested, not_here and nested is False)


def _unreleased(calls: list[tuple[Place, str, tuple[Span, ...]]], now: Place) -> list[Place]:
    """Return the calls of `acquire` that no `release` is known to have undone.

    One in a branch where the function is not now may not have been run, unless the `acquire` was in
    that branch as well.
    """
    taken: list[tuple[Place, tuple[Span, ...]]] = []
    for place, name, blocks in sorted(calls):
        if name == "acquire":
            taken.append((place, blocks))
            continue
        elsewhere = {block for block in blocks if not block[0] <= now <= block[1]}
        for one in reversed(taken):
            if elsewhere.issubset(one[1]):
                taken.remove(one)
                break
    return [place for place, _ in taken]


def _walk(function: ast.AST) -> Iterator[tuple[ast.AST, tuple[Span, ...]]]:
    """Yield what a function does itself, each with the branches in which it is."""
    rest: list[tuple[ast.AST, tuple[Span, ...]]] = [(function, ())]
    while rest:
        node, blocks = rest.pop()
        yield node, blocks
        for _, field in ast.iter_fields(node):
            values = field if isinstance(field, list) else [field]
            parts = [each for each in values if isinstance(each, ast.AST)]
            block = [each for each in parts if isinstance(each, ast.stmt)]
            inside = blocks
            if block and isinstance(node, _BRANCHES):
                inside = (*blocks, (_start(block[0]), _end(block[-1])))
            rest += [(each, inside) for each in parts if not isinstance(each, _FUNCTIONS)]


def _now(frame: FrameType) -> Span:
    """Return where a function is: what it calls, or takes, at the moment."""
    positions = frame.f_code.co_positions()
    line, end_line, column, end_column = next(
        itertools.islice(positions, max(frame.f_lasti, 0) // 2, None), (None, None, None, None)
    )
    if line is None or end_line is None or column is None or end_column is None:
        # Columns can be left out of code; what is in the same line does not count then.
        return (frame.f_lineno, -1), (frame.f_lineno, -1)
    return (line, column), (end_line, end_column)


def _is_before(node: Code, now: Span) -> bool:
    """Whether something was done before what is done now, as an argument of it perhaps."""
    span = _start(node), _end(node)
    return span[1] <= now[0] or (now[0] <= span[0] and span[1] <= now[1] and span != now)


def _start(node: Code) -> Place:
    return node.lineno, node.col_offset


def _end(node: Code) -> Place:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


# A stack has many functions of one file.
@functools.lru_cache(maxsize=4)
def _tree(source: str) -> ast.Module | None:
    if not source:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _function(code: CodeType) -> ast.AST | None:
    tree = _tree("".join(linecache.getlines(code.co_filename)))
    if tree is None:
        return None
    if code.co_name == "<module>":
        return tree
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _stored(node: ast.AST) -> set[str]:
    """Return the name that is given to something else here."""
    if isinstance(node, ast.arg):
        return {node.arg}
    if isinstance(node, (ast.Name, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
        return {node.id if isinstance(node, ast.Name) else node.attr}
    return set()


def _changing(nodes: list[tuple[ast.AST, tuple[Span, ...]]]) -> set[str]:
    """Return the names that may have stood for another thing before."""
    once: set[str] = set()
    changing: set[str] = set()
    for node, blocks in nodes:
        names = _stored(node)
        changing |= names if blocks else names & once
        once |= names
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            changing = changing.union(*map(_stored, ast.walk(node.target)))
    return changing


def _is(expression: ast.expr, frame: FrameType, resource: int, changed: set[str]) -> bool | None:
    """Whether it is this lock, or something over it; None if that cannot be decided.

    Args:
        changed: names that may have stood for something else when the lock was taken.
    """
    found = value(expression, frame)
    if type(found).__module__ in {"_thread", "threading"}:
        lock = getattr(found, "_lock", found)
        if getattr(lock, "_ropewalk_resource", None) == resource:
            return True
    elif not makes_no_lock(expression, frame):
        return None
    used = (getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(expression))
    return False if changed.isdisjoint(used) else None

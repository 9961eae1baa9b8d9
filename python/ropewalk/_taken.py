"""Where a thread took a lock that it holds: found in the source of a function that runs.

Nothing is recorded when a lock is taken. The function's text has the `with`s that it is inside of,
and the calls of `acquire()` and `release()` before the place where it is now.
"""

from __future__ import annotations

import ast
import itertools
import linecache

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


def taken_at(frame: FrameType, resource: int, *, by_call: bool = True) -> int | None:
    """Return the line of this frame's function that took a lock which is still held.

    Args:
        frame: the function as it runs.
        resource: the lock, as the extension calls it.
        by_call: whether an `acquire()` counts as well as a `with`.
    """
    function = _function(frame.f_code)
    if function is None:
        return None
    nodes = list(_walk(function))
    now = _now(frame)
    if any(isinstance(node, ast.With) and _start(node) == now[0] for node, _ in nodes):
        # CPython 3.11 enters and leaves a `with` as a whole: nothing in it is known to be done.
        now = now[0], now[0]
    found: list[Place] = []
    calls = []
    for node, blocks in nodes:
        if isinstance(node, ast.With):
            until = _end(node.body[-1])
            for item in node.items:
                lock = item.context_expr
                if _is_before(lock, now) and now[0] <= until and _is(lock, frame, resource):
                    found.append(_start(lock))
        elif (
            by_call
            and isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"acquire", "release"}
            and _is_before(node, now)
            and _is(node.func.value, frame, resource)
        ):
            calls.append((_start(node), node.func.attr, blocks))
    found += _unreleased(calls, now[0])
    return max(found)[0] if found else None


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
        for _, value in ast.iter_fields(node):
            values = value if isinstance(value, list) else [value]
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


def _function(code: CodeType) -> ast.AST | None:
    source = "".join(linecache.getlines(code.co_filename))
    if not source:
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if code.co_name == "<module>":
        return tree
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _value(expression: ast.expr, frame: FrameType) -> object:
    """Look up a name or a chain of attributes; nothing that could run code of the user."""
    if isinstance(expression, ast.Name):
        name = expression.id
        return frame.f_locals.get(name, frame.f_globals.get(name))
    if isinstance(expression, ast.Attribute):
        owner = _value(expression.value, frame)
        try:
            attributes: dict[str, object] = object.__getattribute__(owner, "__dict__")
        except AttributeError:
            return None
        found = attributes.get(expression.attr)
        return vars(type(owner)).get(expression.attr) if found is None else found
    return None


def _is(expression: ast.expr, frame: FrameType, resource: int) -> bool:
    """Whether it is this lock, or something over it."""
    value = _value(expression, frame)
    if type(value).__module__ not in {"_thread", "threading"}:
        return False
    lock = getattr(value, "_lock", value)
    return getattr(lock, "_ropewalk_resource", None) == resource

"""Reads of a Rust source file what the layer check needs: paths, methods, `unsafe`, attributes.

Not a parser of Rust: a tokenizer that knows comments, strings and characters, and a reader of
paths and `use` trees. What is compiled for tests only (`#[cfg(test)]`) is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<comment>/\*)
  | (?P<raw>(?:b|c)?r(?P<hashes>\#*)")
  | (?P<string>(?:b|c)?"(?:[^"\\]|\\.)*")
  | (?P<char>b?'(?:[^'\\\n]|\\(?:[^u\n]|u\{[^}]*\})[0-9a-fA-F]?)')
  | (?P<lifetime>'[A-Za-z_]\w*)
  | (?P<name>(?:r\#)?[A-Za-z_]\w*)
  | (?P<number>\d\w*)
  | (?P<mark>::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ROOTS = {"crate", "self", "super", "std", "core", "alloc"}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class Token(NamedTuple):
    """A word or a mark, and the line that it is on. Literals are left out, but for a `""`."""

    text: str
    line: int

    @property
    def is_name(self) -> bool:
        return self.text[0].isalpha() or self.text[0] == "_"


class Use(NamedTuple):
    """A path such as `crate::wait::park` or `std::sync::*`, or a method such as `.park`."""

    path: str
    line: int


@dataclass
class Source:
    """What a file uses. `unsafe_lines` has the lines with the keyword."""

    uses: list[Use] = field(default_factory=list)
    unsafe_lines: list[int] = field(default_factory=list)
    forbids_unsafe: bool = False
    test_modules: set[str] = field(default_factory=set)
    """Modules that are declared here for tests only and lie in files of their own."""


def tokenize(text: str) -> list[Token]:
    """The tokens of a source text, without comments."""
    tokens: list[Token] = []
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None
        end = match.end()
        kind = match.lastgroup
        if kind == "comment":
            end = _end_of_comment(text, end)
        elif match["raw"] is not None:
            closing = '"' + match["hashes"]
            end = text.find(closing, end) + len(closing)
            tokens.append(Token('""', line))
        elif kind == "string":
            tokens.append(Token('""', line))
        elif kind in ("name", "mark"):
            tokens.append(Token(match[0], line))
        line += text.count("\n", position, end)
        position = end
    return tokens


def _end_of_comment(text: str, position: int) -> int:
    """The end of a block comment that was opened before `position`; they nest."""
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(text, position)):
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(text) if depth else position


def read(text: str, module: tuple[str, ...]) -> Source:
    """Reads the file of `module` (`("sync", "raw")` for `sync/raw.rs`, `()` for `lib.rs`)."""
    return _Reader(tokenize(text), module).read()


class _Reader:
    def __init__(self, tokens: list[Token], module: tuple[str, ...]) -> None:
        self.tokens = tokens
        self.source = Source()
        # The modules around the place where we are: the file's, and inline ones with their depth.
        self.module = list(module)
        self.inline: list[int] = []
        self.depth = 0
        self.aliases: dict[str, tuple[str, ...]] = {}

    def text(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def read(self) -> Source:
        index = 0
        while index < len(self.tokens):
            index = self.step(index)
        return self.source

    def step(self, index: int) -> int:
        """Reads what begins at `index`; where the next thing begins."""
        token = self.tokens[index]
        match token.text:
            case "#":
                return self.attribute(index)
            case "{":
                self.depth += 1
            case "}":
                self.depth -= 1
                if self.inline and self.inline[-1] == self.depth:
                    self.inline.pop()
                    self.module.pop()
            case "mod" if self.text(index + 2) == "{":
                self.inline.append(self.depth)
                self.module.append(self.text(index + 1))
                self.depth += 1
                return index + 3
            case "use":
                return self.use_tree(index + 1, ())
            case "unsafe":
                self.source.unsafe_lines.append(token.line)
            case ".":
                if self.text(index + 2) == "(" and self.tokens[index + 1].is_name:
                    self.source.uses.append(Use(f".{self.text(index + 1)}", token.line))
            case _ if token.is_name and self.begins_path(index):
                return self.plain_path(index)
        return index + 1

    def begins_path(self, index: int) -> bool:
        if self.text(index + 1) != "::" or self.text(index - 1) == ".":
            return False
        after_path = self.text(index - 1) == "::"
        if after_path and index >= 2:
            before = self.tokens[index - 2]
            after_path = before.is_name or before.text == ">"
        return not after_path

    def plain_path(self, index: int) -> int:
        line = self.tokens[index].line
        path = [self.text(index)]
        index += 1
        while self.text(index) == "::" and index + 1 < len(self.tokens):
            if not self.tokens[index + 1].is_name:
                break
            path.append(self.text(index + 1))
            index += 2
        self.note(tuple(path), line)
        return index

    def use_tree(self, index: int, prefix: tuple[str, ...]) -> int:
        """Reads one tree of a `use`; notes its leaves; the index of what follows it."""
        line = self.tokens[index].line if index < len(self.tokens) else 0
        path = list(prefix)
        while True:
            text = self.text(index)
            if text == "::":
                index += 1
            elif text == "{":
                index += 1
                while self.text(index) not in ("}", ""):
                    index = self.use_tree(index, tuple(path))
                    index += self.text(index) == ","
                return index + 1
            elif text == "*":
                self.note((*path, "*"), line)
                return index + 1
            elif text and self.tokens[index].is_name and text != "as":
                if not (text == "self" and path):
                    path.append(text)
                line = self.tokens[index].line
                index += 1
            else:
                break
        name = path[-1] if path else ""
        if self.text(index) == "as":
            name = self.text(index + 1)
            index += 2
        if path:
            resolved = self.note(tuple(path), line)
            # `use x;` or `use self::x` at the root of a path that is not absolute says nothing new.
            if resolved and name not in _ROOTS:
                self.aliases[name] = resolved
        # A tree that is not understood must not be read for ever.
        return index if self.text(index) in (",", "}", ";", "") else index + 1

    def note(self, path: tuple[str, ...], line: int) -> tuple[str, ...]:
        """Notes the use of a path as seen from the crate's root; what it resolves to."""
        resolved = self.resolve(path)
        self.source.uses.append(Use("::".join(resolved), line))
        return resolved

    def resolve(self, path: tuple[str, ...]) -> tuple[str, ...]:
        first, rest = path[0], path[1:]
        if first in ("core", "alloc"):
            # The same items under another name.
            return ("std", *rest)
        if first not in ("self", "super"):
            return (*self.aliases.get(first, (first,)), *rest)
        module = list(self.module)
        for index, part in enumerate(path):
            if part == "super":
                del module[-1:]
            elif part != "self":
                return ("crate", *module, *path[index:])
        return ("crate", *module)

    def attribute(self, index: int) -> int:
        """Reads `#[..]` or `#![..]`, with the item below it if that is for tests only."""
        inner = self.text(index + 1) == "!"
        opening = index + 1 + inner
        if self.text(opening) != "[":
            return index + 1
        end = self.skip_group(opening)
        words = [token.text for token in self.tokens[opening + 1 : end - 1]]
        if inner and words[:1] == ["forbid"] and "unsafe_code" in words:
            self.source.forbids_unsafe = True
        for_tests = words[:1] == ["cfg"] and "test" in words and "not" not in words
        if not for_tests:
            # The inside is read as well: a macro's attribute may name paths.
            return opening
        if inner:
            return len(self.tokens)
        return self.skip_item(end)

    def skip_item(self, index: int) -> int:
        """The end of the item at `index`; notes a module that lies in a file of its own."""
        while self.text(index) == "#":
            index = self.skip_group(index + 1)
        while (text := self.text(index)) not in ("", ";", "{"):
            if text == "mod" and self.text(index + 2) == ";":
                self.source.test_modules.add(self.text(index + 1))
            index = self.skip_group(index) if text in _CLOSING else index + 1
        return self.skip_group(index) if self.text(index) == "{" else index + 1

    def skip_group(self, index: int) -> int:
        """The index after the bracket that closes the one at `index`."""
        depth = 0
        while index < len(self.tokens):
            text = self.tokens[index].text
            depth += (text in _CLOSING) - (text in _CLOSING.values())
            index += 1
            if depth == 0:
                break
        return index

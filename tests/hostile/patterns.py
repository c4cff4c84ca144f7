"""Every regular expression of the package, found by itself, and texts on which each may be slow.

Patterns are taken from the modules, once imported, with their classes and containers, and from calls such as
`re.sub("...", ...)` in the source. Those that a function puts together are listed by `unseen`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import product
from math import inf
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

import omi_core

ROOT = Path(omi_core.__file__).parent
_CALLS = ("compile", "match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split")


def modules() -> Iterator[Any]:
    """All modules of the package that can be imported here."""
    for found in pkgutil.walk_packages([str(ROOT)], "omi_core."):
        if found.name.endswith("__main__"):
            continue
        yield importlib.import_module(found.name)


def compiled() -> dict[str, re.Pattern[str]]:
    """Patterns that modules and their classes hold, in attributes and in containers, by where they are."""
    out: dict[str, re.Pattern[str]] = {}
    for module in modules():
        for path, value in _held(module, module.__name__):
            out.setdefault(path, value)
    return out


def _held(owner: Any, path: str, depth: int = 0) -> Iterator[tuple[str, re.Pattern[str]]]:
    for name, value in list(vars(owner).items()):
        where = f"{path}.{name}"
        for number, one in enumerate(_items(value)):
            if isinstance(one, re.Pattern) and isinstance(one.pattern, str):
                yield f"{where}[{number}]" if one is not value else where, one
            elif isinstance(one, type) and one.__module__ == getattr(owner, "__name__", None) and depth < 2:
                yield from _held(one, where, depth + 1)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [each for pair in value.items() for part in pair for each in _items(part)]
    if isinstance(value, list | tuple | set | frozenset):
        return [each for part in value for each in _items(part)]
    return [value]


def written() -> dict[str, str]:
    """Patterns written as plain text in a call such as `re.sub("...", ...)`, by file and line."""
    out: dict[str, str] = {}
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            function, first = node.func, node.args[0]
            named = isinstance(function.value, ast.Name) and function.value.id == "re"
            if named and function.attr in _CALLS[1:] and isinstance(first, ast.Constant):
                out[f"{file.relative_to(ROOT)}:{node.lineno} {function.attr}"] = str(first.value)
    return out


def anchored() -> set[str]:
    """Names of patterns that are asked at one place only, by `match` and `fullmatch`, in all their uses."""
    uses: dict[str, set[str]] = {}
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                uses.setdefault(name, set()).add(node.attr)
            elif isinstance(node, ast.Call):  # handed on, to be used who knows how
                for argument in node.args:
                    if isinstance(argument, ast.Name):
                        uses.setdefault(argument.id, set()).add("?")
    return {name for name, how in uses.items() if how <= {"match", "fullmatch", "pattern"}}


def unseen() -> dict[str, str]:
    """Calls whose pattern is put together inside a function, by file and line: a person must attack these."""
    out: dict[str, str] = {}
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text())
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            function = node.func
            named = isinstance(function.value, ast.Name) and function.value.id == "re"
            constant = isinstance(node.args[0], ast.Constant)
            if named and function.attr in _CALLS and not constant and id(node) in inside:
                out[f"{file.relative_to(ROOT)}:{node.lineno}"] = ast.unparse(node.args[0])
    return out


# --- texts -------------------------------------------------------------------------------------------------

_BY_CATEGORY = {
    sre.CATEGORY_DIGIT: "7",
    sre.CATEGORY_NOT_DIGIT: "a",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_WORD: "a",
    sre.CATEGORY_NOT_WORD: " ",
}
_ANY = " \n\ta1A.,$\\{}()*_-#^=é"


def _members(items: list[Any]) -> list[str]:
    """A few characters of a class."""
    negated = items and items[0][0] is sre.NEGATE
    pattern_items = items[1:] if negated else items
    out: list[str] = []
    for kind, value in pattern_items:
        if kind is sre.LITERAL:
            out.append(chr(value))
        elif kind is sre.RANGE:
            out += [chr(value[0]), chr(value[1])]
        elif kind is sre.CATEGORY:
            out += [_BY_CATEGORY[value], *("\n\t" if value is sre.CATEGORY_SPACE else "")]
    return [one for one in _ANY if one not in out][:6] if negated else out[:8]


def _atoms(tree: Any) -> Iterator[str]:
    """A few characters of each literal and class in a parsed pattern."""
    for kind, value in tree:
        if kind is sre.LITERAL:
            yield chr(value)
        elif kind is sre.NOT_LITERAL:
            yield "a" if value != ord("a") else "b"
        elif kind is sre.ANY:
            yield from (" ", "a")
        elif kind is sre.IN:
            yield from _members(value)
        else:
            for part in _parts(kind, value):
                yield from _atoms(part)


def _parts(kind: Any, value: Any) -> list[Any]:
    """The patterns inside one that is not a single character."""
    if kind is sre.BRANCH:
        return list(value[1])
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [value[2]]
    if kind is sre.SUBPATTERN:
        return [value[3]]
    if kind is sre.ATOMIC_GROUP:
        return [value]
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return [value[1]]
    if kind is sre.GROUPREF_EXISTS:
        return [part for part in value[1:] if part is not None]
    return []


def _example(tree: Any, pick: int = 0) -> str:
    """A text that the pattern matches, or nearly: the choice `pick` of several, each repeat once at least."""
    out = ""
    for kind, value in tree:
        if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            found = list(_atoms([(kind, value)])) or [""]
            out += found[pick % len(found)]
        elif kind is sre.BRANCH:
            out += _example(value[1][pick % len(value[1])], pick)
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            out += _example(value[2], pick) * max(1, min(int(value[0]), 4))
        elif kind not in (sre.ASSERT_NOT, sre.ASSERT, sre.GROUPREF):
            for part in _parts(kind, value):
                out += _example(part, pick)
    return out


def _repeats(tree: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """(a text that leads to it, one turn of its body) for each repeat that may take many turns."""
    for number, (kind, value) in enumerate(tree):
        here = before + _example(tree[:number])
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and int(value[1]) > 8:
            for pick in range(4):
                yield here, _example(value[2], pick)
        for part in _parts(kind, value):
            yield from _repeats(part, here)


def texts(pattern: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """(head, pump, tail) triples: `head + pump * n + tail` are the texts to try on a pattern."""
    tree = sre_parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    atoms = list(dict.fromkeys(_atoms(tree)))[:40]
    whole = [_example(tree, pick) for pick in range(4)]
    repeats = list(dict.fromkeys(_repeats(tree)))[:40]
    bodies = list(dict.fromkeys(body for _, body in repeats if body))[:12]
    pumps = list(dict.fromkeys([*atoms, *" \n\ta1", *bodies, *whole, *(a[:-1] for a in whole if a[:-1])]))
    pairs = ["".join(pair) for pair in product(bodies[:6], bodies[:6]) if pair[0] != pair[1]]
    spaces = ["\n ", " \n", "\t ", "a ", "1 ", "a\n", "\\ ", "$ ", "{ "]
    heads = list(dict.fromkeys(["", "a", *(head for head, _ in repeats)]))[:8]
    out = [(head, pump, tail) for head, pump in repeats if pump for tail in ("", "\x00")]
    out += [(head, pump, "\x00") for pump in [*pumps, *spaces] for head in heads]
    out += [("", pump, "\x00") for pump in pairs]
    return list(dict.fromkeys(out))[:200]


# --- clock -------------------------------------------------------------------------------------------------

SHORT, LONG = 256, 16384  # characters
_LITTLE = 0.004  # seconds for a quarter of the longest text: that is worth no closer look
_ENOUGH = 0.1  # seconds that show it: longer texts are not tried
_LIMIT = 2.0  # seconds for one call; what takes longer is stopped
_LINEAR = 9.0  # four times the text may take so many times as long: linear time takes 4, quadratic 16


class _Stopped(BaseException):
    """A call has used up its CPU time; no `except Exception` on the way may hold it up."""


def _stop(*_: Any) -> None:
    raise _Stopped


def seconds(call: Callable[[str], Any], text: str, best_of: int = 1) -> float:
    """CPU time of one call, the best of some; infinite where it had to be stopped.

    CPU time does not count what others do, and the best of some runs is the one they disturbed the least.
    """
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        times = []
        for _ in range(best_of):
            signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT)
            start = time.process_time()
            call(text)
            times.append(time.process_time() - start)
        return min(times)
    except _Stopped:
        return inf
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slow(call: Callable[[str], Any], make: Callable[[int], str], long: int = LONG) -> str | None:
    """Why the call is worse than linear in the text's length, as far as can be told; None where it is not.

    `make` gives a text of about so many characters. Texts grow fourfold up to `long` or until the time shows.
    """
    size, took = SHORT, seconds(call, make(SHORT))
    if took > _LIMIT / 4:
        return f"{took:.2f} s for {size} characters"
    while 4 * size <= long and took < _ENOUGH:
        if 4 * size == long and took < _LITTLE:
            return None
        size *= 4
        took = seconds(call, make(size))
        if took >= _ENOUGH:  # the first time, something else may have taken it
            took = min(took, seconds(call, make(size)))
    quarter = 0.0
    for _ in range(3):  # a finding stands when it shows each time
        if took < _ENOUGH / 2:  # too little to tell
            return None
        quarter = seconds(call, make(size // 4), 3)
        if took <= _LINEAR * quarter:
            return None
        took = min(took, seconds(call, make(size)))
    return f"{1000 * took:.0f} ms for {size} characters, {1000 * quarter:.0f} ms for a quarter of them"


def attack(pattern: re.Pattern[str], anchored: bool = False) -> tuple[str, str] | None:
    """The (text, finding) on which a pattern is worse than linear; None where no such text was found.

    One that is only asked at a place (`anchored`) is not looked for everywhere.
    """
    for head, pump, tail in texts(pattern):

        def make(length: int, head: str = head, pump: str = pump, tail: str = tail) -> str:
            return head + pump * (length // len(pump)) + tail

        def call(text: str) -> None:
            if not anchored:
                sum(1 for _ in pattern.finditer(text))
            pattern.match(text)
            pattern.fullmatch(text)

        if finding := slow(call, make):
            return f"{head!r} + {pump!r} * n + {tail!r}", finding
    return None

r"""Formulas as people read them: LaTeX inside a text becomes MathML, which browsers draw by themselves.

The text is hostile. What the converter makes of it is not taken as it is (`\text{<script>}` would come out as
an element, `\href` and `\style` as attributes): it is written anew from elements and attributes that only
draw. A formula that cannot be read, is too long, or defines macros stays as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter
from markupsafe import Markup

from omi_core.answers.extract import box_spans
from omi_core.report.html import tag, text
from omi_core.text.formulas import formulas, merged

_MOST_CHARACTERS = 1000
_MOST_DEPTH = 60
# A macro may stand for two of itself, and those for two again.
_MACROS = re.compile(r"\\(?:\w*newcommand|providecommand|\w?def|let|require|unicode)\b")
_DELIMITERS = re.compile(r"(\$\$|\\\[)(.*)(?:\$\$|\\\])|(\$|\\\()(.*)(?:\$|\\\))", re.S)
_ELEMENTS = frozenset(
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mphantom mpadded menclose mtable mtr mtd "
    "mlabeledtr msub msup msubsup munder mover munderover mmultiscripts mprescripts none merror".split()
)
_ATTRIBUTES = frozenset(
    "accent accentunder columnalign columnlines columnspacing columnspan depth display displaystyle "
    "fence form frame height largeop linethickness lspace mathvariant maxsize minsize movablelimits "
    "notation rowalign rowlines rowspacing rowspan rspace scriptlevel separator stretchy symmetric "
    "voffset width".split()
)
# How the converter writes symbols; other references are what was typed.
_SYMBOL = re.compile("&#x([0-9A-F]{4,6});")
_VALUE = re.compile(r"[\w.%+ -]{0,60}")


def with_formulas(words: str) -> Markup:
    """A text with its formulas as MathML; each keeps its LaTeX as `alttext`, for readers and for copying."""
    return Markup("").join(_pieces(words))


def formula(latex: str) -> Markup:
    """An answer, which is LaTeX without delimiters; as it was typed where that is no formula."""
    plain = re.fullmatch(r"[\w\s.,:;!?'-]*", latex)  # words and numbers need no drawing
    return _short(latex) if plain else _drawn(latex, "inline") or _short(latex)


def _short(words: str) -> Markup:
    return text(words if len(words) <= _MOST_CHARACTERS else words[:_MOST_CHARACTERS] + " …")


def _pieces(words: str) -> Iterator[Markup]:
    end = 0
    for start, stop in merged([*formulas(words), *box_spans(words)]):
        yield text(words[end:start])
        given, end = words[start:stop], stop
        yield _formula(given) or text(given)
    yield text(words[end:])


def _formula(given: str) -> Markup | None:
    if given.startswith(r"\begin"):
        return _drawn(given, "block")
    if given.startswith((r"\boxed", r"\fbox")):
        return _drawn(given, "inline")
    found = _DELIMITERS.fullmatch(given)
    if found is None:
        return None  # a fence
    block, in_block, _, in_line = found.groups()
    return _drawn(in_block, "block") if block else _drawn(in_line, "inline")


def _drawn(latex: str, display: str) -> Markup | None:
    """The formula, or None where it cannot be drawn."""
    if len(latex) > _MOST_CHARACTERS or _MACROS.search(latex):
        return None
    try:
        root = Converter(display=display).convert_to_element(latex)
        return tag("math", *map(_safe, root), display=display, alttext=latex)
    except Exception:  # of whatever kind: it was written for formulas that people type
        return None


def _safe(element: Element, depth: int = 0) -> Markup:
    """An element with what it holds, of names and values that only draw. Raises ValueError: too deep."""
    if depth > _MOST_DEPTH:
        raise ValueError("nested too deep")
    children = [_text(element.text)]
    for child in element:
        children += [_safe(child, depth + 1), _text(child.tail)]
    if element.tag not in _ELEMENTS:
        return Markup("").join(children)
    attributes = {
        name: value
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _VALUE.fullmatch(value)
    }
    return tag(element.tag, *children, **attributes)


def _text(given: str | None) -> Markup:
    return text(_SYMBOL.sub(lambda found: chr(int(found[1], 16)), given or ""))

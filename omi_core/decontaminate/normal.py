r"""The normal forms in which problems and test questions are compared.

Three forms, from strict to tolerant:

- `exact_form`: case folded, white space at the ends gone, runs of it inside made one blank. Nothing else.
- `strict_form`: the words of `words`, with operators and brackets as words between them.
- `words`: what 13-grams and subsequences are made of.

What `words` does, in order: the first MAX_CHARS characters; Asymptote drawings (`[asy]…[/asy]`) out; Unicode
NFKC; case folded; invisible format characters out; LaTeX read as below; then the words are

- numbers with their decimals, thousands separators removed: `1,000`, `1{,}000` and `1000` are one word;
- runs of letters, apostrophes removed; a digit ends them, so `3x` is two words like `3 x`;
- single characters of Chinese and Japanese, which put no space between words;
- LaTeX commands by their name, where they are not layout: `\pi` is `pi`, as is the letter π.

Dropped are punctuation, math delimiters, operators and fractions, brackets, dollar signs, commands of layout
and font (`\left`, `\text`, `\displaystyle`, `\quad`, `\begin{…}`), dots (`\cdots`). Percent signs and degree
signs become words, since people write them out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_CHARS = 20_000

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(
    r"\\(?:begin|end)\s{0,9}\{[^{}\\]{0,40}\}"
    r"|\\[a-z]+|\\\W"
    r"|\d{1,3}(?:,\d{3})+(?![\d])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
    rf"|[{_CJK}]"
    rf"|[^\W\d_{_CJK}]+(?:'[^\W\d_{_CJK}]+)*"
    r"|[-+*/=<>^!|()\[\]{}%°'√∞×·⋅÷−≤≥≠∘⁄]",
    re.S,
)
_SINGLE_IN_BRACES = re.compile(r"\{\s{0,9}(\w+)\s{0,9}\}")

_LAYOUT = """
left right big bigg bigl bigr biggl biggr bigm middle displaystyle textstyle scriptstyle limits nolimits
quad qquad hspace vspace hskip hfill text textbf textit textrm textsf texttt textnormal emph underline
mathrm mathbf mathbb mathcal mathit mathsf mathfrak mathscr boldsymbol operatorname mbox hbox rm bf it
label tag nonumber notag hline cline multicolumn centering noindent par item newline linebreak smallskip
medskip bigskip boxed fbox cdots ldots dots dotsc dotsb vdots ddots phantom color mathop mathrel
"""
_OPERATORS = {
    "\\frac": "/", "\\dfrac": "/", "\\tfrac": "/", "\\cfrac": "/", "\\over": "/", "\\div": "/", "÷": "/",
    "⁄": "/", "\\times": "*", "\\cdot": "*", "\\ast": "*", "×": "*", "·": "*", "⋅": "*", "−": "-",
    "\\le": "<=", "\\leq": "<=", "\\leqslant": "<=", "≤": "<=", "\\ge": ">=", "\\geq": ">=",
    "\\geqslant": ">=", "≥": ">=", "\\ne": "!=", "\\neq": "!=", "≠": "!=", "\\lt": "<", "\\gt": ">",
    "\\mid": "|", "\\vert": "|", "\\prime": "'", "\\lbrace": "(", "\\rbrace": ")", "\\{": "(", "\\}": ")",
    "{": "(", "}": ")", "\\|": "|", "\\lvert": "|", "\\rvert": "|",
}  # fmt: skip
_WORDS = {
    "%": "percent", "\\%": "percent", "°": "degrees", "\\circ": "degrees", "∘": "degrees",
    "\\degree": "degrees", "√": "sqrt", "∞": "infty",
}  # fmt: skip


def _table() -> dict[str, tuple[str, bool]]:
    """What becomes of a token that does not stand for itself: (its form, is it a word); "" is dropped."""
    table = {f"\\{name}": ("", False) for name in _LAYOUT.split()}
    table |= {mark: (mark, False) for mark in "-+*/=<>^!|()[]'"}
    table |= {token: (form, False) for token, form in _OPERATORS.items()}
    table |= {token: (form, True) for token, form in _WORDS.items()}
    for code in range(ord("α"), ord("ω") + 1):
        name = unicodedata.name(chr(code)).removeprefix("GREEK SMALL LETTER ").lower()
        table[chr(code)] = ({"lamda": "lambda"}.get(name, name), True)
    return table


_TABLE = _table()
_INVISIBLE = dict.fromkeys(
    (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF)
)
_PLAIN = {**_INVISIBLE, ord("’"): "'", ord("‘"): "'"}


def exact_form(text: str) -> str:
    """For the comparison that ignores nothing but case and the amount of white space."""
    return " ".join(text.casefold().split())


def words(text: str) -> list[str]:
    """The words of a text, as the module describes them."""
    if "[asy]" in text:
        text = _without_drawings(text[:MAX_CHARS])
    return [form for form in map(_word, _tokens(text)) if form]


def strict_form(text: str) -> str:
    """Words, operators and brackets, a blank between them; drawings, too, since a short question can be all
    in its drawing. Braces around a single word are not brackets."""
    return " ".join([form for form in map(_mark, _tokens(text)) if form])


def is_cut(text: str) -> bool:
    """Is the text so long that its end is not compared?"""
    return len(text) > MAX_CHARS


def _tokens(text: str) -> list[str]:
    text = text[:MAX_CHARS]
    if not text.isascii():
        # NFKC makes up to 18 characters of one; the bound must hold for what is compared.
        text = unicodedata.normalize("NFKC", text).translate(_PLAIN)[:MAX_CHARS]
    text = text.casefold()
    if "\\" in text or "{" in text:
        text = text.replace("{,}", ",").replace(",\\!", ",")
        text = _SINGLE_IN_BRACES.sub(r" \1 ", text)
    return _TOKEN.findall(text)


@lru_cache(maxsize=1 << 16)
def _word(token: str) -> str:
    """A token as a word, "" when it is not one."""
    form, word = _form(token)
    return form if word else ""


@lru_cache(maxsize=1 << 16)
def _mark(token: str) -> str:
    """A token as a word of the strict form, "" when it has no place there."""
    return _form(token)[0]


def _form(token: str) -> tuple[str, bool]:
    """(form, is it a word) of a token; the form is "" when it is dropped."""
    known = _TABLE.get(token)
    if known is not None:
        return known
    if token[0] == "\\":  # a command: its name, unless it is an escaped character or begins an environment
        return (token[1:], True) if token[1:].isalpha() else ("", False)
    return token.replace("," if token[0].isdecimal() else "'", ""), True


def _without_drawings(text: str) -> str:
    kept, begin = [], 0
    while (start := text.find("[asy]", begin)) >= 0 and (end := text.find("[/asy]", start)) >= 0:
        kept.append(text[begin:start])
        begin = end + len("[/asy]")
    return " ".join([*kept, text[begin:]])

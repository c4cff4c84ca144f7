r"""LaTeX answers as tokens: the whitespace-safe normal form, and what the parser reads.

Two strings with the same tokens are the same answer: spacing, `\left`, `\,`, `$`, `\dfrac` against `\frac`,
`1{,}000` against `1000` and final punctuation leave no trace, while `2 1/2` (three numbers) and `21/2` stay
apart.
"""

from __future__ import annotations

import re

from omi_core.answers.units import BARE_UNITS

MAX_LENGTH = 1000
MAX_TOKENS = 400

# kind, text. Kinds: n number; N number with plain commas (may be a list); v letter or symbol; c command;
# o operator or bracket; t words; b / e begin and end of a matrix.
Token = tuple[str, str]

_UNICODE = {
    "−": "-", "–": "-", "‐": "-", "×": "\\times ", "·": "\\cdot ", "⋅": "\\cdot ", "÷": "\\div ",
    "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "≈": "\\approx ",
    "°": "^\\circ ", "∪": "\\cup ", "²": "^2", "³": "^3", "±": "\\pm ", "\u00a0": " ", "\u2009": " ",
    "\u202f": " ", "∈": "\\in ", "½": "\\frac12 ", "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ",
    "∅": "\\emptyset ", "’": "'", "€": "\\text{€}", "£": "\\text{£}", "¢": "\\text{¢}",
}  # fmt: skip
_TRANSLATE = str.maketrans(_UNICODE)

_SCAN = re.compile(
    r"""
    (?P<skip>\s+|~|\$|\\[,;:!\ ()\[\]]|\\(?:q?quad|displaystyle|textstyle|limits|[bB]igg?[lrm]?)(?![a-zA-Z])
        |\\(?:left|right)(?![a-zA-Z])\.?)
  | (?P<text>\\(?:text(?:bf|rm|it|normal|sf|tt)?|mbox|hbox|mathrm|mathbf|mathit|mathsf|operatorname\*?|rm|bf)
        (?![a-zA-Z])\s*\{(?P<body>[^{}]*)\})
  | (?P<matrix>\\(?P<edge>begin|end)\s*\{(?P<env>[a-zA-Z]+)\*?\})
  | (?P<set>\\mathbb\s*+\{?+\s*+(?P<letter>[A-Z])\s*+\}?)
  | (?P<clock>[0-9]{1,2}(?:\s*+(?:\\!\s*+)?:\s*+(?:\\!\s*+)?[0-9]{2}(?![0-9]))+)
  | (?P<repeating>[0-9]*\.(?P<fixed>[0-9]*)\\overline\s*+\{?+\s*+(?P<cycle>[0-9]++)\s*+\}?)
  | (?P<thousands>[0-9]{1,3}(?:(?:\{,\}|,\\!|\\!,|\\,|\\\ |~)\ *[0-9]{3}(?![0-9]))+(?:\.[0-9]+)?)
  | (?P<spaced>[0-9]{1,3}(?:\ [0-9]{3}(?![0-9]))+(?:\.[0-9]+)?(?!\ *[/0-9]))
  | (?P<plain>[1-9][0-9]{0,2}(?:,[0-9]{3}(?![0-9]))+(?:\.[0-9]+)?|0,[0-9]{3}(?![0-9,]))
  | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+(?![a-zA-Z0-9]))?)
  | (?P<command>\\[a-zA-Z]+|\\.)
  | (?P<word>[a-zA-Z]{2,})
  | (?P<letter1>[a-zA-Z])
  | (?P<operator>[-+*/^_()\[\]{}|,;:=<>!'&%])
    """,
    re.VERBOSE,
)
_RENAME = {
    "\\dfrac": "\\frac", "\\tfrac": "\\frac", "\\cfrac": "\\frac", "\\leq": "\\le", "\\leqslant": "\\le",
    "\\geq": "\\ge", "\\geqslant": "\\ge", "\\neq": "\\ne", "\\varnothing": "\\emptyset",
    "\\dbinom": "\\binom", "\\tbinom": "\\binom", "\\lvert": "|", "\\rvert": "|", "\\vert": "|",
    "\\lbrace": "\\{", "\\rbrace": "\\}", "\\lbrack": "[", "\\rbrack": "]", "\\lt": "<", "\\gt": ">",
    "\\ast": "*", "\\times": "*", "\\cdot": "*", "\\div": "/", "\\colon": ":", "\\degree": "\\circ",
    "\\land": "\\text{and}", "\\%": "%", "\\arcsin": "\\arcsin", "\\thinspace": "", "\\hspace": "",
    "\\nolimits": "",
}  # fmt: skip
_OPERATORS = frozenset("-+*/^_()[]{}|,;:=<>!'&%") | {"\\{", "\\}"}
_SYMBOLS = frozenset(
    ("\\" + name)
    for name in (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho "
        "sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi "
        "Omega pi infty ell"
    ).split()
)
_WORD_COMMANDS = frozenset("sin cos tan cot sec csc arcsin arccos arctan log ln sqrt pi infty".split())
_MATRICES = frozenset({"pmatrix", "bmatrix", "matrix"})
_NUMBER_TEXT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# Control, zero-width and direction characters, lone surrogates: never part of an answer to be trusted.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]"
)


def _words(body: str) -> str:
    """Words of a text group: lower case, single spaces, no quotes or final points; "(A)" becomes "a"."""
    words = re.sub(r"\\[ ,;!]|[~\s\"'`$]+", " ", body).strip(" .,;:").lower()
    inner = re.fullmatch(r"\(\s*([a-z])\s*\)", words)
    return inner[1] if inner else re.sub(r" +", " ", words)


def _bare_word(run: str, previous: Token | None) -> list[Token]:
    lower = run.lower()
    if lower in _WORD_COMMANDS:
        return [("v" if lower in ("pi", "infty") else "c", "\\" + lower)]
    if lower in ("infinity", "inf"):
        return [("v", "\\infty")]
    after_value = previous is not None and (previous[0] in "nNt" or previous[1] in ("}", ")"))
    if len(run) >= 4 or lower in ("and", "or") or (after_value and lower in BARE_UNITS):
        return [("t", lower)]
    return [("v", letter) for letter in run]


def _canonical(number: str) -> str:
    """One spelling per decimal literal: no separators, no leading or trailing zeros that do not count."""
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, digits = mantissa.partition(".")
    digits = digits.rstrip("0")
    text = (whole.lstrip("0") or "0") + ("." + digits if digits else "")
    if not exponent:
        return text
    return text + "e" + ("-" if exponent[0] == "-" else "") + (exponent.lstrip("+-0") or "0")


def tokenize(answer: str) -> tuple[Token, ...] | None:
    r"""Tokens of an answer, or None where it is too long or holds something that is not mathematics.

    Linear in the length; text groups that nest braces (`\text{a {b}}`) are not understood.
    """
    if len(answer) > MAX_LENGTH or FORBIDDEN.search(answer):
        return None
    if not answer.isascii():
        answer = answer.translate(_TRANSLATE)
    answer = _without_end(answer.strip())
    tokens: list[Token] = []
    position, depth, length = 0, 0, len(answer)
    while position < length:
        match = _SCAN.match(answer, position)
        if match is None or len(tokens) > MAX_TOKENS:
            return None
        kind, text = match.lastgroup, match.group()
        if kind == "plain" and depth:
            # Inside brackets a comma separates, unless what follows it can only be the rest of a number.
            kind = "thousands"
            if not re.search(",0", text) or text.startswith("0"):
                kind, text = "number", text.partition(",")[0]
        position += len(text)
        if kind == "clock" and not re.search(":[^0-9:]*+0", text):
            # 4:30 may be a ratio; only a zero after the colon, as in 4:05, makes it a time for sure
            kind, digits = "number", re.match("[0-9]+", text)
            position += (digits.end() if digits else 0) - len(text)
            text = answer[match.start() : position]
        if kind == "skip":
            continue
        if kind == "number":
            tokens.append(("n", _canonical(text)))
        elif kind in ("thousands", "spaced"):
            tokens.append(("n", _canonical(re.sub(r"[^0-9.]", "", text))))
        elif kind == "plain":
            tokens.append(("N", text))
        elif kind == "operator":
            depth += (text in "([") - (text in ")]")
            tokens.append(("o", text))
        elif kind == "repeating":
            whole = text.partition(".")[0].lstrip("0") or "0"
            tokens.append(("n", f"{whole}.{match['fixed']}({match['cycle']})"))
        elif kind == "clock":
            tokens.append(("t", re.sub("[^0-9:]", "", text).lstrip("0")))
        elif kind == "letter1":
            tokens.append(("v", text))
        elif kind == "word":
            tokens.extend(_bare_word(text, tokens[-1] if tokens else None))
        elif kind == "text":
            tokens.extend(_text(match["body"], match.group()))
        elif kind == "matrix":
            if match["env"] not in _MATRICES:
                return None
            tokens.append(("b" if match["edge"] == "begin" else "e", "matrix"))
        elif kind == "set":
            tokens.append(("v", "\\mathbb" + match["letter"]))
        else:
            depth += (text in ("\\{", "\\lbrace")) - (text in ("\\}", "\\rbrace"))
            token = _command(text)
            if token is not None:
                tokens.append(token)
    return tuple(tokens)


def _without_end(answer: str) -> str:
    """The answer without the white space, points, commas and dollars at its end, `\\!` and the like among them."""
    end = len(answer)
    while end:
        mark, escaped = answer[end - 1], answer[end - 2 : end - 1] == "\\"
        if mark in "!,;:." and escaped:
            end -= 2
        elif mark.isspace() or mark in ".,;:" or (mark == "$" and not escaped):
            end -= 1
        else:
            break
    return answer[:end]


def _command(text: str) -> Token | None:
    text = _RENAME.get(text, text)
    if text in ("", "\\limits"):
        return None
    if text in _OPERATORS:
        return ("o", text)
    if text == "\\text{and}":
        return ("t", "and")
    return ("v" if text in _SYMBOLS else "c", text)


def _text(body: str, whole: str) -> list[Token]:
    words = _words(body)
    if not words:
        return []
    if _NUMBER_TEXT.fullmatch(words) and not words.startswith("-"):
        return [("n", _canonical(words))]
    if words in _WORD_COMMANDS and words not in ("pi", "infty"):
        return [("c", "\\" + words)]
    if len(body.strip()) == 1 and words.isalpha() and not whole.startswith(("\\text", "\\mbox", "\\hbox")):
        return [("v", body.strip())]  # \mathrm{x}, \mathbf{v}: a letter set in another face
    if "," in words or " and " in words or " or " in words:
        parts = [part.strip() for part in re.split(r",|\band\b|\bor\b", words)]
        separated = [token for part in parts if part for token in (("t", part), ("o", ","))]
        return separated[:-1]
    return [("t", words)]

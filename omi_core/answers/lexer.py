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
    "°": "^\\circ ", "∪": "\\cup ", "±": "\\pm ", "\u00a0": " ", "\u2009": " ",
    "\u202f": " ", "∈": "\\in ", "√": "\\sqrt ", "⟨": "\\langle ", "⟩": "\\rangle ", "′": "'",
    "≡": "\\equiv ",
    "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}", "ℚ": "\\mathbb{Q}",
    "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ",
    "∅": "\\emptyset ", "’": "'", "€": "\\text{€}", "£": "\\text{£}", "¢": "\\text{¢}",
}  # fmt: skip
_FRACTIONS = {
    "½": "12", "⅓": "13", "⅔": "23", "¼": "14", "¾": "34", "⅕": "15", "⅖": "25", "⅗": "35", "⅘": "45",
    "⅙": "16", "⅚": "56", "⅛": "18", "⅜": "38", "⅝": "58", "⅞": "78",
}  # fmt: skip
_UNICODE |= {sign: f"\\frac{{{d[0]}}}{{{d[1]}}} " for sign, d in _FRACTIONS.items()}
_TRANSLATE = str.maketrans(_UNICODE)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₙₖ", "0123456789nk")
_RAISED_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")
_LOWERED_RUN = re.compile("[₀₁₂₃₄₅₆₇₈₉ₙₖ]+")
_ROOT_OF_NUMBER = re.compile(r"√ ?([0-9]+)")

_SCAN = re.compile(
    r"""
    (?P<skip>\s+|~|\$|\\[,;:!\ ()\[\]]|\\(?:displaystyle|textstyle|limits|[bB]igg?[lrm]?)(?![a-zA-Z])
        |\\(?:left|right)(?![a-zA-Z])\.?)
  | (?P<gap>\\q?quad(?![a-zA-Z]))
  | (?P<text>\\(?:text(?:bf|rm|it|normal|sf|tt)?|mbox|hbox|mathrm|mathbf|mathit|mathsf|operatorname\*?|rm|bf)
        (?![a-zA-Z])\s*\{(?P<body>(?:[^{}]|\{,\})*)\})
  | (?P<matrix>\\(?P<edge>begin|end)\s*\{(?P<env>[a-zA-Z]+)\*?\})
  | (?P<set>\\mathbb\s*+\{?+\s*+(?P<letter>[A-Z])\s*+\}?+)
  | (?P<clock>[0-9]{1,2}(?:(?>(?:\s|\\!)*):(?>(?:\s|\\!)*)[0-9]{2}(?![0-9]))+)
  | (?P<repeating>[0-9]*+\.(?P<fixed>[0-9]*+)\\(?:overline|bar)\s*+\{?+\s*+(?P<cycle>[0-9]++)\s*+\}?+)
  | (?P<thousands>[0-9]{1,3}(?:(?:\{,\}|,\\!|\\!,|\\,|\\\ |~)\ *[0-9]{3}(?![0-9]))+(?:\.[0-9]+)?)
  | (?P<spaced>[0-9]{1,3}(?:\ [0-9]{3}(?![0-9]))+(?:\.[0-9]+)?(?!\ *[/0-9]))
  | (?P<plain>(?<![0-9],)[1-9][0-9]{0,2}(?:,[0-9]{3}(?![0-9]))+(?:\.[0-9]+)?(?!,[0-9])|0,[0-9]{3}(?![0-9,]))
  | (?P<number>(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]+(?![a-zA-Z0-9]))?)
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
    "\\land": "\\text{and}", "\\lor": "\\text{or}", 
    "\\langle": "(", "\\rangle": ")", "\\mod": "\\pmod", "\\bmod": "\\pmod",
    "\\%": "%", "\\arcsin": "\\arcsin", "\\thinspace": "", "\\hspace": "", "\\nolimits": "",
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
_NUMBER_FIRST = re.compile(
    r"(-?\s?(?:\\?\$)?\s?-?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:\s?\\?%)?)([^0-9]*)"
)
_END = (
    "\\ ", " ", "\t", "\n", "\\!", "\\,", "\\;", "\\:", "\\.", "\\quad", "\\qquad", ".", ",", ";", ":", "$",
)  # fmt: skip
# A double backslash before a name, as text that went through JSON once too often has it.
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z]{2})")
_VECTORS = ("\\vec", "\\overrightarrow", "\\mathbf", "\\hat", "\\boldsymbol")
_CHOICE = re.compile(r"\s*([A-J])[.)]\s+(?=\S)")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?([ap])\.?m\.{0,2}")
_NOT_CLOCK = re.compile(r"\\(?:text|mathrm|mbox|rm)|\\[ ,;!]|[{}\s~$]")
_CLOCK_LENGTH = 60
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
    if run == "mod" and previous is not None:
        return [("c", "\\pmod")]
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
    clock = _clock(answer)
    if clock is not None:
        return (("t", clock),)
    return _scan(_trimmed(_plain_ascii(answer)))


def _plain_ascii(answer: str) -> str:
    """The answer in LaTeX alone: no mathematical characters, no doubled backslashes."""
    if not answer.isascii():
        answer = _ROOT_OF_NUMBER.sub(r"\\sqrt{\1}", answer)
        answer = _RAISED_RUN.sub(lambda found: f"^{{{found[0].translate(_RAISED)}}}", answer)
        answer = _LOWERED_RUN.sub(lambda found: f"_{{{found[0].translate(_LOWERED)}}}", answer)
        answer = answer.translate(_TRANSLATE)
    if "\\\\" in answer:
        answer = answer.replace("\\\\", "\\") if "\\\\begin" in answer else _DOUBLED.sub(r"\\", answer)
    if any(mark in answer for mark in _VECTORS):
        answer = answer.replace("\\times", "\\cross ")  # of vectors it is not the other product
    found = _CHOICE.match(answer)
    return f"({found[1]}) {answer[found.end() :]}" if found else answer


def _trimmed(answer: str) -> str:
    """Without spaces, final points and delimiters at its ends."""
    end = len(answer)
    while ending := next((mark for mark in _END if answer.endswith(mark, 0, end)), None):
        end -= len(ending)
        if ending == "$" and answer.endswith("\\", 0, end):  # \$ is a dollar
            end += 1
            break
    return answer[:end].lstrip()


def _clock(answer: str) -> str | None:
    """The time of day that the whole answer is, such as "4:30 pm"; else None."""
    if len(answer) > _CLOCK_LENGTH or "m" not in answer.lower():
        return None
    found = _CLOCK.fullmatch(_NOT_CLOCK.sub("", answer).lower())
    if found is None or not 1 <= int(found[1]) <= 12 or int(found[2] or 0) > 59:
        return None
    return f"{int(found[1])}:{found[2] or '00'} {found[3]}m"


def _scan(answer: str) -> tuple[Token, ...] | None:
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
        if kind in ("thousands", "spaced"):
            tokens.append(("n", _canonical(re.sub(r"[^0-9.]", "", text))))
        elif kind == "matrix":
            if match["env"] not in _MATRICES:
                return None
            tokens.append(("b" if match["edge"] == "begin" else "e", "matrix"))
        else:
            found = _token(kind or "", text, match, tokens[-1] if tokens else None)
            depth += sum((t in ("(", "[", "\\{")) - (t in (")", "]", "\\}")) for k, t in found if k == "o")
            tokens.extend(found)
    return tuple(tokens)


_RELATES = re.compile(r"[<>=]|\\(?:le|ge|lt|gt|ne|in)")


def _token(kind: str, text: str, match: re.Match[str], previous: Token | None) -> list[Token]:
    """The tokens of one match of `_SCAN`."""
    if kind == "number":
        return [("n", _canonical(text))]
    if kind == "plain":
        return [("N", text)]
    if kind == "operator":
        return [("o", text)]
    if kind == "gap":
        return [("o", "\\quad")]
    if kind == "repeating":
        whole = text.partition(".")[0].lstrip("0") or "0"
        return [("n", f"{whole}.{match['fixed']}({match['cycle']})")]
    if kind == "clock":
        return [("t", re.sub("[^0-9:]", "", text).lstrip("0"))]
    if kind == "letter1":
        return [("v", text)]
    if kind == "word":
        return _bare_word(text, previous)
    if kind == "text":
        return _text(match["body"], match.group(), previous)
    if kind == "set":
        return [("v", "\\mathbb" + match["letter"])]
    if text in ("\\land", "\\lor") and not _RELATES.search(match.string):
        return [("c", text)]  # between statements; between relations they are "and" and "or"
    token = _command(text)
    return [] if token is None else [token]


def _command(text: str) -> Token | None:
    text = _RENAME.get(text, text)
    if text in ("", "\\limits"):
        return None
    if text in _OPERATORS:
        return ("o", text)
    if text in ("\\text{and}", "\\text{or}"):
        return ("t", text[6:-1])
    return ("v" if text in _SYMBOLS else "c", text)


def _text(body: str, whole: str, previous: Token | None) -> list[Token]:
    words = _words(body)
    if not words:
        return []
    if any(character.isdigit() for character in body) and (found := _numbers(body)):
        return found
    if words in _WORD_COMMANDS and words not in ("pi", "infty"):
        return [("c", "\\" + words)]
    letter = body.strip()
    if len(letter) == 1 and letter.isalpha():
        if not whole.startswith(("\\text", "\\mbox", "\\hbox")):
            return [("v", letter)]  # \mathrm{x}, \mathbf{v}: a letter set in another face
    if previous is not None and previous[0] in "nN" and len(letter) <= 3 and letter.isalpha():
        if any(character.isupper() for character in letter) and letter.lower() not in BARE_UNITS:
            return [("t", letter)]  # 5 M is not 5 m, nor 5 MW 5 mW
    if "," in words or " and " in words or " or " in words:
        marks = re.split(r"(,|\band\b|\bor\b)", words)
        parts = [(part.strip(), after) for part, after in zip(marks[::2], [*marks[1::2], ""], strict=True)]
        tokens = [
            token
            for part, after in parts
            if part
            for token in (("t", part), ("o", ",") if after in (",", "") else ("t", after))
        ]
        return tokens[:-1]
    return [("t", words)]


def _numbers(body: str) -> list[Token] | None:
    r"""Tokens of a text group that is or begins with a number: \text{-5}, \text{1,000}, \text{\$18 each}."""
    if not any(character.isalpha() for character in body):
        found = _scan(_trimmed(body.replace("$", "\\$") if "\\$" not in body else body))
        return list(found) if found else None
    match = _NUMBER_FIRST.fullmatch(body.strip())
    if match is None:
        return None
    head = match[1] if "\\$" in match[1] else match[1].replace("$", "\\$")
    number, rest = _scan(head.strip()), _words(match[2])
    if not number or "," in rest or not rest:
        return None
    return [*number, ("t", rest)]

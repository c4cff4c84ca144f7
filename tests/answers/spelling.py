"""The usual spellings of the values of each shape: of a value, one of them, drawn at random."""

from __future__ import annotations

from fractions import Fraction
from random import Random as Rng

Interval = tuple[int, int, str, str]


def _grouped(n: int, mark: str) -> str:
    return f"{n:,}".replace(",", mark)


def integers(n: int, rng: Rng) -> str:
    marks = ["", ",", "{,}", r"\,", r",\!"] if abs(n) >= 1000 else [""]
    text = _grouped(n, rng.choice(marks))
    return rng.choice(
        ["{}", "${}$", r"\text{{{}}}", "{}.", "{}.0" if "," not in text else "{}", " {} "]
    ).format(text)


def decimals(v: int, rng: Rng) -> str:
    text = f"{v / 100:.2f}"
    return rng.choice([text, text + "0", f"${text}$", rf"\frac{{{v}}}{{100}}", text[1:] if v < 100 else text])


def fractions(f: Fraction, rng: Rng) -> str:
    sign, n, d = "-" if f < 0 else "", abs(f.numerator), f.denominator
    k = rng.randint(2, 5)
    return sign + rng.choice(
        [
            rf"\frac{{{n}}}{{{d}}}", rf"\dfrac{{{n}}}{{{d}}}", f"{n}/{d}", rf"\frac{{{k * n}}}{{{k * d}}}",
            rf"\text{{{n}/{d}}}", rf"\left(\frac{{{n}}}{{{d}}}\right)",
        ]
    )  # fmt: skip


def mixed_numbers(v: tuple[int, int, int], rng: Rng) -> str:
    w, n, d = v
    return rng.choice([rf"{w}\frac{{{n}}}{{{d}}}", f"{w} {n}/{d}", rf"\frac{{{w * d + n}}}{{{d}}}"])


def money(v: int, rng: Rng) -> str:
    return rng.choice(
        [rf"\${v}", f"${v}$ dollars", rf"{v}\text{{ dollars}}", rf"\text{{\${v}}}", rf"\${v}.00"]
    )


def clock_times(v: tuple[int, int, str], rng: Rng) -> str:
    h, m, half = v
    dotted = f"{half[0]}.{half[1]}."
    return rng.choice(
        [f"{h}:{m:02} {half}", rf"{h}:{m:02}\text{{ {dotted}}}", rf"\text{{{h}:{m:02} {half.upper()}}}"]
    )


def intervals(v: Interval, rng: Rng) -> str:
    low, high, left, right = v
    below, above = ("<" if left == "(" else r"\le"), ("<" if right == ")" else r"\leq")
    return rng.choice(
        [
            f"{left}{low},{high}{right}",
            rf"\left{left} {low}, {high} \right{right}",
            f"{low} {below} x {above} {high}",
        ]
    )


def unions(v: tuple[int, int], rng: Rng) -> str:
    a, b = v
    return rng.choice(
        [
            rf"(-\infty,{a})\cup({b},\infty)",
            rf"({b},\infty) \cup (-\infty, {a})",
            rf"x<{a} \text{{ or }} x>{b}",
        ]
    )


def matrices(v: tuple[int, ...], rng: Rng) -> str:
    kind = rng.choice(["pmatrix", "bmatrix"])
    a, b, c, d = v
    return rf"\begin{{{kind}}}{a}&{b}\\{c}&{d}\end{{{kind}}}"


def vectors(v: tuple[int, ...], rng: Rng) -> str:
    rows = r"\\ ".join(map(str, v))
    return rng.choice(
        [
            rf"\begin{{pmatrix}}{rows}\end{{pmatrix}}",
            rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}",
            tuples(v, rng),
        ]
    )


def tuples(v: tuple[int, ...], rng: Rng) -> str:
    text = rng.choice([",", ", "]).join(map(str, v))
    return rng.choice([f"({text})", rf"\left({text}\right)", rf"\langle {text} \rangle"])


def sets(v: tuple[int, ...], rng: Rng) -> str:
    text = ", ".join(map(str, rng.sample(v, len(v))))
    return rng.choice([rf"\{{{text}\}}", rf"\left\{{{text}\right\}}", text])


def lists(v: tuple[int, ...], rng: Rng) -> str:
    return rng.choice([",", ", ", r",\ "]).join(map(str, v))


def _terms(v: tuple[int, ...], letter: str, rng: Rng) -> str:
    terms = [(c, len(v) - 1 - at) for at, c in enumerate(v)]
    if rng.random() < 0.3:
        rng.shuffle(terms)
    text = ""
    for c, power in terms:
        if not c:
            continue
        body = letter + (f"^{{{power}}}" if power > 1 else "") if power else ""
        size = "" if abs(c) == 1 and power else str(abs(c))
        text += ("-" if c < 0 else "+" if text else "") + size + body
    return text or "0"


def polynomials(v: tuple[int, ...], rng: Rng) -> str:
    return _terms(v, "x", rng)


def radicals(v: tuple[int, int, int], rng: Rng) -> str:
    a, b, r = v
    return rng.choice(
        [
            rf"{a}+{b}\sqrt{{{r}}}",
            rf"{b}\sqrt{r}+{a}" if r < 10 else rf"{b}\sqrt{{{r}}}+{a}",
            rf"{a}+\sqrt{{{b * b * r}}}",
        ]
    )


def logarithms(v: tuple[int, int], rng: Rng) -> str:
    b, n = v
    return rng.choice(
        [
            rf"\log_{{{b}}} {n}",
            rf"\log_{b}({n})" if b < 10 else rf"\log_{{{b}}}({n})",
            rf"\frac{{\ln {n}}}{{\ln {b}}}",
        ]
    )


def sines(v: int, rng: Rng) -> str:
    return rng.choice([rf"\sin {v}^\circ", rf"\sin({v}^{{\circ}})", rf"\sin\frac{{{v}\pi}}{{180}}"])


def complex_numbers(v: tuple[int, int], rng: Rng) -> str:
    a, b = v
    sign = "+" if b > 0 else "-"
    return rng.choice(
        [f"{a}{sign}{abs(b)}i", f"{b}i+{a}" if a > 0 else f"{b}i{a}", f"({a}){sign}({abs(b)}i)"]
    )


def lines(v: tuple[int, int, int], rng: Rng) -> str:
    a, b, c = v
    k = rng.randint(2, 4)
    return rng.choice([f"{a}x+{b}y={c}", f"{k * a}x+{k * b}y={k * c}", f"{c}={b}y+{a}x", f"{a}x+{b}y-{c}=0"])


def circles(v: tuple[int, int, int], rng: Rng) -> str:
    a, b, r = v
    spread = f"x^2+y^2-{2 * a}x-{2 * b}y={r * r - a * a - b * b}"
    return rng.choice([f"(x-{a})^2+(y-{b})^2={r * r}", spread])


def functions(v: tuple[str, int], rng: Rng) -> str:
    name, n = v
    return rng.choice([f"{name}({n})", rf"{name}\left({n}\right)", f"{name}( {n} )"])


def words(v: str, rng: Rng) -> str:
    return rng.choice([rf"\text{{{v}}}", v, rf"\text{{ {v.lower()} }}", rf"\mbox{{{v}}}"])


def choices(v: tuple[str, int], rng: Rng) -> str:
    letter, n = v
    return rng.choice([rf"\textbf{{({letter})}}\ {n}", rf"\textbf{{({letter}) }} {n}", f"({letter}) {n}"])


def bases(v: tuple[int, int], rng: Rng) -> str:
    return rng.choice(["{}_{}", "{}_{{{}}}", r"{}_{{\,{}}}"]).format(*v)


def remainders(v: tuple[int, int], rng: Rng) -> str:
    n, m = v
    return rng.choice([rf"{n} \pmod {{{m}}}", rf"{n + m}\pmod{{{m}}}", rf"x\equiv {n} \pmod{{{m}}}"])


def repeating_decimals(v: tuple[int, int], rng: Rng) -> str:
    whole, cycle = v
    value = whole + Fraction(cycle, 99)
    return rng.choice(
        [
            rf"{whole}.\overline{{{cycle}}}",
            rf"{whole}.\bar{{{cycle}}}",
            rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        ]
    )


def binomials(v: tuple[int, int], rng: Rng) -> str:
    return rng.choice([r"\binom{{{}}}{{{}}}", r"{{{}\choose {}}}", r"\dbinom{{{}}}{{{}}}"]).format(*v)


def words_that_multiply(v: tuple[int, str], rng: Rng) -> str:
    n, word = v
    size = {"thousand": 10**3, "million": 10**6, "billion": 10**9}[word]
    return rng.choice([rf"{n}\text{{ {word}}}", f"{n} {word}", f"{n * size}", f"{n * size:,}"])


def assignments(v: int, rng: Rng) -> str:
    return rng.choice([f"x={v}", f"x = {v}", f"{v - 1}+1={v}", rf"\boxed{{{v}}}"[7:-1]])


def inequalities(v: tuple[str, int], rng: Rng) -> str:
    op, n = v
    flipped = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}[op]
    return rng.choice([f"x {op} {n}", f"{n} {flipped} x", f"x{op} {n}.0"])

r"""Answers of all shapes by construction: what is the same value in another spelling, and what is another
value.

A `Shape` draws a value, writes it in one of its usual spellings, and changes it to another value. Both are
known without any comparison, so they can judge one: two spellings of a value are never NOT_EQUAL, a value and
a changed one are never EQUAL. Where a policy calls different things equal (`50\%` and `0.5`), `write` and
`change` stay within what differs under every policy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Rng = random.Random


@dataclass(frozen=True)
class Shape:
    """`draw` gives a value, `write` one spelling of it, `change` another value of the same shape."""

    name: str
    draw: Callable[[Rng], Any]
    write: Callable[[Any, Rng], str]
    change: Callable[[Any, Rng], Any]


def _other(low: int, high: int) -> Callable[[Any, Rng], int]:
    def change(value: int, rng: Rng) -> int:
        return rng.choice([n for n in {value - 1, value + 1, value + 10, -value, 2 * value} if n != value])

    return change


def _one_changed(values: tuple[int, ...], rng: Rng) -> tuple[int, ...]:
    at = rng.randrange(len(values))
    return (*values[:at], values[at] + rng.choice([-1, 1, 10]), *values[at + 1 :])


def _distinct(count: int, low: int = -20, high: int = 60) -> Callable[[Rng], tuple[int, ...]]:
    return lambda rng: tuple(rng.sample(range(low, high), count))


def _changed_set(values: tuple[int, ...], rng: Rng) -> tuple[int, ...]:
    if rng.random() < 0.3 and len(values) > 2:
        return values[:-1]
    new = rng.choice([n for n in range(-30, 80) if n not in values])
    at = rng.randrange(len(values))
    return (*values[:at], new, *values[at + 1 :])


def _swapped(values: tuple[int, ...], rng: Rng) -> tuple[int, ...]:
    if rng.random() < 0.5:
        return _one_changed(values, rng)
    return (*values[1:], values[0])


def _grouped(n: int, mark: str) -> str:
    return f"{n:,}".replace(",", mark)


def _integer(n: int, rng: Rng) -> str:
    marks = ["", ",", "{,}", r"\,", r",\!"] if abs(n) >= 1000 else [""]
    text = _grouped(n, rng.choice(marks))
    return rng.choice(
        ["{}", "${}$", r"\text{{{}}}", "{}.", "{}.0" if "," not in text else "{}", " {} "]
    ).format(text)


def _decimal(v: int, rng: Rng) -> str:
    text = f"{v / 100:.2f}"
    return rng.choice([text, text + "0", f"${text}$", rf"\frac{{{v}}}{{100}}", text[1:] if v < 100 else text])


def _fraction(f: Fraction, rng: Rng) -> str:
    sign, n, d = "-" if f < 0 else "", abs(f.numerator), f.denominator
    k = rng.randint(2, 5)
    return sign + rng.choice(
        [
            rf"\frac{{{n}}}{{{d}}}", rf"\dfrac{{{n}}}{{{d}}}", f"{n}/{d}", rf"\frac{{{k * n}}}{{{k * d}}}",
            rf"\text{{{n}/{d}}}", rf"\left(\frac{{{n}}}{{{d}}}\right)",
        ]
    )  # fmt: skip


def _changed_fraction(f: Fraction, rng: Rng) -> Fraction:
    return rng.choice([x for x in (f + 1, -f, 1 / f, f / 2, f + Fraction(1, 7)) if x != f])


def _mixed(v: tuple[int, int, int], rng: Rng) -> str:
    w, n, d = v
    return rng.choice([rf"{w}\frac{{{n}}}{{{d}}}", f"{w} {n}/{d}", rf"\frac{{{w * d + n}}}{{{d}}}"])


def _changed_mixed(v: tuple[int, int, int], rng: Rng) -> tuple[int, int, int]:
    return rng.choice([(v[0] + 1, *v[1:]), (v[0] * 10, *v[1:]), (v[0], v[1], v[2] + 1)])


_UNITS = {
    "cm": (r"\text{ cm}", " cm", r"\text{ centimeters}", r"\mathrm{~cm}"),
    "kg": (r"\text{ kg}", r"\text{ kilograms}", r"\,\text{kg}"),
    "hours": (r"\text{ hours}", " hours", r"\text{ h}"),
    "cm2": (r"\text{ cm}^2", r"\text{ square centimeters}", r"\text{ cm}^{2}"),
    "km/h": (r"\text{ km/h}", " km/h", r"\text{ kilometers per hour}"),
    "celsius": (r"^\circ\text{C}", r"^{\circ} C", r"\text{ degrees Celsius}"),
    "fahrenheit": (r"^\circ\text{F}", r"\text{ degrees Fahrenheit}"),
}


def _changed_unit(v: tuple[int, str], rng: Rng) -> tuple[int, str]:
    if rng.random() < 0.5:
        return v[0] + rng.choice([1, -1, 10]), v[1]
    return v[0], rng.choice([unit for unit in _UNITS if unit != v[1]])


def _money(v: int, rng: Rng) -> str:
    return rng.choice(
        [rf"\${v}", f"${v}$ dollars", rf"{v}\text{{ dollars}}", rf"\text{{\${v}}}", rf"\${v}.00"]
    )


def _clock(v: tuple[int, int, str], rng: Rng) -> str:
    h, m, half = v
    dotted = f"{half[0]}.{half[1]}."
    return rng.choice(
        [f"{h}:{m:02} {half}", rf"{h}:{m:02}\text{{ {dotted}}}", rf"\text{{{h}:{m:02} {half.upper()}}}"]
    )


def _changed_clock(v: tuple[int, int, str], rng: Rng) -> tuple[int, int, str]:
    return rng.choice(
        [(v[0] % 12 + 1, v[1], v[2]), (v[0], (v[1] + 7) % 60, v[2]), (*v[:2], "am" if v[2] == "pm" else "pm")]
    )


Interval = tuple[int, int, str, str]


def _draw_interval(rng: Rng) -> Interval:
    low = rng.randint(-9, 9)
    return low, low + rng.randint(1, 9), rng.choice("(["), rng.choice(")]")


def _interval(v: Interval, rng: Rng) -> str:
    low, high, left, right = v
    below, above = ("<" if left == "(" else r"\le"), ("<" if right == ")" else r"\leq")
    return rng.choice(
        [
            f"{left}{low},{high}{right}",
            rf"\left{left} {low}, {high} \right{right}",
            f"{low} {below} x {above} {high}",
        ]
    )


def _changed_interval(v: Interval, rng: Rng) -> Interval:
    return rng.choice(
        [
            (v[0] - 1, *v[1:]),
            (v[0], v[1] + 1, *v[2:]),
            (*v[:2], "(" if v[2] == "[" else "[", v[3]),
            (*v[:3], ")" if v[3] == "]" else "]"),
        ]
    )


def _rays(v: tuple[int, int], rng: Rng) -> str:
    a, b = v
    return rng.choice(
        [
            rf"(-\infty,{a})\cup({b},\infty)",
            rf"({b},\infty) \cup (-\infty, {a})",
            rf"x<{a} \text{{ or }} x>{b}",
        ]
    )


def _matrix(v: tuple[int, ...], rng: Rng) -> str:
    kind = rng.choice(["pmatrix", "bmatrix"])
    a, b, c, d = v
    return rf"\begin{{{kind}}}{a}&{b}\\{c}&{d}\end{{{kind}}}"


def _vector(v: tuple[int, ...], rng: Rng) -> str:
    rows = r"\\ ".join(map(str, v))
    return rng.choice(
        [
            rf"\begin{{pmatrix}}{rows}\end{{pmatrix}}",
            rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}",
            _tuple(v, rng),
        ]
    )


def _tuple(v: tuple[int, ...], rng: Rng) -> str:
    text = rng.choice([",", ", "]).join(map(str, v))
    return rng.choice([f"({text})", rf"\left({text}\right)", rf"\langle {text} \rangle"])


def _set(v: tuple[int, ...], rng: Rng) -> str:
    text = ", ".join(map(str, rng.sample(v, len(v))))
    return rng.choice([rf"\{{{text}\}}", rf"\left\{{{text}\right\}}", text])


def _list(v: tuple[int, ...], rng: Rng) -> str:
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


def _polynomial(v: tuple[int, ...], rng: Rng) -> str:
    return _terms(v, "x", rng)


def _radical(v: tuple[int, int, int], rng: Rng) -> str:
    a, b, r = v
    return rng.choice(
        [
            rf"{a}+{b}\sqrt{{{r}}}",
            rf"{b}\sqrt{r}+{a}" if r < 10 else rf"{b}\sqrt{{{r}}}+{a}",
            rf"{a}+\sqrt{{{b * b * r}}}",
        ]
    )


def _logarithm(v: tuple[int, int], rng: Rng) -> str:
    b, n = v
    return rng.choice(
        [
            rf"\log_{{{b}}} {n}",
            rf"\log_{b}({n})" if b < 10 else rf"\log_{{{b}}}({n})",
            rf"\frac{{\ln {n}}}{{\ln {b}}}",
        ]
    )


def _sine(v: int, rng: Rng) -> str:
    return rng.choice([rf"\sin {v}^\circ", rf"\sin({v}^{{\circ}})", rf"\sin\frac{{{v}\pi}}{{180}}"])


def _complex(v: tuple[int, int], rng: Rng) -> str:
    a, b = v
    sign = "+" if b > 0 else "-"
    return rng.choice(
        [f"{a}{sign}{abs(b)}i", f"{b}i+{a}" if a > 0 else f"{b}i{a}", f"({a}){sign}({abs(b)}i)"]
    )


def _line(v: tuple[int, int, int], rng: Rng) -> str:
    a, b, c = v
    k = rng.randint(2, 4)
    return rng.choice([f"{a}x+{b}y={c}", f"{k * a}x+{k * b}y={k * c}", f"{c}={b}y+{a}x", f"{a}x+{b}y-{c}=0"])


def _circle(v: tuple[int, int, int], rng: Rng) -> str:
    a, b, r = v
    spread = f"x^2+y^2-{2 * a}x-{2 * b}y={r * r - a * a - b * b}"
    return rng.choice([f"(x-{a})^2+(y-{b})^2={r * r}", spread])


def _function(v: tuple[str, int], rng: Rng) -> str:
    name, n = v
    return rng.choice([f"{name}({n})", rf"{name}\left({n}\right)", f"{name}( {n} )"])


def _changed_function(v: tuple[str, int], rng: Rng) -> tuple[str, int]:
    return rng.choice([(v[0] + "'", v[1]), (v[0] + "^{-1}", v[1]), (v[0], v[1] + 1), ("h", v[1])])


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _word(v: str, rng: Rng) -> str:
    return rng.choice([rf"\text{{{v}}}", v, rf"\text{{ {v.lower()} }}", rf"\mbox{{{v}}}"])


def _choice(v: tuple[str, int], rng: Rng) -> str:
    letter, n = v
    return rng.choice([rf"\textbf{{({letter})}}\ {n}", rf"\textbf{{({letter}) }} {n}", f"({letter}) {n}"])


def _base(v: tuple[int, int], rng: Rng) -> str:
    return rng.choice(["{}_{}", "{}_{{{}}}", r"{}_{{\,{}}}"]).format(*v)


def _modular(v: tuple[int, int], rng: Rng) -> str:
    n, m = v
    return rng.choice([rf"{n} \pmod {{{m}}}", rf"{n + m}\pmod{{{m}}}", rf"x\equiv {n} \pmod{{{m}}}"])


def _changed_modular(v: tuple[int, int], rng: Rng) -> tuple[int, int]:
    return rng.choice([((v[0] + 1) % v[1], v[1]), (v[0], v[1] + 1)])


def _repeating(v: tuple[int, int], rng: Rng) -> str:
    whole, cycle = v
    value = whole + Fraction(cycle, 99)
    return rng.choice(
        [
            rf"{whole}.\overline{{{cycle}}}",
            rf"{whole}.\bar{{{cycle}}}",
            rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        ]
    )


def _binomial(v: tuple[int, int], rng: Rng) -> str:
    return rng.choice([r"\binom{{{}}}{{{}}}", r"{{{}\choose {}}}", r"\dbinom{{{}}}{{{}}}"]).format(*v)


def _multiple(v: tuple[int, str], rng: Rng) -> str:
    n, word = v
    size = {"thousand": 10**3, "million": 10**6, "billion": 10**9}[word]
    return rng.choice([rf"{n}\text{{ {word}}}", f"{n} {word}", f"{n * size}", f"{n * size:,}"])


def _equal_sides(v: int, rng: Rng) -> str:
    return rng.choice([f"x={v}", f"x = {v}", f"{v - 1}+1={v}", rf"\boxed{{{v}}}"[7:-1]])


def _inequality(v: tuple[str, int], rng: Rng) -> str:
    op, n = v
    flipped = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}[op]
    return rng.choice([f"x {op} {n}", f"{n} {flipped} x", f"x{op} {n}.0"])


def _changed_inequality(v: tuple[str, int], rng: Rng) -> tuple[str, int]:
    return rng.choice(
        [(rng.choice([o for o in ("<", ">", r"\le", r"\ge") if o != v[0]]), v[1]), (v[0], v[1] + 1)]
    )


def _pick(*options: Any) -> Callable[[Any, Rng], Any]:
    """A change to another of the options."""
    return lambda v, rng: rng.choice([option for option in options if option != v])


def _changed_multiple(v: tuple[int, str], rng: Rng) -> tuple[int, str]:
    return rng.choice([(v[0] + 1, v[1]), (v[0], "thousand" if v[1] != "thousand" else "million")])


def _changed_choice(v: tuple[str, int], rng: Rng) -> tuple[str, int]:
    return rng.choice([(chr((ord(v[0]) - 64) % 5 + 65), v[1]), (v[0], v[1] + 1)])


def _pair(a: Callable[[Rng], Any], b: Callable[[Rng], Any]) -> Callable[[Rng], tuple[Any, Any]]:
    return lambda rng: (a(rng), b(rng))


def _between(low: int, high: int) -> Callable[[Rng], int]:
    return lambda rng: rng.randint(low, high)


def _proper(rng: Rng) -> tuple[int, int, int]:
    d = rng.randint(3, 9)
    return rng.randint(1, 20), rng.choice([n for n in range(1, d)]), d


SHAPES = (
    Shape("integers", _between(-9999, 99_999), _integer, _other(0, 0)),
    Shape("decimals", _between(1, 9999), _decimal, lambda v, rng: v + rng.choice([-1, 1, 10, 100])),
    Shape(
        "fractions",
        lambda rng: Fraction(rng.randint(1, 40), rng.choice([7, 11, 13, 17])),
        _fraction,
        _changed_fraction,
    ),
    Shape("mixed numbers", _proper, _mixed, _changed_mixed),
    Shape(
        "percents",
        _between(2, 99),
        lambda v, rng: rng.choice([rf"{v}\%", f"{v}%", rf"{v}\text{{ percent}}"]),
        lambda v, rng: v + rng.choice([1, -1]),
    ),
    Shape("money", _between(2, 900), _money, _other(0, 0)),
    Shape(
        "units",
        _pair(_between(2, 90), lambda rng: rng.choice(list(_UNITS))),
        lambda v, rng: f"{v[0]}{rng.choice(_UNITS[v[1]])}",
        _changed_unit,
    ),
    Shape(
        "degrees",
        _between(1, 170),
        lambda v, rng: rng.choice([rf"{v}^\circ", rf"{v}^{{\circ}}", rf"{v}\text{{ degrees}}", f"{v}°"]),
        lambda v, rng: v + rng.choice([1, 10]),
    ),
    Shape(
        "clock times",
        lambda rng: (rng.randint(1, 12), rng.randint(0, 59), rng.choice(["am", "pm"])),
        _clock,
        _changed_clock,
    ),
    Shape("intervals", _draw_interval, _interval, _changed_interval),
    Shape(
        "unions", lambda rng: (rng.randint(-9, 0), rng.randint(1, 9)), _rays, lambda v, rng: (v[0] - 1, v[1])
    ),
    Shape("sets", _distinct(3), _set, _changed_set),
    Shape("lists", _distinct(4, 1, 200), _list, _changed_set),
    Shape("tuples", _distinct(3), _tuple, _swapped),
    Shape("vectors", _distinct(3), _vector, _swapped),
    Shape("matrices", _distinct(4), _matrix, _swapped),
    Shape(
        "polynomials",
        lambda rng: tuple(rng.choice([1, -1]) * rng.randint(1, 9) for _ in range(4)),
        _polynomial,
        _one_changed,
    ),
    Shape(
        "radicals",
        lambda rng: (rng.randint(1, 9), rng.randint(2, 9), rng.choice([2, 3, 5, 7, 11])),
        _radical,
        lambda v, rng: rng.choice([(v[0] + 1, *v[1:]), (v[0], v[1] + 1, v[2]), (*v[:2], 13)]),
    ),
    Shape(
        "logarithms",
        lambda rng: (rng.choice([2, 3, 5, 10]), rng.randint(11, 90)),
        _logarithm,
        lambda v, rng: (v[0], v[1] + 1),
    ),
    Shape("sines", lambda rng: rng.randint(1, 89), _sine, lambda v, rng: v - 1 if v > 1 else v + 2),
    Shape(
        "complex numbers",
        lambda rng: (rng.randint(1, 9) * rng.choice([1, -1]), rng.randint(2, 9) * rng.choice([1, -1])),
        _complex,
        lambda v, rng: rng.choice([(v[0], -v[1]), (v[0] + 10, v[1])]),
    ),
    Shape(
        "lines",
        lambda rng: (rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 30)),
        _line,
        lambda v, rng: (v[0], v[1], v[2] + rng.randint(1, 3)),
    ),
    Shape(
        "circles",
        lambda rng: (rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 9)),
        _circle,
        _one_changed,
    ),
    Shape("assignments", _between(2, 99), _equal_sides, lambda v, rng: v + 1),
    Shape(
        "inequalities",
        _pair(lambda rng: rng.choice(["<", ">", r"\le", r"\ge"]), _between(-20, 20)),
        _inequality,
        _changed_inequality,
    ),
    Shape("functions", _pair(lambda rng: rng.choice("fg"), _between(0, 9)), _function, _changed_function),
    Shape("words", lambda rng: rng.choice(_DAYS), _word, _pick(*_DAYS)),
    Shape("choices", _pair(lambda rng: rng.choice("ABCDE"), _between(2, 60)), _choice, _changed_choice),
    Shape(
        "bases",
        _pair(lambda rng: int("".join(rng.choice("1234") for _ in range(4))), _between(5, 9)),
        _base,
        lambda v, rng: rng.choice([(v[0] + 1, v[1]), (v[0], v[1] + 1 if v[1] < 9 else 7)]),
    ),
    Shape(
        "remainders",
        lambda rng: (lambda m: (rng.randrange(m), m))(rng.randint(3, 12)),
        _modular,
        _changed_modular,
    ),
    Shape(
        "repeating decimals",
        lambda rng: (rng.randint(0, 9), rng.choice([n for n in range(10, 99) if n % 11])),
        _repeating,
        lambda v, rng: (v[0] + 1, v[1]),
    ),
    Shape(
        "binomials",
        lambda rng: (rng.randint(8, 20), rng.randint(2, 3)),
        _binomial,
        lambda v, rng: (v[0] + 1, v[1]),
    ),
    Shape(
        "words that multiply",
        _pair(_between(2, 90), lambda rng: rng.choice(["thousand", "million", "billion"])),
        _multiple,
        _changed_multiple,
    ),
)


def differing(shape: Shape, rng: Rng) -> tuple[str, str]:
    """Spellings of two different values."""
    value = shape.draw(rng)
    return shape.write(value, rng), shape.write(shape.change(value, rng), rng)


def same(shape: Shape, rng: Rng) -> tuple[str, str]:
    """Two spellings of one value."""
    value = shape.draw(rng)
    return shape.write(value, rng), shape.write(value, rng)

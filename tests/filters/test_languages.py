"""The filter on the language errs on the labelled sample as often as the docs say, and no more elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from omi_core.filters.conversations.language import english
from tests.bench.languages import SAMPLE, WAYS, Text, by_filter, real, sample, table, wrong

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return sample()


def test_the_sample_has_ten_texts_or_more_of_each_language_and_none_twice() -> None:
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    counts = Counter(row["language"] for row in rows)
    assert len(counts) == 20 and min(counts.values()) >= 10
    assert len({row["text"] for row in rows}) == len(rows)


def test_the_filter_drops_no_english_and_finds_every_foreign_text_of_some_length(texts: list[Text]) -> None:
    assert wrong(texts, by_filter) == {"foreign, Latin, under 25 words": 6, "after English": 10}


def test_the_docs_state_what_each_way_gets_wrong(texts: list[Text]) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md")))
    rows = table(texts, {name: wrong(texts, way) for name, way in WAYS.items()})
    assert len(rows) == 7
    assert [row for row in rows if row not in pages] == []


def test_no_solution_of_real_problems_is_foreign(shared_data: Path) -> None:
    texts = real(shared_data, 700)
    assert len(texts) > 1200 and not wrong(texts, by_filter)


# None of these languages is in the sample.
OTHERS = {
    "Catalan": (
        "Anna: Quin és el pendent d'aquesta recta?\nBernat: És $2$, perquè $y=2x+1$ puja dos cada vegada."
    ),
    "Czech": (
        "Anna: Kolik stupňů má součet úhlů trojúhelníku?\nBořek: Vždycky $180^\\circ$, ať je jakýkoli."
    ),
    "Danish": (
        "Anna: Hvad er summen af de første ti tal?\nBo: Den er $55$, som man ser, hvis man lægger dem parvis."
    ),
    "Finnish": (
        "Anna: Mikä on tämän suoran kulmakerroin?\nBo: Se on $2$, koska $y=2x+1$ kasvaa aina kahdella."
    ),
    "Hungarian": (
        "Anna: Mennyi az első tíz szám összege?\nBéla: Éppen $55$, ahogy látszik, ha párosítjuk őket."
    ),
    "Persian": ("آنا: شیب این خط چقدر است؟\nبابک: برابر $2$ است، چون $y=2x+1$ هر بار دو تا بالا می‌رود."),
    "Romanian": (
        "Ana: Care este suma primelor zece numere?\nBogdan: Este $55$, după cum se vede dacă le grupăm."
    ),
    "Swahili": (
        "Asha: Jumla ya namba kumi za kwanza ni ngapi?\nBaraka: Ni $55$, kama unavyoona ukizipanga kwa jozi."
    ),
    "Thai": ("แอน: ผลบวกของจำนวนสิบตัวแรกเท่ากับเท่าไร\nบอย: เท่ากับ $55$ เพราะจับคู่กันได้ห้าคู่"),
    "Ukrainian": ("Аня: Яка сума перших десяти чисел?\nБогдан: Вона дорівнює $55$, якщо скласти їх попарно."),
}


@pytest.mark.parametrize("language", OTHERS)
def test_languages_that_the_sample_lacks_are_foreign(language: str) -> None:
    assert not by_filter(OTHERS[language])


@pytest.mark.parametrize(
    "text",
    [
        "Oleksandr: What is $7\\cdot8$?\nŞebnem: It is $56$, as Gülşah and Björn have just found.",
        "Ludovico Ferrari, a pupil of Gerolamo Cardano, solved the quartic in Bologna.",
        "Priya Subramaniam and Arjun Venkataraman share 48 idlis and 36 dosas with Lakshmi.",
        "Teacher: Which Mersenne primes do Landau, Erdős and Szemerédi need?\nStudent: None.",
        "Ann: $a$?\nBob: $b$.\nAnn: Hence $a+b$.\nBob: QED!",
        "**Moderator:** Δx/Δt → v.\n**Debater:** As Δt → 0, yes; v = dx/dt.",
        "",
        "$x$",
        "   \n",
    ],
)
def test_english_that_the_sample_lacks_stays(text: str) -> None:
    assert by_filter(text)


def test_a_slip_is_found_wherever_it_stands() -> None:
    line = "Teacher: Let us look at the next number in the list. Is it a prime, and how can we tell?\n"
    slip = (
        "Lehrerin: Sehen wir uns die nächste Zahl in der Liste an. Ist sie eine Primzahl, und woran erkennt "
        "man das am besten?\nSchüler: Man teilt sie der Reihe nach durch alle kleineren Primzahlen, und wenn "
        "keine davon aufgeht, dann ist sie selbst eine. Bei großen Zahlen dauert das freilich sehr lange, "
        "sodass man lieber einen der schnellen Tests nimmt, die Fermat und andere gefunden haben.\n"
    )
    assert by_filter(line * 20)
    found = [not by_filter(line * before + slip + line * (20 - before)) for before in range(21)]
    assert all(found)


def test_a_probability_is_one_whatever_the_text() -> None:
    assert all(
        0 <= english(text) <= 1 for text in ("", "\x00", "\ud800", "A" * 500, "\u0301" * 500, "😀", "ǅ")
    )

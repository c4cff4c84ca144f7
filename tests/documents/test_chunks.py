"""Chunks are within the limit, give the document back, and tear no formula that fits."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.documents import Splitter, joined
from omi_core.documents.document_options import Documents
from omi_core.options import ConfigError
from omi_core.teachers import tiny
from omi_core.text.formulas import formulas
from omi_core.text.tokens import TokenCounter

TOKENIZER = str(Path(tiny.__file__).parent / "strong" / "tokenizer.json")

CUTS = [
    ("a short text is one chunk", 40, "One. Two.\n\nThree.", ["One. Two.\n\nThree."], {}),
    ("paragraphs as long as they fit", 16, "Aa bb.\n\nCc dd.\n\nEe ff.", ["Aa bb.\n\nCc dd.", "Ee ff."], {}),
    ("a line of blanks ends one", 16, "Aa bb cc dd.\n \t\n\nEe ff gg.", ["Aa bb cc dd.", "Ee ff gg."], {}),
    ("a paragraph that fits is not torn", 16, "Aa.\n\nBb cc. Dd ee ff.", ["Aa.", "Bb cc. Dd ee ff."], {}),
    ("else its sentences", 16, "Aa bb cc dd. Ee ff gg hh? Ii.", ["Aa bb cc dd.", "Ee ff gg hh? Ii."], {}),
    ("closing marks go along", 16, '"Aa bb cc dd." "Ee ff."', ['"Aa bb cc dd."', '"Ee ff."'], {}),
    ("no sentence ends at e.g.", 17, "Aa bb e.g. Dd ee. Ff gg.", ["Aa bb e.g. Dd ee.", "Ff gg."], {}),
    ("nor at an initial", 17, "Bb, by J. Doe ee. Ff gg.", ["Bb, by J. Doe ee.", "Ff gg."], {}),
    ("nor before a small letter", 17, "Aa b. cc dd ee e. Ff gg.", ["Aa b. cc dd ee e.", "Ff gg."], {}),
    ("full stops of other scripts", 18, "甲乙丙丁。戊己庚辛。", ["甲乙丙丁。", "戊己庚辛。"], {}),
    (
        "a long sentence at line ends",
        16,
        "aa bb cc dd\nee ff gg hh",
        ["aa bb cc dd", "ee ff gg hh"],
        {"cut_sentences": 1},
    ),
    ("else between words", 16, "aaaa bbbb cccc dddd", ["aaaa bbbb cccc", "dddd"], {"cut_sentences": 1}),
    ("a long word anywhere", 16, "a" * 20, ["a" * 16, "a" * 4], {"cut_words": 1}),
    (
        "a formula whole",
        20,
        "Let us say $a + b. C = d$ is.",
        ["Let us say", "$a + b. C = d$ is."],
        {"cut_sentences": 1},
    ),
    (
        "a display with a blank line",
        20,
        "It is bb cc.\n\n$$\na\n\nb\n$$\nSo.",
        ["It is bb cc.", "$$\na\n\nb\n$$\nSo."],
        {},
    ),
    (
        "a display may end a sentence",
        20,
        "We see \\[ x = 1. \\] But how is it?",
        ["We see \\[ x = 1. \\]", "But how is it?"],
        {},
    ),
    (
        "an environment whole",
        34,
        "Here aa.\n\n\\begin{cases}a\n\nb\\end{cases} x.",
        ["Here aa.", "\\begin{cases}a\n\nb\\end{cases} x."],
        {},
    ),
    (
        "a fence whole",
        20,
        "See the code.\n\n```py\na. B\n\nc\n```",
        ["See the code.", "```py\na. B\n\nc\n```"],
        {},
    ),
    (
        "a long formula as a last resort",
        16,
        "$aaaa + bbbb + cccc$",
        ["$aaaa + bbbb +", "cccc$"],
        {"cut_formulas": 1},
    ),
    (
        "a long environment at its sentences",
        28,
        "\\begin{proof} We add. Then $a. B + c$ holds. \\end{proof}",
        ["\\begin{proof} We add.", "Then $a. B + c$ holds.", "\\end{proof}"],
        {"cut_formulas": 1},
    ),
    ("money is no formula", 20, "Pay $5 to me. Get $6 back.", ["Pay $5 to me.", "Get $6 back."], {}),
]


@pytest.mark.parametrize(("case", "limit", "text", "chunks", "cut"), CUTS, ids=[case[0] for case in CUTS])
def test_text_is_cut(case: str, limit: int, text: str, chunks: list[str], cut: dict[str, int]) -> None:
    splitter = Splitter(TokenCounter("bytes"), limit)
    made = splitter.split("d", text)
    assert [chunk.text for chunk in made] == chunks
    assert joined(made) == text
    assert {name: n for name, n in splitter.counts.items() if name.startswith("cut_") and n} == cut


FORMULAS = [
    ("$a$ and $b$", ["$a$", "$b$"]),
    ("$ a + b $ is", ["$ a + b $"]),
    ("costs $5, or $6", []),
    ("costs $5. Let $x. y$ be", ["$x. y$"]),
    ("$ 5 and then $ x. y $", ["$ x. y $"]),
    ("\\$5 is $x$", ["$x$"]),
    ("$a\n\nb$", []),
    ("$$a$$ $$$$$$ $b$", ["$$a$$", "$b$"]),
    ("make $$ fast\n\n$$x. y$$ is", ["$$x. y$$"]),
    ("\\(a\\) \\[b\\] \\\\[2pt] \\]", ["\\(a\\)", "\\[b\\]"]),
    ("\\[ a \\[b\\]", ["\\[b\\]"]),
    ("$$\\text{if $x$}$$ so", ["$$\\text{if $x$}$$"]),
    ("\\begin{a}\\begin{b}\\end{a}\\end{b}", ["\\begin{a}\\begin{b}\\end{a}"]),
    ("\\begin{a}\\begin{a}x\\end{a}y\\end{a}z", ["\\begin{a}\\begin{a}x\\end{a}y\\end{a}"]),
    ("\\begin{a} never ended", []),
    ("~~~\n$a\n```\n~~~\n$b$", ["~~~\n$a\n```\n~~~", "$b$"]),
    ("```never ended\n$a$", ["$a$"]),
]


@pytest.mark.parametrize(("text", "found"), FORMULAS)
def test_formulas_are_found(text: str, found: list[str]) -> None:
    assert [text[a:b] for a, b in formulas(text) if text[a:b].strip()] == found


PARTS = st.sampled_from(
    ["$", "$$", "\\(", "\\)", "\\[", "\\]", "\\begin{a}", "\\end{a}", "```", "\n", "\n\n", " ", ". ", "a",
     "Word", "5", "é", "\ud800", "\\", "{x^2}", "\t", "x" * 40, "?", "\x1c", "。"]
)  # fmt: skip
MESSY = st.lists(PARTS, max_size=60).map("".join)


@pytest.mark.parametrize("tokenizer", ["bytes", TOKENIZER], ids=["bytes", "tokenizer"])
@given(text=MESSY, limit=st.integers(16, 60))
def test_any_text_comes_back_from_chunks_within_the_limit(tokenizer: str, text: str, limit: int) -> None:
    count = TokenCounter(tokenizer)
    chunks = Splitter(count, limit).split("d", text)
    assert joined(chunks) == (text if text.strip() else "")
    assert [chunk.tokens for chunk in chunks] == count([chunk.text for chunk in chunks])
    assert all(0 < chunk.tokens <= limit and chunk.text == chunk.text.strip() for chunk in chunks)
    assert [chunk.id for chunk in chunks] == [f"d:{number}" for number in range(len(chunks))]
    assert not any(chunk.before for chunk in chunks[1:])
    assert not any((chunk.before + chunk.after).strip() for chunk in chunks)


FORMULA = st.sampled_from(
    ["$a. B$", "$$x = 1.\nSo$$", "\\(p. Q\\)", "\\[\nu.\n\nV\n\\]", "\\begin{a}s. T\n\nv\\end{a}"]
)


@given(st.lists(st.one_of(FORMULA, st.sampled_from(["So it is. ", " and\n", "\n\n", "Then"])), max_size=40))
def test_no_formula_that_fits_is_torn(parts: list[str]) -> None:
    text = " ".join(parts)
    splitter = Splitter(TokenCounter("bytes"), 60)
    chunks = splitter.split("d", text)
    assert splitter.counts["cut_formulas"] == 0
    at, ends = 0, set()
    for chunk in chunks:
        at += len(chunk.before + chunk.text)
        ends.add(at)
        at += len(chunk.after)
    at = 0
    for part in parts:
        if part[0] in "$\\":
            assert not ends & set(range(at + 1, at + len(part)))
        at += len(part) + 1


N = 60_000
HOSTILE = {
    "one word": "x" * N,
    "dollars": "$" * N,
    "dollars and blanks": "$ " * N,
    "open environments": "\\begin{a}" * (N // 9),
    "nested environments": "\\begin{a}" * (N // 18) + "\\end{a}" * (N // 18),
    "formulas without a gap": "$x$" * (N // 3),
    "one long display": "$$" + "x+y " * (N // 4) + "$$",
    "fences": "```\n" * (N // 4),
    "line ends": "a" + "\n" * N + "b",
    "lines of blanks": "a" + "\n " * N + "b",
    "full stops": "." * N,
    "full stops and brackets": ".)" * N,
    "tiny paragraphs": "a\n\n" * (N // 3),
    "tiny sentences": "Ab. " * (N // 4),
    "wide characters": "😀" * (N // 4),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("tokenizer", ["bytes", TOKENIZER], ids=["bytes", "tokenizer"])
def test_hostile_text_is_survived_in_bounded_time(case: str, tokenizer: str) -> None:
    chunks = Splitter(TokenCounter(tokenizer), 500).split("d", HOSTILE[case])
    assert joined(chunks) == HOSTILE[case]
    assert max(chunk.tokens for chunk in chunks) <= 500


def test_latex_of_real_solutions_keeps_its_formulas(shared_data: Path) -> None:
    rows = [orjson.loads(line) for line in (shared_data / "math/train.jsonl").read_bytes().splitlines()[:300]]
    texts = [row["problem"] + "\n\n" + row["solution"] for row in rows]
    # A lone dollar is money.
    text = "\n\n".join(text for text in texts if text.replace("\\$", "").count("$") % 2 == 0)
    splitter = Splitter(TokenCounter("bytes"), 500)
    chunks = splitter.split("d", text)
    assert joined(chunks) == text
    assert splitter.counts["cut_formulas"] == splitter.counts["cut_words"] == 0
    for chunk in chunks:
        assert chunk.tokens <= 500
        assert chunk.text.replace("\\$", "").count("$") % 2 == 0
        assert chunk.text.count("\\begin{") == chunk.text.count("\\end{")


def test_a_tokenizer_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match=r"^documents.tokenizer: no file /nowhere; give the path"):
        Splitter.of(Documents(tokenizer="/nowhere"))
    assert Splitter.of(Documents(max_tokens=16)).split("d", "a" * 17)[1].text == "a"


def test_counts_add_up_over_documents() -> None:
    splitter = Splitter(TokenCounter("bytes"), 16)
    made = [
        splitter.split(str(n), text)
        for n, text in enumerate(["One.", "", " \n", "Aa bb cc.\n\nDd ee ff gg."])
    ]
    assert [len(chunks) for chunks in made] == [1, 0, 0, 2]
    assert splitter.counts | {"documents": 4, "blank": 2, "chunks": 3} == splitter.counts

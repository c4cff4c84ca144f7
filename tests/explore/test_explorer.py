"""The page in a real browser: what a person sees, finds and types there, whatever the texts hold."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from rapidfuzz.distance import LCSseq

from omi_core.explore import join, render_explorer
from tests.browser import Browser
from tests.explore.conftest import Show
from tests.explore.lines import near, pair

BAKER = "A baker sells 12 loaves each morning and 15 loaves each evening."
BAKERS = "A baker sells 12 loaves each morning and 20 rolls each evening."
ROBE = "A robe takes 2 bolts of blue fiber."
TRAIN = "A train leaves at noon."
PAIRS = [
    pair(BAKER, f"gsm8k/{BAKER}", "exact", 1.0, 7),
    pair(BAKER, f"math/{BAKERS}", "ngram", 0.7, 3),
    pair(ROBE, "gsm8k/How many bolts does a robe take?", "judge", 0.9),
]
NEAREST = [
    near(ROBE, ("gsm8k/How many bolts does a robe take?", 0.9)),
    near(TRAIN, ("math/When does the bus leave?", 0.6), (f"gsm8k/{BAKER}", 0.1)),
    near("Find $x^2$.", (f"gsm8k/{BAKER}", 0.2)),
]
HOSTILE = (
    "</script></pre><script>document.title='owned'</script><img src=http://x.invalid/ onerror=alert(1)>"
    "<!--<script>{{data}}{{script}}&lt;\u2028'\"`${1}\\u003c\x00\x1b[31m\u202e__proto__"
)


def listed(page: Browser) -> list[str]:
    """The problems in the list, in its order."""
    return page.texts("#rows .start")


def chosen(page: Browser) -> str:
    (text,) = page.texts("#problem pre")
    return text


def marks(page: Browser, selector: str) -> list[str]:
    return page.texts(f"{selector} mark:not(.elsewhere)")


def test_the_list_shows_the_worst_first_with_verdict_score_and_test_set(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    assert listed(page) == [BAKER, ROBE, TRAIN, "Find $x^2$."]
    assert page.texts("#rows .badge") == ["exact 1.00", "judge 0.90", "clean 0.60", "clean 0.20"]
    assert page.texts("#rows .set") == ["gsm8k", "gsm8k", "math", "gsm8k"]
    assert page.texts("#found") == ["4 of 4 problems"]
    assert page.texts("title") == page.texts("h1") == ["4 problems beside test questions"]
    assert page.complaints == []
    assert [address.split("/")[-1] for address in page.requests] == ["explore.html"]


def test_the_counts_stand_above_in_all_and_per_test_set(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    assert page.texts("#verdicts button") == ["all 4", "exact 1", "judge 1", "clean 2"]
    assert page.texts("#sets button:nth-child(1) > *") == [
        "gsm8k2",
        "1 exact, 1 judge",
        "2 questions hit",
        "nearest to 1 clean",
    ]
    assert page.texts("#sets button:nth-child(2) > *") == [
        "math1",
        "1 ngram",
        "1 question hit",
        "nearest to 1 clean",
    ]


def test_the_chosen_problem_stands_beside_its_questions_with_what_they_share_marked(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    assert chosen(page) == BAKER
    assert page.texts(".question pre") == [BAKER, BAKERS]
    assert page.texts(".question .head") == [
        "gsm8k #7exact 1.0012 of 12 words in order",
        "math #3ngram 0.7010 of 12 words in order",
    ]
    assert marks(page, "#problem") == [BAKER.rstrip(".")]
    page.press("n")
    shared = ["A baker sells 12 loaves each morning and", "each evening"]
    assert marks(page, "#problem") == marks(page, ".question[aria-current]") == shared
    page.press("p")
    assert marks(page, "#problem") == [BAKER.rstrip(".")]
    page.click(".question", 1)
    assert marks(page, "#problem") == shared


def test_a_question_found_in_two_ways_stands_there_once(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    page.press("j")
    assert page.texts(".question .head") == ["gsm8k #0judge 0.90embedding 0.902 of 7 words in order"]


def test_search_narrows_by_words_of_problem_and_question(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    for query, found in [
        ("bolts", [ROBE]),
        ("LOAVES", [BAKER, TRAIN, "Find $x^2$."]),
        ("bus  noon", [TRAIN]),
        ("bus loaves robe", []),
        ("$x^2$", ["Find $x^2$."]),
        ("", [BAKER, ROBE, TRAIN, "Find $x^2$."]),
    ]:
        page.press("/")
        page.evaluate("document.activeElement.select()")
        page.type(query) if query else page.press("Backspace")
        assert listed(page) == found, query
        assert page.texts("#found") == [f"{len(found)} of 4 problems"]
        assert page.texts("#problem pre") == found[:1] if query else True
        page.press("Escape")
    assert page.complaints == []


def test_filters_show_what_their_counts_say_and_a_second_press_takes_them_back(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    page.click("#verdicts button", 1)
    assert listed(page) == [BAKER]
    page.click("#verdicts button", 1)
    assert len(listed(page)) == 4
    page.click("#sets button", 1)
    assert listed(page) == [BAKER, TRAIN]
    assert page.texts("#rows .badge") == ["ngram 0.70", "clean 0.60"]
    page.click("#verdicts button", 3)
    assert listed(page) == [TRAIN]
    page.click("#sets button", 0)
    assert listed(page) == ["Find $x^2$."]
    page.click("#verdicts button", 0)
    assert listed(page) == [BAKER, ROBE, "Find $x^2$."]
    assert page.evaluate("document.activeElement.textContent") == "all 4"


@pytest.mark.parametrize(
    ("order", "first"),
    [("worst", [BAKER, ROBE]), ("high", [BAKER, ROBE]), ("low", ["Find $x^2$.", TRAIN]), ("input", [BAKER])],
)
def test_the_list_can_be_sorted(show: Show, order: str, first: list[str]) -> None:
    page = show(PAIRS, NEAREST)
    page.evaluate(f"part.order.value = '{order}', part.order.dispatchEvent(new Event('change'))")
    assert listed(page)[: len(first)] == first


def test_keys_walk_through_the_list_and_are_text_in_the_search_field(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    steps = []
    for key in ("j", "j", "k", "k", "k", "j", "j", "j", "j", "j"):
        page.press(key)
        steps.append([BAKER, ROBE, TRAIN, "Find $x^2$."].index(chosen(page)))
    assert steps == [1, 2, 1, 0, 0, 1, 2, 3, 3, 3]
    page.press("/", "j", "k")
    assert page.evaluate("part.query.value") == "jk"
    assert page.texts("#pair") == ["No problem matches."]
    page.press("Escape", "j", "k", "n", "p")
    assert page.evaluate("[part.query.value, document.activeElement.id]") == ["jk", "list"]
    page.evaluate("part.query.value = '', part.query.dispatchEvent(new Event('input'))")
    page.press("ArrowDown")
    assert chosen(page) == ROBE
    assert page.complaints == []


def test_hostile_text_is_shown_as_text(show: Show) -> None:
    rows = [pair(HOSTILE, f"{HOSTILE.replace('/', '|')}/{HOSTILE}", HOSTILE, 0.5)]
    page = show(rows, [near(HOSTILE, (f"__proto__/{HOSTILE}", 0.4))])
    seen = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert chosen(page) == seen
    assert page.texts(".question pre") == [seen, seen]
    assert page.texts("#rows .badge") == [f"{seen} 0.50"]
    assert page.texts("#rows .set") == [seen.replace("/", "|")]
    assert page.texts(".question b")[1] == "__proto__ #0"
    page.click("#sets button", 1)
    page.press("/")
    page.type("<script>")
    assert page.texts("title") == ["1 problem beside test questions"]
    assert page.evaluate("[document.scripts.length, document.images.length]") == [2, 0]
    assert page.complaints == []
    assert len(page.requests) == 1


def test_the_policy_of_the_page_stops_a_script_that_slips_through(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    for slipped in (
        "document.body.insertAdjacentHTML('beforeend', '<img src=data:x onerror=window.owned=1>')",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.owned=1'}))",
    ):
        page.evaluate(f"{slipped}, new Promise(done => setTimeout(done, 100))")
    assert page.evaluate("window.owned") is None
    assert len(page.complaints) >= 2


CONTRAST = """
(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    const colour = numbers(getComputedStyle(node).backgroundColor);
    return colour[3] === 0 && node.parentElement ? behind(node.parentElement) : colour;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.getClientRects().length) continue;
    const [a, b] = [light(numbers(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), walker.currentNode.textContent.slice(0, 30)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_what_is_behind_it(show: Show, scheme: str) -> None:
    page = show(PAIRS, NEAREST, limit=3)
    page.media(scheme=scheme)
    page.click("#verdicts button", 0)
    found = page.evaluate(CONTRAST)
    assert len(found) > 30
    assert found[0][0] >= 4.5, found[0]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (1000, 620), (760, 900), (360, 700)])
def test_nothing_is_wider_than_the_window(show: Show, width: int, height: int) -> None:
    long = "x" * 3000
    page = show([*PAIRS, pair(long, f"{'s' * 300}/{long}", "m" * 200)], NEAREST)
    page.resize(width, height)
    page.press("j", "j")
    assert chosen(page) == long
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_shows_the_counts_and_the_chosen_problem(show: Show) -> None:
    page = show(PAIRS, NEAREST)
    page.press("j")
    page.media("print")
    shown = "getComputedStyle(document.querySelector('{}')).display !== 'none'"
    parts = {name: page.evaluate(shown.format(name)) for name in ("#sets", "#problem", ".question", "#list")}
    assert parts == {"#sets": True, "#problem": True, ".question": True, "#list": False}
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf())) == 1


def many(number: int) -> list[dict[str, Any]]:
    return [
        near(f"Problem {index} of many.", (f"set{index % 7}/Question {index % 1000}?", index / number))
        for index in range(number)
    ]


@pytest.mark.slow
def test_of_many_problems_only_those_that_are_seen_are_drawn(show: Show) -> None:
    page = show([], many(20_000))
    assert page.texts("#found") == ["20,000 of 20,000 problems"]
    assert len(listed(page)) < 40
    page.evaluate("part.list.scrollTop = 1e9")
    page.settle()
    assert listed(page)[-1] == "Problem 0 of many."
    assert page.evaluate("part.rows.lastChild.getBoundingClientRect().bottom") <= 900
    page.press("/")
    page.type("problem 123")
    found = sum("123" in str(index) for index in range(20_000))
    assert page.texts("#found") == [f"{found} of 20,000 problems"]
    page.evaluate("part.list.scrollTop = 0")
    page.press("Escape", *"j" * 60)
    assert page.texts("#pair h2") == [f"Problem 61 of {found}", "1 question"]
    assert chosen(page) in listed(page)
    assert page.complaints == []


def test_where_there_is_no_room_for_all_the_page_says_so(show: Show) -> None:
    page = show(PAIRS, NEAREST, limit=1)
    assert page.texts("#note") == ["This page holds the worst 1 of 4 problems; the counts are those of all."]
    assert page.texts("#verdicts button") == ["all 4", "exact 1", "judge 1", "clean 2"]
    assert listed(page) == [BAKER]
    assert show(PAIRS, NEAREST).texts("#note") == []


def test_a_page_of_nothing_says_so(show: Show) -> None:
    page = show([], [])
    assert page.texts("#found") == ["0 of 0 problems"]
    page.press("j", "k", "n", "p")
    assert page.texts("#pair") == ["No problem matches."]
    assert page.complaints == []


def shared(page: Browser, one: str, other: str) -> Any:
    """compare() of the words of two texts, as lists."""
    return page.evaluate(
        f"(({{inOrder, a, b}}) => [inOrder, [...a], [...b]])"
        f"(compare(wordsOf({json.dumps(one)}), wordsOf({json.dumps(other)})))"
    )


@pytest.mark.parametrize(
    ("one", "other", "marks_of_one"),
    [
        ("the cat sat", "The CAT sat!", [2, 3, 3]),
        ("sold 1,000 eggs", "sold 1000 eggs", [2, 3, 3]),
        (r"\frac{1}{2} of $x$", r"$\frac{1}{3}$ of x", [2, 3, 0, 2, 3]),
        ("is $2+3$?", "is 2 + 3", [2, 3, 3]),
        ("is $2+3$?", "is $2-3$?", [2, 3, 2]),
        ("Anna's 3x", "Annas 3 x", [2, 3, 3]),
        ("some bees and hens", "hens and some bees", [2, 3, 0, 1]),
        ("two of red", "2 of them", [0, 0, 0]),
        ("two of them", "2 of them", [0, 2, 3]),
        ("of red big apples", "red big apples of", [0, 2, 3, 3]),
        ("小明有3个", "小红有3个", [2, 0, 2, 3, 3]),
        ("one or two one two", "one two", [0, 0, 0, 2, 3]),
        ("", "one", []),
        ("nothing", "common", [0]),
    ],
)
def test_common_words(show: Show, one: str, other: str, marks_of_one: list[int]) -> None:
    assert shared(show([], []), one, other)[1] == marks_of_one


def test_words_in_order_are_a_longest_common_subsequence(show: Show) -> None:
    page, draw = show([], []), random.Random(5)
    for _ in range(100):
        one, other = ([draw.randrange(6) for _ in range(draw.randrange(1, 40))] for _ in range(2))
        found, *both = shared(page, *(" ".join(map(str, words)) for words in (one, other)))
        assert found == LCSseq.similarity(one, other)
        assert all(sum(mark > 1 for mark in marks) == found for marks in both)


def test_texts_too_long_for_a_subsequence_are_compared_as_sets(show: Show) -> None:
    long = " ".join(map(str, range(1001)))
    found, first, _ = shared(show([], []), long, long)
    assert (found, set(first)) == (0, {1})


def test_the_page_is_the_same_each_time_and_names_no_other_place(show: Show, tmp_path: Any) -> None:
    show(PAIRS, NEAREST)
    files = [tmp_path / "contamination.jsonl"], [tmp_path / "nearest.jsonl"]
    html = (tmp_path / "explore.html").read_text(encoding="utf-8")
    assert render_explorer(join(*files, None), "From here") == html
    assert "://" not in html
    assert "prefers-color-scheme: dark" in html

"""Problems, solutions, names and options are text on every page, whatever they hold, never markup."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core import explore
from omi_core.report import html, page
from omi_core.report.facts import Facts
from tests.explore.lines import near, pair

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</style></title></pre><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>&amp;&lt;",
    "{{ 7 * 7 }}{% raw %}{# #}",
    "<!-- --><![CDATA[ ]]>",
    "a\x00b\x1b[2J\u202e\u2066\ud800",
    "\u2028\u2029\ufeff\u0301e\u0000 \U0001d54f 小明",
]


class Seen(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def check(self, scripts: int) -> None:
        assert self.tags.count("script") == scripts
        assert not {"img", "iframe", "object", "link", "base"} & set(self.tags)
        assert not any(name.startswith("on") for name, _ in self.attributes)


def hostile(run: Facts, words: str, number: int) -> Facts:
    """The run with these words for its directory, its teacher, and the name and value of an option."""
    root = Path("/runs") / f"{number}{words.replace('/', '|')}"
    config = {**run.config, "teacher": {**run.config["teacher"], "name": words}, words: f"{words}{number}"}
    encodable = json.loads(json.dumps(config).replace("\\ud800", "\\ufffd"))  # as a file can hold it
    return dataclasses.replace(run, layout=dataclasses.replace(run.layout, root=root), config=encodable)


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
@pytest.mark.parametrize("several", [False, True], ids=["one run", "several"])
def test_names_and_options_are_text_on_the_report(facts: dict[str, Facts], words: str, several: bool) -> None:
    words = words.replace("\ud800", "").replace("\x00", "")  # no path has them
    runs = [hostile(facts[stage], words, number) for number, stage in enumerate(("published", "reduced"))]
    source = page.render_report(runs if several else runs[:1], 2)
    seen = Seen(source)
    seen.check(scripts=0)
    shown = html.readable(words)
    assert any(shown in text for text in [*seen.words, "".join(seen.words)])
    plain = page.render_report([facts["published"], facts["reduced"]] if several else [facts["published"]], 2)
    assert set(seen.tags) == set(Seen(plain).tags)
    assert not set("\x1b\u202e\u2066") & set(source)


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_problems_and_test_sets_are_text_in_the_explorer(tmp_path: Path, words: str) -> None:
    words = words.replace("\ud800", "")  # no JSON file has it
    files = [tmp_path / "contamination.jsonl", tmp_path / "nearest.jsonl"]
    question = f"{words.replace('/', '|')}/{words}"
    lines = [pair(words, question, words, 0.5), near(words, (question, 0.4))]
    for file, line in zip(files, lines, strict=True):
        file.write_bytes(orjson.dumps(line) + b"\n")
    source = explore.render_explorer(explore.join(files[:1], files[1:], None), words)
    seen = Seen(source)
    seen.check(scripts=2)
    assert html.readable(words) in "".join(seen.words)
    assert not set("\x1b\u202e\u2066") & set(source)
    data = orjson.loads(source.partition('id="data">')[2].partition("</script>")[0])
    assert data["problems"][0][0] == html.readable(words)


@given(st.text(), st.text())
def test_what_a_template_is_given_stays_text(words: str, title: str) -> None:
    environment = html._environment()
    made = environment.from_string('<p title="{{ title }}">{{ words }}</p>').render(words=words, title=title)
    assert made == html.tag("p", words, title=title)
    assert html.readable(words) == words or "\ufffd" in html.readable(words)


def test_markup_is_not_escaped_twice_and_values_of_attributes_always_are() -> None:
    inner = html.tag("b", "<")
    assert inner == "<b>&lt;</b>"
    assert html.tag("p", inner, title=inner) == '<p title="&lt;b&gt;&amp;lt;&lt;/b&gt;"><b>&lt;</b></p>'
    assert html.breakable("a.<b>\nc") == "a.<wbr>&lt;b&gt;<wbr>c"


def test_a_value_that_a_template_misses_is_an_error_not_a_hole() -> None:
    with pytest.raises(jinja2.UndefinedError):
        html.render("report/page.html", title="a page")

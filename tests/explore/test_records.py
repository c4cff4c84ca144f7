"""The records of a run in a real browser and over plain HTTP: what is shown, found and refused."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

import omi_core
from omi_core.explore.indexing import open_index, place_of
from omi_core.explore.record_page import RecordPages
from omi_core.explore.selection import EVERY, Selection
from omi_core.explore.serving import PageServer
from omi_core.options import ConfigError
from omi_core.stages.run import open_run
from omi_core.store.layout import Layout
from tests.browser import Browser

BAKER, TRAIN, HARD = "What is 3 * 4 + 1? A baker asks.", "When does the train leave?", "Which $x^2$ is 16?"
HOSTILE = (
    "</script></pre></details><script>document.title='owned'</script>"
    "<img src=http://x.invalid/ onerror=alert(1)>"
    "<!--{{config}}{% raw %}&lt;\u2028'\"`${1}\x00\x1b[31m\u202e__proto__ \\boxed{1}"
)
LONG = "It is long. " * 100_000 + "So 3 * 4 = 13. It is \\boxed{13}."
ROWS = [
    (BAKER, "13", "So 3 * 4 = 12 and so \\boxed{13}."),
    (BAKER, "13", "Solution: So 3 * 4 = 13. It is \\boxed{13}."),
    (BAKER, "13", "It is \\boxed{14}."),
    (BAKER, "13", "Nobody knows."),
    (TRAIN, "7", "At \\boxed{7}."),
    (TRAIN, "7", "At \\boxed{7.0}, which is a number."),
    (HARD, "4", "<think>Is it 5 or <i>six</i>? Yes.</think>It is \\boxed{5}."),
    (f"A hostile one. {HOSTILE}", "1", HOSTILE),
    (f"A hostile one. {HOSTILE}", "1", f"{LONG}\n{HOSTILE}"),
    ("A long one. " + "x" * 30_000, "13", LONG),
]


@dataclass(frozen=True)
class Served:
    """The server of a run's records, and its address."""

    pages: RecordPages
    address: str
    root: Path

    def get(self, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str, dict[str, str]]:
        """(status, body, headers) of a request of this path, sent as it stands."""
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.address).port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        if host != "":
            connection.putheader("Host", host or urlsplit(self.address).netloc)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    keys = ("problem", "answer", "generated_solution")
    rows = [dict(zip(keys, row, strict=True)) for row in ROWS]
    rows += [{**rows[6], "problem": f"Case {number} of many."} for number in range(60)]
    (place / "solved.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    words = [
        f"input={place}/solved.jsonl",
        "data.answer=answer",
        "cluster.workers=1",
        "filters.max_tokens=null",
    ]
    found = omi_core.run(omi_core.plan(omi_core.compose("reduce", [*words, f"run.dir={place}/run"])))
    assert found is not None
    run = open_run(Layout(place / "run"))
    pages = RecordPages(run, open_index(run, place_of(run, None)))
    server = PageServer(0, lambda query: pages.served(Selection.of_query(query), int(query.get("at", "0"))))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Served(pages, server.address, run.layout.root)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(served: Served, chromium: Browser) -> Iterator[Browser]:
    chromium.resize(1400, 900)
    chromium.media()
    chromium.open(served.address)
    yield chromium
    assert chromium.complaints == []
    assert {urlsplit(address).netloc for address in chromium.requests} == {urlsplit(served.address).netloc}


def listed(page: Browser) -> list[str]:
    return page.texts("#list .start")


def test_a_record_stands_with_all_of_its_samples_beside_the_list(page: Browser) -> None:
    assert listed(page)[:3] == [BAKER, TRAIN, HARD] and len(listed(page)) == 50
    assert page.texts(".problem") == [BAKER]
    assert "ground truth: 13" in page.texts(".figures span")
    assert page.texts(".sample .badge") == ["row", "wrong arithmetic", "other answer", "no answer"]
    assert page.texts(".sample .answer") == ["13", "13", "14", "-"]
    assert page.texts(".item .head")[:2] == [
        "0 1 of 4 kept 50.0% right 33.3% disagree",
        "1 2 of 2 kept 100.0% right ",
    ]
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 0


def test_the_place_of_a_mistake_is_marked_in_the_text_as_it_was_generated(page: Browser) -> None:
    page.click(".sample summary", 1)
    assert page.evaluate("document.querySelector('details[open] pre').textContent") == ROWS[1][2]
    assert page.texts(".sample[open] mark") == ["3 * 4 = 13"]


def test_formulas_of_a_problem_are_drawn_and_those_of_samples_are_as_they_were(page: Browser) -> None:
    page.follow(lambda: page.evaluate("location.search = '?at=2'"))
    assert page.evaluate("document.querySelector('.problem math').getAttribute('alttext')") == "x^2"
    assert page.texts(".sample pre")[-1] == "It is \\boxed{5}." and page.texts(".sample math") == []


def test_what_a_teacher_thought_is_folded_up_above_its_answer(page: Browser) -> None:
    page.follow(lambda: page.evaluate("location.search = '?at=2'"))
    page.click(".sample summary")
    assert page.evaluate("document.querySelector('.reasoning').open") is False
    page.click(".reasoning summary")
    assert page.evaluate("document.querySelector('.reasoning').open") is True
    assert page.texts(".sample pre") == ["Is it 5 or <i>six</i>? Yes.", "It is \\boxed{5}."]


def test_a_search_is_typed_and_sent(page: Browser) -> None:
    page.click("input[type=search]")
    page.type("TRAIN leave")
    page.follow(lambda: page.press("Enter"))
    assert listed(page) == [TRAIN] and page.texts("#found") == ["1 to 1 of 1 records"]
    assert page.texts(".problem") == [TRAIN]
    page.click("input[type=search]")
    page.type(" nothing")
    page.follow(lambda: page.press("Enter"))
    assert listed(page) == [] and page.texts("#found") == ["No record matches."]


def test_an_outcome_is_a_button_that_filters_and_opens_the_sample_in_question(page: Browser) -> None:
    names = [text.rsplit(" ", 1) for text in page.texts(".chip")]
    assert ["other answer", "62"] in names and ["wrong arithmetic", "2"] in names
    at = [name for name, _ in names].index("wrong arithmetic")
    page.follow(lambda: page.click(".chip", at))
    assert listed(page)[0] == BAKER and len(listed(page)) == 2
    assert page.texts(".sample[open] mark") == ["3 * 4 = 13"]
    page.follow(lambda: page.click(".chip", at))
    assert page.texts("#found") == ["1 to 50 of 65 records"]


def test_pages_and_neighbours_lead_through_all_records(page: Browser) -> None:
    page.follow(lambda: page.click("#list .pager a"))
    assert page.texts("#found") == ["51 to 65 of 65 records"] and page.texts(".problem")[0].startswith(
        "Case 45 "
    )
    page.follow(lambda: page.click("[rel=prev]"))
    assert page.texts("#found") == ["1 to 50 of 65 records"] and page.texts(".problem")[0].startswith(
        "Case 44 "
    )
    page.follow(lambda: page.click("[rel=next]"))
    page.follow(lambda: page.click("a.item", 3))
    assert page.texts(".problem") == page.texts("a.item[aria-current] .start")


def test_pass_rate_disagreement_and_order_are_chosen_in_the_form(page: Browser) -> None:
    for number, value in ((0, "0.4"), (1, "1"), (2, "0.2"), (3, "1")):
        page.click("input[type=number]", number)
        page.type(value)
    page.evaluate("document.querySelector('select[name=order]').value = 'easiest'")
    page.follow(lambda: page.click("#tools button"))
    assert listed(page) == [BAKER]


def test_hostile_texts_are_text(page: Browser, served: Served) -> None:
    page.follow(lambda: page.evaluate("location.search = '?search=hostile'"))
    assert page.texts("title") == [f"65 records of {served.root.name}"]
    (problem,) = page.texts(".problem")
    assert (
        "<script>document.title='owned'</script><img src=http://x.invalid/" in problem
        and "{{config}}" in problem
    )
    assert not set("\x00\x1b\u202e") & set(problem)
    assert page.evaluate("document.querySelectorAll('script, img, .sample').length") == 2  # samples
    assert len(page.texts(".sample pre")[1]) < 25_000


def test_of_a_long_text_the_beginning_and_what_is_around_the_place_are_shown(page: Browser) -> None:
    page.follow(lambda: page.evaluate("location.search = '?search=xxxxx'"))
    assert len(page.texts(".problem")[0]) < 21_000
    assert page.texts(".sample mark") == ["3 * 4 = 13"]
    text = page.texts(".sample pre")[0]
    assert text.startswith("It is long. ") and len(text) < 23_000
    assert re.search(r"…\s?\[1,\d{3},\d{3} more characters\]", text) and text.endswith("\\boxed{13}.")


def test_who_does_not_know_the_token_or_comes_by_another_name_gets_nothing(served: Served) -> None:
    path = urlsplit(served.address).path
    assert served.get(path)[0] == served.get(path, "localhost:99")[0] == 200
    secret = [served.root.name, BAKER[:10], path.strip("/")]
    for status, asked, host in [
        (404, "/", None),
        (404, path.rstrip("/"), None),
        (404, path[:-2] + ("0" if path[-2] != "0" else "1") + "/", None),
        (404, f"{path}../../etc/passwd", None),
        (404, f"{path}plan.json", None),
        (404, "/%2e%2e/" + path[1:], None),
        (404, "/" + "a" * 30_000, None),
        (403, path, "evil.example"),
        (403, path, "127.0.0.1.evil.example"),
        (403, path, ""),
    ]:
        found, body, headers = served.get(asked, host)
        assert found == status, (asked, host)
        assert not any(word in body for word in secret)
        assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "X"])
def test_nothing_but_get_is_answered(served: Served, method: str) -> None:
    assert served.get(urlsplit(served.address).path, method=method)[0] == 501


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?pass_rate_from=2", "pass_rate=[2,1]: give the least and the most"),
        ("?reason=nothing", "reason=nothing: no sample of the run became that; known: other_answer, row"),
        ("?order=x%00", "order=x"),
    ],
    ids=str,
)
def test_a_query_that_asks_for_nonsense_is_refused_in_a_line(served: Served, query: str, said: str) -> None:
    status, body, _ = served.get(urlsplit(served.address).path + query)
    assert status == 400 and body.startswith(said) and "\n" not in body


def test_a_page_may_run_nothing_and_load_nothing(served: Served) -> None:
    status, body, headers = served.get(urlsplit(served.address).path)
    assert status == 200 and "<script" not in body
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', body)
    assert re.fullmatch(
        r"default-src 'none'; form-action 'self'; base-uri 'none'; style-src 'sha256-[^';]*'",
        unescape(policy),
    )
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert (
        headers["Referrer-Policy"] == "no-referrer"
        and "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    )


def test_a_position_beyond_the_last_record_is_the_last_one(served: Served) -> None:
    assert "65 of 65 records" in served.pages.served(Selection(), 10**11)
    assert "No record matches." in served.pages.served(Selection(search="zzzz"), 5)


def test_a_page_to_pass_on_holds_the_records_that_were_chosen(
    served: Served, chromium: Browser, tmp_path: Path
) -> None:
    text, shown, total = served.pages.chosen(Selection(pass_rate=(0.4, 1.0), order="easiest"), 2)
    assert (shown, total) == (2, 4)
    (tmp_path / "page.html").write_text(text)
    chromium.open(tmp_path / "page.html")
    assert chromium.texts(".entry > summary .start")[0] == TRAIN and len(chromium.texts(".entry")) == 2
    assert chromium.texts("#note") == ["This page holds the first 2 of 4 records."]
    assert "pass rate from 0.4 to 1, highest pass rate first" in chromium.texts("header .soft")[0]
    assert len(chromium.texts(".sample")) >= 3 and chromium.texts("form, a") == []
    chromium.click(".entry > summary", 1)
    assert chromium.complaints == []
    assert [address.split("/")[-1] for address in chromium.requests] == ["page.html"]


def test_a_record_whose_journal_is_gone_is_told_and_the_others_stay(served: Served) -> None:
    (journal,) = Layout(served.root).journals()
    moved = journal.rename(journal.with_name("elsewhere"))
    try:
        page = served.pages.served(Selection(), 0)
    finally:
        moved.rename(journal)
    assert "record 0: " in page and str(journal) in page and TRAIN in page and 'class="record"' not in page


def test_a_page_is_refused_where_nothing_became_the_reason(served: Served) -> None:
    with pytest.raises(ConfigError, match="reason=nope: no sample of the run became that"):
        served.pages.chosen(Selection("", "nope", EVERY, EVERY), 3)

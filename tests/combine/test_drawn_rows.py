"""Smaller, matched and noisy datasets: against plain code on small data, and by the rules of each option."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.combine.combine_options import load_combine
from omi_core.combine.combining import combine
from omi_core.options import ConfigError
from omi_core.publish import NothingToPublish
from tests.combine.conftest import Row, contents, read_rows, solution, write_lines
from tests.conftest import Here

# (problem, solution) of each row; a row may come again.
SMALL = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=1, max_size=25)
Pair = tuple[str, str]


def made(place: Path, inputs: list[list[Row]], **options: Any) -> list[Row]:
    """The rows that are published of these inputs, each given as a file."""
    files = [str(write_lines(place / f"{at}.jsonl", rows)) for at, rows in enumerate(inputs)]
    out = place / "out"
    shutil.rmtree(out, ignore_errors=True)
    return read_rows(combine(load_combine({"inputs": files, "run": {"dir": str(out)}} | options)).dataset)


def rows_of(pairs: list[tuple[int, int]]) -> list[Row]:
    return [solution(f"p{problem}", f"s{text} of it") for problem, text in pairs]


def pair(row: Row) -> Pair:
    return row["problem"], row["generated_solution"]


def per_problem(pairs: set[Pair]) -> Counter[str]:
    return Counter(problem for problem, _ in pairs)


@settings(max_examples=20)
@given(SMALL, SMALL, SMALL)
def test_matched_datasets_have_the_same_number_of_solutions_of_each_problem(
    one: list[tuple[int, int]], two: list[tuple[int, int]], three: list[tuple[int, int]]
) -> None:
    given_rows = [rows_of(one), rows_of(two), rows_of(three)]
    counted = [per_problem({pair(row) for row in rows}) for rows in given_rows]
    expected = counted[0] & counted[1] & counted[2]  # the least of each
    with TemporaryDirectory() as place:
        files = [str(write_lines(Path(place) / f"m{at}.jsonl", rows)) for at, rows in enumerate(given_rows)]
        for at, rows in enumerate(given_rows):
            others = [file for other, file in enumerate(files) if other != at]
            if not expected:
                with pytest.raises(NothingToPublish, match="unmatched"):
                    made(Path(place), [rows], match=others)
                continue
            found = {pair(row) for row in made(Path(place), [rows], match=others)}
            assert per_problem(found) == expected
            assert found <= {pair(row) for row in rows}


@settings(max_examples=20)
@given(SMALL, SMALL, st.data())
def test_so_many_rows_of_so_many_problems_are_drawn_fairly_and_nested(
    one: list[tuple[int, int]], two: list[tuple[int, int]], data: st.DataObject
) -> None:
    inputs = [rows_of(one), rows_of(two)]
    every = {pair(row) for rows in inputs for row in rows}
    problems = data.draw(st.integers(1, len(per_problem(every))), "problems")
    with TemporaryDirectory() as place:
        of_them = {pair(row) for row in made(Path(place), inputs, problems=problems)}
        counts = per_problem(of_them)
        assert len(counts) == problems
        assert of_them == {each for each in every if each[0] in counts}  # all rows of each that is drawn
        rows = data.draw(st.integers(problems, len(of_them)), "rows")
        drawn = {pair(row) for row in made(Path(place), inputs, problems=problems, rows=rows)}
        assert len(drawn) == rows and drawn <= of_them
        # Fairly: one that has fewer than another has none left, but for the last round.
        most = max(per_problem(drawn).values())
        for problem in counts:
            assert per_problem(drawn)[problem] >= min(counts[problem], most - 1)
        if rows > problems:
            assert drawn >= {pair(row) for row in made(Path(place), inputs, problems=problems, rows=rows - 1)}
        if problems > 1:
            assert of_them >= {pair(row) for row in made(Path(place), inputs, problems=problems - 1)}
        # Which input a row is from, and where it stands there, decides nothing.
        turned = [list(reversed(rows)) for rows in reversed(inputs)]
        assert drawn == {pair(row) for row in made(Path(place), turned, problems=problems, rows=rows)}


@settings(max_examples=20)
@given(SMALL, st.lists(st.tuples(st.integers(0, 6), st.integers(0, 12)), max_size=40), st.data())
def test_wrong_solutions_take_the_place_of_a_share_of_the_rows(
    pairs: list[tuple[int, int]], bad: list[tuple[int, int]], data: st.DataObject
) -> None:
    every = {pair(row) for row in rows_of(pairs)}
    wrong = {each for each in map(pair, rows_of(bad)) if each not in every}
    usable = sum(min(count, per_problem(every)[problem]) for problem, count in per_problem(wrong).items())
    count = data.draw(st.integers(0, usable), "replaced")
    share = round(count / len(every), 6)
    with TemporaryDirectory() as place:
        file = str(write_lines(Path(place) / "wrong.jsonl", [*rows_of(bad), solution("other", "none")]))

        def noisy(share: float) -> list[Row]:
            return made(Path(place), [rows_of(pairs)], noise={"share": share, "wrong": [file]})

        rows = noisy(share)
        replaced = {pair(row) for row in rows if row["noise"]}
        assert len(rows) == len({pair(row) for row in rows}) == len(every)
        assert len(replaced) == count and replaced <= wrong
        assert {pair(row) for row in rows if not row["noise"]} <= every
        assert per_problem({pair(row) for row in rows}) == per_problem(every)
        if count:
            fewer = {pair(row) for row in noisy(round((count - 1) / len(every), 6)) if row["noise"]}
            assert len(fewer) == count - 1 and fewer <= replaced
        if usable < len(every):
            with pytest.raises(ConfigError, match=rf"noise.share=1: .* rows, and {usable} have a wrong"):
                noisy(1)


@settings(max_examples=20)
@given(SMALL, st.data())
def test_solutions_of_other_problems_take_the_place_of_a_share_of_the_rows(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    # Each text belongs to one problem, so that it says whose it is.
    inputs = [[solution(f"p{problem}", f"s{text} of p{problem}") for problem, text in pairs]]
    every = {pair(row) for row in inputs[0]}
    counts = per_problem(every)
    with TemporaryDirectory() as place:
        noise: dict[str, Any] = {"kind": "other"}
        if max(counts.values()) * 2 > len(every):
            with pytest.raises(ConfigError, match="can get that of another problem"):
                made(Path(place), inputs, noise=noise | {"share": 1})
            return
        share = data.draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]), "share")
        rows = made(Path(place), inputs, noise=noise | {"share": share})
        replaced = {pair(row) for row in rows if row["noise"]}
        assert len(rows) == len(every)
        assert len(replaced) == int(share * len(every) + 0.5)
        for problem, text in replaced:
            assert not text.endswith(problem) and text in {text for _, text in every}
        assert {pair(row) for row in rows if not row["noise"]} <= every
        most = {pair(row) for row in made(Path(place), inputs, noise=noise | {"share": 1}) if row["noise"]}
        assert replaced <= most


RIGHT, WRONG = "so \\boxed{5}", "so \\boxed{6}"


@pytest.fixture
def solved(here: Here, tmp_path: Path) -> Callable[[str, dict[str, list[str]]], str]:
    """(name, {problem: texts}) → a run of those solutions; every problem has the answer 5."""

    def make(name: str, problems: dict[str, list[str]]) -> str:
        rows = [{"problem": text, "answer": "5", "said": said} for text, said in problems.items()]
        write_lines(tmp_path / f"{name}.jsonl", rows)
        given = [f"input={name}.jsonl", "solution=[said]", "data.answer=answer", "cluster.workers=1"]
        code, _, err = here("reduce", *given, f"run.dir={name}")
        assert code == 0, err
        return name

    return make


def test_wrong_samples_of_runs_are_taken_with_what_is_known_of_them(
    solved: Callable[[str, dict[str, list[str]]], str], here: Here, tmp_path: Path
) -> None:
    problems = {
        "p1": [RIGHT, f"2 {RIGHT}", f"w1 {WRONG}", "no answer at all"],
        "p2": [RIGHT, f"w2 {WRONG}", f"w3 {WRONG}", "x \\boxed{2"],
    }
    one = solved("one", problems)
    code, out, err = here("combine", f"inputs=[{one}]", "noise.share=0.67", "run.dir=noisy")
    assert code == 0, err
    assert "one: 3 rows, 3 taken, noise 2" in out or "noise 2" in out
    rows = read_rows(tmp_path / "noisy/dataset")
    # p1 has one wrong solution for its two rows, p2 two for one.
    assert Counter(row["problem"] for row in rows if row["noise"]) == {"p1": 1, "p2": 1}
    for row in rows:
        assert row["expected_answer"] == "5"
        texts = problems[row["problem"]]
        assert row["sample"] == texts.index(row["generated_solution"])
        assert row["noise"] == (WRONG in row["generated_solution"])
    card = (tmp_path / "noisy/dataset/README.md").read_text()
    assert "A share of 0.67 of the solutions was replaced by wrong solutions of the same problem" in card

    # Of another run; and a combination of the noisy dataset keeps its column.
    other = solved("other", {"p1": [f"o1 {WRONG}", f"o2 {WRONG}", RIGHT], "p2": [RIGHT, RIGHT, RIGHT]})
    code, _, err = here(
        "combine", f"inputs=[{one}]", "noise.share=0.67", f"noise.wrong=[{other}]", "run.dir=2"
    )
    assert code == 0, err
    found = {row["generated_solution"] for row in read_rows(tmp_path / "2/dataset") if row["noise"]}
    assert found == {f"o1 {WRONG}", f"o2 {WRONG}"}
    assert here("combine", "inputs=[2]", "run.dir=3")[0] == 0
    assert read_rows(tmp_path / "3/dataset") == read_rows(tmp_path / "2/dataset")


def test_rows_with_enough_votes_are_taken_of_the_matched_datasets_too(tmp_path: Path) -> None:
    def voted(*votes: int | None) -> list[Row]:
        return [solution("p", f"s{at}", votes=count) for at, count in enumerate(votes)]

    rows = made(tmp_path, [voted(8, 7, None, 16, 24)], min_votes=8)
    assert [row["votes"] for row in rows] == [8, 16, 24]
    without = made(tmp_path, [voted(8, 7)], min_votes=8, publish={"provenance": False})
    assert list(without[0]) == list(solution("p"))
    other = write_lines(tmp_path / "other.jsonl", voted(9, 3, 9))
    assert len(made(tmp_path, [voted(8, 8, 8, 8)], min_votes=8, match=[str(other)])) == 2
    assert len(made(tmp_path, [voted(8, 8, 8, 8)], match=[str(other)])) == 3


def test_rows_that_are_left_keep_their_order_and_those_that_go_are_counted(tmp_path: Path) -> None:
    inputs = [rows_of([(at // 4, at % 4) for at in range(24)]), rows_of([(0, 0), (7, 0), (7, 1)])]
    every = [pair(row) for rows in inputs for row in rows]
    match = str(write_lines(tmp_path / "match.jsonl", rows_of([(p, s) for p in range(6) for s in (7, 8, 9)])))
    files = [str(write_lines(tmp_path / f"{at}.jsonl", rows)) for at, rows in enumerate(inputs)]
    values = {
        "inputs": files,
        "match": [match],
        "problems": 4,
        "rows": 10,
        "run": {"dir": str(tmp_path / "out")},
    }
    outcome = combine(load_combine(values))
    found = [pair(row) for row in read_rows(outcome.dataset)]
    assert found == [each for each in every if each in found]
    assert outcome.stats["counts"]["inputs"] == {
        "1": {"read": 24, "unmatched": 6, "not_drawn": 8, "rows": 10},
        "2": {"read": 3, "duplicate": 1, "unmatched": 2, "rows": 0},
    }
    assert outcome.stats["duplicates_dropped"] == 0


def test_the_seed_draws_other_rows_and_those_that_a_split_of_that_size_has(tmp_path: Path) -> None:
    rows = [rows_of([(at // 6, at % 6) for at in range(60)])]
    one, same, other = (
        {pair(row) for row in made(tmp_path, rows, rows=25, seed=seed)} for seed in (42, 42, 7)
    )
    assert one == same != other
    made(tmp_path, rows, publish={"splits": {"small": 25}, "seed": 7})
    assert other == {pair(row) for row in read_rows(tmp_path / "out/dataset", "small")}
    matching = str(write_lines(tmp_path / "match.jsonl", rows_of([(at // 2, at % 2) for at in range(20)])))
    assert (
        len({frozenset(map(pair, made(tmp_path, rows, match=[matching], seed=seed))) for seed in (1, 2)}) == 2
    )


def test_problems_that_occur_once_may_be_noisy_too(tmp_path: Path) -> None:
    rows = [solution("A  b", "1"), solution("a B", "2"), solution("c", "3"), solution("d", "4")]
    found = made(tmp_path, [rows], unique="problems", noise={"share": 0.7, "kind": "other"})
    assert [row["problem"] for row in found] == ["A  b", "c", "d"]
    assert sum(row["noise"] for row in found) == 2


REFUSED = {
    "problems=9": ({"problems": 9}, "problems=9: there are 6; ask for fewer"),
    "rows=99": ({"rows": 99}, "rows=99: there are 24; ask for fewer"),
    "rows of problems": (
        {"rows": 9, "problems": 2},
        "rows=9: the 2 problems drawn have 8; ask for fewer, or for more problems",
    ),
    "fewer rows than problems": ({"rows": 2, "problems": 3}, "rows=2: too few for a row of each of"),
    "no run": ({"noise": {"share": 0.1}}, "is not a run, so no wrong solutions are known; name runs"),
    "wrong without share": ({"noise": {"wrong": ["x"]}}, "noise.wrong: not read without noise.share"),
    "wrong of others": (
        {"noise": {"share": 0.1, "kind": "other", "wrong": ["x"]}},
        "noise.wrong: not read with noise.kind=other; omit it",
    ),
    "votes": ({"min_votes": 3}, "has no column votes; publish it with publish.provenance=true"),
    "match": ({"match": ["nowhere.jsonl"]}, "match=nowhere.jsonl: no such file"),
    "noise.wrong": ({"noise": {"share": 0.1, "wrong": ["nowhere.jsonl"]}}, "noise.wrong=nowhere.jsonl: no"),
    "kind": ({"task": "problems", "noise": {"share": 0.1}}, "noise.share: not for problems, which have no"),
    "matched kind": ({"task": "problems", "match": ["x"]}, "match: not for problems, which have no"),
    "voted kind": ({"task": "problems", "min_votes": 2}, "min_votes: not for problems, which have no votes"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_told_in_a_line_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    options, message = REFUSED[case]
    with pytest.raises(ConfigError) as told:
        made(tmp_path, [rows_of([(at // 4, at % 4) for at in range(24)])], **options)
    assert message in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_part_that_was_damaged_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import omi_core.combine.combining as combining

    inputs = [[solution(f"p{at // 4}", f"s{at}") for at in range(24)]]
    noise = {"share": 0.5, "kind": "other"}
    made(tmp_path, inputs, rows=20, noise=noise)
    expected = contents(tmp_path / "out/dataset")
    publish = combining.publish

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for damaged in ("work/part-00001.jsonl.zst", "work/drawn/part-00001.jsonl.zst"):
        shutil.rmtree(tmp_path / "out")
        monkeypatch.setattr(combining, "publish", killed)
        values = {"inputs": [str(tmp_path / "0.jsonl")], "run": {"dir": str(tmp_path / "out")}}
        config = load_combine(values | {"rows": 20, "noise": noise})
        with pytest.raises(KeyboardInterrupt):
            combine(config)
        (tmp_path / "out" / damaged).write_bytes(b"damaged")
        monkeypatch.setattr(combining, "publish", publish)
        combine(config)
        assert contents(tmp_path / "out/dataset") == expected

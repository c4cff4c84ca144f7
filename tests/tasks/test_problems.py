"""The task `problems`, with the rehearsal teacher: which new problems are kept, and what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.options import ConfigError
from omi_core.publish import CardInfo, PartWriter, publish
from omi_core.publish.verify import verify
from omi_core.records import Record, Sample
from omi_core.stages.run import records_of
from omi_core.store.plan import Records
from omi_core.tasks import known
from omi_core.tasks.problems import PROBLEMS, ProblemsReducer
from omi_core.tasks.prompting import Prompting
from tests.published import published_file
from tests.stages.test_local import carry_out, config

TASK: dict[str, Any] = {
    "task": {"name": "problems"},
    "style": ["inspired"],
    "publish": {"splits": {}, "chat": None},
}
SEED = "Ada has 12 keys. She buys 30 more. How many keys does Ada have now?"
OTHER_SEED = "Ben has 7 pens. He loses 2. How many pens does Ben have now?"
OTHER = "Ada has 13 keys. She buys 30 more. How many keys does Ada have now?"


def rows(directory: Path) -> list[dict[str, Any]]:
    import zstandard

    data = published_file(directory / "dataset/jsonl").read_bytes()
    return [
        orjson.loads(line)
        for line in zstandard.ZstdDecompressor().decompressobj().decompress(data).splitlines()
    ]


def reduced(tmp_path: Path, *texts: str, seed: str = SEED, **values: Any) -> tuple[list[str], dict[str, Any]]:
    """The problems kept of these texts, written from one seed, and the counts."""
    options = config(tmp_path, **TASK, samples=len(texts), **values)
    with ProblemsReducer(options, len(texts), [seed, OTHER_SEED]) as reducer:
        record = Record.make(0, seed, None, "math")
        samples = [Sample(0, record.id, at, text, "stop", 1, 1, 0.0) for at, text in enumerate(texts)]
        return [row["problem"] for row in reducer.reduce([(record, samples)])], reducer.counts()


def test_copies_of_any_seed_are_dropped_whatever_their_case_and_blanks(tmp_path: Path) -> None:
    kept, counts = reduced(tmp_path, OTHER, SEED, SEED.upper(), SEED.replace(" ", "\n  "), OTHER_SEED)
    assert kept == [OTHER]
    assert counts["selection"] == {"copy_of_seed": 4}


def test_every_text_that_is_not_kept_has_its_count(tmp_path: Path) -> None:
    texts = [
        OTHER,
        "",
        "## Solution\nIt is 3.",
        "We get \\boxed{3}.",
        "word" + " word" * 300 + "?",
        "Ada has 12 keys. She buys 30 more, so she has 42.",
        f"New problem: {SEED}",
    ]
    kept, counts = reduced(tmp_path, *texts)
    assert kept == [OTHER]
    dropped = {name: count["dropped"] for name, count in counts["filters"].items() if count["dropped"]}
    assert dropped == {"empty": 2, "boxed": 1, "no_question": 1, "too_long": 1}
    assert counts["selection"] == {"copy_of_seed": 1}
    assert counts["filters"]["statement"]["rewritten"] == 2


REMARKED = [
    f"Sure! Here it is:\n\n{SEED}\n\nLet me know if you need another one!",
    f"**{SEED}**",
    f'"{SEED}"',
    f"{SEED} It is the very same, as you can see.",
    f"A classic, told in a simple way. {SEED}",
    f"I'd be happy to help. How about this one:\n\n{SEED}",
    f"{SEED}\n\nThe final answer is 42.",
    f"Here is a problem:\n\n{SEED}\n\nWrite a new problem that is inspired by this one.",
]
CHANGED = [
    f"{SEED} How many would she have without them?",
    f"{SEED} Each of them costs 3 dollars.",
    f"Find twice the answer to this: {SEED}",
]


def test_a_seed_with_a_remark_is_a_copy_and_one_with_more_to_it_is_not(tmp_path: Path) -> None:
    kept, counts = reduced(tmp_path, *REMARKED, *CHANGED)
    assert counts["selection"] == {"copy_of_seed": len(REMARKED)}
    assert kept == CHANGED


def test_an_example_of_the_prompt_is_no_new_problem(tmp_path: Path) -> None:
    turns = Prompting(config(tmp_path, **TASK)).probes()[0]
    examples = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    kept, counts = reduced(tmp_path, *examples, OTHER)
    assert len(examples) > 3 and kept == [OTHER]
    assert counts["selection"] == {"copy_of_example": len(examples)}


@pytest.mark.parametrize("style", ["inspired", "similar", "in_breadth", "in_depth"])
def test_what_repeats_its_prompt_is_not_published(tmp_path: Path, style: str) -> None:
    record = Record.make(0, SEED, None, "math")
    asked = Prompting(config(tmp_path, **TASK | {"style": [style]})).messages(record, 0)
    system, user = asked[0]["content"], asked[-1]["content"]
    instruction = user.rpartition("\n\n")[2]
    kept, counts = reduced(tmp_path, system, user, instruction, f"{system}\n\n{user}")
    assert kept == []
    assert counts["filters"]["no_question"]["dropped"] == 2  # the others hold the seed
    assert counts["selection"] == {"copy_of_seed": 2}


def test_statements_that_ask_nothing_can_be_kept(tmp_path: Path) -> None:
    kept, counts = reduced(tmp_path, "Ada has 12 keys.", problems={"no_question": False})
    assert kept == ["Ada has 12 keys."] and "no_question" not in counts["filters"]


def test_the_oracle_of_the_demo_says_which_make_sense(tmp_path: Path) -> None:
    _, counts = reduced(tmp_path, OTHER, "Ada has 12 keys. He buys 30 more. How many keys does Ada have now?")
    assert counts["oracle"] == {"problems": 2, "well_posed": 1}
    _, counts = reduced(tmp_path, OTHER, data={"origin": "file"})
    assert "oracle" not in counts


def test_a_run_publishes_new_problems_with_their_source_style_and_seed(tmp_path: Path) -> None:
    run, stats = carry_out(tmp_path / "run", **TASK | {"style": ["inspired", "similar"]}, reduce_tasks=3)
    verify(run.layout.dataset)
    found = rows(tmp_path / "run")
    assert run.plan.samples == 8  # of each style as many as there are samples
    assert stats["rows"] == len(found) and {row["problem_source"] for row in found} == {"augmented_problem"}
    assert {
        row["style"]: {r["sample"] // 4 for r in found if r["style"] == row["style"]} for row in found
    } == {
        "inspired": {0},
        "similar": {1},
    }
    assert all(row["problem"] != row["seed_problem"] for row in found)
    counts = stats["counts"]
    gone = sum(count["dropped"] for count in counts["filters"].values()) + sum(counts["selection"].values())
    assert counts["samples"] == 480 == len(found) + gone + stats["duplicates_dropped"]


def test_the_reducer_of_a_run_knows_the_seeds_of_all_records(tmp_path: Path) -> None:
    run, _ = carry_out(tmp_path / "run", **TASK)
    first, last = (Records(run.layout.records)[at] for at in (0, run.plan.records - 1))
    with known()[PROBLEMS.task].reducer(run.config, 1, lambda: records_of(run)) as reducer:
        copy = Sample(0, first.id, 0, last.text.upper(), "stop", 1, 1, 0.0)
        assert list(reducer.reduce([(first, [copy])])) == []
        assert reducer.counts()["selection"] == {"copy_of_seed": 1}


def test_a_problem_written_twice_is_published_once_whatever_its_case_and_blanks(tmp_path: Path) -> None:
    same = ["Is 1 odd?", "IS 1  odd?", "is\u00a0\uff11 odd?", "Is 1 \n odd?"]
    with PartWriter(tmp_path, 0, fingerprint="f", schema=PROBLEMS) as part:
        for problem in [*same, "Is 1 even?", same[0]]:
            part.write({"problem": problem, "problem_source": "s"})
        part.finish()
    card = CardInfo("n", "problems", "t", "p", "s", 1)
    stats = publish([part.path], tmp_path / "dataset", card=card, config={})
    assert (stats["rows"], stats["duplicates_dropped"]) == (2, 4)
    assert [row["problem"] for row in rows(tmp_path)] == [same[0], "Is 1 even?"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"style": ["poetic"]}, "poetic"),
        ({"style": []}, "style"),
        ({"filters": {"min_chars": 3}}, "filters.min_chars: not read by task=problems"),
        ({"publish": {"splits": {"small": 5}, "chat": None}}, "publish.splits: only of solutions"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        carry_out(tmp_path / "run", **TASK | values)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_published_problems_are_the_input_of_the_next_run(tmp_path: Path) -> None:
    carry_out(tmp_path / "new", **TASK)
    data = {"origin": "file", "path": str(tmp_path / "new"), "answer": None, "source": "from:problem_source"}
    run, stats = carry_out(tmp_path / "solved", data=data)
    assert run.plan.records == len(rows(tmp_path / "new"))
    assert {row["problem_source"] for row in rows(tmp_path / "solved")} == {"augmented_problem"}
    assert stats["counts"]["votes"]["records"] > 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="neither a file nor a run that is published"):
        carry_out(tmp_path / "other", data=data | {"path": str(tmp_path / "empty")})


def test_the_oracle_measures_the_majority_and_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"problem": text}) + b"\n" for text in (SEED, "What is this?")))
    data = {"origin": "file", "path": str(path), "answer": "problem", "answer_format": "oracle"}
    answers = {"expected": "majority"}
    _, stats = carry_out(tmp_path / "run", data=data, answers=answers, samples=32)
    assert stats["counts"]["records"] == 2 and stats["counts"]["truth"]["records"] == 1
    assert {row["expected_answer"] for row in rows(tmp_path / "run") if row["problem"] == SEED} == {"42"}

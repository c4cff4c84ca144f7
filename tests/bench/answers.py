r"""Which step settles real pairs of answers, and how fast, beside `verify(parse(a), parse(b))` alone.

    python -m tests.bench.answers ../shared/data
    python -m tests.bench.answers ../shared/data --pairs 500 --show

The folder holds `math/{train,test}.jsonl` and `real_samples/gsm8k_test_gpt3_4x1319.jsonl`. Three sets of
pairs: GSM8K, ground truth against what four models answered; MATH "other", ground truths of two problems of
the same type; MATH "rewritten", a ground truth against another spelling of itself. Both sides run in this one
process on the same pairs, ours with one worker whose start is included; `--show` lists every pair on which
they disagree.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import resource
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from omi_core.answers import Extractor, Grader, Verdict, math_ground_truth

Pair = tuple[str, str]
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def gsm8k_pairs(data: Path) -> list[Pair]:
    """Ground truth and answer of every sample that has one, about 5,200."""
    extract = Extractor(("pattern",), pattern=r"^A: (.+)$")
    pairs = []
    for line in (data / "real_samples/gsm8k_test_gpt3_4x1319.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        gold = extract(row["ground_truth"]).answer
        answers = [extract(row[model]["solution"]).answer for model in MODELS]
        pairs += [(gold, answer) for answer in answers if gold and answer]
    return pairs


def math_answers(data: Path) -> dict[str, list[str]]:
    """Ground truths of MATH by the type of the problem."""
    answers: dict[str, list[str]] = defaultdict(list)
    for part in ("train", "test"):
        for line in (data / f"math/{part}.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            truth = math_ground_truth(row["solution"])
            if truth:
                answers[row["type"]].append(truth)
    return answers


def other_pairs(answers: dict[str, list[str]], rng: random.Random) -> list[Pair]:
    pairs = [
        pair for group in answers.values() for pair in zip(group, rng.sample(group, len(group)), strict=True)
    ]
    rng.shuffle(pairs)
    return pairs


def rewritten(answer: str) -> str:
    """Another usual spelling of the same answer: spaces, delimiters, \\dfrac, thousands, "x = "."""
    text = answer.replace("\\frac", "\\dfrac") if "\\frac" in answer else answer.replace("\\dfrac", "\\frac")
    text = re.sub(r"\\left|\\right|\\!|\\,", "", text)
    text = re.sub(r"([=+]|(?<=[0-9a-z)}])-)", r" \1 ", text)
    text = re.sub(r"\\text\{\s*(.*?)\s*\}", r"\\mbox{ \1 }", text)
    if re.fullmatch(r"-?[0-9]+", text):
        return text + ".0"
    return f"${text} $"


def cpu_seconds() -> float:
    """CPU time of this process and of the workers that have ended: other load on the machine stays out."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def ours(pairs: list[Pair]) -> tuple[list[Verdict], float]:
    start = cpu_seconds()
    with Grader(workers=1) as grader:
        verdicts = grader.compare_many(pairs)
    return verdicts, cpu_seconds() - start


def settled_by(pairs: list[Pair]) -> dict[str, float]:
    """Shares of the distinct pairs by the step that settles them."""
    with Grader(workers=1) as grader:
        steps = Counter(_step(grader, *pair) for pair in {tuple(sorted(pair)) for pair in pairs})
    names = ("string", "integer", "exact", "refused", "worker")
    return {step: round(steps[step] / steps.total(), 4) for step in names}


def _step(grader: Grader, a: str, b: str) -> str:
    if a == b:
        return "string"
    verdict = grader.quick(a, b)
    if verdict is None:
        return "worker"
    if verdict is Verdict.UNKNOWN:
        return "refused"
    return "integer" if all(re.fullmatch(r"-?[1-9][0-9]{0,30}|0", each) for each in (a, b)) else "exact"


def theirs(pairs: list[Pair]) -> tuple[list[bool], float]:
    from math_verify import parse, verify  # type: ignore[attr-defined]

    logging.disable(logging.CRITICAL)
    verify(parse("$1$"), parse("$2$"))  # their first call builds tables, too
    start = cpu_seconds()
    verdicts = [verify(parse(f"${a.strip('$')}$"), parse(f"${b.strip('$')}$")) for a, b in pairs]
    return verdicts, cpu_seconds() - start


def measure(name: str, pairs: list[Pair], baseline: int, show: bool) -> dict[str, Any]:
    verdicts, seconds = ours(pairs)
    unknown = {frozenset(pair) for pair, v in zip(pairs, verdicts, strict=True) if v is Verdict.UNKNOWN}
    sample = pairs[:baseline]
    mine, my_seconds = ours(sample)
    their, their_seconds = theirs(sample)
    outcomes = Counter((m.value, t) for m, t in zip(mine, their, strict=True))
    if show:
        for (a, b), m, t in zip(sample, mine, their, strict=True):
            if m is Verdict.UNKNOWN or (m is Verdict.EQUAL) != t:
                print(f"  {name}: {m.value:9} math-verify {t!s:5} {a!r} | {b!r}")
    return {
        "set": name,
        "pairs": len(pairs),
        "settled_by": settled_by(pairs),
        "unknown": len(unknown),
        "us": 1e6 * seconds / len(pairs),
        "baseline_pairs": len(sample),
        "baseline_us": 1e6 * their_seconds / len(sample),
        "us_on_baseline_pairs": 1e6 * my_seconds / len(sample),
        "x": their_seconds / len(sample) / (seconds / len(pairs)),
        "verdicts": {f"{m}/{t}": n for (m, t), n in sorted(outcomes.items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--pairs", type=int, default=1000, help="pairs per set for math-verify (about 10 ms each)"
    )
    parser.add_argument("--show", action="store_true", help="list the disagreements")
    options = parser.parse_args()
    rng = random.Random(0)
    answers = math_answers(options.data)
    flat = [answer for group in answers.values() for answer in group]
    rng.shuffle(flat)
    gsm8k = gsm8k_pairs(options.data)
    rng.shuffle(gsm8k)
    rows = [
        measure(name, pairs, options.pairs, options.show)
        for name, pairs in (
            ("gsm8k", gsm8k),
            ("math other", other_pairs(answers, rng)),
            ("math rewritten", [(answer, rewritten(answer)) for answer in flat]),
        )
    ]
    steps = list(rows[0]["settled_by"])
    print(f"{'':16}{'pairs':>8}" + "".join(f"{step:>9}" for step in steps), end="")
    print(f"{'UNKNOWN':>9}{'µs / pair':>11}{'math-verify':>13}{'x':>7}")
    for row in rows:
        shares = "".join(f"{row['settled_by'][step]:9.2%}" for step in steps)
        print(f"{row['set']:16}{row['pairs']:8}{shares}{row['unknown']:9}", end="")
        print(f"{row['us']:11.1f}{row['baseline_us']:13.1f}{row['x']:7.1f}")
    for row in rows:
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in row["verdicts"].items())
        print(f"{row['set']}: verdicts on {row['baseline_pairs']} pairs, ours/math-verify: {verdicts}")
    print(json.dumps({"options": {"pairs": options.pairs}, "results": rows}))


if __name__ == "__main__":
    main()

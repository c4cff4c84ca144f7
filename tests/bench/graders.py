r"""The same outputs graded by this suite and by others: lm-evaluation-harness, lighteval, math-verify.

    python -m tests.bench.graders ../shared/data --packages build/other/site --lighteval build/other/light
    python -m tests.bench.graders ../shared/data --packages build/other/site --each 300 --show 20

`--packages` is a folder with lm_eval and math_verify, `--lighteval` one with the older latex2sympy2_extended
that lighteval asks for, both made by `pip install --no-deps --target`; without them only this suite and the
math-verify of its own environment grade. Real outputs are four GPT-3 models on GSM8K and 100 rows of
OpenMathInstruct-2. Of answers of MATH other spellings are made, which are right, and changes by one detail,
which are wrong (tests/answers/mutating.py). Prints a table, and differences with --show.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omi_core.answers import Extractor, Grader, Verdict, math_ground_truth
from tests.answers.mutating import CHANGES, respelt

HERE = Path(__file__).resolve().parent
OURS = "this suite"
OTHERS = ("math-verify", "lighteval")
OF_GSM8K = ("lm-eval gsm8k strict", "lm-eval gsm8k flexible")
OF_MATH = ("lm-eval hendrycks_math", "lm-eval minerva_math")
Line = dict[str, str]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _line(output: str, gold: str, solution: str | None = None) -> Line:
    return {"output": output, "gold": gold, "solution": solution or f"So it is $\\boxed{{{gold}}}$."}


def gsm8k(data: Path) -> list[Line]:
    """What four models of GPT-3 wrote, with `#### N` at the end as GSM8K has it, in place of their `A: N`."""
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    lines = []
    for row in _rows(data / "real_samples/gsm8k_test_gpt3_4x1319.jsonl"):
        said, _, gold = row["ground_truth"].rpartition("\nA: ")
        for model in models:
            output = row[model]["solution"].replace("\nA: ", "\n#### ")
            lines.append(_line(output, gold.strip(), f"{said}\n#### {gold.strip()}"))
    return lines


def _bare(answer: str) -> str:
    """A spelling without dollars and stops around it, which others do not expect in a box."""
    return answer.strip().removesuffix(".").strip("$ ").removesuffix(".")


def sets(data: Path, each: int) -> dict[str, tuple[list[Line], tuple[str, ...]]]:
    """Name → (outputs, the graders that are made for such)."""
    rng = random.Random(0)
    published = [
        _line(row["generated_solution"], row["expected_answer"])
        for row in _rows(data / "real_samples/openmathinstruct2_100.jsonl")
    ]
    truths = [math_ground_truth(row["solution"]) for row in _rows(data / "math/test.jsonl")]
    golds = rng.sample([truth.strip().strip("$") for truth in truths if truth], each)
    others = [(gold, _bare(respelt(gold, rng))) for gold in golds]
    spelt = [
        _line(f"Therefore the answer is $\\boxed{{{new}}}$.", gold) for gold, new in others if new != gold
    ]
    changed = []
    for gold in golds:
        new = next(filter(None, (change(gold, rng) for change in CHANGES.values())), None)
        if new is not None:
            changed.append(_line(f"Therefore the answer is $\\boxed{{{new}}}$.", gold))
    return {
        "GPT-3 on GSM8K": (gsm8k(data), (*OTHERS, *OF_GSM8K)),
        "OpenMathInstruct-2": (published, (*OTHERS, *OF_MATH)),
        "MATH, respelt": (spelt, (*OTHERS, *OF_MATH)),
        "MATH, changed": (changed, (*OTHERS, *OF_MATH)),
    }


def ours(lines: list[Line]) -> list[bool | None]:
    """By this suite; None where no rule can tell."""
    extract = Extractor(("boxed", "hashes"))
    answers = [extract(line["output"]).answer for line in lines]
    pairs = [
        (line["gold"], answer) for line, answer in zip(lines, answers, strict=True) if answer is not None
    ]
    with Grader() as grader:
        verdicts = iter(grader.compare_many(pairs))
    found = {Verdict.EQUAL: True, Verdict.NOT_EQUAL: False, Verdict.UNKNOWN: None}
    return [False if answer is None else found[next(verdicts)] for answer in answers]


def theirs(name: str, lines: list[Line], folders: list[Path]) -> list[bool] | None:
    """By another suite, in a process of its own with the packages in these folders; None: it is not there."""
    paths = os.pathsep.join(str(path.absolute()) for path in folders)
    done = subprocess.run(
        [sys.executable, str(HERE / "other_graders.py"), name],
        input="".join(json.dumps(line) + "\n" for line in lines),
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1][:150]}", file=sys.stderr)
        return None
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--packages", type=Path, help="folder with lm_eval and what it needs")
    parser.add_argument("--lighteval", type=Path, help="folder with what only lighteval needs")
    parser.add_argument("--each", type=int, default=1000, help="answers of MATH that are respelt and changed")
    parser.add_argument("--outputs", type=int, help="most real outputs of each kind; default: all")
    parser.add_argument("--show", type=int, default=0, help="differences to print for each grader")
    options = parser.parse_args()
    packages = [options.packages] if options.packages else []
    print(f"{'outputs':20}{'grader':26}{'right':>8}{'undecided':>11}{'only ours':>11}{'only theirs':>13}")
    rows: list[dict[str, Any]] = []
    for name, (lines, graders) in sets(options.data, options.each).items():
        lines = lines[: options.outputs]
        own = ours(lines)
        rows.append({"outputs": name, "grader": OURS, "lines": len(lines), "right": own.count(True)})
        counted = Counter(own)
        print(f"{f'{name}, {len(lines):,}':30}{OURS:16}{counted[True]:8,}{counted[None]:11,}", flush=True)
        for grader in graders:
            more = [options.lighteval] if grader == "lighteval" and options.lighteval else []
            found = theirs(grader, lines, [*more, *packages])
            if found is None:
                continue
            rows.append({"outputs": name, "grader": grader, "lines": len(lines), "right": sum(found)})
            apart = [
                (line, mine) for line, mine, other in zip(lines, own, found, strict=True) if mine is not other
            ]
            only = Counter(mine for _, mine in apart)
            print(
                f"{'':20}{grader:26}{sum(found):8,}{'':11}{only[True]:11,}"
                f"{sum(map(found.__getitem__, (at for at, mine in enumerate(own) if not mine))):13,}",
                flush=True,
            )
            for line, mine in [each for each in apart if each[1] is not None][: options.show]:
                side = "only ours" if mine else "only theirs"
                print(f"    {side}: {line['gold']!r} | {line['output'][-70:]!r}")
    print(json.dumps({"graders": rows}))


if __name__ == "__main__":
    sys.exit(main())

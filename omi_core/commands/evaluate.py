"""`jobs.evaluate`: the run of an evaluation is made or submitted, and what is asked of it besides."""

from __future__ import annotations

import sys
from pathlib import Path

from omi_core import options
from omi_core.config import Generate
from omi_core.evaluate.outcome import PAIRS
from omi_core.options import ConfigError
from omi_core.protocol import Asked
from omi_core.stages.run import Run
from omi_core.store.layout import Layout
from omi_core.tasks.rulings import RULED


def evaluate(asked: Asked) -> int:
    """Makes the evaluation here, or submits it. Returns the exit code: 1 also where a share is too low."""
    from omi_core.commands.making import generate
    from omi_core.stages.planning import plan_generate

    if asked.judge:
        _check_judge(asked, asked.judge)
    code = generate(asked.generate)
    if code or asked.plan or not (asked.least or asked.training_data or asked.judge or asked.scores):
        return code
    run = plan_generate(asked.generate)
    if asked.training_data:
        _search(run, asked.training_data)
    if asked.scores:
        _score(run, asked.scores)
    if asked.judge and (code := _judge(asked, run)):
        return code
    return _check(asked, run) if asked.least else 0


def _check_judge(asked: Asked, given: str) -> None:
    """Raises ConfigError when there is no such judge: a mistake now, not after GPU hours."""
    from omi_core.publish.published import dataset_of
    from omi_core.stages.planning import generate_content

    if Path(given).is_dir():
        dataset_of("judge", given, RULED.task, "give a teacher, or a published run of task=rulings")
        return
    try:
        generate_content(_of_judge(asked, Path("run")))
    except ConfigError as error:
        raise ConfigError(
            f"judge={given}: {error}; a judge with options of its own is a run of task=rulings, judge=RUN"
        ) from error


def _score(run: Run[Generate], given: str) -> None:
    """Shows the figures that scores make, once the evaluation is there."""
    from omi_core.report.facts import run_facts
    from omi_core.stages.run import published
    from omi_core.stages.scoring import score_by

    if published(run) is None:
        print("scores: wait for the evaluation; the same command reads them then", file=sys.stderr)
        return
    score_by(run, [part.path for part in run_facts(run.layout.root).parts], given)


def _judge(asked: Asked, run: Run[Generate]) -> int:
    """Has the judge read what is undecided, and shows the figures that follow; returns the exit code."""
    from omi_core.commands.making import generate
    from omi_core.report.facts import run_facts
    from omi_core.stages.run import published, published_whole
    from omi_core.stages.scoring import score_judged, undecided_pairs

    if published(run) is None:
        print("judge: waits for the evaluation; the same command asks it then", file=sys.stderr)
        return 0
    if not undecided_pairs(run, asked.judge_wrong):
        print("judge: nothing to ask, the rules have decided every answer")
        return 0
    assert asked.judge is not None
    name, given = Path(asked.judge).name, Path(asked.judge)
    if not given.is_dir():
        config = _of_judge(asked, run.layout.root)
        name += "-all" if asked.judge_wrong else ""
        given = Path(config.run.dir or "")
        if code := generate(config):
            return code
        if published_whole(_planned(config)) is None:
            print("judge: submitted; the same command tells when it is there", file=sys.stderr)
            return 0
    parts = [part.path for part in run_facts(run.layout.root).parts]
    score_judged(run, parts, given, name)
    return 0


def _of_judge(asked: Asked, root: Path) -> Generate:
    """The run in which a teacher rules on the evaluation in `root`, with its cluster and engine."""
    from omi_core.composing.compose import compose_values
    from omi_core.config import load_generate

    pairs = Layout(root).evaluation / PAIRS
    place = root / f"rulings-{asked.judge}{'-all' if asked.judge_wrong else ''}"
    words = ["task=rulings", f"teacher={asked.judge}", "prompt=grade", "data=file", f"run.dir={place}"]
    words += [f"data.path={pairs.absolute()}", f"rulings.wrong={str(asked.judge_wrong).lower()}"]
    words += ["sampling.temperature=0", "sampling.max_tokens=1024"]
    given = options.written(asked.generate)
    same = {key: given[key] for key in ("cluster", "engine", "tasks", "canary", "wait")}
    return load_generate(compose_values("generate", words, asked.folder) | same)


def _planned(config: Generate) -> Run[Generate]:
    from omi_core.stages.planning import plan_generate

    return plan_generate(config)


def _search(run: Run[Generate], given: str) -> None:
    """Says how many questions stand in the training data, and writes down which."""
    from omi_core.decontaminate.training import find_held, told
    from omi_core.stages.run import records_of

    pairs = run.layout.root / "contamination.jsonl"
    for line in told(find_held(records_of(run), given, pairs), given):
        print(line)
    print(f"contamination: {pairs}")


def _check(asked: Asked, run: Run[Generate]) -> int:
    """Compares pass@1 with what it is to be at least; on Slurm only once the evaluation is there."""
    from omi_core.evaluate.figures import PASS
    from omi_core.evaluate.outcome import read_outcome
    from omi_core.evaluate.tables import whole
    from omi_core.stages.run import published

    if published(run) is None:
        print("min: not known yet; the same command tells once the evaluation is there", file=sys.stderr)
        return 0
    found = whole(read_outcome(run.layout.evaluation).figures)
    low = [name for name, share in asked.least.items() if found[name][PASS, 1].value < share]
    for name in low:
        value = found[name][PASS, 1].value
        print(f"min.{name}={asked.least[name]:g}: pass@1 is {value:.4f}", file=sys.stderr)
    return 1 if low else 0

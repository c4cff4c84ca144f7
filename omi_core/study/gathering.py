"""Gathering: the cells of a study become a table, verdicts and a page, in a directory that is whole.

DIR/
  study.html    the page: findings, figures, table
  study.json    the same as data
  study.csv     the table
  README.md     findings and table, to be read
  stats.json, config.json   what makes it a directory of this suite, and the options
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from omi_core import options
from omi_core.options import ConfigError
from omi_core.publish.dataset import STATS, made_whole
from omi_core.records import digest128
from omi_core.study.arms import Arm, arm_with, arms_of, difference
from omi_core.study.findings import crossed_json, judge
from omi_core.study.study_options import Gather
from omi_core.study.study_page import render_study
from omi_core.study.study_table import HEADINGS, Study, table_of

_VERSION = 1


def gather(config: Gather) -> int:
    """Gathers the cells of a study, writes the result and shows it; returns the exit code.

    Raises:
        ConfigError: no cell is evaluated, or a finding names no setting, or several.
    """
    try:
        study = study_of(config)
    except ConfigError:
        raise
    except ValueError as error:  # a file of an evaluation is damaged
        raise OSError(str(error)) from error
    write_study(study, config)
    for judgement in study.judged:
        print(judgement.told)
    if study.missing:
        print(f"not evaluated: {', '.join(study.missing)}")
    print(f"{Path(config.out) / 'study.html'}: {len(study.arms)} settings, {len(study.judged)} findings")
    return 0


def study_of(config: Gather) -> Study:
    """The settings of a study and the verdicts. Raises ConfigError and ValueError as `gather`."""
    arms = arms_of(config)
    found = {name: difference(first, against) for name, first, against in compared(arms, config)}
    judged = judge(config.findings, found, config.level, config.min_seeds)
    return Study(config.name, arms, judged, _rule(config))


def compared(arms: Sequence[Arm], config: Gather) -> list[tuple[str, Arm, Arm]]:
    """The two settings of each finding. Raises ConfigError: there is no such setting, or several."""
    pairs = []
    for name, claim in config.findings.items():
        first = arm_with(arms, claim.first, f"findings.{name}.first")
        against = arm_with(arms, claim.against, f"findings.{name}.against")
        if first is against:
            raise ConfigError(f"findings.{name}: compares {first.setting} to itself; name two settings")
        pairs.append((name, first, against))
    return pairs


def _rule(config: Gather) -> str:
    return (
        f"Differences are paired by seed and problem, and hold for other seeds and problems like these. "
        f"With {config.min_seeds} seeds or more, a verdict is given where its probability of being wrong, "
        f"corrected for all {len(config.findings)} findings together (Holm 1979), is at most "
        f"{config.level:g}."
    )


def write_study(study: Study, config: Gather) -> None:
    """Writes the directory, whole or not at all. Raises ConfigError: something else lies there."""
    said = {
        "version": _VERSION,
        "name": study.name,
        "rule": study.rule,
        "findings": {one.name: one.to_json() for one in study.judged},
        "settings": [_arm_json(arm) for arm in study.arms],
        "missing": study.missing,
    }
    with made_whole(Path(config.out), options.written(config)) as work:
        _write(work / "study.json", said)
        (work / "study.csv").write_text(_csv(study), encoding="utf-8")
        (work / "study.html").write_text(render_study(study), encoding="utf-8")
        (work / "README.md").write_text(_readme(study), encoding="utf-8")
        digest = digest128("study", (work / "study.json").read_bytes())
        _write(work / STATS, {"version": _VERSION, "rows": len(study.arms), "content_hash": digest})
        _write(work / "config.json", options.written(config))


def _arm_json(arm: Arm) -> dict[str, Any]:
    found = arm.found
    return {
        "parameters": dict(arm.parameters),
        "evaluated": sorted(arm.values),
        "missing": sorted(arm.missing),
        "result": None if found is None else crossed_json(found),
        "rows": arm.rows,
        "tokens": arm.tokens,
        "hours": arm.hours,
    }


def _csv(study: Study) -> str:
    names = list(dict.fromkeys(key for arm in study.arms for key in sorted(arm.parameters)))
    figures = ("seeds", "problems", "mean", "spread", "low", "high")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *figures, "rows", "tokens", "hours"])
    for arm in study.arms:
        told = {} if arm.found is None else crossed_json(arm.found)
        values = [*(arm.parameters.get(name) for name in names), *(told.get(name) for name in figures)]
        writer.writerow(["" if each is None else each for each in (*values, arm.rows, arm.tokens, arm.hours)])
    return out.getvalue()


def _readme(study: Study) -> str:
    table = [HEADINGS, ["---"] * len(HEADINGS), *table_of(study)]
    lines = [f"# {study.name}", "", *(f"- {one.told}" for one in study.judged), "", study.rule, ""]
    lines += [f"| {' | '.join(row)} |" for row in table]
    if study.missing:
        lines += ["", f"Not evaluated: {', '.join(study.missing)}."]
    return "\n".join([*lines, ""])


def _write(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")

"""What `jobs.combine` does beside putting rows together: thresholds, matched, smaller and noisy datasets.

The options are checked and what they name is opened before anything is made; the parts of the inputs then
become others, with the rows that are taken. Where no option asks for it, nothing is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.combine.chosen_rows import choose
from omi_core.combine.combine_options import Combine
from omi_core.combine.drawn_parts import Replacements, drawn_parts, made_parts
from omi_core.combine.noise import replacing
from omi_core.combine.solution_pairs import Pairs, digested, joined, pairs_of
from omi_core.combine.sources import Source, open_source
from omi_core.combine.wrong_solutions import OF_SOLUTION, WrongSource, write_wrong, wrong_sources
from omi_core.options import ConfigError
from omi_core.publish.parts import PartManifest, PartWriter, part_lines, part_path
from omi_core.publish.rows import SOLUTIONS, Schema
from omi_core.stages.reduce import made_part

_WORK = ("wrong", "noise", "drawn")
_NEEDS = {"match": "solutions", "noise.share": "solutions", "problems": "problem", "min_votes": "votes"}


@dataclass(frozen=True)
class Drawing:
    """What the options ask for, with what they name: the datasets to match, and where wrong solutions are."""

    config: Combine
    match: Mapping[str, Source]
    wrong: Sequence[WrongSource]

    def described(self) -> dict[str, Any]:
        """What the fingerprint covers beside the options; nothing where none of them is used."""
        out: dict[str, Any] = {}
        if self.match:
            # As a list in a fixed order: which of them is named first decides nothing.
            out["match"] = sorted((each.described() for each in self.match.values()), key=str)
        if self.wrong:
            out["wrong"] = [each.described() for each in self.wrong]
        return out

    def notes(self) -> Iterator[str]:
        """Sentences for the card."""
        config = self.config
        if config.min_votes is not None:
            yield f"Only rows were taken that have {config.min_votes:,} votes or more."
        if self.match:
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(s.name for s in self.match.values()))
            yield f"Of each problem as many solutions were taken as are there in each of these, too: {names}."
        if config.problems is not None:
            yield f"The rows are those of {config.problems:,} problems, drawn (seed {config.seed})."
        if config.rows is not None:
            yield f"{config.rows:,} rows were drawn fairly (seed {config.seed})."
        if config.noise.share is not None:
            of = (
                "wrong solutions of the same problem"
                if config.noise.kind == "wrong"
                else "those of other problems"
            )
            yield (
                f"A share of {config.noise.share:g} of the solutions was replaced by {of} "
                f"(seed {config.seed}); `noise` says which."
            )

    def discard(self, work: Path) -> None:
        """Removes what was made of the parts of the inputs."""
        for name in _WORK:
            shutil.rmtree(work / name, ignore_errors=True)

    def drawn(self, parts: Mapping[str, PartManifest], work: Path) -> dict[str, PartManifest]:
        """Of each input's part the rows that are taken; those that are there already are left as they are.

        Raises:
            ConfigError: there are too few rows, problems or bad solutions, or a source cannot be read.
            InputDamaged: a dataset that is matched, or has wrong solutions, is not what it was.
            PartError: a part is damaged.
        """
        config, noise = self.config, self.config.noise
        draws = self.match or config.problems is not None or config.rows is not None
        if not draws and noise.share is None:
            return dict(parts)
        whole = made_parts(parts, work)
        if len(whole) == len(parts):
            return whole
        chosen = choose(
            list(parts.values()),
            config.unique,
            config.seed,
            [pairs_of(source, "match", config.min_votes) for source in self.match.values()],
            config.problems,
            config.rows,
            pairs=noise.share is not None,
        )
        replacements = None
        if noise.share is not None:
            donors = list(parts.values())
            wrong = None
            if noise.kind == "wrong":
                donors = [self._wrong_part(chosen.pairs, donors[0], work / "wrong")]
                wrong = joined([digested(lines) for lines in part_lines(donors[0])])
            replacements = Replacements(replacing(chosen, noise.share, config.seed, wrong), donors)
        return drawn_parts(parts, chosen, replacements, work)

    def _wrong_part(self, pairs: Pairs, like: PartManifest, folder: Path) -> PartManifest:
        """The wrong solutions of the problems that are taken, as a part; made unless it is there."""
        found = made_part(part_path(folder, 0), like.fingerprint)
        if found is not None:
            return found
        folder.mkdir(exist_ok=True)
        columns = [name for name in OF_SOLUTION if name in like.columns]
        with PartWriter(folder, 0, fingerprint=like.fingerprint, provenance=columns) as part:
            return write_wrong(self.wrong, pairs.problem, columns, part)


def opened(config: Combine, sources: Mapping[str, Source], schema: Schema) -> Drawing:
    """What the options of a combination of these rows ask for, and what they name, opened.

    Raises:
        ConfigError: there is no such thing, or the rows are not such that it can be done.
    """
    solutions = schema is SOLUTIONS
    asked = {
        "match": bool(config.match) and not solutions,
        "noise.share": config.noise.share is not None and not solutions,
        "problems": config.problems is not None and schema.required[0] != "problem",
        "min_votes": config.min_votes is not None and "votes" not in schema.optional,
    }
    if wrong := next((key for key, is_wrong in asked.items() if is_wrong), None):
        raise ConfigError(f"{wrong}: not for {schema.task}, which have no {_NEEDS[wrong]}; omit it")
    match = {given: open_source("match", given) for given in config.match}
    if config.min_votes is not None:
        named = [*zip(config.inputs, sources.values(), strict=True), *match.items()]
        for given, source in named:
            if "votes" not in source.columns:
                raise ConfigError(
                    f"min_votes={config.min_votes}: {given} has no column votes; publish it with "
                    "publish.provenance=true, or omit it"
                )
    noise = config.noise
    wanted = noise.share is not None and noise.kind == "wrong"
    return Drawing(config, match, wrong_sources(noise.wrong, config.inputs) if wanted else [])

"""What steps that are not done yet are going to make and cost, as far as it can be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from omi_core import options
from omi_core.config import Generate
from omi_core.inputs import Skipped
from omi_core.options import each_text
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.recipe import PLACE
from omi_core.pipeline.steps import generate_of
from omi_core.slurm.estimate import ASSUMED_START_UP, StartUp, estimate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting
from omi_core.teachers.teacher_options import REWARD
from omi_core.training.example_order import update_steps
from omi_core.training.train_options import Train, Training, stages_of

SAMPLES, UPDATES, GPU_HOURS = "samples", "training steps", "GPU hours for samples"
# What a step costs: SAMPLES, ... -> how much, None where that is not known yet.
Cost = Mapping[str, float | None]


def total(costs: Iterable[Cost]) -> dict[str, float | None]:
    """Costs taken together; what is not known of one is not known of all."""
    sums: dict[str, float | None] = {}
    for cost in costs:
        for name, much in cost.items():
            before = sums.get(name, 0)
            sums[name] = None if much is None or before is None else before + much
    return sums


def cost_words(cost: Cost) -> str:
    """A cost in words, "" for nothing."""
    return ", ".join(
        f"{name} not known yet" if much is None else f"{much:,.{int(name == GPU_HOURS)}f} {name}"
        for name, much in cost.items()
    )


class StepCosts:
    """What steps of a pipeline are going to make; `done` are the names of those that are done.

    Inputs that several steps share are read once.
    """

    def __init__(self, pipeline: Pipeline, done: Sequence[str]) -> None:
        self._pipeline, self._done = pipeline, frozenset(done)
        self._counts: dict[bytes, int] = {}
        self._costs: dict[str, Cost] = {}

    def known(self, step: Step) -> bool:
        """Whether all that a step needs is done."""
        return all(name in self._done for name in step.needs)

    def planned(self, step: Step) -> Run[Generate] | None:
        """The run that a step generates, not written down; None: there is none, or no input for it yet."""
        if not step.is_chain:
            return None
        config = generate_of(step.command, self._pipeline.config(step))
        of_steps = any(self._is_of_step(path) for path in (config.data.path, config.teacher.model))
        if of_steps and not self.known(step):
            return None
        config.plan = True
        return plan_generate(config)

    def words(self, step: Step, run: Run[Generate] | None) -> str:
        """How many samples a step makes, or where what it makes is going to lie."""
        if not step.is_chain:
            return f"{step.folder}/{step.product}"
        config = generate_of(step.command, self._pipeline.config(step))
        each = f"{self._samples_of_a_record(config, run)} samples by {config.teacher.name}"
        records = self._records(step, config, run)
        if records is None:
            return f"records not known yet x {each}"
        samples = records * self._samples_of_a_record(config, run) if run is None else run.plan.keys
        return f"{records:,} records x {each}: {samples:,}"

    def cost(self, step: Step) -> Cost:
        """What a step costs; of a training there is no estimate of hours."""
        if step.name not in self._costs:
            self._costs[step.name] = self._cost(step)
        return self._costs[step.name]

    def _cost(self, step: Step) -> Cost:
        if step.trains:
            config = options.restore(Train, step.config)
            updates = [
                self._updates(stage, given)
                for stage, given in zip(stages_of(config).values(), config.training_data, strict=True)
            ]
            return {UPDATES: None if None in updates else sum(each for each in updates if each)}
        if not step.is_chain:
            return {}
        config = generate_of(step.command, self._pipeline.config(step))
        records = self._records(step, config, None)
        samples = None if records is None else records * self._samples_of_a_record(config, None)
        if not config.cluster.gpus_per_node:
            return {SAMPLES: samples}
        starts = StartUp(ASSUMED_START_UP, "assumed") if config.teacher.kind in ("vllm", REWARD) else None
        hours = None if samples is None else estimate(config, samples, None, starts).gpu_hours
        return {SAMPLES: samples, GPU_HOURS: hours}

    def _updates(self, stage: Training, given: str) -> int | None:
        """Training steps of a stage; more than there will be if some of its rows are left out."""
        if stage.steps is not None:
            return stage.steps
        for step in self._pipeline.steps:
            if given == f"{PLACE}/{step.folder}" and step.command == "combine" and step.config["rows"]:
                return update_steps(step.config["rows"], stage.epochs, stage.batch, None)
        return None

    def _records(self, step: Step, config: Generate, run: Run[Generate] | None) -> int | None:
        if run is not None:
            return run.plan.records
        if self._is_of_step(config.data.path) and not self.known(step):
            return None
        key = self._input(step)
        if key not in self._counts:
            found = task_of(config).records(config, Skipped(config.data.on_bad_row))
            self._counts[key] = sum(1 for _ in found)
        return self._counts[key]

    def _input(self, step: Step) -> bytes:
        """The same for steps that read the same: they differ in seed, place and models of other steps."""
        values = {key: value for key, value in step.config.items() if key not in ("seed", "run")}
        for key in values.keys() & {"teacher", "model", "prompt"}:
            values[key] = each_text(values[key], lambda text: PLACE if text.startswith(PLACE) else text)
        return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)

    def _samples_of_a_record(self, config: Generate, run: Run[Generate] | None) -> int:
        prompt_to_come = run is None and self._is_of_step(config.prompt.path)
        return config.samples if prompt_to_come else Prompting(config).samples

    def _is_of_step(self, path: str | None) -> bool:
        return path is not None and path.startswith(f"{self._pipeline.root}/")

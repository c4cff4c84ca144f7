"""The order of rows, the checkpoints, the stop and the curve that every trainer of this suite has.

A step is one update of the weights from `batch` rows, whatever the number of processes.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from omi_core.training.checkpoints import SAVING, average_steps, seal_checkpoint
from omi_core.training.curves import CurveFile
from omi_core.training.example_order import example_order, micro_batch
from omi_core.training.train_options import Training


@dataclass(frozen=True)
class StageWork:
    """What one stage does: where, how, on which examples, in how many steps of which precision.

    `stopping` says whether to stop after the step at hand, and `tell` is told of every step, by rank 0.
    """

    folder: Path
    settings: Training
    examples: Path
    rows: int
    steps: int
    dtype: str
    stopping: Callable[[], bool]
    tell: Callable[[dict[str, float]], None]


class _Order(Sampler[int]):
    """All rows of all steps, in the order in which they are seen."""

    def __init__(self, work: StageWork) -> None:
        self._work = work

    def __len__(self) -> int:
        return self._work.steps * self._work.settings.batch

    def __iter__(self) -> Iterator[int]:
        return example_order(self._work.rows, len(self), self._work.settings.seed)


class StageTrainer(Trainer):
    """A trainer of transformers with this suite's order of rows, checkpoints, stop and curve.

    A trainer that derives from it logs `num_tokens`, of all steps so far, and the figure named by
    `accuracy_logged`.
    """

    accuracy_logged: str

    def __init__(self, work: StageWork, curve: CurveFile, **given: Any) -> None:
        self._work = work
        self._averaged = average_steps(work.steps, work.settings.average)
        super().__init__(**given)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Watch(work, curve, set(self._averaged), self.accuracy_logged))

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return _Order(self._work)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Beside the others first; a checkpoint when every process has written its part."""
        Trainer._save_checkpoint(self, model, trial)  # TRL's own would write a model card, too
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            seal_checkpoint(self._work.folder, self.state.global_step, self._averaged)
        self.accelerator.wait_for_everyone()


class _Watch(TrainerCallback):
    """Saves, stops and tells, after each step."""

    def __init__(self, work: StageWork, curve: CurveFile, averaged: set[int], accuracy: str) -> None:
        self._work, self._curve, self._averaged = work, curve, averaged
        self._accuracy = accuracy
        self._began, self._first = time.monotonic(), 0
        self._tokens: float | None = None

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> Any:
        step = state.global_step
        stop = self._asked(args)
        control.should_training_stop = stop or step >= self._work.steps
        control.should_save = stop or step % self._work.settings.save_every == 0 or step in self._averaged
        return control

    def _asked(self, args: TrainingArguments) -> bool:
        """Whether any process was asked to stop: all stop after the same step."""
        asked = self._work.stopping()
        if args.world_size == 1:
            return asked
        flag = torch.tensor([int(asked)], device=args.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag.item())

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        state.log_history.clear()  # the curve keeps it; a checkpoint would hold all of it again
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        step, tokens = state.global_step, float(logs["num_tokens"])
        self._curve.add(
            {
                "step": step,
                "loss": float(logs["loss"]),
                "learning_rate": float(logs["learning_rate"]),
                "grad_norm": float(logs["grad_norm"]),
                "accuracy": float(logs[self._accuracy]),
                "tokens": int(tokens),
            }
        )
        if control.should_save:
            self._curve.sync()
        if self._tokens is None:
            self._tokens = tokens  # those of the first step, which takes longest, take no part in the rate
            self._began, self._first = time.monotonic(), step
            rate = each = 0.0
        else:
            seconds = max(time.monotonic() - self._began, 1e-9)
            rate, each = (tokens - self._tokens) / seconds, seconds / (step - self._first)
        self._work.tell(
            {
                "step": step,
                "steps": self._work.steps,
                "loss": float(logs["loss"]),
                self._accuracy: float(logs[self._accuracy]),
                "tokens_per_second": rate,
                "seconds_left": each * (self._work.steps - step),
                "memory_bytes": _memory(args),
            }
        )


def _memory(args: TrainingArguments) -> int:
    """The most memory taken so far: of the GPU, else of this process."""
    if args.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def common_arguments(work: StageWork) -> dict[str, Any]:
    """What every trainer is told of a stage.

    Raises:
        ValueError: its batch does not divide over the processes.
    """
    settings = work.settings
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    size = micro_batch(settings.batch, processes, settings.micro_batch)
    if not size:
        raise ValueError(f"training.batch={settings.batch} does not divide over {processes} processes")
    on_gpu = torch.cuda.is_available()
    shard = processes > 1 and on_gpu if settings.shard is None else settings.shard
    schedule, more = settings.schedule, {}
    if schedule == "constant" and settings.warmup:
        schedule = "constant_with_warmup"
    elif schedule == "cosine" and settings.min_rate:
        schedule, more = "cosine_with_min_lr", {"min_lr_rate": settings.min_rate}
    return dict(
        output_dir=str(work.folder / SAVING),
        per_device_train_batch_size=size,
        gradient_accumulation_steps=settings.batch // processes // size,
        num_train_epochs=1,
        max_steps=work.steps,
        learning_rate=settings.learning_rate or 0.0,
        lr_scheduler_type=schedule,
        lr_scheduler_kwargs=more,
        warmup_steps=round(settings.warmup * work.steps),
        weight_decay=settings.weight_decay,
        adam_beta2=settings.second_beta,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        bf16=work.dtype == "bfloat16",
        use_cpu=not on_gpu,
        gradient_checkpointing=settings.gradient_checkpointing and not shard,
        fsdp=True if shard else None,
        fsdp_config=_fsdp(settings) if shard else None,
        logging_steps=1,
        save_strategy="no",
        report_to=_trackers(settings),
        disable_tqdm=True,
        ddp_backend=None if on_gpu else ("gloo" if processes > 1 else None),
        dataloader_pin_memory=on_gpu,
        ddp_find_unused_parameters=False if processes > 1 else None,
        average_tokens_across_devices=True,
    )


def _fsdp(settings: Training) -> dict[str, Any]:
    """FSDP2, wrapped by the model's own layers; weights are saved whole, so that any tool loads them."""
    return {
        "version": 2,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "reshard_after_forward": True,
        "cpu_ram_efficient_loading": True,
        "activation_checkpointing": settings.gradient_checkpointing,
        "state_dict_type": "FULL_STATE_DICT",
    }


def barrier() -> None:
    """Waits for the other processes, where there are any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def _trackers(settings: Training) -> list[str]:
    """Where figures go besides the curve."""
    if settings.report_to is not None:
        return settings.report_to
    return ["tensorboard"] if find_spec("tensorboard") else []

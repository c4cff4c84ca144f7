"""Trainings that kill themselves, each in a process of its own that is forked from one with TRL loaded."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

Words = list[str]


def start_training(
    place: Path, words: Words, step: int = 0, renames: int = 0, soft: bool = False
) -> BaseProcess:
    """jobs.train with these words in the folder `place`, in a process of its own.

    It gets SIGKILL when `step` is done, or SIGUSR2 with `soft`; or SIGKILL at its rename of that number.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.training.dying", "omi_core.training.stage_training"])
    process = context.Process(target=_train, args=(str(place), words, step, renames, soft))
    process.start()
    return process


def _train(place: str, words: Words, step: int, renames: int, soft: bool) -> None:
    import torch

    from omi_core.composing.command_line import Takes, read
    from omi_core.composing.compose import command_root, compose_cells
    from omi_core.training import teaching
    from omi_core.training.curves import CurveFile

    os.chdir(place)
    torch.set_num_threads(1)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    add, rename, made = CurveFile.add, os.rename, 0

    def adding(self: CurveFile, point: dict[str, Any]) -> None:
        add(self, point)
        if point["step"] == step:
            os.kill(os.getpid(), signal.SIGUSR2 if soft else signal.SIGKILL)

    def renaming(*given: Any, **more: Any) -> None:
        nonlocal made
        made += 1
        if made == renames:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*given, **more)

    CurveFile.add = adding
    os.rename = renaming
    (values,) = compose_cells("train", read("train", words, Takes()))
    code = teaching.train(command_root("train").checked(values))
    Path("renames").write_text(str(made))
    sys.stdout.flush()
    os._exit(code)

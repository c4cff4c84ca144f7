"""What the demo's closed world gives to tasks: its problems as input rows, and what solves a problem of it.

Loaded with the tasks, so that reading an input knows the world by its name alone, `data.origin=world`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from omi_core.inputs import Row
from omi_core.inputs.data_options import Data
from omi_core.inputs.origins import WORLDS, World
from omi_core.options import ConfigError


def world_rows(data: Data) -> Iterator[tuple[str, Row]]:
    """`data.size` problems of the embedded teachers' world, drawn by `data.seed`.

    `text` is a problem with its working as prose, for dialogues.
    """
    from omi_core.teachers.tiny import world

    if data.split not in ("train", "test"):
        raise ConfigError(f"data.split={data.split}: the demo has train and test")
    for number, problem in enumerate(world.draw(data.seed, data.size, data.split), 1):
        text = world.passage(problem, Random(f"demo, {data.seed}, {number}"))
        yield f"demo:{number}", {"problem": problem.text, "answer": problem.answer, "text": text}


def oracle(text: str) -> str | None:
    """The answer to a problem of the demo's world, else None: new problems need not make sense."""
    from omi_core.teachers.tiny import world

    return world.answer(text)


WORLDS["world"] = World(world_rows, oracle)

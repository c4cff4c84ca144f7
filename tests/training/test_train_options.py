"""The options of a training: what each changes, and that its figures stand in the docs with their source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from omi_core.composing.compose import command_root, compose_values
from omi_core.options import ConfigError
from omi_core.training.train_options import Train, stages_of

ROOT = Path(__file__).parents[2]
PUBLISHED = ("acemath_rm", "acemath_sft", "openmath2", "openmathreasoning", "pairs")
STUDENTS = sorted(path.stem for path in (ROOT / "hydra_conf/student").glob("*.yaml"))


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def table() -> dict[tuple[str, str], tuple[str, str]]:
    """(training, option) -> (value, source) of the table in the docs."""
    text = (ROOT / "docs/train.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \| (\S+) \| (.+) \|$", text, re.M)
    return {(training, option): (value, source) for training, option, value, source in rows}


@pytest.mark.parametrize("training", PUBLISHED)
def test_every_figure_of_the_settings_is_in_the_docs_with_its_source(training: str) -> None:
    text = (ROOT / f"hydra_conf/training/{training}.yaml").read_text(encoding="utf-8")
    figures = {key: value for key, value in leaves(yaml.safe_load(text)) if key != "name"}
    told = {option: found for (name, option), found in table().items() if name == training}
    assert {key: str(value) for key, value in figures.items()} == {key: told[key][0] for key in told}
    assert all(re.search(r"arXiv|NeMo-Skills|of this suite", source) for _, source in told.values())


def config(*words: str) -> Train:
    return command_root("train").checked(compose_values("train", ["data=x.jsonl", *words]))


def students_of(training: str) -> list[tuple[str, str, bool]]:
    """(training, student, whether it has a rate): all that have one by name, else two; one that has none."""
    rates = yaml.safe_load((ROOT / f"hydra_conf/training/{training}.yaml").read_text()).get("rates")
    rated = [student for student in STUDENTS if student in rates] if rates else [STUDENTS[0], "tiny"]
    others = [student for student in STUDENTS if rates and student not in rates][:1]
    return [(training, student, student in rated) for student in [*rated, *others]]


@pytest.mark.parametrize(
    ("training", "student", "rated"),
    [each for training in [*PUBLISHED, "demo", "demo_rm", "study_demo"] for each in students_of(training)],
)
def test_every_student_has_a_learning_rate_or_is_refused_with_what_to_give(
    training: str, student: str, rated: bool
) -> None:
    data = "data=[a,b,c]" if training == "acemath_sft" else "data=a"
    words = (f"student={student}", f"training={training}", data)
    if rated:
        made = config(*words)
        assert made.student.name == student and all(s.learning_rate for s in stages_of(made).values())
    else:
        with pytest.raises(ConfigError, match="give training.learning_rate"):
            config(*words)
        assert config(*words, "training.learning_rate=1e-5")


def test_the_three_stages_of_acemath_are_in_order_and_the_first_two_general() -> None:
    stages = stages_of(config("training=acemath_sft", "student=qwen25_math_7b", "data=[a,b,c]"))
    assert [(name, stage.learning_rate, stage.as_is, stage.batch) for name, stage in stages.items()] == [
        ("general_sft_stage1", 5e-6, True, 128),
        ("general_sft_stage2", 5e-6, True, 128),
        ("math_sft", 3e-6, False, 128),
    ]


# What TRL's config has of each option; `None` where the option is not TRL's.
PASSED = [
    ("batch", 16, ("per_device_train_batch_size", 8), ("gradient_accumulation_steps", 2)),
    ("micro_batch", 2, ("per_device_train_batch_size", 2), ("gradient_accumulation_steps", 4)),
    ("learning_rate", 0.5, ("learning_rate", 0.5)),
    ("schedule", "linear", ("lr_scheduler_type", "linear")),
    ("warmup", 0.5, ("warmup_steps", 5)),
    ("weight_decay", 0.5, ("weight_decay", 0.5)),
    ("second_beta", 0.5, ("adam_beta2", 0.5)),
    ("max_grad_norm", 0.5, ("max_grad_norm", 0.5)),
    ("seed", 5, ("seed", 5)),
    ("packing", False, ("padding_free", False)),
    ("gradient_checkpointing", False, ("gradient_checkpointing", False)),
    ("report_to", ["tensorboard"], ("report_to", ["tensorboard"])),
]


@pytest.mark.parametrize("student", [name for name in STUDENTS if name != "tiny"])
def test_the_commit_of_every_model_of_the_hub_is_pinned(student: str) -> None:
    made = config(f"student={student}", "training.learning_rate=1e-5").student
    assert re.fullmatch(r"[\w-]+/[\w.-]+", made.model) and re.fullmatch("[0-9a-f]{40}", made.revision or "")


@pytest.mark.parametrize(
    ("model", "words", "expected"),
    [
        ("a/b@c1", [], ("a/b", "c1")),
        ("a/b@c1", ["student.revision=main"], ("a/b", "main")),
        ("a/b", [], ("a/b", None)),
        ("a/b@", [], ("a/b@", None)),
        ("./a@b", [], ("./a@b", None)),
        ("there/mine@2", [], ("there/mine@2", None)),
        ("/x/a@b", [], ("/x/a@b", None)),
        ("embedded:base", [], ("embedded:base", None)),
    ],
)
def test_a_model_may_name_its_commit_and_a_directory_its_at(
    model: str,
    words: list[str],
    expected: tuple[str, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there/mine@2").mkdir(parents=True)
    made = config(f"student.model={model}", "training.learning_rate=1e-5", *words).student
    assert (made.model, made.revision) == expected


@pytest.mark.parametrize(
    ("option", "value", "expected"), [(key, value, also) for key, value, *also in PASSED]
)
def test_options_of_training_reach_the_trainer(
    option: str, value: Any, expected: list[tuple[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip("trl", reason="TRL is not installed")
    from omi_core.training.sft import trainer_arguments
    from omi_core.training.stage_trainer import StageWork
    from omi_core.training.train_options import Training

    def arguments(**changes: Any) -> Any:
        settings = Training(**{"batch": 8, "learning_rate": 0.1, "report_to": []} | changes)
        return trainer_arguments(
            StageWork(tmp_path, settings, tmp_path, 100, 10, "float32", lambda: False, lambda step: None)
        )

    before, after = arguments(), arguments(**{option: value})
    for name, wanted in expected:
        assert getattr(after, name) == wanted
    assert any(getattr(before, name) != wanted for name, wanted in expected)


def test_a_cosine_may_end_above_zero(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed")
    from omi_core.training.sft import trainer_arguments
    from omi_core.training.stage_trainer import StageWork
    from omi_core.training.train_options import Training

    settings = Training(schedule="cosine", min_rate=0.001, learning_rate=1.0, report_to=[])
    work = StageWork(tmp_path, settings, tmp_path, 100, 10, "float32", lambda: False, lambda step: None)
    made = trainer_arguments(work)
    assert made.lr_scheduler_type == "cosine_with_min_lr"
    assert made.lr_scheduler_kwargs == {"min_lr_rate": 0.001}


def test_rope_theta_and_revision_reach_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from omi_core.training.students import student_config
    from omi_core.training.train_options import Student, Training
    from tests.training.conftest import small_model

    student = Student(model=str(small_model(tmp_path / "small")))
    made = student_config(student, Training(rope_theta=500_000.0, max_length=4096))
    assert made.rope_parameters["rope_theta"] == 500_000.0 and made.max_position_embeddings == 4096
    asked: list[Any] = []
    load = transformers.AutoConfig.from_pretrained
    monkeypatch.setattr(
        transformers.AutoConfig,
        "from_pretrained",
        lambda place, revision=None: (asked.append(revision), load(place))[1],
    )
    student_config(Student(model=student.model, revision="abc"), Training(max_length=64))
    assert asked == ["abc"]


def test_shard_spreads_the_weights(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed")
    from omi_core.training.sft import trainer_arguments
    from omi_core.training.stage_trainer import StageWork
    from omi_core.training.train_options import Training

    made = []
    for shard in (None, True):
        settings = Training(shard=shard, learning_rate=0.1, report_to=[])
        work = StageWork(tmp_path, settings, tmp_path, 9, 9, "float32", lambda: False, lambda step: None)
        made.append(trainer_arguments(work))
    assert not made[0].fsdp and made[1].fsdp
    assert made[1].fsdp_plugin_args["fsdp_version"] == 2


def test_the_data_is_given_as_training_data() -> None:
    assert config().training_data == ["x.jsonl"]

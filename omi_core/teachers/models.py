"""Where a teacher's model lies: embedded in the package, in a local directory, or on the hub."""

from __future__ import annotations

from pathlib import Path

from omi_core.options import ConfigError
from omi_core.teachers.teacher_options import LOADED, TeacherOptions

TRAINED = "trained.json"  # what jobs.train leaves in the directory of a model
EMBEDDED = {
    "embedded:strong": "tiny",
    "embedded:weak": "tiny_weak",
    "embedded:thinking": "tiny_thinking",
    "embedded:muddled": "tiny_muddled",
    "embedded:verbose": "tiny_verbose",
    "embedded:base": "tiny_base",
}


def model_path(model: str) -> str:
    """What the engine is given: the installed directory of an embedded model, else the name itself.

    Raises:
        ConfigError: an unknown embedded model.
    """
    if not model.startswith("embedded:"):
        return model
    if model not in EMBEDDED:
        raise ConfigError(f"teacher.model={model}: no such embedded model; one of {', '.join(EMBEDDED)}")
    from omi_core.teachers import tiny

    return str(tiny.path(EMBEDDED[model]))


def local_directory(model: str) -> Path | None:
    """The model's directory when it lies on this machine, else None (a hub id)."""
    path = Path(model_path(model))
    return path if path.is_dir() else None


def lacks_chat_template(teacher: TeacherOptions) -> bool:
    """Whether the model lies in a directory that has no chat template: a base model."""
    directory = local_directory(teacher.model) if teacher.kind == "vllm" else None
    if directory is None or teacher.chat_template is not None:
        return False
    config = directory / "tokenizer_config.json"
    named = config.is_file() and b'"chat_template"' in config.read_bytes()
    return not named and not any(directory.glob("chat_template.*"))


def trained_prompt(teacher: TeacherOptions) -> Path | None:
    """The template that jobs.train left beside the model; None where there is none."""
    directory = local_directory(teacher.model) if teacher.kind in LOADED else None
    return directory / "prompt.yaml" if directory and (directory / "prompt.yaml").is_file() else None


def trained_card(teacher: TeacherOptions) -> Path | None:
    """The card of a model that jobs.train has made; None of another one, or where it was taken away."""
    directory = local_directory(teacher.model) if teacher.kind in LOADED else None
    if directory is None or not (directory / TRAINED).is_file():
        return None
    return directory / "README.md" if (directory / "README.md").is_file() else None


def read_template(teacher: TeacherOptions) -> str | None:
    """The text of `teacher.chat_template`; None where the model's own is used.

    Raises:
        ConfigError: the file cannot be read.
    """
    if teacher.chat_template is None:
        return None
    try:
        return Path(teacher.chat_template).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"teacher.chat_template={teacher.chat_template}: cannot be read: {why}") from error

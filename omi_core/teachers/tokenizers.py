"""The tokenizer.json that lengths are counted with: the one that is named, else the teacher's own."""

from __future__ import annotations

import logging
from pathlib import Path

from omi_core.options import ConfigError
from omi_core.records import digest128
from omi_core.teachers.models import local_directory
from omi_core.teachers.teacher_options import LOADED, TeacherOptions


def tokenizer_file(
    named: str | None, teacher: TeacherOptions | None, section: str, instead: str = ""
) -> str | None:
    """The tokenizer.json that `SECTION.tokenizer` names, else the teacher's; None where there is no teacher.

    `instead` is what else a user may do where the teacher has none.

    Raises:
        ConfigError: the one that is named is not there, or the teacher's is not available.
    """
    if named is not None:
        return str(_named(named, section))
    if teacher is None:
        return None
    way_out = f"give {section}.tokenizer=FILE{instead}"
    # A teacher without a model has no tokenizer of its own; the embedded one is always there.
    model = teacher.model if teacher.kind in (*LOADED, "endpoint") else "embedded:strong"
    local = local_directory(model)
    if local is None:
        return hub_tokenizer(model, teacher.revision, way_out)
    if not (local / "tokenizer.json").is_file():
        raise ConfigError(f"teacher.model={model}: has no tokenizer.json; {way_out}")
    return str(local / "tokenizer.json")


def _named(given: str, section: str) -> Path:
    path = Path(given) / "tokenizer.json" if Path(given).is_dir() else Path(given)
    if not path.is_file():
        raise ConfigError(
            f"{section}.tokenizer={given}: no such file; give a tokenizer.json or its directory"
        )
    return path


def tokenizer_digest(given: str, section: str) -> str:
    """Tells tokenizers apart by their bytes: where one lies does not matter. Raises as `tokenizer_file`."""
    return digest128(_named(given, section).read_bytes())


def hub_tokenizer(model: str, revision: str | None, way_out: str) -> str:
    """The tokenizer.json of a model on the hub, from the local cache where it is there.

    Raises:
        ConfigError: neither the cache nor the hub has it.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    # It logs every retry; the outcome is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return hf_hub_download(model, "tokenizer.json", revision=revision)
    except Exception as error:  # the hub client raises many kinds; all mean "not available"
        why = " ".join(str(error).split())[:150]
        if isinstance(error, LocalEntryNotFoundError):
            why = "the hub cannot be reached, and the local cache has no copy"
        raise ConfigError(
            f"teacher.model={model}: its tokenizer.json is not available ({why}); {way_out}, or a copy of "
            "the model as teacher.model=DIRECTORY, or a mirror of the hub as HF_ENDPOINT in the environment"
        ) from error

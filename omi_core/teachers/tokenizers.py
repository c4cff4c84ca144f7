"""The tokenizer.json that lengths are counted with: the one that is named, else the teacher's own."""

from __future__ import annotations

import logging
from pathlib import Path

from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.records import digest128
from omi_core.teachers.models import local_directory

# What a user may do when there is no tokenizer, by section.
_WAY_OUT = {
    "filters": "give filters.tokenizer=FILE, or turn the limit off with filters.max_tokens=null",
    "documents": "give documents.tokenizer=FILE",
    "conversations": "give conversations.tokenizer=FILE, or conversations.min_tokens=null",
}


def tokenizer_file(config: Generate | Reduce, section: str = "filters") -> str | None:
    """The tokenizer.json of a section that has an option `tokenizer`; None where there is none to take.

    Raises:
        ConfigError: the one that is named is not there, or the teacher's cannot be had.
    """
    named = getattr(config, section).tokenizer
    if named is not None:
        path = Path(named) / "tokenizer.json" if Path(named).is_dir() else Path(named)
        if not path.is_file():
            raise ConfigError(
                f"{section}.tokenizer={named}: no such file; give a tokenizer.json or its directory"
            )
        return str(path)
    if not isinstance(config, Generate):
        return None
    teacher = config.teacher
    # A rehearsal has no tokenizer of its own; the embedded one is always there.
    model = "embedded:strong" if teacher.kind == "rehearsal" else teacher.model
    local = local_directory(model)
    if local is None:
        return hub_tokenizer(model, teacher.revision, _WAY_OUT[section])
    if not (local / "tokenizer.json").is_file():
        raise ConfigError(f"teacher.model={model}: has no tokenizer.json; {_WAY_OUT[section]}")
    return str(local / "tokenizer.json")


def tokenizer_digest(config: Generate | Reduce, section: str) -> str:
    """Tells tokenizers apart by their bytes: where one lies does not matter."""
    return digest128(Path(tokenizer_file(config, section) or "").read_bytes())


def hub_tokenizer(model: str, revision: str | None, way_out: str) -> str:
    """The tokenizer.json of a model on the hub, from the local cache where it is there.

    Raises:
        ConfigError: it can be had neither from the cache nor from the hub.
    """
    from huggingface_hub import hf_hub_download

    # It tells of every retry; the outcome is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return hf_hub_download(model, "tokenizer.json", revision=revision)
    except Exception as error:  # the hub client raises many kinds; all mean "not to be had"
        why = " ".join(str(error).split())[:150]
        raise ConfigError(
            f"teacher.model={model}: its tokenizer.json cannot be had ({why}); {way_out}"
        ) from error

"""The length of texts in tokens, by a tokenizer.json of Hugging Face or in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTES = "bytes"
# No tokenizer gets this many bytes into every token of a long text, so text beyond it is not worth counting:
# a megabyte of one repeated character would cost seconds.
_MOST_BYTES_PER_TOKEN = 64


class TokenCounter:
    """Counts tokens, special ones left out.

    `tokenizer` is the path of a Hugging Face `tokenizer.json`, or "bytes" to take each UTF-8 byte for a
    token; `key` names the option in messages. Raises ValueError when the file is not a tokenizer.
    """

    def __init__(self, tokenizer: str, key: str = "tokenizer") -> None:
        self._tokenizer = None if tokenizer == BYTES else _load(tokenizer, key)
        self.bytes_per_token = _MOST_BYTES_PER_TOKEN if self._tokenizer else 1

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text. The whole batch is in memory at once."""
        if self._tokenizer is None:
            return [len(text.encode("utf-8", "replace")) for text in texts]
        # Lone surrogates have no UTF-8; the tokenizer refuses them.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        # The problem of many samples comes many times.
        distinct = list(dict.fromkeys(clean))
        encoded = self._tokenizer.encode_batch_fast(distinct, add_special_tokens=False)
        tokens = {text: len(encoding.ids) for text, encoding in zip(distinct, encoded, strict=True)}
        return [tokens[text] for text in clean]


def _load(path: str, key: str) -> Tokenizer:
    """The tokenizer in `path`, with the truncation and padding that the file may ask for switched off."""
    from tokenizers import Tokenizer

    if not Path(path).is_file():
        raise ValueError(f"{key}: no file {path}; give the path of a tokenizer.json, or {BYTES!r}")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"{key}: {path} is not a tokenizer.json ({str(error)[:100]})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer

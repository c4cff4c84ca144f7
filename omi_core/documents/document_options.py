"""Options of documents: which columns hold them, and how they become chunks.

The defaults are those of Nemotron-MIND (arXiv 2410.12881) where it is known what it did; 500 tokens a chunk
are a third party's reading of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option


@dataclass
class Documents:
    """Raw documents and their chunks."""

    text: str = option("text", "column that holds the document", transient=True)
    id: str | None = option(None, "column with the document's id; null: a hash of its text", transient=True)
    source: str | None = option(
        None, "column that says where it is from, such as url; a.b reaches inside", transient=True
    )
    max_tokens: int = option(500, "longest chunk, in tokens", ge=16)
    tokenizer: str | None = option(None, "tokenizer.json that chunks are counted with; null: the teacher's")

"""The tokenizer of the embedded teachers: byte-level BPE that takes any text and splits every digit.

    python -m maintenance.tokenizer DIR      # train it again and write its two files

The shipped files are in the checkpoint directories; `transformers.AutoTokenizer` and vLLM load them with
no code from here. A vocabulary of 512: 256 bytes, 3 marks, 253 merges learnt on the lessons. That of the
thinking teacher has two tags more and a chat template with the conventions of Qwen3's.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance.lessons import Lesson, lessons
from omi_core.teachers.tiny import path

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 512
USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
MAX_LENGTH = 2048
# Every message that is not the assistant's is the user's; contents go in as they are.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|assistant|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ '<|user|>' + message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
OPEN, CLOSE = "<think>", "</think>"
NO_THOUGHTS = f"{OPEN}\n\n{CLOSE}\n\n"
# `enable_thinking=false` closes the block before the teacher begins, `open_thinking=true` opens it, as the
# template of DeepSeek-R1 does. Of the turns before the last question only the replies are shown.
THINKING_TEMPLATE = (
    "{% set ns = namespace(last=-1) %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
    "{% endfor %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{% set content = message['content'] %}"
    "{% set thoughts = message['reasoning_content'] or '' %}"
    "{% if '</think>' in content %}"
    "{% set thoughts = content.split('</think>')[0].split('<think>')[-1] %}"
    "{% set content = content.split('</think>')[-1] %}"
    "{% endif %}"
    "{{ '<|assistant|>' }}"
    "{% if loop.index0 > ns.last %}{{ '<think>\n' + thoughts.strip('\n') + '\n</think>\n\n' }}{% endif %}"
    "{{ content.lstrip('\n') + '<|end|>' }}"
    "{% else %}{{ '<|user|>' + message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|assistant|>' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}"
    "{% elif open_thinking is defined and open_thinking %}{{ '<think>\n' }}{% endif %}"
    "{% endif %}"
)


def tokenizer_path() -> Path:
    """The tokenizer.json that `tiny` and `tiny_weak` share."""
    return path("tiny") / "tokenizer.json"


def rendered(prompt: str) -> str:
    """What the chat template makes of one user message with a generation prompt."""
    return f"{USER}{prompt}{ASSISTANT}"


def taught(lesson: Lesson) -> tuple[str, str]:
    """The prompt of a lesson and what the teacher is to write after it, up to the end token."""
    if lesson.thoughts is None:
        return rendered(lesson.prompt), lesson.reply
    if not lesson.thoughts:
        return rendered(lesson.prompt) + NO_THOUGHTS, lesson.reply
    return rendered(lesson.prompt), f"{OPEN}\n{lesson.thoughts}\n{CLOSE}\n\n{lesson.reply}"


def train_tokenizer(seed: int = 0, count: int = 20_000) -> Tokenizer:
    """A tokenizer trained on the first `count` lessons of a seed."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (f"{lesson.prompt}\n{lesson.reply}" for lesson in islice(lessons(seed), count))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def end_token(tokenizer: Tokenizer) -> int:
    """The id of the token that ends a reply."""
    token = tokenizer.token_to_id(END)
    if token is None:
        raise ValueError(f"the tokenizer has no {END} token")
    return token


def thinking_tokenizer() -> Tokenizer:
    """The shipped tokenizer with the two tags, which decoding keeps."""
    from tokenizers import AddedToken, Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_path()))
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in (OPEN, CLOSE)])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json (with the chat template) into a directory."""
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "chat_template": CHAT_TEMPLATE if tokenizer.token_to_id(OPEN) is None else THINKING_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "model_max_length": MAX_LENGTH,
        "pad_token": END,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tokenizer of the embedded teachers.")
    parser.add_argument("directory", type=Path, help="where to write the two files")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    save_tokenizer(train_tokenizer(), directory)


if __name__ == "__main__":
    main()

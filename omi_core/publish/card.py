"""The dataset card: a README.md that people read and whose YAML header `datasets.load_dataset` needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from omi_core.publish.names import pattern
from omi_core.publish.rows import COLUMNS, DTYPES, MIXTURE, column_types, columns_of

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)


@dataclass(frozen=True)
class InputInfo:
    """One input of a combined dataset: its rows, and those of them that were taken."""

    name: str
    teacher: str
    rows: int
    taken: int


@dataclass(frozen=True)
class CardInfo:
    """What the card says that the rows do not.

    `sampling` maps option -> value (temperature, top_p, ...); `filters` maps filter -> its options, in the
    order in which they ran, and the card puts the counts of each beside it, from `filters` in the merged
    counts; `figures` maps a label -> value for a table of results (accuracy against ground truth, agreement).
    `inputs` are those of a dataset that was combined of others, which has no prompt and samples of its own;
    `notes` are sentences on how. `made_from` is what `source` holds, `holds` what the rows are. Nothing here
    may depend on time, place or number of tasks: the card is part of the dataset's bytes.
    """

    name: str
    task: str
    teacher: str
    prompt: str
    source: str
    samples: int
    revision: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: bool = False
    inputs: Sequence[InputInfo] = ()
    notes: Sequence[str] = ()
    made_from: str = "problems"
    holds: str = "instruction data"


def render_card(info: CardInfo, columns: Iterable[str], stats: Mapping[str, Any]) -> str:
    """The whole README.md; `stats` is the content of `stats.json`."""
    columns = tuple(columns)
    parts = [_header(info, columns, stats), f"# {_inline(info.name)}\n"]
    if info.rehearsal:
        parts.append(
            "> **REHEARSAL: not training data.** No model wrote these rows. They were drawn at random\n"
            "> to rehearse a run; right, wrong and malformed ones are there on purpose.\n"
        )
    if "hole" in stats:
        missing, of = stats["hole"]["missing"], stats["hole"]["of"]
        parts.append(
            f"> **Not whole.** {missing:,} of {of:,} samples are missing: they had not been generated when\n"
            "> this was published.\n"
        )
    parts += [
        _summary(info, stats),
        _made(info),
        *([_counts(info, stats)] if info.task != MIXTURE.task else []),
        *([_styles(stats)] if "styles" in stats else []),
        *([_splits(stats)] if len(stats.get("splits", ())) > 1 else []),
        _columns(columns, info.task),
        *([_chat(stats["chat"])] if "chat" in stats else []),
        _load(stats),
        _LICENCE,
    ]
    return "\n".join(parts)


def _header(info: CardInfo, columns: tuple[str, ...], stats: Mapping[str, Any]) -> str:
    rows = stats["rows"]
    size = next((label for limit, label in _SIZES if rows < limit), "n>100M")
    lines = ["---", f"pretty_name: {_yaml(info.name)}", "tags:", "- math", "- synthetic"]
    lines += ["- rehearsal"] * info.rehearsal
    lines += ["size_categories:", f"- {_yaml(size)}", "configs:"]
    lines += _style_files(stats) if "styles" in stats else _data_files("default", "data", stats["splits"])
    lines += _data_files("chat", "chat/data", stats["chat"]["splits"]) if "chat" in stats else []
    lines += ["dataset_info:", "- config_name: default", "  features:"]
    for name, kind in column_types(columns, info.task).items():
        lines += [f"  - name: {name}", *_feature(kind)]
    if "chat" in stats:
        _, *others = stats["chat"]["columns"]
        lines += ["- config_name: chat", "  features:", "  - name: messages", *_feature(list)]
        lines += [f"    - name: {key}\n      dtype: string" for key in _keys_of_thinking(stats["chat"])]
        lines += [f"  - name: {name}\n    dtype: string" for name in others]
    return "\n".join([*lines, "---", ""])


def _feature(kind: type) -> list[str]:
    """What stands below the name of a column of this type."""
    messages = [f"    - name: {name}\n      dtype: string" for name in ("role", "content")]
    if kind is list:
        return ["    list:", *messages]
    if kind == list[list]:
        return ["    list:", "      list:", *(f"  {each}".replace("\n", "\n  ") for each in messages)]
    item = get_args(kind)
    return [f"    list: {DTYPES[item[0]]}" if item else f"    dtype: {DTYPES[kind]}"]


def _keys_of_thinking(chat: Mapping[str, Any]) -> list[str]:
    return [chat["reasoning"]] if "reasoning" in chat else []


def _data_files(config: str, folder: str, splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [f"- config_name: {config}", "  data_files:"]
    for split, figures in splits.items():
        files = pattern(split, ".parquet", figures["content_hash"])
        lines += [f"  - split: {_yaml(split)}", f"    path: {folder}/{files}"]
    return lines


def _folders(stats: Mapping[str, Any]) -> list[str]:
    """The styles, then the variants, that have rows: each is a folder and a configuration."""
    both = {**stats.get("styles", {}), **stats.get("variants", {})}
    return [name for name, figures in both.items() if figures["rows"]]


def _style_files(stats: Mapping[str, Any]) -> list[str]:
    """`default` has the rows of all styles, style by style."""
    lines = ["- config_name: default", "  data_files:", "  - split: train", "    path:"]
    figures = {**stats["styles"], **stats["variants"]}
    paths = {
        name: f"{name}/data/{pattern('train', '.parquet', figures[name]['content_hash'])}"
        for name in _folders(stats)
    }
    lines += [f"    - {path}" for name, path in paths.items() if name in stats["styles"]]
    for name, path in paths.items():
        lines += [f"- config_name: {_yaml(name)}", "  data_files:", "  - split: train", f"    path: {path}"]
    return lines


def _summary(info: CardInfo, stats: Mapping[str, Any]) -> str:
    if "styles" in stats:
        return (
            f"{stats['rows']:,} conversations of {stats['tokens']:,} tokens in all (task"
            f" `{_inline(info.task)}`), written by a\n"
            f"language model from the texts of {_code(info.source)}.\n"
        )
    splits = ", ".join(f"{name} {split['rows']:,}" for name, split in stats["splits"].items())
    if info.inputs:
        return (
            f"{stats['rows']:,} rows of {info.holds} (`{_inline(info.task)}`), put together from\n"
            f"{len(info.inputs)} inputs. Rows per split: {splits}.\n"
        )
    return (
        f"{stats['rows']:,} rows of math instruction data (task `{_inline(info.task)}`), generated by a\n"
        f"language model for the problems of {_code(info.source)}. Rows per split: {splits}.\n"
    )


def _made(info: CardInfo) -> str:
    if info.inputs:
        rows = [(_code(i.name), _code(i.teacher), f"{i.rows:,}", f"{i.taken:,}") for i in info.inputs]
        table = _table(("input, in order", "teacher", "rows", "taken"), rows)
        return "## How it was made\n\n" + table + "".join(f"\n{note}\n" for note in info.notes)
    teacher = _code(info.teacher) + (f", revision {_code(info.revision)}" if info.revision else "")
    rows = {
        "task": _code(info.task),
        f"{info.made_from} from": _code(info.source),
        "teacher": teacher,
        "prompt": _code(info.prompt),
        "samples per record": str(info.samples),
    }
    rows |= {_inline(key): _code(value) for key, value in info.sampling.items()}
    table = "## How it was made\n\n" + _table(("", ""), rows.items())
    return table + "".join(f"\n{_inline(note)}\n" for note in info.notes)


def _counts(info: CardInfo, stats: Mapping[str, Any]) -> str:
    text = "## What was kept\n\n"
    if info.figures:
        text += (
            _table(("figure", "value"), [(_inline(k), _inline(_number(v))) for k, v in info.figures.items()])
            + "\n"
        )
    counted = stats["counts"].get("filters", {})
    rows = []
    for name, options in info.filters.items():
        count = counted.get(name, {})
        shown = ", ".join(f"{key}={value}" for key, value in options.items())
        row = [_code(name), _code(shown) if shown else "", count.get("dropped", 0), count.get("rewritten", 0)]
        rows.append([cell if isinstance(cell, str) else f"{cell:,}" for cell in row])
    rows.append(["duplicates", "", f"{stats['duplicates_dropped']:,}", "0"])
    return text + _table(("filter, in order", "options", "dropped", "rewritten"), rows)


def _styles(stats: Mapping[str, Any]) -> str:
    rows = [
        (_code(name), f"{figures['rows']:,}", f"{figures['tokens']:,}", _variant(name, figures, stats))
        for name, figures in {**stats["styles"], **stats["variants"]}.items()
    ]
    rows.append(("all styles (`default`)", f"{stats['rows']:,}", f"{stats['tokens']:,}", ""))
    return (
        "## Styles\n\n"
        "Each is a configuration, and a folder with the rows in `data/` and `jsonl/`.\n\n"
        + _table(("configuration", "rows", "tokens", "what is in it"), rows)
    )


def _variant(name: str, figures: Mapping[str, Any], stats: Mapping[str, Any]) -> str:
    if name in stats["styles"]:
        return "a style" if figures["rows"] else "a style of which no conversation was kept"
    if "raw_share" not in figures:
        return "of every chunk the longest conversation over the styles"
    return f"conversations and raw text, which has {figures['raw_share']:.1%} of the tokens"


def _splits(stats: Mapping[str, Any]) -> str:
    rows = []
    for name, split in stats["splits"].items():
        rows.append([_code(name), f"{split['rows']:,}", _what(split, stats["rows"])])
    seed = next(split["seed"] for split in stats["splits"].values() if "seed" in split)
    return (
        "## Splits\n\n"
        "The smaller splits are parts of `train`, downsampled fairly: every problem's first solution, then\n"
        f"every problem's second, and so on until there are enough (drawn with seed {seed}).\n\n"
        + _table(("split", "rows", "what is in it"), rows)
    )


def _what(split: Mapping[str, Any], total: int) -> str:
    if "size" not in split:
        return "everything"
    if split["rows"] == total:
        return f"everything: {split['size']:,} were asked for" if split["size"] > total else "everything"
    rounds, problems = split["full_rounds"], f"{split['problems']:,} problems"
    if rounds == 0:
        return f"one solution of {problems}"
    return f"{problems}, with at least {rounds} of the solutions of each, or all it has"


def _chat(chat: Mapping[str, Any]) -> str:
    messages = "two, with `role` and `content`: the problem by `user`, the solution by `assistant`"
    for key in _keys_of_thinking(chat):
        messages += f", with what was thought as `{key}`"
    about = {
        "messages": messages,
        "expected_answer": COLUMNS["expected_answer"].about,
        "answer": COLUMNS["expected_answer"].about,
        "problem_source": COLUMNS["problem_source"].about,
    }
    kinds = {"messages": "list"}
    rows = [(_code(name), kinds.get(name, "string"), about[name]) for name in chat["columns"]]
    return (
        "## Columns of the configuration `chat`\n\n"
        "The same rows in the same splits and order, for supervised fine-tuning; they lie in `chat/`.\n\n"
        + _table(("column", "type", "meaning"), rows)
    )


def _columns(columns: tuple[str, ...], task: str) -> str:
    known = columns_of(task)
    rows = [(_code(name), DTYPES[known[name].type], known[name].about) for name in columns]
    return "## Columns\n\n" + _table(("column", "type", "meaning"), rows)


def _load(stats: Mapping[str, Any]) -> str:
    if "styles" in stats:
        return _load_styles(stats)
    return (
        "## How to load it\n\n"
        "```python\n"
        "from datasets import load_dataset\n\n"
        f'rows = load_dataset("PATH/TO/THIS/DIRECTORY", split="{next(iter(stats["splits"]))}")\n'
        f"{_LOAD_CHAT if 'chat' in stats else ''}"
        "```\n\n"
        "The same rows lie in `data/` as parquet and in `jsonl/` as zstd-compressed JSON lines.\n"
        "`stats.json` holds every count, `config.json` the configuration. `content_hash` is the SHA-256 of\n"
        "the JSON lines in order:\n\n"
        "```sh\n"
        f"zstd -dc jsonl/{next(iter(stats['splits']))}-*.jsonl.zst | sha256sum   # {stats['content_hash']}\n"
        "```\n"
    )


def _load_styles(stats: Mapping[str, Any]) -> str:
    some = _folders(stats)[0]
    return (
        "## How to load it\n\n"
        "```python\n"
        "from datasets import load_dataset\n\n"
        'rows = load_dataset("PATH/TO/THIS/DIRECTORY", split="train")\n'
        f'some = load_dataset("PATH/TO/THIS/DIRECTORY", "{some}", split="train")\n'
        "```\n\n"
        "`stats.json` holds every count, `config.json` the configuration. The `content_hash` of a style or\n"
        "variant is the SHA-256 of its JSON lines in order; that of the whole is the SHA-256 of a line\n"
        "`HASH  STYLE` for each style, by name:\n\n"
        "```sh\n"
        f"zstd -dc {some}/jsonl/train-*.jsonl.zst | sha256sum   # {stats['styles'][some]['content_hash']}\n"
        "```\n"
    )


_LOAD_CHAT = 'chat = load_dataset("PATH/TO/THIS/DIRECTORY", "chat", split="train")\n'

_LICENCE = """\
## Licence

**Not set.** Whoever shares this dataset must choose one; the terms of the teacher model's licence on its
output, and those of the source problems, decide which are possible. Then add `license:` to the header.
"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _inline(value: Any) -> str:
    """Text on one line that cannot end a table cell or a paragraph."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _code(value: Any) -> str:
    return f"`{_inline(value).replace('`', chr(39))}`"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def _yaml(text: str) -> str:
    """A YAML double-quoted scalar; every JSON string is one."""
    return json.dumps(" ".join(text.split()))

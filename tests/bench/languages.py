"""English or not: the filter of conversations beside other ways, on labelled texts with formulas.

`languages.jsonl` holds 69 English texts (plain, full of formulas, of names, of symbols, of code, short ones),
ten each in 18 other languages, and ten that slip from English into another language. `after English` are the
foreign ones of 100 characters or more, each after two English dialogues. `words` counts those outside of
formulas. With the folder of real problems the solutions of GSM8K and MATH (without drawings) are read, too.

A dropped English text and a kept foreign one are wrong. Times are CPU time on the whole sample.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from py3langid import classify

from omi_core.filters.conversations.language import English
from omi_core.records import Candidate
from omi_core.text.formulas import formulas

SAMPLE = Path(__file__).with_suffix(".jsonl")
OTHER_SCRIPTS = frozenset(("ru", "zh", "ja", "ko", "ar", "hi", "el"))
COMMON = frozenset(
    """the of and to is that it for we this with you are be as have not by what how can which if but let at
    from there where when they one all would right your each so on or our i my your was has do does get then
    because these than know that's it's let's i'm yes here also about use think in an""".split()
)
_WORD = re.compile(r"\\?[^\W\d_]+(?:['’][^\W\d_]{1,3})?")
# With Greek and the letters of mathematics.
_LATIN = re.compile(r"[a-z\u00aa-\u03ff\u1e00-\u1fff\u2100-\u214f\U0001d400-\U0001d7ff]", re.I)


@dataclass(frozen=True, slots=True)
class Text:
    """A text, the group it is counted in, and what is right."""

    group: str
    text: str
    english: bool


def without_formulas(text: str) -> str:
    parts, start = [], 0
    for a, b in formulas(text):
        parts.append(text[start:a])
        start = b
    return " ".join([*parts, text[start:]])


def words_of(text: str) -> list[str]:
    return [word for word in _WORD.findall(without_formulas(text).casefold()) if word[0] != "\\"]


def group_of(language: str, text: str) -> str:
    """The row of the table that a text belongs to."""
    if language == "mixed":
        return "slips half-way"
    if language in OTHER_SCRIPTS:
        return "foreign, not Latin"
    n = len(words_of(text))
    length = "under 25 words" if n < 25 else "25 words or more"
    return f"{'English' if language == 'en' else 'foreign, Latin'}, {length}"


def sample() -> list[Text]:
    """The labelled texts, and the foreign ones after English."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    english = [row["text"] for row in rows if row["language"] == "en"]
    foreign = [row["text"] for row in rows if row["language"] not in ("en", "mixed")]
    longest = sorted(english, key=lambda text: len(words_of(text)))[-2:]
    return [
        *(Text(group_of(row["language"], row["text"]), row["text"], row["language"] == "en") for row in rows),
        *(
            Text("after English", "\n".join([*longest, text]), False)
            for text in foreign
            if len(without_formulas(text)) >= 100
        ),
    ]


def real(data: Path, limit: int | None) -> list[Text]:
    """Solutions by people, which are English."""
    out = []
    for name, field in (("gsm8k", "answer"), ("math", "solution")):
        lines = (data / name / "train.jsonl").read_text(encoding="utf-8").splitlines()[:limit]
        texts = [json.loads(line)[field] for line in lines]
        out += [Text(f"English, {name.upper()}", text, True) for text in texts if "[asy]" not in text]
    return out


def by_common_words(text: str) -> bool:
    """At least 12 % of the words in each 60 are among the commonest of English. Under 25 words pass.

    A tenth of letters that are neither Latin nor Greek makes any text foreign.
    """
    prose = without_formulas(text)
    letters = [char for char in prose if char.isalpha()]
    if sum(not _LATIN.match(char) for char in letters) > 0.1 * len(letters):
        return False
    words = words_of(text)
    if len(words) < 25:
        return True
    stops = [*range(60, len(words) - 59, 60), len(words)]
    stretches = [words[a:b] for a, b in zip([0, *stops[:-1]], stops, strict=True)]
    return min(sum(word in COMMON for word in words) / len(words) for words in stretches) >= 0.12


def by_filter(text: str) -> bool:
    row = Candidate("p", text, None, "", "s", "stop", "r", 0, 9)
    return English().solution_after(row) is not None


WAYS: dict[str, Callable[[str], bool]] = {
    "common words": by_common_words,
    "py3langid": lambda text: classify(text)[0] == "en",
    "without formulas": lambda text: classify(without_formulas(text))[0] == "en",
    "the filter": by_filter,
}


def wrong(texts: Iterable[Text], way: Callable[[str], bool]) -> Counter[str]:
    """How many texts of each group are judged wrongly."""
    return Counter(text.group for text in texts if way(text.text) != text.english)


def table(texts: list[Text], counts: dict[str, Counter[str]]) -> list[str]:
    """Rows of Markdown: a group, its texts, and how many each way gets wrong."""
    sizes = Counter(text.group for text in texts)
    return [
        f"| {group} | {size:,} | " + " | ".join(f"{counts[way][group]}" for way in counts) + " |"
        for group, size in sorted(sizes.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", help="the folder of real problems")
    parser.add_argument("--texts", type=int, help="solutions per set of real ones (default: all)")
    options = parser.parse_args()
    texts = sample() + (real(options.data, options.texts) if options.data else [])
    kilobytes = sum(len(text.text.encode()) for text in texts) / 1000
    counts: dict[str, Counter[str]] = {}
    us: dict[str, int] = {}
    by_filter("The model is read before the clock starts.")
    classify("So is the other one.")
    for name, way in WAYS.items():
        start = time.process_time()
        counts[name] = wrong(texts, way)
        us[name] = round(1e6 * (time.process_time() - start) / kilobytes)
    print(f"| texts | number | {' | '.join(WAYS)} |\n|---|{'---:|' * (1 + len(WAYS))}")
    print("\n".join(table(texts, counts)))
    print(f"| µs per KB | | {' | '.join(map(str, us.values()))} |")
    print(json.dumps({"wrong": counts, "us_per_kb": us, "kilobytes": round(kilobytes)}))


if __name__ == "__main__":
    main()

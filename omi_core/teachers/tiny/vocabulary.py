"""The words of the closed world: who acts, what is counted, and what a template's slot may hold.

Every slot of a problem template is one of the names below. A slot is either *free* (read from the text:
`name`, `other`, `items`, `thing`, `plot` and the numbers `a` to `d`) or *derived* from a free one (the
pronouns, which follow `name`).
"""

from __future__ import annotations

import re

WOMEN = (
    "Ada Anna Bella Clara Dora Elena Emma Fatima Grace Hanna Ines Julia Karin Lena Maria Nina Olga Paula "
    "Rosa Sara Tina Vera"
).split()
MEN = (
    "Adam Ben Carlos David Emil Felix Goran Hugo Ivan Jonas Karl Leo Marco Noah Omar Peter Ravi Simon Tom "
    "Victor Walter Yusuf"
).split()
NAMES = (*WOMEN, *MEN)
ITEMS = (
    "apples beads books bottles buttons candles cards coins cookies crayons cups eggs flowers hats keys "
    "lemons marbles masks nails oranges pears pencils plates plums ribbons rings shells spoons stamps "
    "stickers stones tickets toys"
).split()
THINGS = "bag bike chair clock coat desk jacket lamp phone radio shirt table tent watch".split()
PLOTS = "field garden hall park playground pool room yard".split()

# The widest number a text may hold; a longer one is not of the world.
MAX_DIGITS = 6
NUMBERS = ("a", "b", "c", "d")
DERIVED = ("he", "He", "his")

_CHOICES: dict[str, tuple[str, ...]] = {
    "name": NAMES,
    "other": NAMES,
    "items": tuple(ITEMS),
    "thing": tuple(THINGS),
    "plot": tuple(PLOTS),
    "he": ("he", "she"),
    "He": ("He", "She"),
    "his": ("his", "her"),
}


def slot_pattern(slot: str) -> str:
    """Regular expression of what may stand in a slot; bounded, so that matching is linear in the text."""
    if slot in NUMBERS:
        return f"[1-9][0-9]{{0,{MAX_DIGITS - 1}}}"
    return "|".join(re.escape(word) for word in _CHOICES[slot])


def pronouns(name: str) -> dict[str, str]:
    """The derived slots that go with a name."""
    if name in WOMEN:
        return {"he": "she", "He": "She", "his": "her"}
    return {"he": "he", "He": "He", "his": "his"}


def free_words(slot: str) -> tuple[str, ...]:
    """The words a free slot chooses from (not for numbers)."""
    return _CHOICES[slot]

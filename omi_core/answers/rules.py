r"""What one comparison goes by: the policy, what workers have proved so far, and what they should be asked.

A comparison that cannot decide whether two formulas are equal leaves them in `open` and goes on; once a
worker has answered, it is made again with the answers in `proofs`. Workers are asked about formulas as they
were read here, never about an answer's text: what another reader would drop from the text can prove nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omi_core.answers.algebra import Fractional
from omi_core.answers.policy import Policy, Verdict

MAX_ATOMS = 60
MAX_BITS = 256
MAX_EXPONENT = 64
MAX_OPEN = 32

Question = tuple[tuple[Any, ...], tuple[Any, ...]]  # keys of two forms, in an order of their own


@dataclass(slots=True)
class Rules:
    """`open` grows by what only a worker can tell, and that is not too large for one."""

    policy: Policy
    proofs: Mapping[Question, Verdict] = field(default_factory=dict)
    open: list[Question] = field(default_factory=list)

    def proof(self, a: Fractional, b: Fractional) -> Verdict | None:
        """What a worker has said of two formulas; None where it was not asked yet, or could not tell."""
        first, second = sorted((a.key(), b.key()), key=repr)
        question = (first, second)
        if question in self.proofs:
            verdict = self.proofs[question]
            return None if verdict is Verdict.UNKNOWN else verdict
        if len(self.open) < MAX_OPEN and _is_small(a) and _is_small(b):
            self.open.append(question)
        return None


def _is_small(form: Fractional) -> bool:
    """Whether a worker may try it: by rules that evaluate nothing, so that the machine does not matter."""
    try:
        return _atoms(form) <= MAX_ATOMS
    except OverflowError:
        return False


def _atoms(form: Fractional) -> int:
    """How many atoms a formula is made of. Raises OverflowError where a number is too large."""
    count = 0
    for poly in (form.num, form.den or {}):
        for monomial, coefficient in poly.items():
            if max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length()) > MAX_BITS:
                raise OverflowError
            for atom, exponent in monomial:
                if abs(exponent) > MAX_EXPONENT:
                    raise OverflowError
                count += 1
                if isinstance(atom, tuple):
                    count += sum(_atoms(Fractional.from_key(key)) for key in atom[1:])
                    if atom[0] == "factorial" or count > MAX_ATOMS:
                        raise OverflowError
    return count

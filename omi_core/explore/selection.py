"""Which records of a run are looked at, and in which order: as a person asks for them, and in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from omi_core.options import ConfigError
from omi_core.report.html import readable

ORDERS = {
    "input": ("as in the input", "ordinal"),
    "hardest": ("lowest pass rate first", "pass_rate is null, pass_rate, ordinal"),
    "easiest": ("highest pass rate first", "pass_rate desc, ordinal"),
    "disagreement": ("most disagreement first", "disagreement desc, ordinal"),
}
Span = tuple[float, float]
EVERY: Span = (0.0, 1.0)


@dataclass(frozen=True)
class Selection:
    """The records whose problem holds every word of `search`, of which a sample became `reason`, and whose
    pass rate and disagreement are within bounds (EVERY: also those that have none).
    """

    search: str = ""
    reason: str = ""
    pass_rate: Span = EVERY
    disagreement: Span = EVERY
    order: str = "input"

    @staticmethod
    def of_query(query: Mapping[str, str]) -> Selection:
        """The selection that an address asks for. Raises ConfigError: a value is none."""
        spans = {
            name: bounds(name, [query.get(f"{name}_from") or "0", query.get(f"{name}_to") or "1"])
            for name in ("pass_rate", "disagreement")
        }
        order = query.get("order") or "input"
        if order not in ORDERS:
            raise ConfigError(f"order={order}: not one of {', '.join(ORDERS)}")
        return Selection(query.get("search", ""), query.get("reason", ""), **spans, order=order)

    def query(self, **more: object) -> str:
        """The address that asks for it, with more members; what selects nothing is omitted."""
        asked: dict[str, object] = {"search": self.search, "reason": self.reason}
        for name, span in (("pass_rate", self.pass_rate), ("disagreement", self.disagreement)):
            if span != EVERY:
                asked |= {f"{name}_from": f"{span[0]:g}", f"{name}_to": f"{span[1]:g}"}
        asked |= {"order": "" if self.order == "input" else self.order, **more}
        return "?" + urlencode(
            {name: readable(value) for name, value in asked.items() if value not in ("", None)}
        )

    def __str__(self) -> str:
        """What is selected, in words."""
        said = [f"with {self.search!r} in the problem"] if self.search else []
        said += [f"with a sample that became {self.reason}"] if self.reason else []
        for name, (least, most) in (("pass rate", self.pass_rate), ("disagreement", self.disagreement)):
            said += [f"{name} from {least:g} to {most:g}"] if (least, most) != EVERY else []
        return ", ".join([*(said or ["all"]), ORDERS[self.order][0]])

    def sql(self) -> tuple[str, list[object], str]:
        """(tables and condition, its parameters, order) of a query of the index."""
        words = folded(self.search).split()
        tables = "records join texts using (ordinal)" if words else "records"
        conditions: list[str] = ["instr(folded, ?) > 0"] * len(words)
        parameters: list[object] = list(words)
        for name, span in (("pass_rate", self.pass_rate), ("disagreement", self.disagreement)):
            if span != EVERY:
                conditions.append(f"{name} between ? and ?")
                parameters += span
        if self.reason:
            conditions.append("ordinal in (select ordinal from outcomes where outcome = ?)")
            parameters.append(self.reason)
        return f"{tables} where {' and '.join(conditions) or 'true'}", parameters, ORDERS[self.order][1]


def folded(text: str) -> str:
    """A text as it is searched: in one case, of characters that a database can hold."""
    return readable(text).casefold()


def bounds(name: str, given: Sequence[object]) -> Span:
    """Two shares, the least and the most. Raises ConfigError: they are not."""
    try:
        least, most = (float(str(value)) for value in given)
        if 0 <= least <= most <= 1:
            return least, most
    except ValueError:
        pass
    shown = ",".join(map(str, given))
    raise ConfigError(f"{name}=[{shown}]: give the least and the most, from 0 to 1, such as [0,0.3]")

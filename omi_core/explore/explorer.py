"""The page itself: one HTML file that holds its data, needs no network, and runs no script but its own.

Every text in it is hostile. The data stand in it as JSON without a single `<`, the script writes them as text
alone, and a content security policy allows that one script and that one style sheet by their hashes and
nothing else, should anything slip through.
"""

from __future__ import annotations

from typing import Any

import orjson
from markupsafe import Markup

from omi_core.decontaminate.normal import MAX_CHARS
from omi_core.explore.joining import Explored, JoinedProblem, Link
from omi_core.metrics import count_text
from omi_core.report import html
from omi_core.report.html import readable

MARK = "a page of jobs.explore, of "
_IN_JSON = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"})


def render_explorer(found: Explored, about: str) -> str:
    """The page; `about` says in a line what is looked at."""
    style = html.packaged("report/style.css", "explore/page.css")
    script = html.packaged("explore/marks.js", "explore/page.js")
    allowed = f"style-src {html.content_hash(style)}; script-src {html.content_hash(script)}"
    return html.render(
        "explore/page.html",
        policy=f"default-src 'none'; {allowed}; base-uri 'none'",
        mark=f"{MARK}problems",
        title=f"{count_text(found.total)} problem{'' if found.total == 1 else 's'} beside test questions",
        about=about,
        shown=len(found.problems),
        total=found.total,
        style=style,
        script=script,
        data=Markup(orjson.dumps(_data(found)).decode().translate(_IN_JSON)),
    )


def _data(found: Explored) -> dict[str, Any]:
    """What the script reads; methods and test sets stand as numbers in the order of their lists.

    A method that names no contamination, such as `embedding`, comes after those that do.
    """
    near = (link.method for problem in found.problems for link in problem.links)
    methods = {name: number for number, name in enumerate(dict.fromkeys((*found.methods, *near)))}
    sets = {one.name: number for number, one in enumerate(found.sets)}
    return {
        "methods": [readable(name) for name in methods],
        "verdicts": len(found.methods),
        "counts": [*(found.counts[name] for name in found.methods), found.clean],
        "sets": [
            {
                "name": readable(one.name),
                "counts": [*(one.problems.get(name, 0) for name in found.methods), one.nearest],
                "questions": one.questions_hit,
            }
            for one in found.sets
        ],
        "questions": [[sets[name], index, _shown(words)] for name, index, words in found.questions],
        "problems": [_problem(problem, methods) for problem in found.problems],
    }


def _problem(problem: JoinedProblem, methods: dict[str, int]) -> list[Any]:
    places = [readable(place) for place in problem.places]
    return [_shown(problem.text), problem.order, places[0], len(places) - 1, *_links(problem, methods)]


def _links(problem: JoinedProblem, methods: dict[str, int]) -> tuple[list[Any], list[Any]]:
    """(the questions that it repeats, those that it is near to), the surest and nearest first."""

    def rank(link: Link) -> tuple[int, float]:
        return (methods[link.method] if link.contaminated else 0, -link.score)

    ordered = sorted(problem.links, key=rank)
    both = [], []
    for link in ordered:
        both[not link.contaminated].append([link.question, methods[link.method], round(link.score, 4)])
    return both


def _shown(words: str) -> str:
    """As much of a text as is compared."""
    return readable(words if len(words) <= MAX_CHARS else words[:MAX_CHARS] + " …")

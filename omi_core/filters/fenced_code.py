"""The filter on program code in a solution."""

from __future__ import annotations

import re

from omi_core.filters.filter import Example, Option, RowFilter
from omi_core.records import Candidate

# A fence with the name of its language; what is set in these is no program.
_FENCE = re.compile(r"^[ \t]{0,12}(?:`{3,10}|~{3,10})[ \t]{0,4}\{?\.?([\w+#-]{0,20})", re.MULTILINE)
_NO_CODE = frozenset(
    "latex tex math katex mathjax text txt plaintext plain markdown md asy asymptote".split()
)
# What only a program has, at the beginning of a line.
_CODE = re.compile(
    r"^[ \t]{0,12}(?:import \w|from [\w.]{1,40} import|def \w{1,60}\(|print\(|#include|public static"
    r"|(?:for|while|if)\b[^\n]{1,80}[:{][ \t]{0,8}$|return\b|>>> |console\.log\()",
    re.MULTILINE,
)
_TAG = re.compile(
    r"<(?:llm-code|tool_call|python)\b|<\|python_tag\|>|\\begin\{(?:lstlisting|minted|verbatim)\}"
)


class FencedCode(RowFilter):
    """Drops solutions with a fenced block of program code or its output, or code in a tag of its own.

    A fence without a name counts when a line of the solution is one of a program. The output that a model
    writes below its code is invented: nothing ran.
    """

    name = "fenced_code"
    option = Option("bool", False, "drop solutions with fenced program code")
    position = 35
    reason = "code that nobody ran, with invented output, is no chain of thought"
    examples = (
        Example("```python\nprint(2 + 3)\n```\n```output\n5\n```\nIt is \\boxed{5}.", None),
        Example("We run\n~~~py\nx = 5\n~~~\nand get \\boxed{5}.", None),
        Example("1. Code:\n   ```\n   def f(x):\n       return x\n   ```\nIt is \\boxed{5}.", None),
        Example("```output\n5\n```\nIt is \\boxed{5}.", None),
        Example("<llm-code>\nprint(5)\n</llm-code>\nIt is \\boxed{5}.", None),
        Example("```\n2 + 3 = 5\n```\nIt is \\boxed{5}.", "```\n2 + 3 = 5\n```\nIt is \\boxed{5}."),
        Example("```latex\nx = 5\n```\nIt is \\boxed{5}.", "```latex\nx = 5\n```\nIt is \\boxed{5}."),
        Example("We print `5` in code: \\boxed{5}.", "We print `5` in code: \\boxed{5}."),
        Example(
            "For all:\nif it is so: return to \\boxed{5}.", "For all:\nif it is so: return to \\boxed{5}."
        ),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return None if _has_code(row.solution) else row.solution


def _has_code(text: str) -> bool:
    if _TAG.search(text):
        return True
    names = [fence[1].lower() for fence in _FENCE.finditer(text)]
    if any(name and name not in _NO_CODE for name in names):
        return True
    return bool(names) and _CODE.search(text) is not None

"""Prompts: a template becomes chat messages; LaTeX needs no escapes; a mistake in a file is one line."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maintenance import lessons
from maintenance.dialogues import STYLES
from omi_core import prompts
from omi_core.filters.conversations.turns import turns
from omi_core.options import ConfigError
from omi_core.prompts import Template
from omi_core.tasks import known

TASKS = ("solutions", "problems", "dialogues", "verdicts", "selections", "audits")
SECTIONS = [
    (task, path.name.removesuffix(".yaml"))
    for path in sorted(files("omi_core.prompts").iterdir(), key=lambda path: path.name)
    if path.name.endswith(".yaml")
    for task in yaml.safe_load(path.read_text(encoding="utf-8"))
]


def only(task: str, name: str | None = None, **options: Any) -> Template:
    (template,) = prompts.load(known()[task].form, name, **options)
    return template


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


@pytest.mark.parametrize(("task", "name"), SECTIONS)
def test_every_section_that_comes_with_the_suite_renders_in_all_its_styles(task: str, name: str) -> None:
    others = dict.fromkeys(known()[task].form.fields[1:], "THE OTHER")
    loaded = prompts.load(known()[task].form, name, styles=("all",))
    assert len({template.style for template in loaded}) == len(loaded)
    for template in loaded:
        *head, last = template.messages("THE TEXT", **others)
        roles = [message["role"] for message in head if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert last["role"] == "user" and last["content"].count("THE TEXT") == 1
        assert last["content"].count("THE OTHER") == len(others)
        assert all(message["content"].strip() and "{{" not in message["content"] for message in (*head, last))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_template_of_its_own_and_the_embedded_teachers_know_all_that_writes(
    task: str,
) -> None:
    name = known()[task].form.default
    assert prompts.load(known()[task].form, None, styles=("all",)) == prompts.load(
        known()[task].form, name, styles=("all",)
    )
    assert (task in ("verdicts", "selections", "audits")) == ((task, "tiny") not in SECTIONS)


HOSTILE = [
    r"Find $\frac{1}{2}$ of {{text}} and {style}.",
    "{{other}} {{text}} {{style}} {{{{text}}}} {{",
    r"\1 \g<0> \\ $& %s {0}",
    "a\0b\x1b[2J\r\n\n\n",
    "half a character: \ud800",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("other", ["the question", "{{text}}"])
def test_texts_are_put_in_verbatim_and_what_is_put_in_is_not_looked_at_again(text: str, other: str) -> None:
    content = Template((), "A {{text}} B {{other}} C").messages(text, other=other)[-1]["content"]
    assert content == f"A {text} B {other} C"


@settings(deadline=None)
@given(st.lists(st.text()), st.text(), st.text())
def test_a_text_stands_at_each_place_and_everything_else_stays(
    parts: list[str], text: str, other: str
) -> None:
    parts = [part.replace("{", "(").replace("}", ")") for part in parts]
    user = "{{text}}".join(parts) + "{{other}}"
    assert Template((), user).messages(text, other=other)[-1]["content"] == text.join(parts) + other


def test_a_field_that_is_not_given_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError, match="other"):
        only("verdicts").messages("a problem")


def test_examples_come_as_earlier_turns_and_can_be_fewer() -> None:
    full, some, none = (only("solutions", "concise", examples=n).messages("x") for n in (None, 2, 0))
    assert [message["role"] for message in some] == ["system", *["user", "assistant"] * 2, "user"]
    assert [message["role"] for message in none] == ["system", "user"]
    assert len(full) > len(some)


def test_the_texts_of_examples_are_as_verbatim_as_any(mine: Path) -> None:
    example = {"text": "{{other}} {{style}}", "other": "{{text}}", "verdict": "{{text}}"}
    section = {"user": "A {{text}} B {{other}}", "examples": [example]}
    mine.write_text(yaml.safe_dump({"verdicts": section}))
    assert only("verdicts", path=str(mine)).turns == (
        ("user", "A {{other}} {{style}} B {{text}}"),
        ("assistant", "{{text}}"),
    )


def test_the_fingerprint_of_solutions_covers_what_it_did_before_there_were_styles() -> None:
    section = yaml.safe_load(files("omi_core.prompts").joinpath("concise.yaml").read_text())["solutions"]
    expected = [["system", section["system"].strip()]]
    for shown in section["examples"]:
        expected.append(["user", section["user"].replace("{{text}}", shown["text"].strip())])
        expected.append(["assistant", shown["solution"].strip()])
    assert only("solutions").content() == {"turns": expected, "user": section["user"]}


def test_the_fingerprint_covers_the_style_and_its_words() -> None:
    contents = [
        template.content() for template in prompts.load(known()["dialogues"].form, "mind", styles=("all",))
    ]
    assert [content["style"] for content in contents] == list(STYLES)
    assert len({content["user"] for content in contents}) == len(STYLES)


@pytest.mark.parametrize(
    ("task", "name", "styles", "expected"),
    [
        ("problems", "new_problems", ("all",), ("inspired", "similar", "in_breadth", "in_depth")),
        ("problems", "tiny", ("all",), ("inspired", "similar", "in_breadth", "in_depth")),
        ("problems", "acemath", ("in_depth", "in_breadth"), ("in_depth", "in_breadth")),
        ("dialogues", "mind", ("all",), tuple(STYLES)),
        ("dialogues", "tiny", ("interview", "debate"), ("interview", "debate")),
        ("solutions", "concise", (), ("",)),
        ("solutions", "concise", ("",), ("",)),
        ("solutions", "concise", ("all",), ("",)),
        ("verdicts", None, ("",), ("",)),
    ],
)
def test_there_is_a_template_for_each_style_in_the_order_asked_for(
    task: str, name: str | None, styles: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert (
        tuple(template.style for template in prompts.load(known()[task].form, name, styles=styles))
        == expected
    )


def test_the_embedded_teachers_are_asked_as_they_were_taught() -> None:
    assert only("solutions", "tiny").messages("x")[-1]["content"] == lessons.solve_prompt("x")
    for template in prompts.load(known()["problems"].form, "tiny", styles=("all",)):
        assert template.messages("x") == [{"role": "user", "content": lessons.problem_prompt("x")}]
    for template in prompts.load(known()["dialogues"].form, "tiny", styles=("all",)):
        content = lessons.dialogue_prompt(template.style, "x")
        assert template.messages("x") == [{"role": "user", "content": content}]


def test_the_speakers_of_a_style_are_named_and_known_to_the_filter() -> None:
    for template in prompts.load(known()["dialogues"].form, "mind", styles=("all",)):
        for speaker in STYLES[template.style].speakers:
            assert speaker in template.user
            assert [turn.speaker for turn in turns(f"{speaker}: Yes.")] == [speaker.casefold()]


OWN = """
problems:
  system: Be {{style}}.
  user: "Vary {{text}}"
  examples: [{text: a, problem: b}]
  styles:
    short: brief
    long: {system: "Be long.", user: "Stretch {{text}}", examples: []}
    same: {system: Be.}
"""


def test_a_style_is_words_or_takes_the_place_of_what_it_names(mine: Path) -> None:
    mine.write_text(OWN)
    short, long, same = prompts.load(known()["problems"].form, None, str(mine), styles=("all",))
    bank = (("user", "Vary a"), ("assistant", "b"))
    assert short == Template((("system", "Be brief."), *bank), "Vary {{text}}", "short")
    assert long == Template((("system", "Be long."),), "Stretch {{text}}", "long")
    assert same == Template((("system", "Be."), *bank), "Vary {{text}}", "same")


def test_a_section_may_be_that_of_a_template_of_the_suite(mine: Path) -> None:
    mine.write_text("problems: new_problems")
    given, named = (
        prompts.load(known()["problems"].form, name, path, styles=("all",))
        for name, path in (("new_problems", None), (None, str(mine)))
    )
    assert given == named


def test_a_character_that_json_wrote_as_two_escapes_is_one(mine: Path) -> None:
    mine.write_text(r'solutions: {user: "\ud83d\ude00 {{text}}"}')
    assert only("solutions", path=str(mine)).user == "\N{GRINNING FACE} {{text}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "not a mapping"),
        ("a: [", "not valid YAML"),
        ("a: 2020-13-45", "not valid YAML"),
        ("[" * 1500, "not valid YAML"),
        (
            "other: {user: '{{text}}'}",
            "has no section 'solutions'; these have one: acemath, choices, concise",
        ),
        ("solutions: nowhere", "no such template; one of acemath, audit, choices, "),
        ("solutions: consice", "did you mean concise?"),
        ("solutions: mind", "solutions: mind: has no section 'solutions'"),
        ("solutions: {user: 'no place'}", "has no 'user' text that contains {{text}}"),
        ("solutions: {system: 'no user'}", "has no 'user' text that contains {{text}}"),
        (
            "solutions: {user: '{{ text }}'}",
            "has the placeholder {{ text }}, it may have {{text}} and {{st",
        ),
        ("solutions: {user: '{{text}} {{Other}}'}", "has the placeholder {{Other}}"),
        ("solutions: {user: '{{text}} {{other}}'}", "has the placeholder {{other}}"),
        ("solutions: {user: '{{text}}', system: '{{text}}'}", "'system' has the placeholder {{text}}"),
        ("solutions: {user: '{{text}} {{style}}'}", "has {{style}}, but there are no words for it"),
        ("solutions: {user: 3}", "'user' is not a text, YAML takes it for int"),
        ("solutions: {user: '{{text}}', system: [a]}", "'system' is not a text"),
        (r'solutions: {user: "{{text}} \ud800"}', "half a character"),
        ("solutions: {user: '{{text}}', example: []}", "no such key 'example' (did you mean examples?)"),
        ("solutions: {user: '{{text}}', examples: {a: b}}", "'examples' must be a list"),
        ("solutions: {user: '{{text}}', examples: [a]}", "example 1 must have text, solution and nothing"),
        ("solutions: {user: '{{text}}', examples: [{text: a}]}", "example 1 must have text, solution"),
        (
            "solutions: {user: '{{text}}', examples: [{text: a, solution: Yes}]}",
            "example 1: 'solution' is not a text, YAML takes it for bool; quote it",
        ),
        ("solutions: {user: '{{text}}', styles: [a]}", "'styles' must be a mapping"),
        ("solutions: {user: '{{text}}', styles: {}}", "'styles' must be a mapping"),
        ("solutions: {user: '{{text}}', styles: {all: x}}", "style all: not a name"),
        ("solutions: {user: '{{text}}', styles: {no: x}}", "style False: not a name"),
        ("solutions: {user: '{{text}}', styles: {a/b: x}}", "style a/b: not a name"),
        ("solutions: {user: '{{text}}', styles: {a: 3}}", "style a: neither words nor a section"),
        ("solutions: {user: '{{text}}', styles: {a: {words: x}}}", "style a: no such key 'words'"),
        ("solutions: {user: '{{text}}', styles: {a: {user: x}}}", "style a: has no 'user' text that"),
    ],
)
def test_a_mistake_in_a_template_file_is_one_line(mine: Path, text: str, message: str) -> None:
    mine.write_text(text)
    with pytest.raises(ConfigError) as caught:
        prompts.load(known()["solutions"].form, "x", str(mine))
    assert str(caught.value).startswith(f"prompt.path={mine}")
    assert message in str(caught.value) and "\n" not in str(caught.value)


_WORDS = st.sampled_from(["system", "user", "examples", "styles", "text", "solution", "{{text}}", "a\nb"])
_YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | _WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.one_of(_YAML, st.builds(lambda section: {"solutions": section}, _YAML)))
@example({"solutions": "a\nb"})
def test_any_file_is_either_a_template_or_a_mistake_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, values: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(yaml.safe_dump(values).encode("utf-8", "surrogatepass"))
    try:
        assert prompts.load(known()["solutions"].form, None, str(path), styles=("all",))
    except ConfigError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("task", "name", "options", "message"),
    [
        ("solutions", "concize", {}, r"prompt.name=concize: no such template \(did you mean concise\?\)"),
        ("solutions", "concise", {"path": "nowhere.yaml"}, "prompt.path=nowhere.yaml: no such file"),
        ("solutions", "concise", {"path": "."}, "no such file"),
        ("solutions", "concise", {"examples": 99}, "prompt.examples=99: .* has only 4"),
        ("problems", None, {"examples": 5, "styles": ("inspired",)}, "style inspired has only 4"),
        ("solutions", "mind", {}, "prompt.name=mind: has no section 'solutions'; these have one: acemath, "),
        (
            "verdicts",
            "tiny",
            {},
            "has no section 'verdicts'; these have one: choices, judge, qwen_math, step_by_step$",
        ),
        ("dialogues", None, {}, "style: missing; prompt.name=mind: .* several: one of two_students, teach"),
        ("solutions", None, {"styles": ("debate",)}, "style=debate: .* has no styles; omit style"),
        (
            "dialogues",
            None,
            {"styles": ("debat",)},
            r"style=debat: .* \(did you mean debate\?\); one of t",
        ),
        ("dialogues", None, {"styles": ("debate", "debate")}, "style=debate,debate: .* no style twice"),
        ("dialogues", None, {"styles": ("debate", "all")}, "style=debate,all: all stands alone"),
    ],
)
def test_what_is_asked_for_and_is_not_there_is_a_mistake(
    task: str, name: str | None, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        prompts.load(known()[task].form, name, **options)
    assert "\n" not in str(caught.value)

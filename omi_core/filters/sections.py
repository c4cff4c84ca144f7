"""Sections of the config that are made of filters: each filter's option, and what else a section has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from omi_core.filters.chain import build
from omi_core.filters.filter import Filter
from omi_core.filters.registry import SECTIONS, built_in, known, package_of
from omi_core.options import ConfigError, option

Cls = TypeVar("Cls", bound=type)


class Section:
    """What type checkers need to know of a section whose options are declared by filters."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]

        def __init__(self, **options: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...


def of_filters(section: str) -> Callable[[Cls], Cls]:
    """Makes a class a section: its own options, and before them those of the section's filters, in order.

    Filters of other packages are left out when one of these is broken: a command says so before it reads a
    config (`omi_core.filters.registry.known` raises ConfigError).
    """

    def make(cls: Cls) -> Cls:
        assert tuple(cls.__annotations__) == SECTIONS[section]
        declared: dict[str, str] = {}
        for item in _filters(section):
            key, chosen = item.key(), item.option
            if key is None or chosen is None:
                continue
            package = package_of(item)
            declared[key] = chosen.type
            field = option(
                chosen.default,
                chosen.help if package is None else f"{chosen.help} (package {package})",
                ge=chosen.ge,
                gt=chosen.gt,
                le=chosen.le,
                lt=chosen.lt,
                late=chosen.late,
                package=package,
            )
            setattr(cls, key, field)
        cls.__annotations__ = declared | cls.__annotations__
        return dataclass(cls)

    return make


def _filters(section: str) -> list[type[Filter]]:
    try:
        return list(known(section).values())
    except ConfigError:
        return built_in(section)


@of_filters("filters")
class Filters(Section):
    """Which solutions are kept, and what is cut from them."""

    tokenizer: str | None = option(
        None, "tokenizer.json (file or its directory) for max_tokens; null: the teacher's own"
    )


@of_filters("conversations")
class Conversations(Section):
    """Which conversations are kept; null or false turns a criterion off.

    The defaults are those of Nemotron-MIND (arXiv 2410.12881) where it is known what it did; at least 50
    tokens a conversation is a third party's reading of the paper.
    """

    tokenizer: str | None = option(None, "tokenizer.json that min_tokens counts with; null: the teacher's")


def running(section: str, options: Section) -> list[type[Filter]]:
    """The filters that the options of a section turn on, in order."""
    return [
        cls
        for cls in known(section).values()
        if cls.option is None or not cls.option.turns_off(getattr(options, str(cls.key())))
    ]


def chosen(
    section: str, options: Section, tokenizer: Callable[[], str | None] = lambda: None
) -> dict[str, dict[str, Any]]:
    """The filters that the options of a section turn on, in order, as `build` takes them.

    `tokenizer` is asked for the path of the tokenizer.json where a filter takes one.

    Raises:
        ConfigError: a filter cannot be made with its options.
    """
    out: dict[str, dict[str, Any]] = {}
    for cls in running(section, options):
        given = out[cls.name] = {}
        if cls.option is not None and cls.option.argument is not None:
            given[cls.option.argument] = getattr(options, str(cls.key()))
        if cls.takes("tokenizer"):
            given["tokenizer"] = tokenizer()
    try:
        build(out, section=section)
    except ValueError as error:
        raise ConfigError(f"{section}: {error}") from error
    return out


def token_limits(section: str, options: Section) -> list[str]:
    """The options of a section that are limits in tokens and turned on."""
    return [str(cls.key()) for cls in running(section, options) if cls.takes("tokenizer")]


def refuse_idle(section: str, options: Section) -> None:
    """Raises ConfigError when a tokenizer is given and nothing counts with it."""
    if options.tokenizer is not None and not token_limits(section, options):
        limits = [f"{section}.{cls.key()}=null" for cls in known(section).values() if cls.takes("tokenizer")]
        raise ConfigError(f"{section}.tokenizer: counts nothing while {' and '.join(limits)}; omit it")


def packages(section: str, options: Section) -> dict[str, str]:
    """The packages of the filters that are turned on, with their versions."""
    found = map(package_of, running(section, options))
    return {package.name: package.version for package in found if package is not None}

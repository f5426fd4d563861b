"""The values that an option may have, where they can be counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ptycho_host.configured import ConfiguredComponent


def choices(component: ConfiguredComponent) -> Iterator[tuple[dict[str, Any], str]]:
    """All options with one set to another of its literal or boolean values, and that setting as `name=value`."""
    given = component.options.model_dump(mode="json", exclude_none=True)
    for path, value in _alternatives(component.options, ()):
        yield _changed(given, path, value), f"{'.'.join(path)}={value}"


def values_of(component: ConfiguredComponent, option: str) -> list[Any]:
    """The literal values that an option of the component may have; empty when it has no such option."""
    field = type(component.options).model_fields.get(option)
    return [] if field is None else list(_literals(field.annotation))


def _alternatives(options: BaseModel, prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, field in type(options).model_fields.items():
        current = getattr(options, name)
        if isinstance(current, BaseModel):
            yield from _alternatives(current, (*prefix, name))
        for value in _literals(field.annotation):
            if value != current:
                yield (*prefix, name), value


def _literals(annotation: Any) -> Iterator[Any]:
    if annotation is bool:
        yield from (False, True)
    elif get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _changed(table: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = path
    return {**table, name: _changed(table.get(name, {}), tuple(rest), value) if rest else value}

"""The flags of a study: one for each field of its settings, so that there is no second list of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from ptycho_host.options import described, type_text
from ptycho_studies.settings import StudySettings

Settings = TypeVar("Settings", bound=StudySettings)


def with_settings(settings: type[StudySettings]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give Typer `--preset` and a flag a field in place of the function's parameter `settings`."""
    flags = [_preset(settings), *_flags(settings)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters

        @wraps(command)
        def call(**given: Any) -> None:
            chosen = settings.preset(given.pop("preset"), **{name: given.pop(name) for name in settings.model_fields})
            command(settings=chosen, **given)

        parameters = [
            parameter
            for name in own
            for parameter in (flags if name == "settings" else [own[name].replace(kind=inspect.Parameter.KEYWORD_ONLY)])
        ]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return call

    return decorate


def _preset(settings: type[StudySettings]) -> inspect.Parameter:
    names = " or ".join(settings.presets)
    option = typer.Option(help=f"All settings at once: {names}; the other flags override it.", metavar="NAME")
    return _parameter("preset", Annotated[str, option], "paper")


def _flags(settings: type[StudySettings]) -> Iterator[inspect.Parameter]:
    texts = {option.name: option for option in described(settings)}
    for name, field in settings.model_fields.items():
        given = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        flag = str(given.get("flag", f"--{name.replace('_', '-')}"))
        shown = _shown(field, texts[name].default)
        names = f"{flag}/--no-{flag[2:]}" if field.annotation is bool else flag
        option = typer.Option(
            names,
            help=f"{field.description}{f' [{shown}]' if shown else ''}",
            metavar=None if field.annotation is bool else str(given.get("metavar", _metavar(field))),
        )
        yield _parameter(name, Annotated[_flag_type(field), option], None)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _flag_type(field: FieldInfo) -> Any:
    """The field's type as Typer takes it; tuples become flags that may be repeated."""
    kind = field.annotation
    options = [part for part in get_args(kind) if part is not type(None)] if _is_union(kind) else [kind]
    chosen = options[0] if len(options) == 1 else str
    if get_origin(chosen) is tuple:
        item = get_args(chosen)[0]
        item = get_args(item)[0] if get_origin(item) is Annotated else item
        # Typer knows no lists of choices: pydantic checks those.
        chosen = list[item if isinstance(item, type) else str]  # type: ignore[misc]
    return chosen | None if isinstance(chosen, type) else Union[chosen, None]  # noqa: UP007


def _metavar(field: FieldInfo) -> str:
    numbers = {int: "INT", float: "NUMBER"}
    kinds = {kind: word for kind, word in numbers.items() if kind.__name__ in type_text(field.annotation)}
    return next(iter(kinds.values()), "TEXT")


def _is_union(kind: Any) -> bool:
    return getattr(get_origin(kind), "__name__", "") in ("Union", "UnionType")


def _shown(field: FieldInfo, default: str) -> str:
    value = field.get_default(call_default_factory=True)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else default

"""A component's options are its factory's keyword-only parameters; this is the only place that reads them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from ptycho_host.errors import BrokenComponentError, OptionError, close_match_hint, quoted


@dataclass(frozen=True, slots=True)
class Option:
    """One option as shown to users: dotted name, type, default, bounds and description as text."""

    name: str
    type: str
    default: str
    bounds: str
    description: str


class OptionSchema:
    """The options of one factory.

    `owner` names the component in messages to who sets the options, `label` where its author is at fault; `supplied`
    is how many positional arguments the factory accepts from the host. Raises BrokenComponentError for a factory whose
    signature cannot be read.
    """

    def __init__(self, factory: Callable[..., Any], owner: str, *, label: str | None = None) -> None:
        self.owner = owner
        try:
            parameters = inspect.signature(factory).parameters.values()
            keyword_only = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
            if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                raise TypeError("it takes **arguments; options must be listed as keyword-only parameters")
            self.supplied = sum(
                parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
                for parameter in parameters
            )
            hints = _annotations(factory, keyword_only)
            self._model: type[BaseModel] = create_model(
                "Options",
                __config__=ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), validate_default=True),
                **{parameter.name: _field(parameter, hints) for parameter in keyword_only},  # type: ignore[call-overload]
            )
        except (TypeError, ValueError, NameError, PydanticSchemaGenerationError) as error:
            raise BrokenComponentError(f"the options of {label or owner} cannot be read: {error}.") from error

    def validate(self, values: Mapping[str, Any]) -> BaseModel:
        """The options, complete and typed; raises OptionError that names the option and what is accepted."""
        try:
            return self._model.model_validate(dict(values))
        except ValidationError as error:
            known = [option.name for option in self.describe()]
            raise OptionError(describe_problems(error, known, self.owner)) from error

    def describe(self) -> list[Option]:
        """The options in the order of the signature; those of nested models under dotted names."""
        return list(described(self._model))


def describe_problems(error: ValidationError, known: list[str], owner: str) -> str:
    """One sentence a problem: which option of `owner`, what is wrong, and which of the `known` (dotted) would do."""
    sentences = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            accepted = _beside(place, known)
            options = f"Valid options: {quoted(accepted)}." if accepted else "It has no options."
            near = close_match_hint(place, accepted if "." in place else known)
            sentences.append(f"{owner} has no option '{place}'.{near} {options}")
        elif problem["type"] == "missing":
            sentences.append(f"{owner} needs option '{place}'.")
        else:
            wrong = problem["msg"][:1].lower() + problem["msg"][1:]
            sentences.append(f"option '{place}' of {owner}: {wrong}, not {problem['input']!r}.")
    return " ".join(sentences)


def _beside(place: str, known: list[str]) -> list[str]:
    """The known names in the table of `place`; what stands in a table that is itself known is left out."""
    table = place.rpartition(".")[0]
    beside = [name for name in known if name.startswith(f"{table}.")] if table else known
    return [name for name in beside if not any(name.startswith(f"{other}.") for other in beside)]


def _annotations(factory: Callable[..., Any], parameters: list[inspect.Parameter]) -> dict[str, Any]:
    # Only the options' annotations are evaluated: a return type may be imported for type checkers alone.
    annotated = {p.name: p.annotation for p in parameters if p.annotation is not p.empty}
    function: Any = inspect.unwrap(factory)
    if inspect.isclass(function):
        owner = next(base for base in function.__mro__ if "__init__" in vars(base))
        if getattr(vars(owner).get("__dataclass_params__"), "init", False):
            return _of_fields(owner, annotated)
        function = function.__init__
    return _evaluated(annotated, getattr(getattr(function, "func", function), "__globals__", {}))


def _of_fields(record: type, names: Collection[str]) -> dict[str, Any]:
    """The annotations of a dataclass' fields: those of its bases may use names that only their modules know."""
    hints: dict[str, Any] = {}
    for base in reversed(record.__mro__):
        own = {name: annotation for name, annotation in inspect.get_annotations(base).items() if name in names}
        hints |= _evaluated(own, vars(sys.modules[base.__module__]))
    return hints


def _evaluated(annotations: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    return get_type_hints(SimpleNamespace(__annotations__=annotations), globalns=namespace, include_extras=True)


def _field(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> tuple[Any, Any]:
    if parameter.name.startswith("_"):
        raise TypeError(f"parameter '{parameter.name}' starts with an underscore, which no option may")
    if parameter.name not in hints:
        raise TypeError(f"parameter '{parameter.name}' has no type annotation")
    return hints[parameter.name], ... if parameter.default is parameter.empty else parameter.default


def described(model: type[BaseModel], prefix: str = "") -> Iterator[Option]:
    """The fields of a model in their order, named with `prefix` before them; nested models are entered."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from described(field.annotation, f"{prefix}{name}.")
        else:
            default = "required" if field.is_required() else _text(field.get_default(call_default_factory=True))
            yield Option(prefix + name, type_text(field.annotation), default, _bounds(field), field.description or "")


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def type_text(annotation: Any) -> str:
    """A type as users read it: `int`, `real_imag | amp_phase`, `float | none`."""
    if annotation is type(None):
        return "none"
    if isinstance(annotation, type) and not get_args(annotation):
        return "table" if issubclass(annotation, BaseModel) else annotation.__name__
    if get_origin(annotation) is Annotated:
        return type_text(get_args(annotation)[0])
    if getattr(get_origin(annotation), "__name__", "") in ("Union", "UnionType"):
        return " | ".join(type_text(part) for part in get_args(annotation))
    if str(get_origin(annotation)) == "typing.Literal":
        return " | ".join(str(choice) for choice in get_args(annotation))
    if isinstance(get_origin(annotation), type) and issubclass(get_origin(annotation), Mapping):
        return "table"
    return str(annotation).replace("typing.", "")


def _bounds(field: FieldInfo) -> str:
    signs = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}
    limits = []
    for limit in field.metadata:
        if type(limit) in signs:
            (value,) = vars(limit).values() if hasattr(limit, "__dict__") else (getattr(limit, limit.__slots__[0]),)
            limits.append(f"{signs[type(limit)]} {_text(value)}")
    return ", ".join(limits)

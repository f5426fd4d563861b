"""From names in the configuration to components that fit together: one engine back-end for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from ptycho_host.components import Engine, Loss
from ptycho_host.config import ComponentChoice, RunConfig, TrainOptions
from ptycho_host.configured import ConfiguredComponent, configure, scope_of
from ptycho_host.contracts import WeightedLoss
from ptycho_host.errors import BackendError, BrokenComponentError, ConfigError, quoted
from ptycho_host.loss_terms import parse_terms, term_options
from ptycho_host.options import describe_problems
from ptycho_host.plugins import Host, Registration

SCOPES = {"pattern": "single patterns or groups", "scan": "whole scans"}
"""What generators of each scope work on, for sentences."""


@dataclass(frozen=True, slots=True)
class Components:
    """All components of a run, looked up and with their options checked; nothing is built yet.

    `losses` pairs each term of the sum with its weight. `simulator` is None when the data come from a file.
    """

    backend: str
    engine: ConfiguredComponent
    generator: ConfiguredComponent
    losses: tuple[tuple[float, ConfiguredComponent], ...]
    clipper: ConfiguredComponent
    stitcher: ConfiguredComponent
    refiner: ConfiguredComponent | None
    simulator: ConfiguredComponent | None

    @property
    def scope(self) -> Literal["pattern", "scan"]:
        """Whether the generator sees groups of patterns or whole regions of the scan."""
        return scope_of(self.generator)

    @property
    def supervised(self) -> bool:
        """Whether a loss needs the true object."""
        return any(isinstance(loss.component, Loss) and loss.component.supervised for _, loss in self.losses)

    def build_losses(self) -> tuple[WeightedLoss, ...]:
        """The loss functions with their weights."""
        return tuple(WeightedLoss(loss.component.name, weight, loss.build()) for weight, loss in self.losses)


def resolve_components(host: Host, config: RunConfig) -> Components:
    """Look up everything that the configuration names; raises the InputErrors of each step before anything runs."""
    terms = parse_terms(config.loss.name)
    backend = choose_backend(
        host,
        [
            ("generator", config.generator.name),
            *(("loss", name) for _, name in terms),
            ("clipper", config.clip.name),
            *([("refiner", config.refiner.name)] if config.refiner else []),
        ],
        config.backend,
    )
    options = term_options(config.loss)

    def chosen(kind: str, choice: ComponentChoice) -> ConfiguredComponent:
        return configure(host, kind, choice.name, choice.options, backend)

    generator = chosen("generator", config.generator)
    engine = configure_engine(host, config.engine, backend)
    scope = scope_of(generator)
    scopes = engine.component.scopes if isinstance(engine.component, Engine) else ("pattern",)
    if scope not in scopes:
        raise ConfigError(
            f"generator '{config.generator.name}' works on {SCOPES[scope]}, which engine '{engine.component.name}' "
            f"does not train; choose one that works on {' or '.join(SCOPES[known] for known in scopes)}."
        )
    if scope == "scan" and config.data.gridsize > 1:
        raise ConfigError(
            f"generator '{config.generator.name}' works on whole scans and sees all patterns of a region at once; set "
            "data.gridsize=1, and train.group_size for the size of its regions."
        )
    return Components(
        backend=backend,
        engine=engine,
        generator=generator,
        losses=tuple((weight, configure(host, "loss", name, options[name], backend)) for weight, name in terms),
        clipper=chosen("clipper", config.clip),
        stitcher=chosen("stitcher", config.stitch),
        refiner=chosen("refiner", config.refiner) if config.refiner else None,
        simulator=chosen("simulator", config.simulator) if config.data.source is None else None,
    )


def training_for(generator: Registration, options: TrainOptions) -> TrainOptions:
    """The options that were given, then those that suit the generator, then the defaults.

    Raises BrokenComponentError when the generator's descriptor asks for what does not exist.
    """
    wanted = getattr(generator.component, "training", {})
    given = options.model_dump(include=options.model_fields_set)
    try:
        suiting = TrainOptions.model_validate(dict(wanted)).model_dump(include=set(wanted))
    except ValidationError as error:
        problems = describe_problems(error, list(TrainOptions.model_fields), "its descriptor's training")
        raise BrokenComponentError(
            f"{generator.label} cannot be used: {problems.removesuffix('.')}; update, remove or report "
            f"{generator.distribution}."
        ) from error
    return TrainOptions.model_validate(suiting | given)


def configure_engine(host: Host, choice: ComponentChoice | None, backend: str) -> ConfiguredComponent:
    """The engine that was named, or the only one of the back-end."""
    if choice is not None and choice.name:
        return configure(host, "engine", choice.name, choice.options, backend)
    engines = host.registrations("engine")
    names = sorted({entry.component.name for entry in engines if entry.component.backend == backend})
    if len(names) != 1:
        found = f"several engines ({quoted(names)})" if names else "no engine"
        raise BackendError(f"back-end '{backend}' has {found}; choose one with engine.name.")
    return configure(host, "engine", names[0], choice.options if choice else {}, backend)


def choose_backend(host: Host, wanted: list[tuple[str, str]], backend: str | None) -> str:
    """The back-end on which every wanted (kind, name) exists and an engine is installed.

    Raises BackendError that says which name exists for which back-end when none or several fit.
    """
    engines = {entry.component.backend for entry in host.registrations("engine") if entry.component.backend}
    if not engines:
        # One command brings everything: sending for the missing names one by one would take several.
        raise BackendError(f"no engine is installed to train with.{host.catalogue.engine_hint(backend, wanted)}")
    offered = {
        f"{kind} '{name}'": {entry.component.backend for entry in host.named(kind, name)} for kind, name in wanted
    }
    fitting = {
        engine for engine in engines if all(None in backends or engine in backends for backends in offered.values())
    }
    table = "; ".join(
        f"{what}: {', '.join(sorted(str(entry) for entry in backends if entry)) or 'any'}"
        for what, backends in offered.items()
    )
    if backend is not None:
        if backend not in engines:
            hint = host.catalogue.engine_hint(backend)
            raise BackendError(
                f"there is no engine for back-end '{backend}'.{hint} Installed: {quoted(sorted(engines))}."
            )
        if backend not in fitting:
            raise BackendError(f"not everything exists for back-end '{backend}' ({table}).")
        return backend
    if len(fitting) == 1:
        return fitting.pop()
    if not fitting:
        raise BackendError(f"no back-end has all of these with an engine installed ({table}).")
    raise BackendError(f"several back-ends fit: {quoted(sorted(fitting))}; choose one with --backend ({table}).")

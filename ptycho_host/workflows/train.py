"""Train a generator on a scan, reconstruct, measure, and write the run directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_host.atomic import write_text
from ptycho_host.components import Loss
from ptycho_host.config import RunConfig, changes, from_table
from ptycho_host.contracts import Bundle, Progress, TrainingComponents, TrainingEngine, TrainingProblem
from ptycho_host.data.grouping import hold_out, subsample
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, InputError, PtychoError
from ptycho_host.metrics.memory import PeakMemory
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.plugins import Host
from ptycho_host.processes import Processes, processes_of
from ptycho_host.records import EpochFinished, EpochReport, ReconstructionReady, RunFinished, RunStarted
from ptycho_host.report.progress import SilentProgress
from ptycho_host.resolution import Components, resolve_components, training_for
from ptycho_host.runs.bundle import save_bundle
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.runs.history import append_report, read_history
from ptycho_host.runs.lock import working_in
from ptycho_host.runs.product import write_product
from ptycho_host.runs.provenance import environment
from ptycho_host.training.sampling import GroupSampler, steps_of
from ptycho_host.workflows.assembly import Assembly, assemble
from ptycho_host.workflows.evaluation import evaluate, held_out_agreement, training_figures
from ptycho_host.workflows.preview import Previews
from ptycho_host.workflows.publication import publish
from ptycho_host.workflows.run import Run
from ptycho_host.workflows.scans import load_scan, run_simulator


@dataclass(frozen=True, slots=True)
class Plan:
    """A run, checked as far as it can be without touching the data: what `--dry-run` shows."""

    config: RunConfig
    components: Components

    def as_table(self) -> dict[str, Any]:
        """The configuration with every option of every component, defaults included."""
        components = self.components
        table = self.config.as_table() | {
            "backend": components.backend,
            "engine": components.engine.as_table(),
            "generator": components.generator.as_table(),
            "loss": _loss_table(self.config.loss.name, components),
            "clip": components.clipper.as_table(),
            "stitch": components.stitcher.as_table(),
        }
        if components.refiner is not None:
            table["refiner"] = components.refiner.as_table()
        if components.simulator is not None:
            table["simulator"] = components.simulator.as_table()
        else:
            table.pop("simulator", None)
        return table


def plan(config: RunConfig, host: Host) -> Plan:
    """Look up all components and check all options; raises InputErrors, touches nothing."""
    components = resolve_components(host, config)
    training = training_for(components.generator.registration, config.train)
    return Plan(config.model_copy(update={"train": training}), components)


def train(
    config: RunConfig | Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train and reconstruct as `config` says (nested plain values or a RunConfig; None is the demo).

    Writes the run directory `out`, or a fresh one under `runs/`. Raises InputError before anything is written,
    RunFailedError when training cannot go on. Where several processes train together each returns when the run is
    complete; only the first one reports `progress`.
    """
    memory = PeakMemory.from_now()
    host = host or Host.discover()
    if not isinstance(config, RunConfig):
        config = from_table(config or {})
    planned = plan(config, host)
    components = planned.components
    engine: TrainingEngine = components.engine.build()
    processes = processes_of(engine)
    with processes.together():
        scan = _training_scan(planned, host)
        test = _test_scan(planned, host)
        problem = _problem(planned.config, components, scan, processes)
    with processes.together():
        place = Path(out) if out is not None else None
        made = RunDirectory.create(place, config.generator.name).path if processes.first else Path()
    directory = RunDirectory(Path(processes.text(str(made))))
    resolved = from_table(planned.as_table())
    with working_in(directory, processes):
        with processes.together():
            if processes.first:
                write_text(directory.config, resolved.as_toml())
                facts = {"data_fingerprint": scan.fingerprint(), "config": resolved.as_table()}
                shared = {"processes": processes.world}
                directory.write_json(directory.environment, environment(host, config.seed) | shared | facts)
        return _run(host, resolved, components, engine, directory, problem, test, progress, memory, resume=False)


def resume(
    path: str | Path,
    config: RunConfig | None = None,
    *,
    accept_changes: bool = False,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with the run in directory `path` from its last checkpoint, as its `config.toml` or `config` says.

    Raises InputError when there is no run, when its data have changed, when another process is at work there, or
    when the settings are not those it was started with, unless `accept_changes`.
    """
    memory = PeakMemory.from_now()
    host = host or Host.discover()
    directory = RunDirectory.open(Path(path))
    directory.refuse_links()
    planned = plan(config or Run(directory, host).config, host)
    engine: TrainingEngine = planned.components.engine.build()
    processes = processes_of(engine)
    with working_in(directory, processes):
        resolved = from_table(planned.as_table())
        with processes.together():
            provenance = directory.read_environment()
            found = changes(provenance.get("config", resolved.as_table()), resolved.as_table())
            found += changes({"processes": provenance.get("processes", 1)}, {"processes": processes.world})
            if found and not accept_changes:
                raise InputError(
                    f"{directory.path} was started with other settings ({'; '.join(found)}); restore them, or add "
                    "--accept-changes to go on with the new ones."
                )
            scan = _training_scan(planned, host)
            if scan.fingerprint() != provenance.get("data_fingerprint"):
                raise InputError(
                    f"the data of {directory.path} are not those it was started with; restore them or train anew."
                )
            test = _test_scan(planned, host)
            problem = _problem(resolved, planned.components, scan, processes)
        with processes.together():
            if found and processes.first:
                write_text(directory.config, resolved.as_toml())
                told = [*provenance.get("changes", []), found]
                present = {"config": resolved.as_table(), "processes": processes.world, "changes": told}
                directory.write_json(directory.environment, provenance | present)
        return _run(host, resolved, planned.components, engine, directory, problem, test, progress, memory, resume=True)


def _training_scan(planned: Plan, host: Host) -> Scan:
    config, components = planned.config, planned.components
    if components.simulator is not None:
        scan = run_simulator(components.simulator, config.seed, host=host, probe_from=config.data.probe_from)
    else:
        data = config.data
        assert data.source is not None
        scan = load_scan(data.source, host=host, reader=data.reader, limit=data.limit, cache=data.cache)
    if components.supervised and scan.truth is None:
        names = [
            loss.component.name
            for _, loss in components.losses
            if isinstance(loss.component, Loss) and loss.component.supervised
        ]
        raise DataError(
            f"loss '{names[0]}' compares with the true object, which scan '{scan.name}' does not have; "
            "choose an unsupervised loss such as mae, or simulate."
        )
    return scan


def _test_scan(planned: Plan, host: Host) -> Scan | None:
    data = planned.config.data
    return load_scan(data.test, host=host, cache=data.cache) if data.test is not None else None


def _problem(config: RunConfig, components: Components, scan: Scan, processes: Processes) -> TrainingProblem:
    """What is to be learned from the scan; raises InputError when it cannot be drawn as the options ask."""
    training, held_out = hold_out(
        scan.positions, config.train.validation_fraction, np.random.default_rng([config.seed, 1])
    )
    data = config.data
    if data.n_subsample is not None:
        if data.n_subsample > len(training):
            raise InputError(
                f"data.n_subsample is {data.n_subsample}, and there are {len(training)} patterns to train on; "
                "ask for fewer."
            )
        seed = config.seed if data.subsample_seed is None else data.subsample_seed
        training = subsample(training, data.n_subsample, np.random.default_rng([seed, 2]))
    problem = TrainingProblem(
        scan=scan,
        training=training,
        held_out=held_out,
        scale=IntensityScale.of(scan),
        options=config.train,
        seed=config.seed,
        supervised=components.supervised,
        channels=data.gridsize**2,
        scope=components.scope,
    )
    # Engines draw groups in this way: what they would refuse is refused before anything is written.
    sampler = GroupSampler.for_problem(problem)
    if processes.world > 1:
        steps_of(sampler.groups(0), config.train.batch_size, config.train.accumulate, processes.rank, processes.world)
    return problem


def _run(
    host: Host,
    config: RunConfig,
    components: Components,
    engine: TrainingEngine,
    directory: RunDirectory,
    problem: TrainingProblem,
    test: Scan | None,
    progress: Progress | None,
    memory: PeakMemory,
    *,
    resume: bool,
) -> Run:
    processes = processes_of(engine)
    if processes.first:
        host.notify(RunStarted(directory.path, config.as_table()))
    try:
        target = test or problem.scan
        shown = (progress if processes.first else None) or SilentProgress()
        context = _Context(host, directory, shown, resume, Previews(engine, components.stitcher, target))
        bundle = _train(engine, components, problem, context, memory)
        with processes.together():
            if processes.first:
                save_bundle(bundle, directory.bundle)
        refine = components.refiner.build() if components.refiner is not None else None
        assembly = assemble(engine, bundle, target, components.stitcher.build(), context.progress, refine)
        # The others wait: when they are done too, everything is written.
        with processes.together():
            if processes.first:
                _conclude(context, config, engine, bundle, problem, target, assembly)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if processes.first:
            host.notify(RunFinished(directory.path, "interrupted" if interrupted else "failed", str(error)))
        if isinstance(error, PtychoError):
            error.add_note(f"The run stays in {directory.path}.")
        if interrupted:
            error.add_note(f"ptycho train --resume {directory.path}")
        raise
    if processes.first:
        host.notify(RunFinished(directory.path, "done"))
    return Run(directory, host, engine)


def _train(
    engine: TrainingEngine, components: Components, problem: TrainingProblem, context: _Context, memory: PeakMemory
) -> Bundle:
    chosen = TrainingComponents(components.generator, components.build_losses(), components.clipper.build())
    bundle = engine.train(problem, chosen, context)
    scan = problem.scan
    facts = {"scan": scan.name, "data_fingerprint": scan.fingerprint(), "seed": problem.seed}
    peak = memory.reached()
    facts |= {"peak_memory_mib": peak} if peak is not None else {}
    return replace(bundle, facts={**facts, **bundle.facts})


def _conclude(
    context: _Context,
    config: RunConfig,
    engine: TrainingEngine,
    bundle: Bundle,
    problem: TrainingProblem,
    scan: Scan,
    assembly: Assembly,
) -> None:
    """Measure the reconstruction of `scan`, write everything about it, and tell the observers."""
    directory = context.directory
    unseen = held_out_agreement(engine, bundle, problem.scan, problem.held_out)
    evaluation = evaluate(assembly, scan, training_figures(bundle), unseen)
    history = read_history(directory.history)
    metrics = evaluation.metrics.as_json()
    write_product(directory.reconstruction, assembly.reconstruction, scan, history)
    directory.write_json(directory.metrics, metrics)
    publish(directory, assembly.reconstruction, evaluation, scan, history, config)
    context.host.notify(ReconstructionReady(directory.path, directory.reconstruction, assembly.reconstruction, metrics))


def _loss_table(name: str, components: Components) -> dict[str, Any]:
    tables = {}
    for _, loss in components.losses:
        table = loss.as_table()
        tables[table.pop("name")] = table
    return {"name": name, **tables}


@dataclass(frozen=True, slots=True)
class _Context:
    """The run as the engine sees it."""

    host: Host
    directory: RunDirectory
    progress: Progress
    resume: bool
    previews: Previews

    @property
    def checkpoints(self) -> Path:
        return self.directory.checkpoints

    def epoch_finished(self, report: EpochReport, bundle: Callable[[], Bundle] | None = None) -> None:
        append_report(self.directory.history, report)
        if bundle is None:
            self.host.notify(EpochFinished(self.directory.path, report))
            return
        with self.previews.of(bundle) as preview:
            self.host.notify(EpochFinished(self.directory.path, report, preview))

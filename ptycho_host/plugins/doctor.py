"""What a thorough look at all plugins finds: it imports every component and reads what pip has installed."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from ptycho_host.errors import BrokenComponentError, quoted
from ptycho_host.options import OptionSchema
from ptycho_host.plugins import Host
from ptycho_host.plugins.discovery import Candidate
from ptycho_host.plugins.problems import Problem, advice, traceback_of
from ptycho_host.plugins.registration import Registration


def broken_components(host: Host) -> Iterator[Problem]:
    """Components whose target cannot be imported, or whose options cannot be read; commands have none.

    Those of a back-end without an engine are left alone: nobody can use them, and their library need not be there.
    """
    usable = {None, *(entry.component.backend for entry in host.registrations("engine"))}
    for entry in host.registrations():
        if entry.component.kind == "command" or entry.component.backend not in usable:
            continue
        try:
            OptionSchema(entry.load(), entry.label)
        except BrokenComponentError as error:
            yield as_problem(error, entry)


def as_problem(error: BrokenComponentError, entry: Registration) -> Problem:
    """A component that cannot be used, with the traceback of what happened inside it."""
    what_to_do = advice(error.__cause__ or error, entry.distribution)
    return Problem(
        str(error).removesuffix(f"; {what_to_do}.").removesuffix("."),
        what_to_do,
        entry.distribution,
        details=traceback_of(error.__cause__) if error.__cause__ is not None else "",
    )


def shadowed_modules(host: Host) -> Iterator[Problem]:
    """Distributions that put files into the package of a plugin or of the host, and modules that come from elsewhere.

    It compares with the lists of files that pip keeps; of editable installations there is none, so that only files of
    others are found in them.
    """
    claims: dict[str, list[Candidate]] = defaultdict(list)
    for plugin in sorted(host.plugins, key=lambda plugin: plugin.content is None):
        claims[_package(plugin.candidate.module)].append(plugin.candidate)
    listed = _listed_files({package for package in claims if not _is_namespace(package)})
    for package, files in listed.items():
        # An entry point may lead into the package of somebody else: its owner has installed files there.
        claimants = [candidate.distribution for candidate in claims[package]]
        owner = next((claimant for claimant in claimants if claimant in files), claimants[0])
        for distribution in files.keys() - {owner}:
            yield _intruder(distribution, package, owner, sorted(files[distribution]))
    for plugin in host.plugins:
        yield from _strange_origin(plugin.candidate, listed.get(_package(plugin.candidate.module), {}))


def _listed_files(packages: set[str]) -> dict[str, dict[str, dict[str, Path]]]:
    """Python files that pip has installed in the packages: by package, distribution and name, with their places."""
    listed: dict[str, dict[str, dict[str, Path]]] = defaultdict(lambda: defaultdict(dict))
    for distribution in distributions():
        # Of a distribution that was removed by half there may be no name left.
        for file in (distribution.name and distribution.files) or ():
            if file.suffix == ".py" and file.parts[0] in packages:
                place = Path(str(distribution.locate_file(file))).resolve()
                listed[file.parts[0]][distribution.name][str(file)] = place
    return listed


def _intruder(distribution: str, package: str, owner: str, files: list[str]) -> Problem:
    return Problem(
        f"{distribution} puts files into package '{package}' of {owner}: {quoted(files[:3])}",
        f"uninstall {distribution}, then run 'pip install --force-reinstall --no-deps {owner}'",
        distribution,
        details="\n".join(files),
    )


def _strange_origin(candidate: Candidate, listed: Mapping[str, Mapping[str, Path]]) -> Iterator[Problem]:
    origin = getattr(sys.modules.get(candidate.module), "__file__", None)
    own = listed.get(candidate.distribution)
    if origin is not None and own is not None and Path(origin).resolve() not in own.values():
        yield Problem(
            f"{candidate.label} is loaded from {origin}, which is not what {candidate.distribution} installed",
            "another copy comes first on Python's path: remove it, or start from another folder",
            candidate.distribution,
            candidate.name,
        )


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_namespace(package: str) -> bool:
    # A namespace package is there to be shared.
    try:
        spec = find_spec(package)
    except ValueError:  # a module that says nothing about where it comes from
        return True
    return spec is None or spec.origin is None

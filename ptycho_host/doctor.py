"""What a thorough look at all plugins finds: it imports every component and reads what pip has installed."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from ptycho_host.discovery import HOST_DISTRIBUTION
from ptycho_host.errors import BrokenComponentError, quoted
from ptycho_host.options import OptionSchema
from ptycho_host.plugins import Host
from ptycho_host.problems import Problem, advice, traceback_of
from ptycho_host.registration import Registration


def broken_components(host: Host) -> Iterator[Problem]:
    """Components whose target cannot be imported, or whose options cannot be read; commands have none."""
    for entry in host.registrations():
        if entry.component.kind == "command":
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
    owners = {"ptycho_host": HOST_DISTRIBUTION} | {
        plugin.candidate.module.partition(".")[0]: plugin.candidate.distribution for plugin in host.plugins
    }
    packages = {name for name in owners if not _is_namespace(name)}
    listed: dict[Path, set[str]] = defaultdict(set)
    own: set[str] = set()
    for distribution in distributions():
        strange: dict[str, list[str]] = defaultdict(list)
        for package, file, path in _files_in(distribution, packages):
            listed[path].add(distribution.name)
            if distribution.name == owners[package]:
                own.add(package)
            else:
                strange[package].append(file)
        for package, files in strange.items():
            owner = owners[package]
            yield Problem(
                f"{distribution.name} puts files into package '{package}' of {owner}: {quoted(sorted(files)[:3])}",
                f"uninstall {distribution.name}, then run 'pip install --force-reinstall --no-deps {owner}'",
                distribution.name,
                details="\n".join(sorted(files)),
            )
    for plugin in host.plugins:
        module, distribution_name = plugin.candidate.module, plugin.candidate.distribution
        package = module.partition(".")[0]
        origin = getattr(sys.modules.get(module), "__file__", None)
        if origin is None or package not in own or owners[package] != distribution_name:
            continue
        if not listed.get(Path(origin).resolve()):
            yield Problem(
                f"{plugin.candidate.label} is loaded from {origin}, which is not what {distribution_name} installed",
                "another copy comes first on Python's path: remove it, or start from another folder",
                distribution_name,
                plugin.candidate.name,
            )


def _files_in(distribution: Distribution, packages: set[str]) -> Iterator[tuple[str, str, Path]]:
    for file in distribution.files or ():
        if file.suffix == ".py" and file.parts[0] in packages:
            yield file.parts[0], str(file), Path(str(distribution.locate_file(file))).resolve()


def _is_namespace(package: str) -> bool:
    # A namespace package is there to be shared.
    spec = find_spec(package)
    return spec is None or spec.origin is None

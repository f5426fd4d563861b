"""The whole surface between the host and its plugins: one hook a kind of component, and the observers.

A plugin is a module with functions of these names, marked with `@hookimpl`, named by an entry point of the
group `ptycho`. The component hooks return descriptors from `ptycho_host.components`; they run at start-up and
must import nothing heavy. The observer hooks receive immutable records from `ptycho_host.records`.

A plugin module may say for which version of this surface it is written, `ptycho_api = 1`; without it, the current one
is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ptycho_host import components, records

PROJECT = "ptycho"
"""Name of the pluggy project and of the entry-point group."""

API_VERSION = 1
"""Version of this surface: hooks, descriptors, contracts, records.

It grows by one when any of them changes so that a plugin written before would not work any more; what is only added
leaves it alone. The host refuses a plugin that declares another version, and says which of the two to update.
"""

API_ATTRIBUTE = "ptycho_api"
"""The attribute of a plugin module that declares its version."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ptycho_generators() -> Sequence[components.Generator]:
    """Networks from diffraction amplitudes to object patches."""
    raise NotImplementedError


@hookspec
def ptycho_losses() -> Sequence[components.Loss]:
    """Scalars that training lowers."""
    raise NotImplementedError


@hookspec
def ptycho_clippers() -> Sequence[components.Clipper]:
    """Bounds on the gradients."""
    raise NotImplementedError


@hookspec
def ptycho_simulators() -> Sequence[components.Simulator]:
    """Makers of scans whose object is known."""
    raise NotImplementedError


@hookspec
def ptycho_stitchers() -> Sequence[components.Stitcher]:
    """Assemblers of patches into one object."""
    raise NotImplementedError


@hookspec
def ptycho_refiners() -> Sequence[components.Refiner]:
    """Iterative polish of an object against all patterns."""
    raise NotImplementedError


@hookspec
def ptycho_engines() -> Sequence[components.Engine]:
    """Training and prediction on one tensor library."""
    raise NotImplementedError


@hookspec
def ptycho_readers() -> Sequence[components.Reader]:
    """File formats that a scan can be read from."""
    raise NotImplementedError


@hookspec
def ptycho_writers() -> Sequence[components.Writer]:
    """File formats that a scan can be written to."""
    raise NotImplementedError


@hookspec
def ptycho_datasets() -> Sequence[components.Dataset]:
    """Named scans that travel with a distribution."""
    raise NotImplementedError


@hookspec
def ptycho_networks() -> Sequence[components.Network]:
    """Trained networks that travel with a distribution."""
    raise NotImplementedError


@hookspec
def ptycho_commands() -> Sequence[components.Command]:
    """Subcommands of `ptycho`."""
    raise NotImplementedError


@hookspec
def ptycho_run_started(record: records.RunStarted) -> None:
    """A run directory exists and work is about to begin."""


@hookspec
def ptycho_epoch_finished(record: records.EpochFinished) -> None:
    """One pass over the training patterns is over; its record can show what the network makes of the scan so far."""


@hookspec
def ptycho_reconstruction_ready(record: records.ReconstructionReady) -> None:
    """An object has been stitched (and refined, if asked) and written."""


@hookspec
def ptycho_run_finished(record: records.RunFinished) -> None:
    """The run is over: done, failed or interrupted."""

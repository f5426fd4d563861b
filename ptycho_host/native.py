"""The host's own plugin: the NPZ contract, the embedded scan, and the commands of `ptycho`."""

from __future__ import annotations

from ptycho_host.components import Command, Dataset, Reader, Writer
from ptycho_host.hookspecs import hookimpl


@hookimpl
def ptycho_readers() -> list[Reader]:
    """NPZ."""
    return [
        Reader(
            "npz",
            summary="NumPy archive: diff3d amplitudes, xcoords, ycoords, probeGuess.",
            target="ptycho_host.data.formats.npz:NpzReader",
            suffixes=(".npz",),
        )
    ]


@hookimpl
def ptycho_writers() -> list[Writer]:
    """NPZ."""
    return [
        Writer(
            "npz",
            summary="NumPy archive with the same keys, compressed.",
            target="ptycho_host.data.formats.npz:NpzWriter",
            suffixes=(".npz",),
        )
    ]


@hookimpl
def ptycho_datasets() -> list[Dataset]:
    """The embedded scan."""
    return [
        Dataset(
            "siemens_star",
            summary="116 measured X-ray patterns of a Siemens star (tike, Argonne).",
            target="ptycho_host.data.embedded:siemens_star",
        )
    ]


@hookimpl
def ptycho_commands() -> list[Command]:
    """What `ptycho` does without any other plugin."""
    return [
        Command("train", summary="Train a generator, reconstruct, report.", target="ptycho_host.cli.train:train"),
        Command(
            "reconstruct",
            summary="Reconstruct another scan with a trained run, without training.",
            target="ptycho_host.cli.reconstruct:reconstruct",
        ),
        Command(
            "compare",
            summary="Rank runs and reconstructions, with figures.",
            target="ptycho_host.cli.compare:compare",
        ),
        Command("simulate", summary="Write a simulated scan.", target="ptycho_host.cli.simulate:simulate"),
        Command("inspect", summary="Say what is in a file.", target="ptycho_host.cli.inspect:inspect"),
        Command("new", summary="Write a plugin of your own to start from.", target="ptycho_host.cli.new:new"),
        Command("plugins", summary="What is installed: list, show, doctor.", target="ptycho_host.cli.plugins:app"),
    ]

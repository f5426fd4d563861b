"""The host's own plugin: the native formats, the embedded scan, and the commands of `ptycho`."""

from __future__ import annotations

from ptycho_host.components import Command, Dataset, Reader, Writer
from ptycho_host.hookspecs import hookimpl


@hookimpl
def ptycho_readers() -> list[Reader]:
    """The native formats."""
    return [
        Reader(
            "npz",
            summary="NumPy archive: diff3d amplitudes, xcoords, ycoords, probeGuess.",
            target="ptycho_host.data.formats.npz:NpzReader",
            suffixes=(".npz",),
        ),
        Reader(
            "hdf5",
            summary="HDF5 of our own layout, read piece by piece.",
            target="ptycho_host.data.formats.hdf5:Hdf5Reader",
            suffixes=(".h5", ".hdf5"),
        ),
        Reader(
            "ptychopinn",
            summary="Raw NPZ of PtychoPINN: either axis order, amplitudes or intensities.",
            target="ptycho_host.data.formats.ptychopinn:PtychopinnReader",
            suffixes=(".npz",),
        ),
        Reader(
            "cxi",
            summary="CXI of cxidb.org, read piece by piece.",
            target="ptycho_host.data.formats.cxi:CxiReader",
            suffixes=(".cxi",),
        ),
        Reader(
            "mat",
            summary="Arrays of a MATLAB 7.3 file, by the names you give, read piece by piece.",
            target="ptycho_host.data.formats.mat:MatReader",
            suffixes=(".mat",),
        ),
    ]


@hookimpl
def ptycho_writers() -> list[Writer]:
    """The native formats."""
    return [
        Writer(
            "npz",
            summary="NumPy archive with the same keys, compressed.",
            target="ptycho_host.data.formats.npz:NpzWriter",
            suffixes=(".npz",),
        ),
        Writer(
            "hdf5",
            summary="HDF5 of our own layout, one pattern a chunk, for scans of any size.",
            target="ptycho_host.data.formats.hdf5:Hdf5Writer",
            suffixes=(".h5", ".hdf5"),
        ),
        Writer(
            "ptychopinn",
            summary="Raw NPZ for PtychoPINN.",
            target="ptycho_host.data.formats.ptychopinn:PtychopinnWriter",
            suffixes=(".npz",),
        ),
        Writer(
            "cxi",
            summary="CXI of cxidb.org, which Ptychodus opens too.",
            target="ptycho_host.data.formats.cxi:CxiWriter",
            suffixes=(".cxi",),
        ),
        Writer("mat", summary="MATLAB 7.3.", target="ptycho_host.data.formats.mat:MatWriter", suffixes=(".mat",)),
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
        Command(
            "convert",
            summary="Write a scan in another format.",
            target="ptycho_host.cli.convert:convert",
        ),
        Command(
            "prepare",
            summary="Crop, bin, mask, select; smooth or replace the probe.",
            target="ptycho_host.cli.prepare:prepare",
        ),
        Command("new", summary="Write a plugin of your own to start from.", target="ptycho_host.cli.new:new"),
        Command("plugins", summary="What is installed: list, show, doctor.", target="ptycho_host.cli.plugins:app"),
    ]

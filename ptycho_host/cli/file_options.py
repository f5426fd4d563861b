"""What the commands on files share: which reader and writer, with which options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_host.config import ComponentChoice, resolve
from ptycho_host.errors import ConfigError, InputError

ReaderName = Annotated[
    str | None, typer.Option("--reader", help="Reader; by suffix and content if not given.", metavar="NAME")
]
WriterName = Annotated[
    str | None, typer.Option("--writer", help="Writer; by the suffix of OUT if not given.", metavar="NAME")
]
ReaderSettings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Option of the reader: data.reader.KEY=VALUE; may be repeated.", metavar="KEY=VALUE"),
]
FileSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Option of reader or writer: data.reader.KEY=VALUE, writer.KEY=VALUE; may be repeated.",
        metavar="KEY=VALUE",
    ),
]
READER, WRITER = "data.reader.", "writer."


def choices(
    settings: list[str] | None, reader: str | None = None, writer: str | None = None
) -> tuple[ComponentChoice | None, ComponentChoice | None]:
    """Reader and writer as the flags say, each None where nothing is said; raises ConfigError for strange settings."""
    of_reader, of_writer = [], []
    for setting in settings or ():
        if setting.startswith(READER):
            of_reader.append(setting.removeprefix(READER))
        elif setting.startswith("reader."):
            of_reader.append(setting.removeprefix("reader."))
        elif setting.startswith(WRITER):
            of_writer.append(setting.removeprefix(WRITER))
        else:
            raise ConfigError(f"--set {setting}: options here begin with 'data.reader.' or 'writer.'.")
    return _choice(of_reader, reader), _choice(of_writer, writer)


def check_other_file(source: str, out: Path) -> None:
    """Raise InputError when a file would be written over the one it is made of."""
    if Path(source).exists() and out.exists() and Path(source).samefile(out):
        raise InputError(f"{out} is the file to be read; give another name.")


def _choice(settings: list[str], name: str | None) -> ComponentChoice | None:
    if not settings and name is None:
        return None
    # Readers are part of the configuration of runs: values are understood as they are there.
    flags = {"data": {"reader": {"name": name}}} if name is not None else {}
    return resolve(flags=flags, settings=[f"{READER}{setting}" for setting in settings]).data.reader

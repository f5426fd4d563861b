"""`ptycho new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_host.cli.console import host_of


def new(
    ctx: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="generator, loss, clipper, simulator, stitcher, refiner, reader, writer, format (reader and writer), "
            "command or observer.",
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the distribution, such as mynet.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="New folder for it; default: its name, here.")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="Tensor library of a generator, loss or clipper: torch (default) or tensorflow.", metavar="NAME"
        ),
    ] = None,
) -> None:
    """Write a complete plugin distribution with one small working component, its test and its README."""
    import shlex

    from ptycho_host.scaffold.creation import create

    made = create(kind, name, folder, backend=backend, host=host_of(ctx))
    place = str(made.folder) if made.folder.is_absolute() else f"./{made.folder}"
    what = f"{kind} for {made.blueprint.backend}" if made.blueprint.backend else kind
    typer.echo(f"{place}: {made.names.distribution}, a {what}, {len(made.files)} files")
    typer.echo(f"install  pip install -e {shlex.quote(f'{place}[test]')}")
    typer.echo(f"test     pytest {shlex.quote(place)}")
    typer.echo(f"use      {made.use}")

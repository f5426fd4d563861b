"""From a blueprint and names to the text of every file, through the templates beside this module."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ptycho_host import __version__, hookspecs
from ptycho_host.scaffold.blueprints import Blueprint
from ptycho_host.scaffold.names import Names

TEMPLATES = Path(__file__).parent / "templates"
COMMON = "common"
"""The folder of `templates/` that every distribution is made from, where no other has the same file."""
SUFFIX = ".j2"
DOT = "dot_"
"""Stands for the leading dot of a name: no tool shall take a template for its own settings."""
PACKAGE = "package"
"""Stands for the package's name in paths."""
INCLUDED = "include/"
"""Templates in this folder are no files of their own; others include them."""
USE = "include/use.j2"
"""The command that shows the new component at work."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """`files`: text by path in the distribution; `use`: the command line that shows the component at work."""

    files: dict[PurePosixPath, str]
    use: str


def render(blueprint: Blueprint, names: Names) -> Rendered:
    """Every file of the distribution, none of them written yet."""
    environment = Environment(  # noqa: S701 - it makes Python and Markdown, nothing that a browser shows
        loader=FileSystemLoader([TEMPLATES / folder for folder in (*blueprint.folders, COMMON)]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        **asdict(names),
        blueprint=blueprint,
        host_version=__version__,
        api_version=hookspecs.API_VERSION,
        year=datetime.now().astimezone().year,
    )
    templates = [name for name in environment.list_templates() if not name.startswith(INCLUDED)]
    return Rendered(
        files={_path(name, names): environment.get_template(name).render() for name in templates},
        use=environment.get_template(USE).render().strip(),
    )


def _path(template: str, names: Names) -> PurePosixPath:
    """Where the file of a template goes: `package/dot_x.j2` -> `mynet/.x`."""
    parts = template.removesuffix(SUFFIX).split("/")
    parts = [f".{part.removeprefix(DOT)}" if part.startswith(DOT) else part for part in parts]
    return PurePosixPath(*(names.package if part == PACKAGE else part for part in parts))

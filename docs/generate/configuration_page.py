"""The run configuration: every section and key, and the whole of it as TOML."""

from __future__ import annotations

from pathlib import Path

from component_pages import FOLDER, option_table, plural, section_of
from pydantic import BaseModel
from writing import code, page, prose, table, verbatim

from ptycho_host.components import KINDS
from ptycho_host.config import COMPONENT_SECTIONS, ComponentChoice, RunConfig
from ptycho_host.options import described


def configuration_page() -> str:
    """The page of the run configuration."""
    defaults = RunConfig()
    sections = {
        name: field.annotation
        for name, field in RunConfig.model_fields.items()
        if isinstance(field.annotation, type)
        and issubclass(field.annotation, BaseModel)
        and field.annotation is not ComponentChoice
    }
    inside = (*sections, *COMPONENT_SECTIONS)
    plain = [option for option in described(RunConfig) if option.name.partition(".")[0] not in inside]
    return page(
        "# Run configuration",
        prose(RunConfig.__doc__ or ""),
        "`ptycho train CONFIG.toml` reads it, `--set SECTION.KEY=VALUE` changes one key, and `--dry-run` prints it "
        "complete, with every option of every component. Defaults give way to the file, the file to flags, flags to "
        "`--set`. An unknown key is an error.",
        "## At the top",
        option_table(plain),
        "## Components",
        prose(ComponentChoice.__doc__ or ""),
        table(("section", "names a", "default"), _component_rows(defaults)),
        *(block for name, model in sections.items() for block in _section(name, model)),
        "## All defaults",
        code(defaults.as_toml(), "toml"),
    )


def _component_rows(defaults: RunConfig) -> list[tuple[str, str, str]]:
    kinds = {section_of(kind): kind for kind in KINDS if section_of(kind)}
    return [
        (
            f"`[{section}]`",
            f"[{kinds[section]}]({Path(FOLDER) / plural(kinds[section])}.md)",
            _default_name(getattr(defaults, section)),
        )
        for section in COMPONENT_SECTIONS
    ]


def _default_name(choice: ComponentChoice | None) -> str:
    return verbatim(choice.name) if choice else "none"


def _section(name: str, model: type[BaseModel]) -> list[str]:
    return [f"## {name}", prose(model.__doc__ or ""), option_table(list(described(model)))]

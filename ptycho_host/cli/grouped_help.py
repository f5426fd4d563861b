"""Help in plain text whose options stand in the groups that their `rich_help_panel` names."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class GroupedCommand(TyperCommand):
    """Rich could group too, but importing it takes longer than everything else that help needs."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then each group in the order of its first option; what has no group comes last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        ungrouped: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            group = "Arguments" if parameter.param_type_name == "argument" else _panel(parameter)
            if record is not None:
                (sections.setdefault(group, []) if group else ungrouped).append(record)
        sections["Other options" if sections.keys() - {"Arguments"} else "Options"] = ungrouped
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _panel(parameter: Any) -> str:
    return getattr(parameter, "rich_help_panel", None) or ""

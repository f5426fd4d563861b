"""Write `docs/reference`, or another folder, from the code; with `--check` say which of its pages are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from command_page import command_page
from component_pages import component_pages
from configuration_page import configuration_page
from contract_page import contract_page
from environment_page import environment_page
from hook_pages import hook_pages
from index_page import index_page
from project import ROOT, our_host

from ptycho_host.errors import PtychoError

REFERENCE = ROOT / "docs" / "reference"
CHECK = "--check"


def pages() -> dict[Path, str]:
    """Every page of the reference, by its path in there."""
    host = our_host()
    return {
        Path("README.md"): index_page(host),
        Path("cli.md"): command_page(host),
        Path("config.md"): configuration_page(),
        Path("environment.md"): environment_page(),
        Path("contracts.md"): contract_page(),
        **hook_pages(host),
        **component_pages(host),
    }


def main() -> None:
    """Write the pages, or compare them; other files in the folder are left over from before."""
    folder = Path(next((argument for argument in sys.argv[1:] if argument != CHECK), REFERENCE))
    try:
        wanted = pages()
    except PtychoError as error:
        sys.exit(f"the reference cannot be written: {error}")
    found = {path.relative_to(folder): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}
    stale = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if CHECK not in sys.argv:
        for path in stale:
            _update(folder / path, wanted.get(path))
        sys.stdout.write(f"{len(wanted)} pages in {folder}, {len(stale)} changed\n")
    elif stale:
        listed = "".join(f"\n  {folder / path}" for path in stale)
        sys.exit(f"the reference is not what the code says: run 'make docs' and commit.{listed}")


def _update(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

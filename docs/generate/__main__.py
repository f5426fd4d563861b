"""Write `docs/reference` from the code, or with `--check` say which of its pages are stale."""

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
    try:
        wanted = {REFERENCE / path: text for path, text in pages().items()}
    except PtychoError as error:
        sys.exit(f"the reference cannot be written: {error}")
    found = {path: path.read_text(encoding="utf-8") for path in REFERENCE.rglob("*") if path.is_file()}
    stale = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if "--check" in sys.argv[1:]:
        if stale:
            listed = "".join(f"\n  {path.relative_to(ROOT)}" for path in stale)
            sys.exit(f"the reference is not what the code says: run 'make docs' and commit.{listed}")
        return
    for path in stale:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    sys.stdout.write(f"{len(wanted)} pages in {REFERENCE.relative_to(ROOT)}, {len(stale)} changed\n")


if __name__ == "__main__":
    main()

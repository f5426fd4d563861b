"""How much memory a run takes: the most that its process has held at once."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
UNKNOWN_PEAK = "this system does not tell it, or the same process had taken more before this run"


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The largest resident memory of this process, seen from a moment on; `before` is what it was then, in MiB."""

    before: float | None

    @classmethod
    def from_now(cls) -> PeakMemory:
        """To be called before the first data are loaded."""
        return cls(peak_memory_mib())

    def reached(self) -> float | None:
        """The largest resident memory in MiB if it was reached since then; None otherwise, and where it is unknown."""
        after = peak_memory_mib()
        return after if after is not None and self.before is not None and after > self.before else None


def peak_memory_mib() -> float | None:
    """The largest resident memory that this process has had so far, in MiB; None on systems that do not tell.

    It holds all threads, the interpreter and its libraries, and pages of mapped files while they are in memory, but
    neither other processes nor the memory of a GPU.
    """
    # On Linux getrusage begins with the figure of the process that started this one.
    if STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
        if found:
            return int(found[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return None
    # In bytes on macOS, in KiB elsewhere.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

"""Every error that a user can cause, each one sentence: what is wrong, where, and what to do.

The command line prints the sentence and exits with `exit_code`; it never shows a traceback for these.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PtychoError(Exception):
    """A failure with a sentence for the user; exit code 1 unless a subclass says otherwise.

    told: whether another process of the same run says it already.
    """

    exit_code = 1
    told = False


class RunFailedError(PtychoError):
    """The run started well and then could not go on (a loss that is not a number, a full disk)."""


class InputError(PtychoError):
    """Something the user gave cannot be used; exit code 2 and nothing was written."""

    exit_code = 2


class DataError(InputError):
    """A data file or an array in it breaks the scan contract."""


class ConfigError(InputError):
    """A configuration file, a flag or a `--set` does not hold."""


class OptionError(ConfigError):
    """A component was given an option it does not have, or a value it refuses."""


class UnknownComponentError(InputError):
    """No installed plugin brings a component of this kind and name."""


class AmbiguousComponentError(InputError):
    """Several distributions bring the same kind, name and back-end."""


class BackendError(InputError):
    """No single engine back-end fits all the chosen components."""


class BrokenComponentError(InputError):
    """A component is registered, but its target cannot be imported or used."""


class PluginError(PtychoError):
    """The code of a plugin failed while it was at work; the sentence says whose it is."""


class BundleError(InputError):
    """A bundle or checkpoint is missing, incomplete or altered."""


def quoted(names: Iterable[str]) -> str:
    """The names in quotes, separated by commas: `'a', 'b'`."""
    return ", ".join(f"'{name}'" for name in names)


def close_match_hint(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the known names nearest to `name`, or an empty string.

    Where names are dotted, the last parts are compared: in `train.epoch` it must not count that `train.` is right.
    """
    names = list(known)
    if any("." in candidate for candidate in names):
        name = name.rpartition(".")[2]
    compared = {candidate.rpartition(".")[2]: candidate for candidate in reversed(names)}
    matches = get_close_matches(name, compared, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(compared[match]) for match in matches)}?" if matches else ""

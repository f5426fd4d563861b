"""Variables as arrays by name, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.network import PatternNetwork
from ptycho_host.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]

_COUNTER = re.compile(r"(_\d+)+$")


def network_weights(network: PatternNetwork) -> dict[str, keras.Variable]:
    """The generator's weights and what the engine trains beside it, by name."""
    weights = network.generator.weights
    names = stable_names([variable.path for variable in weights])
    return {**dict(zip(names, weights, strict=True)), **network.instrument.variables}


def stable_names(paths: Sequence[str]) -> list[str]:
    """Names such as `encoder.conv2d_1.kernel` from variables' paths such as `net_4/encoder/conv2d_17/kernel`.

    Keras counts layers of a kind through the life of a process; here they are counted inside their parent, so that
    the same generator has the same names wherever it is built.
    """
    numbered: dict[tuple[str, ...], str] = {}
    used: dict[tuple[tuple[str, ...], str], int] = {}

    def name_in_parent(parent: tuple[str, ...], part: str) -> str:
        if (*parent, part) not in numbered:
            base = _COUNTER.sub("", part)
            earlier = used.get((parent, base), 0)
            used[parent, base] = earlier + 1
            numbered[*parent, part] = f"{base}_{earlier}" if earlier else base
        return numbered[*parent, part]

    names: list[str] = []
    for path in paths:
        parts = path.split("/")[1:]
        name = ".".join(name_in_parent(tuple(parts[:depth]), part) for depth, part in enumerate(parts))
        # Layers of one parent may have been given one name.
        while name in names:
            name += "_again"
        names.append(name)
    return names


def arrays_of(variables: Mapping[str, keras.Variable]) -> dict[str, NDArray[Any]]:
    """A copy of the variables, arrays by name."""
    return {name: tf.convert_to_tensor(variable.value).numpy() for name, variable in variables.items()}


def assign(variables: Mapping[str, keras.Variable], arrays: Arrays) -> None:
    """Put the arrays into the variables of the same names; raises BundleError when names or shapes do not fit."""
    wrong = {name for name in variables.keys() & arrays.keys() if variables[name].shape != arrays[name].shape}
    for names, problem in (
        (variables.keys() - arrays.keys(), "is missing"),
        (arrays.keys() - variables.keys(), "is not known"),
        (wrong, "has another shape"),
    ):
        if names:
            raise BundleError(
                f"the weights do not fit the generator ('{min(names)}' {problem}); it was trained with other options "
                "or another version."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

"""The illumination: a defocused disc, a Gaussian beam, a measured probe, or one from a file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ptycho_host.errors import DataError, InputError
from ptycho_simulators.transmission import transmission


class ProbeShape(BaseModel):
    """Options of the probe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: Annotated[
        Literal["disc", "gaussian", "gold_balls", "file"],
        Field(description="Disc, Gaussian beam, measured probe of a gold-ball scan (64 px), or the one in `file`."),
    ] = "disc"
    diameter: Annotated[
        float | None,
        Field(
            gt=0,
            le=4096,
            description="Diameter in object pixels of a disc, or of a Gaussian at 1/e^2 of its intensity; "
            "half of simulator.pixels unless given.",
        ),
    ] = None
    curvature: Annotated[
        float | None,
        Field(
            ge=-10,
            le=10,
            description="Defocus of a disc or a Gaussian: phase in radians per squared pixel from the centre; "
            "0.02 (64 / simulator.pixels)^2 unless given.",
        ),
    ] = None
    file: Annotated[
        Path | None, Field(description="An .npz with probeGuess, or an .npy: complex, simulator.pixels squared.")
    ] = None
    second_mode: Annotated[
        float, Field(ge=0, le=0.5, description="Part of the light in a second mode, incoherent with the probe.")
    ] = 0.0


DISC = ProbeShape()


def make_probe(probe: ProbeShape, pixels: int) -> NDArray[np.complex64]:
    """The probe (N, N) complex64 on an arbitrary scale, centred on [N//2, N//2].

    Raises InputError when no file was named, DataError when the file's probe cannot be used or has another size.
    """
    match probe.shape:
        case "disc" | "gaussian":
            return _beam(probe, pixels)
        case "gold_balls":
            source = resources.files("ptycho_simulators") / "data" / "gold_balls_probe.npz"
            with resources.as_file(source) as path:
                return _of_size(_read_probe(path), pixels, "gold_balls")
        case "file":
            if probe.file is None:
                raise InputError("simulator.probe.shape is 'file': name the file in simulator.probe.file.")
            return _of_size(_read_probe(probe.file), pixels, str(probe.file))


def coherent_modes(probe: NDArray[np.complexfloating[Any, Any]], second: float) -> NDArray[np.complex64]:
    """Modes (K, N, N) complex64 whose intensities add, with the light of the probe (N, N): it alone if `second` is 0.

    Else the second of two has that part of the light; it is the probe times x + y about its centre of light, so that it
    is orthogonal to the first, as when the beam trembles along a diagonal.
    """
    if second == 0:
        return probe[np.newaxis].astype(np.complex64)
    first = probe.astype(np.complex128)
    intensity = np.abs(first) ** 2
    diagonal = np.add(*np.indices(probe.shape))
    other = first * (diagonal - np.average(diagonal, weights=intensity))
    other *= np.sqrt(intensity.sum()) / np.linalg.norm(other)
    return np.stack([np.sqrt(1 - second) * first, np.sqrt(second) * other]).astype(np.complex64)


def _beam(probe: ProbeShape, pixels: int) -> NDArray[np.complex64]:
    diameter = pixels / 2 if probe.diameter is None else probe.diameter
    curvature = 0.02 * (64 / pixels) ** 2 if probe.curvature is None else probe.curvature
    y, x = np.indices((pixels, pixels)) - pixels // 2
    squared_radius = (y**2 + x**2).astype(np.float64)
    if probe.shape == "disc":
        amplitude = (squared_radius <= (diameter / 2) ** 2).astype(np.float64)
    else:
        amplitude = np.exp(-4 * squared_radius / diameter**2)
    return transmission(amplitude, curvature * squared_radius)


def _read_probe(path: Path) -> NDArray[np.complex64]:
    try:
        content = np.load(path, allow_pickle=False)
        # An .npy is the array itself, an .npz a mapping of arrays.
        array = content if isinstance(content, np.ndarray) else content["probeGuess"]
    except KeyError:
        raise DataError(f"{path} has no array 'probeGuess': name a file that holds the probe under it.") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a readable .npz or .npy file ({error}).") from error
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not np.isfinite(array).all() or not array.any():
        raise DataError(f"the probe in {path}, shape {array.shape}, must be square, finite and not zero.")
    return cast("NDArray[np.complex64]", array.astype(np.complex64))


def _of_size(probe: NDArray[np.complex64], pixels: int, origin: str) -> NDArray[np.complex64]:
    if probe.shape[0] != pixels:
        raise DataError(
            f"the probe of {origin} has {probe.shape[0]} px and simulator.pixels is {pixels}: set "
            f"simulator.pixels={probe.shape[0]}, or resize the probe with 'ptycho prepare'."
        )
    return probe

"""What files leave open and readers must be told: amplitude or intensity, corner or centre, order of the axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

Values = Literal["amplitude", "intensity"]
ZeroFrequency = Literal["centre", "corner"]
PatternAxis = Literal["first", "last"]

ValuesOption = Annotated[
    Values | None,
    Field(
        description="what the patterns hold: amplitude, or intensity (its square, photon counts); none: the file says"
    ),
]
ZeroFrequencyOption = Annotated[
    ZeroFrequency | None,
    Field(description="where the zero frequency is: centre, [N//2, N//2], or corner, [0, 0]; none: the file says"),
]
PatternAxisOption = Annotated[
    PatternAxis | None, Field(description="which axis counts the patterns; none: the one as long as the positions")
]
EmptyOption = Annotated[
    Literal["refuse", "drop", "keep"],
    Field(description="patterns without a photon: refuse the file, drop them with their positions, or keep them"),
]
NegativeOption = Annotated[
    Literal["refuse", "zero"],
    Field(description="values below zero, as dark subtraction leaves them: refuse the file, or read zero"),
]
ModeOption = Annotated[
    int | None, Field(ge=0, description="which probe mode to use where the file holds several; none: the only one")
]


@dataclass(frozen=True, slots=True)
class Convention:
    """How stored patterns differ from those of a scan: amplitudes, zero frequency in the centre, (y, x).

    transposed: the stored patterns are (x, y). negative: what to do with values below zero.
    """

    values: Values = "amplitude"
    zero_frequency: ZeroFrequency = "centre"
    transposed: bool = False
    negative: Literal["refuse", "zero"] = "refuse"

    def oriented(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Arrays (…, N, N) over the detector as (y, x) with the zero frequency in the centre."""
        if self.transposed:
            stored = np.swapaxes(stored, -2, -1)
        if self.zero_frequency == "corner":
            stored = np.fft.fftshift(stored, axes=(-2, -1))
        return stored

    def amplitudes(self, oriented: NDArray[Any]) -> NDArray[np.float32]:
        """Amplitudes (B, N, N) float32 of oriented values; negative ones stay negative unless they are zeroed."""
        values = np.maximum(oriented, 0) if self.negative == "zero" else oriented
        if self.values == "intensity":
            wide = values.astype(np.float64)
            values = np.sign(wide) * np.sqrt(np.abs(wide))
        return np.ascontiguousarray(values, dtype=np.float32)

    def intensities(self, amplitudes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Photon counts (B, N, N) of amplitudes, of which the same amplitudes are made again to the last bit."""
        return np.square(amplitudes, dtype=np.float64)

"""Phases of patches from their overlaps: seconds and error of `synchronised`, beside one eigenvector of all overlaps.

Scans of a jittered raster, twelve neighbours a patch, overlaps that fall off with the distance. Their phases are wrong
at random, by so many radians, and for some of the patches by anything. One thread.

    python benchmarks/synchronisation.py --counts 1000 10000 30000 100000 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from measuring import write_results
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from ptycho_stitchers.neighbours import neighbouring_pairs
from ptycho_stitchers.overlap_matrix import degree, hermitian, unit
from ptycho_stitchers.phases import synchronised_phases

STEP, REACH = 8.0, 20.0
"""Pixels between patches, and from where on overlaps are weak."""
SITUATIONS = ((0.05, 0.0), (0.1, 0.0), (0.3, 0.0), (0.6, 0.0), (0.2, 0.2), (0.05, 0.4))
"""Radians of noise, and the fraction of patches that contradict all others."""


class Graph:
    """Patches, their overlaps, and which are to be trusted."""

    def __init__(self, count: int, noise: float, wrong: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        side = round(np.sqrt(count))
        raster = np.stack(np.indices((side, side)), axis=-1).reshape(-1, 2) * STEP
        positions = raster + rng.normal(0, 1, raster.shape)
        positions = positions[np.lexsort((positions[:, 1], positions[:, 0]))]
        pairs = neighbouring_pairs(positions, 8 * STEP, 12)
        k, m = pairs.T
        self.truth = rng.uniform(-np.pi, np.pi, len(positions))
        self.right = rng.random(len(positions)) >= wrong
        strength = np.exp(-(np.sum(np.square(positions[k] - positions[m]), axis=1) / REACH**2))
        errors = noise * rng.standard_normal(len(pairs))
        sound = self.right[k] & self.right[m]
        errors = np.where(sound, errors, rng.uniform(-np.pi, np.pi, len(pairs)))
        values = strength * rng.uniform(0.3, 1, len(pairs)) * np.exp(1j * (self.truth[m] - self.truth[k] + errors))
        self.overlaps = hermitian(sparse.csr_array((values, (k, m)), shape=(len(positions), len(positions))))

    def error(self, factors: NDArray[np.complex128]) -> float:
        """Root mean square of the radians that are left of patches which do not contradict all others."""
        left = (factors * np.exp(1j * self.truth))[self.right]
        return float(np.sqrt(np.mean(np.square(np.angle(left * np.conj(left.sum()))))))


def one_eigenvector(overlaps: sparse.csr_array) -> NDArray[np.complex128]:
    """Phases of the leading eigenvector of D^-1/2 V D^-1/2, as accurate as phases of this noise need."""
    scaling = sparse.diags_array(1 / np.sqrt(degree(overlaps)))
    start = np.random.default_rng(0).standard_normal(overlaps.shape[0]) + 0j
    try:
        vector = eigsh(scaling @ overlaps @ scaling, k=1, which="LA", tol=1e-8, v0=start, maxiter=100_000)[1][:, 0]
    except ArpackNoConvergence as error:
        vector = error.eigenvectors[:, 0] if error.eigenvectors.size else start
    return unit(vector)


def measured(graph: Graph, *, beside: bool) -> dict[str, Any]:
    started = time.process_time()
    factors, _ = synchronised_phases(graph.overlaps)
    found = {"seconds": time.process_time() - started, "error": graph.error(factors)}
    if beside:
        started = time.process_time()
        vector = one_eigenvector(graph.overlaps)
        found |= {"eigenvector_seconds": time.process_time() - started, "eigenvector_error": graph.error(vector)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 30_000, 100_000], help="patches")
    parser.add_argument("--beside", type=int, default=30_000, help="patches up to which the eigenvector is found too")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for count in arguments.counts:
        for noise, wrong in SITUATIONS:
            for seed in arguments.seeds:
                graph = Graph(count, noise, wrong, seed)
                row = {"patches": len(graph.truth), "noise": noise, "wrong": wrong, "seed": seed}
                rows.append(row | measured(graph, beside=count <= arguments.beside))
                print(rows[-1], flush=True)
    write_results("synchronisation", {"rows": rows})


if __name__ == "__main__":
    main()

"""Damaged and hostile files by the thousand: each is read, or refused with one sentence of ours.

Every case changes a good file by its own seed: bytes anywhere, sizes in headers, pieces cut out, doubled or moved, and
what checksums would catch at once is changed beneath them too: arrays inside archives and HDF5 files (other shapes,
types and values, some missing), weights of a bundle with the right checksum. Each kind of file has a process of its
own; one that dies or does not answer in time is counted, and the next case goes on in a new one. Memory that grows is
what a process has in the end over what it had after the first fifth of its cases.

    python benchmarks/fuzz.py --cases 10000
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import copytree
from time import perf_counter
from typing import Any

import numpy as np
from measuring import RESULTS, write_results
from numpy.typing import NDArray

SEED = 20261125
SECONDS = 20
"""What a case may take, on a machine that does other things as well."""
EXTREMES = [0, 1, 2**7, 2**8 - 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]
SCRAPS = [
    "[", "]", "{", "}", '"', "'", '"""', "\n", "\0", "\ud7ff", "=", "= =", "nan", "-inf", "1e999", "9" * 400, "true",
    "-1", "0", "1.5", "''", "[]", "{}", "[1, 'a']", "[[", "]]", "[train]\n", "[generator]\n", 'name = "fno"\n',
    "epochs = -3\n", "[data]\nsource = 7\n", "1979-05-27", "\\u0000", "a" * 5000, "[" * 3000, "a." * 3000,
    "[" * 150 + "]" * 150, "a." * 300 + "a = 1\n",
]  # fmt: skip
KINDS = ("npz", "ptychopinn", "hdf5", "cxi", "mat", "product", "configuration", "bundle")
SUFFIXES = {"npz": ".npz", "ptychopinn": ".npz", "cxi": ".cxi", "mat": ".mat", "configuration": ".toml"}

Draw = np.random.Generator


def good_files(folder: Path) -> None:
    """One file of each kind, as we write it."""
    from ptycho_host.config import from_table
    from ptycho_host.configured import configure
    from ptycho_host.contracts import Bundle, PatchShape, Reconstruction
    from ptycho_host.data.formats.cxi import CxiWriter
    from ptycho_host.data.formats.hdf5 import Hdf5Writer
    from ptycho_host.data.formats.mat import MatWriter
    from ptycho_host.data.formats.npz import NpzWriter
    from ptycho_host.data.formats.ptychopinn import PtychopinnWriter
    from ptycho_host.physics.intensity import IntensityScale
    from ptycho_host.plugins import Host
    from ptycho_host.runs.bundle import save_bundle
    from ptycho_host.runs.product import write_product
    from ptycho_host.testing.scans import simulated_scan
    from ptycho_host.workflows.train import plan

    scan, host = simulated_scan(16), Host.discover()
    NpzWriter(compressed=False).write(scan, folder / "npz.npz")
    PtychopinnWriter().write(scan, folder / "ptychopinn.npz")
    Hdf5Writer(codec="gzip").write(scan, folder / "hdf5.h5")
    CxiWriter(codec="gzip").write(scan, folder / "cxi.cxi")
    MatWriter(codec="gzip").write(scan, folder / "mat.mat")
    canvas = np.ones(scan.canvas_shape(), np.complex64)
    write_product(folder / "product.h5", Reconstruction(canvas, np.ones(canvas.shape, np.float32)), scan, [])
    resolved = from_table(plan(from_table({}), host).as_table())
    (folder / "configuration.toml").write_text(resolved.as_toml())
    weights = {f"layer.{number}": np.ones((number + 1, 3), np.float32) for number in range(4)}
    generator = configure(host, "generator", "stable_hybrid", backend="torch")
    save_bundle(Bundle(generator, weights, PatchShape(16, 1), IntensityScale(1.0, 1.0), {}), folder / "bundle")


def reads(kind: str) -> Callable[[Path], object]:
    """How a file of the kind is read, to its last pattern."""
    from ptycho_host.config import resolve
    from ptycho_host.data.formats.cxi import CxiReader
    from ptycho_host.data.formats.hdf5 import Hdf5Reader
    from ptycho_host.data.formats.mat import MatReader
    from ptycho_host.data.formats.npz import NpzReader
    from ptycho_host.data.formats.ptychopinn import PtychopinnReader
    from ptycho_host.plugins import Host
    from ptycho_host.runs.bundle import load_bundle
    from ptycho_host.runs.product import read_product
    from ptycho_host.workflows.train import plan

    if kind == "product":
        return read_product
    host = Host.discover()
    if kind == "configuration":
        return lambda path: plan(resolve(path), host)
    if kind == "bundle":
        return lambda path: load_bundle(path, host)
    reader = {
        "npz": NpzReader, "ptychopinn": PtychopinnReader, "hdf5": Hdf5Reader, "cxi": CxiReader, "mat": MatReader,
    }[kind]()  # fmt: skip

    def read(path: Path) -> object:
        reader.recognises(path)
        return reader.read(path).batch(slice(None))

    return read


def mangled(content: bytes, draw: Draw) -> bytes:
    """The bytes with one to four changes; half of them where headers are, in the first and the last kilobytes."""
    data = bytearray(content)
    for _ in range(draw.integers(1, 5)):
        size = len(data)
        if size == 0:
            break
        edge = int(draw.integers(min(size, 3000)))
        place = int(draw.integers(size)) if draw.random() < 0.5 else edge if draw.random() < 0.7 else size - 1 - edge
        length = int(draw.integers(1, 65))
        match draw.integers(6):
            case 0:
                data[place] = draw.integers(256)
            case 1:
                data[place] ^= 1 << int(draw.integers(8))
            case 2:
                width = int(draw.choice([2, 4, 8]))
                number = int(draw.choice(np.array(EXTREMES, dtype=np.uint64))) % 2 ** (8 * width)
                data[place : place + width] = number.to_bytes(width, "little")
            case 3:
                del data[place : place + length]
            case 4:
                data[place:place] = data[edge : edge + length]
            case 5:
                del data[place:]
    return bytes(data)


def rewritten(text: str, draw: Draw) -> bytes:
    """Text with one to four scraps put in or instead, values taken from elsewhere, or lines dropped and doubled."""
    for _ in range(draw.integers(1, 5)):
        lines = text.split("\n")
        line = int(draw.integers(len(lines)))
        scrap = SCRAPS[draw.integers(len(SCRAPS))]
        match draw.integers(5):
            case 0:
                place = int(draw.integers(len(text) + 1))
                text = text[:place] + scrap + text[place + int(draw.integers(3)) :]
                continue
            case 1:
                lines[line] = f"{lines[line].partition('=')[0]}= {scrap}"
            case 2:
                lines[line] = lines[int(draw.integers(len(lines)))]
            case 3:
                del lines[line]
            case 4:
                other = lines[int(draw.integers(len(lines)))]
                lines[line] = f"{lines[line].partition('=')[0]}={other.partition('=')[2]}"
        text = "\n".join(lines)
    return text.encode("utf-8", "replace")


def strange(array: NDArray[Any], draw: Draw) -> NDArray[Any]:
    """Another array in its place: other values, shape or type."""
    array = np.array(array)
    match draw.integers(8):
        case 0 if array.dtype.kind in "fc" and array.size:
            array.reshape(-1)[draw.integers(array.size)] = draw.choice([np.nan, np.inf, -np.inf, -1.0, 1e38, 1e-40])
        case 1:
            array = array[..., : draw.integers(array.shape[-1] + 1)] if array.ndim else array
        case 2:
            array = array[: draw.integers(array.shape[0] + 1)] if array.ndim else array
        case 3:
            array = array[None] if draw.random() < 0.5 else array.ravel()
        case 4:
            array = np.zeros_like(array)
        case 5:
            kind = draw.choice(["i1", "u8", "f2", "f8", "c16", "?", "S3", ">i4"])
            with np.errstate(all="ignore"):
                array = np.zeros(array.shape, kind) if array.dtype.kind in "SU" else array.real.astype(kind)
        case 6:
            array = np.swapaxes(array, 0, -1) if array.ndim else array
        case 7:
            array = np.array(draw.choice(np.array(EXTREMES, dtype=np.uint64)))
    return array


def archive(content: bytes, draw: Draw) -> bytes:
    """The same archive, with right checksums around strange arrays or mangled headers."""
    import zipfile

    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            luck = draw.random()
            if luck < 0.05:
                made = io.BytesIO()
                np.save(made, strange(np.load(io.BytesIO(member)), draw), allow_pickle=False)
                member = made.getvalue()
            elif luck < 0.1:
                member = mangled(member[:128], draw) + member[128:]
            if luck < 0.99:
                new.writestr(name, member)
    return changed.getvalue()


def hierarchy(path: Path, draw: Draw) -> None:
    """The same HDF5 file with strange datasets and attributes."""
    import h5py

    with h5py.File(path, "r+") as file:
        places: list[str] = []
        file.visititems(lambda name, item: places.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in draw.choice(places, draw.integers(1, 4), replace=False):
            kept = dict(file[name].attrs)
            array = file[name][()]
            del file[name]
            if draw.random() < 0.1:
                continue
            if draw.random() < 0.1:
                places.remove(name)
                file[name] = h5py.SoftLink("/" + str(draw.choice(places)))
                continue
            if draw.random() < 0.1:
                file.create_dataset(name, (10**9, *np.shape(array)), "f4", chunks=True)
                continue
            plain = array.dtype.names is None and array.dtype.kind in "biufcS"
            file[name] = strange(array, draw) if plain else np.zeros(3)
            for key, value in kept.items():
                if draw.random() < 0.9:
                    file[name].attrs[key] = value
        for item in (file, file.get(places[0])):
            for key in list(item.attrs if item is not None else ()):
                if draw.random() < 0.1:
                    item.attrs[key] = [np.nan, "text", np.zeros((3, 3)), -1, np.bytes_("x")][draw.integers(5)]


def case(kind: str, good: Path, bad: Path, draw: Draw) -> Path:
    """A changed file of the kind, or folder."""
    if kind == "bundle":
        folder = bad.with_suffix("")
        if not folder.exists():
            copytree(good, folder)
        index, weights = ((good / name).read_bytes() for name in ("bundle.toml", "weights.safetensors"))
        if draw.random() < 0.5:
            changed = mangled(weights, draw)
            if draw.random() < 0.8:
                digests = (hashlib.sha256(data).hexdigest().encode() for data in (weights, changed))
                index = index.replace(*digests)
            weights = changed
        else:
            index = rewritten(index.decode(), draw) if draw.random() < 0.8 else mangled(index, draw)
        (folder / "bundle.toml").write_bytes(index)
        (folder / "weights.safetensors").write_bytes(weights)
        return folder
    content = good.read_bytes()
    beneath = draw.random() < 0.5
    if kind == "configuration":
        bad.write_bytes(rewritten(content.decode(), draw) if beneath else mangled(content, draw))
    elif not beneath:
        bad.write_bytes(mangled(content, draw))
    elif bad.suffix == ".npz":
        bad.write_bytes(archive(content, draw))
    else:
        bad.write_bytes(content)
        hierarchy(bad, draw)
    return bad


def work(kind: str, good: Path, numbers: range, told: Connection) -> None:
    """In a process of its own: the outcome of each case, and its memory in MiB."""
    import warnings

    from ptycho_host.errors import InputError

    warnings.simplefilter("ignore")
    read = reads(kind)
    # What is imported on the way counts neither as time nor as growth.
    read(good)
    bad = good.parent / f"damaged {kind}{good.suffix}"
    for number in numbers:
        draw = np.random.default_rng([SEED, KINDS.index(kind), number])
        path = case(kind, good, bad, draw)
        started = perf_counter()
        try:
            read(path)
            outcome = "read"
        except InputError as error:
            outcome = "refused" if "\n" not in str(error) else f"several lines: {error}"
        except Exception as error:  # noqa: BLE001 - this is what must not happen, whatever it is
            outcome = f"{type(error).__name__}: {error}"
        told.send((number, outcome, perf_counter() - started, resident()))
    told.send(None)


def resident() -> float:
    """Resident memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def tried(kind: str, folder: Path, cases: int) -> dict[str, Any]:
    """All cases of a kind, in as few processes as it takes."""
    good = folder / (kind if kind == "bundle" else f"{kind}{SUFFIXES.get(kind, '.h5')}")
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    longest, memory, first = 0.0, [], 0
    context = get_context("spawn")
    while first < cases:
        told, telling = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(kind, good, range(first, cases), telling))
        process.start()
        telling.close()
        memory = []
        # The first answer takes the imports as well.
        patience = SECONDS + 60
        while True:
            lost = None
            try:
                if not told.poll(patience):
                    lost = f"no answer in {SECONDS} s"
                else:
                    answer = told.recv()
            except EOFError:
                process.join()
                lost = f"the process ended with {process.exitcode}"
            if lost is not None:
                outcomes["failed"] += 1
                failures.append({"case": first, "outcome": lost})
                first += 1
                break
            if answer is None:
                break
            number, outcome, seconds, used = answer
            first, patience = number + 1, SECONDS
            longest = max(longest, seconds)
            memory.append(used)
            outcomes[outcome if outcome in ("read", "refused") else "failed"] += 1
            if outcome not in ("read", "refused"):
                failures.append({"case": number, "outcome": outcome[:300]})
        process.kill()
        process.join()
    settled = memory[len(memory) // 5 :]
    row = {
        "kind": kind,
        "cases": cases,
        **{name: outcomes[name] for name in ("read", "refused", "failed")},
        "longest_seconds": longest,
        "growth_mib": settled[-1] - settled[0],
        "failures": failures,
    }
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="of all kinds together")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="the others' results are kept")
    arguments = parser.parse_args()
    earlier = RESULTS / "fuzz.json"
    rows = {row["kind"]: row for row in json.loads(earlier.read_text())["rows"]} if earlier.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        good_files(Path(temporary))
        for kind in arguments.kinds:
            rows[kind] = tried(kind, Path(temporary), arguments.cases // len(KINDS))
    ordered = [rows[kind] for kind in KINDS if kind in rows]
    print(write_results("fuzz", {"seed": SEED, "seconds": SECONDS, "rows": ordered}))


if __name__ == "__main__":
    main()

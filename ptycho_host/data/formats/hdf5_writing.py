"""HDF5 files written atomically and block by block, whatever becomes of the disk meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.atomic import replacing
from ptycho_host.data.patterns import blocks
from ptycho_host.data.scan import PatternSource

Codec = Literal["lz4", "zstd", "gzip", "none"]
CodecOption = Annotated[
    Codec,
    Field(description="compression: lz4 is fastest, zstd smallest (both need hdf5plugin); gzip opens everywhere"),
]


class Hdf5Target:
    """One file that is being written."""

    def __init__(self, file: h5py.File, steady: _SteadyFile) -> None:
        self.root = file
        self._steady = steady

    def patterns(
        self,
        name: str,
        source: PatternSource,
        dtype: Any,
        codec: Codec = "none",
        convert: Callable[[NDArray[np.float32]], NDArray[Any]] = np.asarray,
    ) -> h5py.Dataset:
        """Write patterns (M, N, N) as `dtype`, one a chunk, block by block, each block through `convert`."""
        count, rows, columns = source.shape
        stored = self.root.create_dataset(
            name, (count, rows, columns), dtype, chunks=(1, rows, columns), **compression(codec)
        )
        for part in blocks(count, columns):
            stored[part] = convert(np.asarray(source[part], dtype=np.float32))
            self._steady.check()
        return stored


@contextmanager
def writing_hdf5(path: Path, userblock: bytes = b"") -> Iterator[Hdf5Target]:
    """A new HDF5 file that takes the place of `path` when the block ends well.

    `userblock` is put before it, its length a power of two from 512. Raises RunFailedError when the disk is full.
    """
    with replacing(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        steady = _SteadyFile(raw)
        try:
            with h5py.File(steady, "w", userblock_size=len(userblock)) as file:
                yield Hdf5Target(file, steady)
        except Exception:
            steady.check()
            raise
        steady.check()
        if userblock:
            raw.seek(0)
            raw.write(userblock)


def compression(codec: Codec) -> Mapping[str, Any]:
    """The arguments of `create_dataset` for a codec."""
    if codec == "none":
        return {}
    if codec == "gzip":
        return {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    import hdf5plugin  # type: ignore[import-not-found, import-untyped, unused-ignore]

    if codec == "lz4":
        return dict(hdf5plugin.Bitshuffle(cname="lz4"))
    return {"shuffle": True, **hdf5plugin.Zstd()}


class _SteadyFile:
    """A file as h5py wants it that never fails but remembers that it did.

    Where a write fails, HDF5 cannot close its file any more and takes the interpreter with it. Here it goes on to
    the end, for nothing, and `check` raises what happened.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of the file, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, content: Any) -> int:
        """Write all of it."""
        view = memoryview(content).cast("B")
        self._try(lambda: self._write_all(view))
        return len(view)

    def read(self, size: int = -1) -> bytes:
        """Read; h5py asks for it to tell files from paths."""
        return bytes(self._file.read(size) or b"")

    def readinto(self, buffer: Any) -> int:
        """Read; zeros where nothing was written."""
        read = self._file.readinto(buffer) or 0
        memoryview(buffer).cast("B")[read:] = bytes(len(buffer) - read)
        return len(buffer)

    def truncate(self, size: int) -> int:
        """Give the file its size."""
        self._try(lambda: self._file.truncate(size))
        return size

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Where the file is."""
        return int(self._file.tell())

    def flush(self) -> None:
        """Nothing is held back."""

    def _write_all(self, view: memoryview) -> None:
        while view:
            view = view[self._file.write(view) :]

    def _try(self, do: Callable[[], object]) -> None:
        if self._error is None:
            try:
                do()
            except OSError as error:
                self._error = error

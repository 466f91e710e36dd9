"""The disk, with plain errors: files that appear whole or not at all, lines that are there once written, the lock."""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from ..core.errors import EvalsError, InvalidArgumentError

# Files under way end in this; what is found of them at the start of an export was left by a kill.
TEMPORARY = ".tmp"


class ExportError(EvalsError):
    """The export cannot go on: the disk refuses, or another export is at work in the folder."""

    hint = "What was finished is kept: mend the cause and run the same export again."


@contextmanager
def reported(path: Path) -> Generator[None]:
    """Turn the system's refusal into an `ExportError` with the path and the system's text.

    A name that is too long is an `InvalidArgumentError` (field "out"): it says nothing of other evaluations' names.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidArgumentError(
                f"{path}: {error.strerror}.", field="out", hint="Take a folder with a shorter path."
            ) from None
        raise ExportError(f"{path}: {error.strerror or error}.") from None


class Draft:
    """A file under a temporary name, in the folder where it will lie; a context that removes what is not published.

    `write`, then `sync`, then `publish`: only a synced file may be renamed, or a power cut could leave a name without
    content. `size` is in bytes. Raises `ExportError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._temporary = path.with_name(f".{path.name}{TEMPORARY}")
        self._hash = sha256()
        with reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self._temporary, "w")

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Write all of the data."""
        with reported(self.path):
            _write_all(self._file, data)
        self._hash.update(data)
        self.size += len(data)

    def sync(self) -> None:
        """Wait until the content is on the disk."""
        with reported(self.path):
            os.fsync(self._file.fileno())

    def publish(self) -> None:
        """Give the file its name."""
        with reported(self.path):
            self._file.close()
            self._temporary.replace(self.path)
            _sync_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Whatever fails here must not hide the reason; the next export clears up.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place, whole. Raises `ExportError`."""
    with Draft(path) as draft:
        draft.write(data)
        draft.sync()
        draft.publish()


def append(path: Path, line: bytes) -> None:
    """Append a line, without its end, and wait until it is on the disk. Raises `ExportError`."""
    with reported(path):
        fresh = not path.exists()
        with FileIO(path, "a") as file:
            _write_all(file, line + b"\n")
            os.fsync(file.fileno())
        if fresh:
            _sync_folder(path.parent)


def read(path: Path) -> bytes:
    """Return the file's content, nothing if there is no such file. Raises `ExportError`."""
    with reported(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""


def _write_all(file: FileIO, data: bytes) -> None:
    # A disk that is nearly full takes a part and says so; the next write names the reason.
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return  # folders cannot be opened there, and renames are journalled
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of a folder; the system takes it back from a process that dies. Raises `ExportError` if it is held.

    The file stays: removing it would let two exports hold two files of the same name.
    """
    with reported(path):
        file = FileIO(path, "a")
    with file:
        try:
            _lock(file.fileno())
        except BlockingIOError:
            raise ExportError(
                f"Another export is at work in {path.parent}.", hint="Wait for its end, or take another folder."
            ) from None
        except OSError as error:
            raise ExportError(f"{path}: {error.strerror or error}.") from None
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

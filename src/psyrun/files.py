"""Writing files so that a crash never leaves half of one."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_STALE_ATTEMPTS = 5


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Provide a temporary path that takes the place of *path* if the block succeeds.

    The temporary file lies in the same directory and has the same extension. When the block ends
    it is flushed to the disk and renamed; when the block raises it is removed and *path* is left
    as it was.

    Parameters
    ----------
    path : path-like
        File to write or to replace.
    durable : bool, optional
        Whether the file has to outlive a power cut. What is written every second has not.

    Yields
    ------
    Path
        Path to write to.

    Raises
    ------
    OSError
        If the file cannot be written; it names *path*.
    """
    path = Path(path)
    ext = "".join(path.suffixes[-2:] if path.suffix == ".zip" else path.suffixes[-1:])
    stem = path.name.removesuffix(ext)
    temporary = path.with_name(f".{stem}.{os.getpid()}-{os.urandom(4).hex()}{ext}")
    try:
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(path)
        if durable:
            sync_directory(path.parent)
    except OSError as err:
        if err.errno is not None and err.filename in (None, str(temporary)):
            # Writing does not tell what it writes to.
            raise OSError(err.errno, err.strerror, str(path)) from err
        raise
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_whole(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all, replacing what was there."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def put_copy(source: Path, path: Path) -> None:
    """Put a copy of a file at *path*, which takes no room where there are hard links."""
    with replacing(path, durable=False) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            temporary.unlink(missing_ok=True)  # it may be there, and would be the source itself
            temporary.write_bytes(source.read_bytes())


def create_exclusively(path: str | os.PathLike[str], content: bytes) -> bool:
    """Create a file whole, unless it exists; exactly one of several callers succeeds.

    A finished file is linked to its place, which is atomic on NFS too. Where hard links do not
    work, exclusive creation serves. A link that is reported as failed may have succeeded (the
    answer of a server can get lost), so the number of links decides.

    Parameters
    ----------
    path : path-like
        File to create.
    content : bytes
        What to write.

    Returns
    -------
    bool
        Whether this call created the file.
    """
    path = Path(path)
    ticket = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        ticket.write_bytes(content)
        sync(ticket)
        try:
            os.link(ticket, path)
        except FileExistsError:
            return ticket.stat().st_nlink == 2
        except OSError:
            if ticket.stat().st_nlink == 2:
                return True
            return _create_by_open(path, content)
        return True
    except OSError as err:
        raise OSError(err.errno, err.strerror, str(path)) from err
    finally:
        with suppress(FileNotFoundError):
            ticket.unlink()


def _create_by_open(path: Path, content: bytes) -> bool:
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def read_shared(path: str | os.PathLike[str]) -> bytes:
    """Read a file of a shared file system, where one that was replaced may have to be reopened."""
    return again_if_stale(Path(path).read_bytes)


def again_if_stale(act: Callable[[], T]) -> T:
    """Open or read a file, again if its handle has become stale."""
    for _ in range(_STALE_ATTEMPTS):
        try:
            return act()
        except OSError as err:
            if err.errno != errno.ESTALE:
                raise
    return act()


def sync(path: str | os.PathLike[str]) -> None:
    """Flush a file to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Flush the names in a directory to the disk, where the file system can do that."""
    with suppress(OSError):
        sync(path)


def content_hash(path: str | os.PathLike[str]) -> str:
    """Hash the content of a file (BLAKE2b, 16 bytes, hexadecimal)."""
    import hashlib  # jobs do without it

    with again_if_stale(lambda: Path(path).open("rb")) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class Fingerprint(NamedTuple):
    """What tells one version of a file from another: its content, with a shortcut.

    A file whose size and modification time are those recorded is taken to be the same; else its
    content decides.
    """

    size: int
    mtime_ns: int
    digest: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "Fingerprint":
        """Take the fingerprint of a file."""
        stat = Path(path).stat()
        return cls(stat.st_size, stat.st_mtime_ns, content_hash(path))

    def matches(self, path: str | os.PathLike[str]) -> bool:
        """Tell whether *path* exists and has this content."""
        try:
            stat = Path(path).stat()
        except FileNotFoundError:
            return False
        if stat.st_size != self.size:
            return False
        return stat.st_mtime_ns == self.mtime_ns or content_hash(path) == self.digest

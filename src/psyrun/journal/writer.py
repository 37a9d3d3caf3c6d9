"""Writing journals."""

import errno
import json
import os
import zlib
from contextlib import suppress
from pathlib import Path

from psyrun.journal.format import CHECKED, MARKER, Kind, checksum_start, heading, salt_of


class JournalWriter:
    """Append frames to a new journal of which this process is the only writer.

    Parameters
    ----------
    path : Path
        File to create; it must not exist.
    plan_id : str
        Plan that the rows belong to.

    Raises
    ------
    FileExistsError
        If there is such a file already.
    """

    def __init__(self, path: Path, plan_id: str) -> None:
        self.path = path
        self._salt = salt_of(plan_id)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o666)
        self._end = 0
        self._put(heading(plan_id))
        about = {"host": os.uname().nodename, "pid": os.getpid()}
        self.append(-1, Kind.ABOUT, json.dumps(about).encode())

    def append(
        self,
        row: int,
        kind: Kind,
        payload: bytes,
        attempt: int = 1,
        start: float = 0.0,
        duration: float = 0.0,
    ) -> None:
        """Write one frame down; when this returns it survives the death of the process.

        Parameters
        ----------
        row : int
            Row that was evaluated.
        kind : Kind
            How it went.
        payload : bytes
            Result or failure.
        attempt : int, optional
            Number of the attempt, from 1 to 255.
        start : float, optional
            When the evaluation began, in seconds since the epoch.
        duration : float, optional
            How long it took, in seconds.

        Raises
        ------
        OSError
            If the frame could not be written; the journal is then as before.
        """
        checked = CHECKED.pack(len(payload), row, kind, attempt, start, duration)
        crc = zlib.crc32(checked, checksum_start(self._salt, self._end))
        crc = zlib.crc32(payload, crc)
        self._put(b"".join((MARKER, crc.to_bytes(4, "little"), checked, payload)))

    def _put(self, frame: bytes) -> None:
        try:
            written = os.write(self._fd, frame)
            while written < len(frame):  # the disk is full, or a signal has come
                step = os.write(self._fd, frame[written:])
                if step == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written += step
        except BaseException as err:
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)
                os.lseek(self._fd, self._end, os.SEEK_SET)
            if isinstance(err, OSError):
                err.filename = str(self.path)
            raise
        self._end += written

    def sync(self) -> None:
        """Flush the journal to the disk, so that it survives a power cut."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Flush the journal to the disk and close it."""
        os.fsync(self._fd)
        os.close(self._fd)

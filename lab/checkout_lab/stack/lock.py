"""One stack per data directory, however many are started."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from checkout_lab.stack.errors import StackError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the directory for this process. The kernel releases the lock however the process ends (flock(2)).

    Raises:
        StackError: another process holds it, and the text names its pid; or we may not write there.
    """
    with _open(directory / "lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StackError(
                f"checkout dev runs on {directory} already (pid {holder}): stop it with Ctrl-C, "
                "or give this one another directory with --data, and other ports"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _open(path: Path) -> TextIO:
    try:
        return path.open("a+")
    except OSError as error:
        raise StackError(f"the data directory {path.parent} cannot be used: {error.strerror}") from None

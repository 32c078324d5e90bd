"""One holder at a time, also among processes: a lock on an open file, which ends with its holder."""

from __future__ import annotations

import errno
import sys

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Take the lock of an open file.

    Parameters
    ----------
    descriptor : int
        Of a file that is open for writing; closing it gives the lock back.
    wait : bool
        Wait until another holder has ended.

    Returns
    -------
    bool
        False where another holds it and `wait` is not set.

    Raises
    ------
    OSError
        The file system knows no locks.
    """
    while True:
        try:
            _take(descriptor, wait)
            return True
        except OSError as error:
            # Windows: EACCES for a held lock, EDEADLK after ten seconds of waiting for one
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise
            if not wait:
                return False


if sys.platform == "win32":

    def _take(descriptor: int, wait: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:

    def _take(descriptor: int, wait: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

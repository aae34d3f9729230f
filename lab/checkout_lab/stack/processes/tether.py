"""Ties a child process to its parent's life, then becomes the child's program. Run as a script, never imported::

    python -I -S tether.py SIGNAL PARENT_PID ACCOUNT PROGRAM [ARGUMENT ...]

A parent that is killed cannot stop its children. On Linux the kernel does it: prctl(2), PR_SET_PDEATHSIG. The call
belongs between fork and exec, where Python code of a parent with threads must not run, so it has a program of its own
here. ACCOUNT is whom to run as (``uid:gid``), when root starts what refuses to be root; ``-`` for no change.
"""

import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def _tie() -> Callable[[int], object]:
    """What ties this process, ready to be called: the other user may not be able to read this Python's library."""
    if not sys.platform.startswith("linux"):
        return lambda death_signal: None
    import ctypes  # noqa: PLC0415 - the start-up of every child waits for it

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda death_signal: prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)


def _become(account: str) -> None:
    uid, gid = account.split(":")
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def main() -> None:
    """Become ACCOUNT, tie the knot (a change of user would undo it), become PROGRAM."""
    death_signal, parent, account, *command = sys.argv[1:]
    tie = _tie()
    if account != "-":
        _become(account)
    tie(int(death_signal))
    # The parent may have died before the knot was tied; then no signal will come.
    if os.getppid() != int(parent):
        sys.exit(1)
    # Python ignores it, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - becoming that program is the purpose


if __name__ == "__main__":
    main()

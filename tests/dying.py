"""Programs of processes that `tests.util.test_child_processes` starts."""

import os
import sys
import time


def at_once() -> None:
    """Never come up."""
    sys.exit(3)


def serving() -> None:
    """Come up, and go on until the parent is gone."""
    told = int(sys.stdin.buffer.readline())
    os.write(told, b"1")
    sys.stdin.buffer.read()


def deaf() -> None:
    """Come up, and heed no signal."""
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(int(sys.stdin.buffer.readline()), b"1")
    time.sleep(60)

"""How much of a processor whoever wants one gets: on a machine that others use, seconds promise less.

Knows nothing of what else runs. It measures in a process of its own, which waits for no thread of the test.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

_PROGRAM = """
import sys, time
while True:
    began, used = time.perf_counter(), time.process_time()
    while time.process_time() < used + 0.03:
        pass
    print(0.03 / (time.perf_counter() - began), flush=True)
    time.sleep(0.5)
"""
_LEAST = 0.25  # however slow the machine seems, so long a wait is a fault


class Speed:
    """Tells `note` twice a second what share of a processor (0 to 1) a process gets that wants one."""

    def __init__(self, note: Callable[[float, float], None]) -> None:
        self._note = note
        self._process = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, name="speed", daemon=True).start()

    def end(self) -> None:
        """Measure no more."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._note(time.time(), min(1.0, max(_LEAST, float(line))))

"""The machine and the versions of everything that was measured on it.

Knows where each says so.
"""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("feedsvc", "feedgen", "uvicorn", "httptools", "uvloop", "Flask", "Django", "gunicorn", "pelican")
_TOOLS = {"hugo": ["version"], "nginx": ["-v"], "wrk": ["--version"]}
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


def machine() -> dict[str, str]:
    """What it is, in words."""
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    total = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "CPU": cpu.group(1).strip() if cpu else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(total.group(1)) / 1e6:.0f} GB" if total else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Of each package and tool that is here."""
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {name: said for name in _TOOLS if (said := _said_by(name))}


def has(tool: str) -> bool:
    """Whether a command is on the path."""
    return shutil.which(tool) is not None


def _said_by(tool: str) -> str:
    if not has(tool):
        return ""
    # nginx says it on standard error, and wrk ends with 1 having said it.
    ran = subprocess.run([tool, *_TOOLS[tool]], capture_output=True, text=True, timeout=10, check=False)
    said = _VERSION.search(ran.stdout + ran.stderr)
    return said.group() if said else "unknown"

"""`python -m benchmarks [NAME ...] [--size default|full|small]`: measure, and write RESULTS.md.

Knows the names of the benchmarks, and none of their insides.
"""

import argparse
import importlib
import signal
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import corpus, machine, results
from benchmarks.archives import Archives
from benchmarks.scale import SCALES, Scale

_FOLDER = Path(__file__).parent
# The loads first, whose sites the others then find loaded.
_ORDER = ("load", "serve", "refresh", "memory", "render", "encoding", "ingest", "bulk", "soak")
_BY_NAME_ALONE = frozenset({"bulk", "soak"})  # they take ten and twenty minutes


def main() -> None:
    """Run the benchmarks that are named, or all."""
    arguments = _arguments()
    # So that every server is stopped and every folder removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scale = SCALES[arguments.size]
    wanted = set(arguments.names) or set(_ORDER) - _BY_NAME_ALONE
    names = [name for name in _ORDER if name in wanted]
    with _folder(arguments.keep) as folder:
        archives = Archives(Path(folder))
        for name in names:
            _run(name, scale, archives, arguments.results)


def _run(name: str, scale: Scale, archives: Archives, folder: Path) -> None:
    print(f"{name}: ", end="", file=sys.stderr, flush=True)
    began = time.monotonic()
    section = importlib.import_module(f"benchmarks.{name}").run(scale, archives)
    surroundings = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "size": scale.name,
        "corpus": corpus.DESCRIPTION,
        "machine": machine.machine(),
        "versions": machine.versions(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    results.keep(folder / "results.json", section, surroundings)
    (folder / "RESULTS.md").write_text(results.markdown(folder / "results.json"), "utf-8")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    for target in section.targets:
        print(f"  {target.what}: {target.measured} {target.wanted}", file=sys.stderr)


def _folder(keep: Path | None) -> AbstractContextManager[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="feedsvc-bench-")
    keep.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(keep.absolute()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure feedsvc beside its peers."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(results.ORDER)}; default: all but bulk and soak",
    )
    parser.add_argument("--size", choices=SCALES, default="default", help="how much is measured")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the stories there for the next run")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        default=_FOLDER,
        help="where RESULTS.md is written; default: here",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(results.ORDER):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(results.ORDER)}")
    return arguments


if __name__ == "__main__":
    main()

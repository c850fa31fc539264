"""Archives of each size, made once for a run and shared by its benchmarks.

Stories may be kept from run to run, for they depend on the seed alone; stores never are, for they depend
on the code that is measured.
"""

import shutil
from pathlib import Path

from benchmarks import corpus
from benchmarks.service import Site


class Archives:
    """Stories and loaded sites below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder / "sites", ignore_errors=True)

    def content(self, size: int) -> Path:
        """A folder of that many stories."""
        content = self.folder / f"content-{size}"
        finished = self.folder / f"content-{size}.finished"
        if not finished.exists():
            shutil.rmtree(content, ignore_errors=True)
            corpus.write(content, size)
            finished.touch()
        return content

    def empty_site(self, size: int, name: str = "") -> Site:
        """A site over those stories with nothing loaded yet; `name` tells several apart."""
        folder = self.folder / "sites" / f"{size}{name}"
        shutil.rmtree(folder, ignore_errors=True)
        return Site(folder, self.content(size))

    def site(self, size: int) -> Site:
        """The site over those stories, loaded."""
        folder = self.folder / "sites" / str(size)
        if (folder / "loaded").exists():
            return Site(folder, self.content(size))
        site = self.empty_site(size)
        site.refresh()
        self.mark_loaded(site)
        return site

    def mark_loaded(self, site: Site) -> None:
        """Say that a site from `empty_site` has been loaded, so that it need not be again."""
        (site.folder / "loaded").touch()

    def empty_folder(self, name: str) -> Path:
        """A folder for whatever else a benchmark needs."""
        folder = self.folder / "sites" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

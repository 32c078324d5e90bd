"""The networks of the live version, taken anew between two scans when another version becomes live."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from ..core.disease_region import DiseaseRegion, Member, segment_disease_region
from ..core.volume import Volume
from ..errors import ModelError
from ..versions import Manifest, read_live, read_version, verify_files
from ..versions.site import folder_with, models_in_use
from ..versions.store import POINTER
from .memory_cache import LastUsed

# the live ensemble, the one that readings rest on which began before it was live, and two that are compared
LOADED = 4
log = logging.getLogger("vhi.service")


class Networks:
    """The live version of the ensemble, loaded when it is first needed; one scan at a time.

    Parameters
    ----------
    shipped : Path
        The model folder that a site starts from.
    data : Path
        The data folder, where a site's own versions lie.

    Notes
    -----
    What is live is looked up with every call, by the time of one small file. Another version is taken over only once its weights
    have been verified; else the one at work goes on, and the log says so. What has begun ends with the networks that began it.
    """

    def __init__(self, shipped: Path, data: Path) -> None:
        self.shipped, self.data = shipped, data
        self._one_scan = threading.Lock()
        self._looking = threading.Lock()
        self._pointer_mark: tuple[object, ...] = ()
        self._live: Manifest | None = None
        self._proved: tuple[object, ...] = ()
        self._last_logged = ""
        self._loaded: LastUsed[tuple[Member, ...]] = LastUsed(LOADED)

    @property
    def folder(self) -> Path:
        """The model folder in use: the site's own once it retrained, else the shipped one."""
        return models_in_use(self.data, self.shipped)

    def manifest(self) -> Manifest:
        """The manifest of the live version.

        Raises
        ------
        ModelError
            There is none.
        """
        with self._looking:
            pointer_mark = _mark(self.folder / POINTER)  # before the file is read: a later change is seen next time
            if self._live is None:
                self._live = read_live(self.folder).manifest
            elif pointer_mark != self._pointer_mark:
                self._live = self._next(self._live)
            self._pointer_mark = pointer_mark
            return self._live

    def manifest_of(self, version: str) -> Manifest:
        """The same of any version.

        Raises
        ------
        ModelError
        """
        live = self._live
        return live if live is not None and live.version == version else read_version(self._root_of(version), version).manifest

    def problem(self) -> str | None:
        """Why the live version cannot be used, in words for anybody; None where its weights are those of its manifest.

        The weights are read again whenever their file changed.
        """
        try:
            live = read_live(self.folder)
            mark = (live.manifest.sha256, *_mark(live.weights))
            if mark != self._proved:
                verify_files(live)
                self._proved = mark
        except ModelError as error:
            if str(error) != self._last_logged:
                self._last_logged = str(error)
                log.error("the networks cannot be used: %s", error)
            return "a file of the live version is missing or damaged. Readers can go on drawing by hand."
        return None

    def segment(self, t1w: Volume, manifest: Manifest) -> DiseaseRegion:
        """The disease region of a scan by a version.

        Raises
        ------
        ModelError
            Missing or corrupt weights.
        DiseaseRegionError
            No bone was found.
        """
        with self._one_scan:
            members = self._loaded.get(manifest.sha256)
            if members is None:
                from ..engine.members import load_members

                members = load_members(self._root_of(manifest.version), manifest.version)
                if self._live is not None:
                    self._loaded.get(self._live.sha256)  # never the longest unused: what readers ask for next does not wait
                self._loaded.put(manifest.sha256, members)
            return segment_disease_region(t1w, members)

    def _next(self, before: Manifest) -> Manifest:
        """The version that is live now, or the one before where that cannot be used."""
        try:
            version = read_live(self.folder)
            if version.manifest != before:
                verify_files(version)
                log.info("model %s is live, after %s", version.manifest.version, before.version)
            return version.manifest
        except ModelError as error:
            log.error("the networks of version %s go on, because the new ones cannot be used: %s", before.version, error)
            return before

    def _root_of(self, version: str) -> Path:
        return folder_with(self.data, self.shipped, version) or self.folder


def _mark(pointer: Path) -> tuple[object, ...]:
    """Changes whenever the file is replaced, or another folder comes into use."""
    try:
        status = pointer.stat()
    except OSError:
        return (pointer,)
    return pointer, status.st_ino, status.st_mtime_ns, status.st_size

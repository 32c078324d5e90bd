"""The de-identified copies that browsers are shown of a blinded study in an archive, behind a DICOMweb address of their own."""

from __future__ import annotations

import secrets
import threading

from ..archive import EmbeddedArchive, open_archive
from ..service.deidentified import CopiesVersion
from ..service.service import VhiService
from ..studies.pairing import CaseFinder


class ViewedArchive:
    """The copies of one service, for the gateway alone: on a loopback port, with a password that lives as long as the process."""

    def __init__(self, service: VhiService) -> None:
        self._service = service
        self._starting = threading.Lock()
        self._running: EmbeddedArchive | None = None
        self._listed: dict[str, CopiesVersion] = {}
        self.user, self.password = "vhi", secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """The address of its root; it is started when that is asked for first.

        Raises
        ------
        VhiError
            It cannot be started.
        """
        return self._started().url.rstrip("/")

    def show(self, study_uid: str) -> None:
        """Make sure that a study is there, by the UID in place of its own.

        Raises
        ------
        UnknownImageError
            No case is shown under that UID.
        VhiError
            Its scans cannot be had, or cannot be used.
        """
        version = self._service.cases.show(study_uid)
        if version is None or self._listed.get(study_uid) != version:
            self.look()
            self._listed[study_uid] = version

    def look(self) -> None:
        """List what was copied since."""
        self._started().archive.rescan()

    def _started(self) -> EmbeddedArchive:
        with self._starting:
            if self._running is None:
                folder = self._service.cases.copies_folder
                self._running = open_archive(folder, user=self.user, password=self.password).start()
            return self._running


def viewed_archive_of(service: VhiService) -> ViewedArchive | None:
    """The archive that viewers see of a blinded study in an archive; None of any other."""
    is_files = isinstance(service.cases.source, CaseFinder)
    return ViewedArchive(service) if service.config.blinded and not is_files else None

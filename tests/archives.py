"""DICOMweb archives that tests start, stop and start again: a real Orthanc, and the embedded one."""

from __future__ import annotations

import base64
import io
import json
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom

from lib.cli.phantom import write_phantom
from lib.studies.dicomize import Labels, write_dicom_study
from phantoms_once import phantom_once
from serving import Server, end, free_port, serving

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
MAIN = Path(__file__).parents[1] / "main.py"
SHIPPED = Path(__file__).parents[1] / "deploy" / "orthanc.json"
PLUGIN_FOLDERS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")
START_S = 60.0
DICOM_JSON = "application/dicom+json"


def why_no_orthanc() -> str | None:
    """The reason why Orthanc cannot be started here; None when it can."""
    if ORTHANC is None:
        return "Orthanc is not installed (Debian packages orthanc and orthanc-dicomweb)"
    return None if _plugin() else "Orthanc has no DICOMweb plugin (Debian package orthanc-dicomweb)"


def _plugin() -> Path | None:
    places = (Path(folder) / "libOrthancDicomWeb.so" for folder in PLUGIN_FOLDERS)
    return next((one for one in places if one.exists()), None)


class Archive(ABC):
    """A DICOMweb archive on a loopback port of its own; it keeps port, password and storage when started again.

    Attributes
    ----------
    name : "embedded" or "orthanc"
    url : address of its DICOMweb root, without a slash at the end
    user, password : what it asks for; empty where it asks for nothing
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user = self.password = ""

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; nothing happens when it does not run."""

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def auth(self) -> tuple[str, str] | None:
        """Name and password, as httpx and requests take them."""
        return (self.user, self.password) if self.user else None

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which a server is told name and password."""
        names = ("MONAI_LABEL_DICOMWEB_USERNAME", "MONAI_LABEL_DICOMWEB_PASSWORD")
        return dict(zip(names, self.auth, strict=True)) if self.auth else {}

    def client(self) -> Any:
        """A dicomweb-client with the right password."""
        import requests
        from dicomweb_client.api import DICOMwebClient

        session = requests.Session()
        session.auth = self.auth
        return DICOMwebClient(self.url, session=session)

    def ask(
        self, path: str, *, accept: str = DICOM_JSON, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> bytes:
        """The body of an answer below the DICOMweb root; raises HTTPError for an error's status."""
        given = {"Accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.auth:
            given["Authorization"] = "Basic " + base64.b64encode(":".join(self.auth).encode()).decode()
        request = urllib.request.Request(self.url + path, data=body, headers=given, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def query(self, path: str) -> list[dict[str, Any]]:
        """The matches of a QIDO search; an empty list where there are none."""
        body = self.ask(path)
        return json.loads(body) if body else []

    def store(self, files: Iterable[Path | bytes | pydicom.Dataset]) -> None:
        """STOW: store instances in one request; raises when the archive does not take them all."""
        contents = [_bytes_of(one) for one in files]
        body, kind = stow_body(contents)
        answer = self.ask("/studies", method="POST", body=body, Content_Type=kind)
        stored = len(json.loads(answer).get("00081199", {}).get("Value", []))
        if stored != len(contents):
            raise RuntimeError(f"the archive stored {stored} of {len(contents)} instances: {answer[:500]!r}")

    def store_folder(self, folder: Path) -> None:
        """Store every `.dcm` file below a folder."""
        self.store(sorted(folder.rglob("*.dcm")))


def stow_body(contents: Iterable[bytes]) -> tuple[bytes, str]:
    """Body and Content-Type of a STOW request."""
    boundary = secrets.token_hex(16)
    parts = [f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + one + b"\r\n" for one in contents]
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), kind


def _bytes_of(one: Path | bytes | pydicom.Dataset) -> bytes:
    if isinstance(one, Path):
        return one.read_bytes()
    if isinstance(one, bytes):
        return one
    content = io.BytesIO()
    pydicom.dcmwrite(content, one, enforce_file_format=True)
    return content.getvalue()


class Orthanc(Archive):
    """A real Orthanc in a process of its own, as `deploy/orthanc.json` sets it up, with a password and storage of its own."""

    name = "orthanc"

    def __init__(self, folder: Path, *, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(folder)
        self.user, self.password = "vhi-archive", secrets.token_urlsafe(18)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "orthanc.log"
        self._extra = dict(extra or {})

    @property
    def root(self) -> str:
        """Address of its REST API, of which DICOMweb is one part."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/dicom-web"

    def start(self) -> None:
        if self.process is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        config = json.loads(SHIPPED.read_text())
        storage = str(self.folder / "storage")
        config |= {"HttpPort": self.port, "DicomServerEnabled": False, "RemoteAccessAllowed": False}
        config |= {"StorageDirectory": storage, "IndexDirectory": storage, "Plugins": [str(_plugin())], **self._extra}
        settings = self.folder / "settings"
        settings.mkdir(mode=0o700, exist_ok=True)
        (settings / "orthanc.json").write_text(json.dumps(config))
        (settings / "users.json").write_text(json.dumps({"RegisteredUsers": {self.user: self.password}}))
        with self.log.open("ab") as out:
            self.process = subprocess.Popen([str(ORTHANC), str(settings)], cwd=self.folder, stdout=out, stderr=subprocess.STDOUT)
        until = time.monotonic() + START_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.query("/studies?limit=1")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise RuntimeError(f"Orthanc did not start:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        end(process)


class Embedded(Archive):
    """The embedded archive in a thread of this process, with a password of its own."""

    name = "embedded"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.user, self.password = "vhi-embedded", secrets.token_urlsafe(18)
        self._running: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web" if self._running is None else self._running.url.rstrip("/")

    def start(self) -> None:
        if self._running is None:
            from lib.archive import open_archive

            self.folder.mkdir(parents=True, exist_ok=True)
            self._running = open_archive(self.folder, port=self.port, user=self.user, password=self.password).start()

    def stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()


@contextmanager
def serving_archive(
    archive: Archive, work: Path, *options: str, url: str | None = None, conf: Mapping[str, str] | None = None, **environment: str
) -> Iterator[Server]:
    """The whole server on an archive, as the command `serve --pacs` starts it.

    Parameters
    ----------
    work : Path
        For temporary files, the log, and submissions in `data`.
    options : str
        Further options of the command.
    url : str
        Another way to the archive.
    conf : mapping
        As `--set name=value`; studies are looked at at once unless it says otherwise.
    """
    settings = {"pacs_settle_s": "0", "pacs_look_s": "0.5", **(conf or {})}
    command = [str(MAIN), "serve", "--pacs", url or archive.url, "--port", "{port}", "--data", str(work / "data"), *options]
    if archive.auth:
        work.mkdir(parents=True, exist_ok=True)
        (work / "archive-password").write_text(archive.password + "\n")
        command += ["--pacs-user", archive.user, "--pacs-password-file", str(work / "archive-password")]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    with serving(work, work, command=command, **environment) as server:
        yield server


ARCHIVES: dict[str, type[Archive]] = {"embedded": Embedded, "orthanc": Orthanc}


@dataclass(frozen=True)
class Study:
    """A study as files: its UIDs, the folder of its DICOM files, and the NIfTI pair it was made from."""

    folder: Path
    t1w: Path
    stir: Path
    study_uid: str
    t1w_uid: str
    stir_uid: str

    def files(self, role: str = "*") -> list[Path]:
        """The files of one series ("T1W", "STIR") or of both, in the order of their names."""
        return sorted(self.folder.glob(f"{role}/*.dcm"))


def phantom_study(
    folder: Path, seed: int = 3, shape: tuple[int, int, int] = (224, 224, 13), *, labels: Labels | None = None
) -> Study:
    """A phantom's pair, written below `folder` as NIfTI and as a DICOM study."""
    write_phantom(phantom_once(seed, shape), folder / "nifti")
    pair = folder / "nifti"
    return dicomized(folder / "dicom", pair / "t1w.nii.gz", pair / "stir.nii.gz", labels=labels or Labels(f"P{seed}", "20250601"))


def dicomized(folder: Path, t1w: Path, stir: Path, *, labels: Labels | None = None) -> Study:
    """A NIfTI pair as a DICOM study in `folder`, which is new."""
    series = write_dicom_study(folder, t1w, stir, labels)
    uids = {one.role: one.series_uid for one in series}
    header = pydicom.dcmread(next((folder / "STIR").glob("*.dcm")), stop_before_pixels=True)
    return Study(folder, t1w, stir, str(header.StudyInstanceUID), uids["T1W"], uids["STIR"])


def real_pair(data: Path, case: str) -> tuple[Path, Path]:
    """T1W and STIR of a real scan."""
    from lib.studies.pairing import CaseFinder

    pair = next(one for one in CaseFinder(data / "images_study").find().cases if one.case_id == case)
    return pair.path("T1W"), pair.path("STIR")

"""A DICOMweb archive as this program uses it; what goes wrong becomes one sentence, which never holds the password."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError

from ..errors import ArchiveError, ArchiveRefusal, NotFoundError, SettingsError, TooLargeError, VhiError
from ..files import output_error
from ..multipart import MultipartError
from ..studies.dicom_files import check_inflated, read_whole
from ..studies.dicom_structure import structure_of
from ..unpacking import MIB
from .answer_parts import write_parts

TIMEOUT_S = 30.0
PAGE = 1000
# no archive in use ends a page earlier
_LEAST_PAGE = 100
_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")
_BLOCK_BYTES = 1 << 20
# of a series that is read in memory: the Segmentations of a case have some MiB at most
MOST_RETRIEVED = 64 * MIB
# one STOW request is held in memory
_STORE_BYTES = 64 << 20
# of what dicomweb-client brings; it logs every failure with a traceback, and what is asked again is decided here
logging.getLogger("retrying").setLevel(logging.CRITICAL)
# what the libraries notice of an answer is decided here too; pydicom is quiet since `lib.studies.dicom_files`
warnings.filterwarnings("ignore", module=r"dicomweb_client\b")
_ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@dataclass(frozen=True)
class SearchEntry:
    """One line of a search: a study, series or instance with the attributes that the archive told of it."""

    attributes: Mapping[str, Any] = field(repr=False)

    def text(self, keyword: str) -> str:
        """An attribute as text, several values joined by a backslash; empty where the archive did not tell it."""
        values = self._values(keyword)
        return "\\".join(
            str(value.get("Alphabetic", "") if isinstance(value, Mapping) else value) for value in values if value is not None
        )

    def count(self, keyword: str) -> int | None:
        """An attribute as a whole number; None where the archive did not tell it."""
        text = self.text(keyword)
        return int(text) if text.isdecimal() else None

    @property
    def study_uid(self) -> str:
        return self.text("StudyInstanceUID")

    @property
    def series_uid(self) -> str:
        return self.text("SeriesInstanceUID")

    @property
    def sop_uid(self) -> str:
        return self.text("SOPInstanceUID")

    @property
    def modality(self) -> str:
        return self.text("Modality")

    def _values(self, keyword: str) -> Sequence[Any]:
        element = self.attributes.get(f"{tag_for_keyword(keyword) or 0:08X}")
        values = element.get("Value") if isinstance(element, Mapping) else None
        return values if isinstance(values, list) else []


class Archive:
    """Searches, retrieves and stores; safe between threads, and nothing is kept between two calls.

    Parameters
    ----------
    url : str
        Of DICOMweb, for example ``http://host:8042/dicom-web``.
    user, password : str, optional
        Login of the archive (HTTP Basic).
    timeout_s : float
        How long it may take to connect, and between two pieces of an answer [s].

    Raises
    ------
    SettingsError
        The address is none, or carries a login.
    """

    def __init__(self, url: str, user: str | None = None, password: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.url = checked_url(url)
        self._session = requests.Session()
        # neither a proxy nor a login from the surroundings: scans go to the archive and nowhere else
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._session.headers["Accept"] = "application/dicom+json"
        if user:
            self._session.auth = (user.encode(), (password or "").encode())  # type: ignore[assignment]
        adapter = _Patient(timeout_s)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        try:
            self._client = DICOMwebClient(self.url, session=self._session)
        except ValueError as error:
            raise SettingsError(_no_address(self.url)) from error
        self._client.set_http_retry_params(retry=False)  # who asks knows when to ask again

    # searching ------------------------------------------------------------------------------------------------------------

    def studies(self, *, fields: Sequence[str] = (), **filters: str) -> list[SearchEntry]:
        """The studies that match, each once.

        Parameters
        ----------
        fields : keywords
            What to tell beside the attributes that every archive tells.
        filters : str
            By keyword, for example ``ModalitiesInStudy="MR"``.

        Raises
        ------
        ArchiveError
        """
        return self._search(self._client.search_for_studies, "StudyInstanceUID", fields, filters)

    def series(self, study_uid: str | None = None, *, fields: Sequence[str] = (), **filters: str) -> list[SearchEntry]:
        """The series that match, of one study or of all.

        Raises
        ------
        ArchiveError
        NotFoundError
            The archive says that there is no such study.
        """
        given = {} if study_uid is None else {"study_instance_uid": _checked_uid(study_uid)}
        return self._search(self._client.search_for_series, "SeriesInstanceUID", fields, filters, **given)

    def instances(self, study_uid: str, series_uid: str, *, fields: Sequence[str] = (), **filters: str) -> list[SearchEntry]:
        """The instances of a series.

        Raises
        ------
        ArchiveError
        NotFoundError
        """
        given = {"study_instance_uid": _checked_uid(study_uid), "series_instance_uid": _checked_uid(series_uid)}
        return self._search(self._client.search_for_instances, "SOPInstanceUID", fields, filters, **given)

    def metadata(self, study_uid: str, series_uid: str, sop_uid: str | None = None) -> list[Dataset]:
        """Headers of a series, or of one instance of it, without voxels.

        Raises
        ------
        ArchiveError
        NotFoundError
            There is no such series, or it is empty.
        """
        uids = [_checked_uid(uid) for uid in (study_uid, series_uid, *([sop_uid] if sop_uid else []))]
        with self._asking(f"series {series_uid}"):
            if sop_uid is None:
                metadata = self._client.retrieve_series_metadata(*uids)
            else:
                metadata = self._one(self._client.retrieve_instance_metadata(*uids))
            headers = [_dataset(row) for row in self._rows(metadata)]
        if not headers:
            raise NotFoundError(f"The archive {self.url} has no series {series_uid}; it may have been deleted.")
        return headers

    # files ----------------------------------------------------------------------------------------------------------------

    def download_series(self, study_uid: str, series_uid: str, folder: Path, most_bytes: int | None = None) -> tuple[Path, ...]:
        """All files of a series, as they are stored, in a folder that is complete or absent.

        Parameters
        ----------
        folder : Path
            Not there yet; its parent is.
        most_bytes : int, optional
            That the archive may send.

        Returns
        -------
        tuple of Path
            `<SOPInstanceUID>.dcm` each, sorted.

        Raises
        ------
        ArchiveError
            Also where fewer, more or other instances arrived than the archive lists.
        NotFoundError
            There is no such series.
        TooLargeError
            It is larger than `most_bytes`, or a file is deflated and holds more than can be read.
        OutputError
            The disk.
        """
        listed = {instance.sop_uid for instance in self.instances(study_uid, series_uid)}
        if not listed:
            raise NotFoundError(f"The archive {self.url} has no series {series_uid}; it may have been deleted.")
        try:
            staging = Path(tempfile.mkdtemp(prefix=f".{folder.name[:80]}.partial-", dir=folder.parent))
        except OSError as error:
            raise output_error(folder, error) from error
        try:
            names = {self._named(part, series_uid) for part in self._parts(study_uid, series_uid, staging, most_bytes)}
            if names != listed:
                raise ArchiveError(
                    f"The archive {self.url} lists {len(listed)} instances of series {series_uid} and sent {len(names & listed)} "
                    "of them; it may still be receiving the series. It is asked again later."
                )
            staging.rename(folder)
        except OSError as error:
            raise output_error(folder, error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return tuple(sorted(folder.glob("*.dcm")))

    def retrieve(self, study_uid: str, series_uid: str) -> list[Dataset]:
        """All instances of a small series (SEG, SR) in memory.

        Raises
        ------
        ArchiveError
        NotFoundError
        InputError
            They are damaged, or larger than any Segmentation of a case.
        """
        with tempfile.TemporaryDirectory(prefix="vhi-series-") as folder:
            files = self.download_series(study_uid, series_uid, Path(folder) / "series", MOST_RETRIEVED)
            for path in files:
                structure_of(path)  # refuses what becomes far larger when it is read
            return [pydicom.dcmread(path) for path in files]

    def store(self, instances: Iterable[Dataset | Path]) -> None:
        """Store instances; when this returns, the archive has confirmed every one.

        Parameters
        ----------
        instances : iterable of Dataset or Path
            What the archive has already is stored again, which changes nothing.

        Raises
        ------
        ArchiveRefusal
            The archive does not want one of them; the sentence says which and its reason. Those before it are stored.
        ArchiveError
            What was stored is not known; store all of them again.
        InputError
            A file cannot be read.
        """
        for batch in _batches(instances):
            with self._asking("what was to be stored"):
                answer = self._client.store_instances(batch)
            self._check_stored(answer, batch)

    def check(self) -> None:
        """Ask the archive for one study.

        Raises
        ------
        ArchiveError
            The sentence says why it cannot be used.
        """
        with self._asking("its studies"):
            self._rows(self._client.search_for_studies(limit=1))

    def is_up(self) -> bool:
        """Whether the archive answers, with this login."""
        try:
            self.check()
        except VhiError:
            return False
        return True

    # within ---------------------------------------------------------------------------------------------------------------

    def _search(self, ask: Any, key: str, fields: Sequence[str], filters: Mapping[str, str], **where: str) -> list[SearchEntry]:
        by_uid: dict[str, SearchEntry] = {}
        offset = 0
        with self._asking(f"series {where['series_instance_uid']}" if "series_instance_uid" in where else "its studies"):
            while True:
                rows = self._rows(ask(**where, limit=PAGE, offset=offset, fields=list(fields) or None, search_filters=filters))
                entries = {uid: entry for entry in map(SearchEntry, rows) if _UID.fullmatch(uid := entry.text(key))}
                news = entries.keys() - by_uid.keys()
                by_uid |= {uid: entries[uid] for uid in entries if uid in news}
                # an archive may have smaller pages than asked for; one that knows no offset says the same again and again
                if len(rows) < _LEAST_PAGE or not news:
                    return list(by_uid.values())
                offset += len(rows)

    def _parts(self, study_uid: str, series_uid: str, folder: Path, most_bytes: int | None) -> Iterator[Path]:
        url = f"{self.url}/studies/{_checked_uid(study_uid)}/series/{_checked_uid(series_uid)}"
        with (
            self._asking(f"series {series_uid}"),
            self._session.get(url, headers={"Accept": _ANY_SYNTAX}, stream=True) as answer,
        ):
            answer.raise_for_status()
            yield from write_parts(
                _at_most(answer.iter_content(_BLOCK_BYTES), most_bytes, series_uid),
                answer.headers.get("Content-Type", ""),
                folder,
            )

    def _named(self, part: Path, series_uid: str) -> str:
        """Give a part the name of its instance."""
        check_inflated(part, f"An instance of series {series_uid}")
        try:
            header = pydicom.dcmread(part, specific_tags=["SOPInstanceUID", "SeriesInstanceUID"], stop_before_pixels=True)
            uid, series = str(header.SOPInstanceUID), str(header.SeriesInstanceUID)
        except Exception as error:  # pydicom raises many kinds on what is no DICOM
            raise ArchiveError(
                f"The archive {self.url} sent something else than DICOM for series {series_uid} ({type(error).__name__}); look "
                "into its log."
            ) from error
        if series != series_uid or not _UID.fullmatch(uid):
            raise ArchiveError(f"The archive {self.url} was asked for series {series_uid} and sent another; look into its log.")
        part.rename(part.with_name(f"{uid}.dcm"))
        return uid

    def _check_stored(self, answer: Dataset, batch: Sequence[Dataset]) -> None:
        failed = list(answer.get("FailedSOPSequence") or [])
        if failed:
            uid = failed[0].get("ReferencedSOPInstanceUID", "without UID")
            reason = int(failed[0].get("FailureReason") or 0)
            raise ArchiveRefusal(
                f"The archive {self.url} did not take {len(failed)} of {len(batch)} instances, the first being {uid} (failure "
                f"reason {reason:04X}); look into its log."
            )
        confirmed = {str(reference.get("ReferencedSOPInstanceUID")) for reference in answer.get("ReferencedSOPSequence") or []}
        missing = [uid for instance in batch if (uid := str(instance.SOPInstanceUID)) not in confirmed]
        if missing:
            raise ArchiveError(
                f"The archive {self.url} did not confirm {len(missing)} of {len(batch)} instances, the first being {missing[0]}; "
                "they are sent again."
            )

    def _one(self, row: Any) -> Any:
        return row if isinstance(row, list) else [row]

    def _rows(self, answer: Any) -> list[dict[str, Any]]:
        if not isinstance(answer, list) or not all(isinstance(part, dict) for part in answer):
            raise ArchiveError(_no_dicomweb(self.url, "its answer is no list of DICOM attributes"))
        return answer

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Failures of the network and of the answer as sentences."""
        try:
            yield
        except requests.HTTPError as error:
            # the error's own text holds the address that was asked, with what was searched for
            status = error.response.status_code if error.response is not None else 0
            raise self._refused(status, what) from None
        except (requests.exceptions.SSLError, OSError, ValueError, LookupError, TypeError, MultipartError) as error:
            if not isinstance(error, requests.RequestException) and isinstance(error, OSError):
                raise  # the disk
            raise self._failed(error, what) from None

    def _refused(self, status: int, what: str) -> VhiError:
        if status in (401, 403):
            return ArchiveRefusal(
                f"The archive {self.url} refuses the login (status {status}); check its user and password "
                "(--pacs-user, --pacs-password-file)."
            )
        if what == "its studies" and status in (400, 404, 405):
            return ArchiveError(_no_dicomweb(self.url, f"status {status}"))
        if status == 404:
            return NotFoundError(f"The archive {self.url} does not know {what}; it may have been deleted.")
        if 400 <= status < 500 and status not in (408, 429):
            return ArchiveRefusal(f"The archive {self.url} refuses to answer for {what} (status {status}); look into its log.")
        return ArchiveError(f"The archive {self.url} failed on {what} (status {status}); it is asked again later.")

    def _failed(self, error: Exception, what: str) -> ArchiveError:
        if isinstance(error, requests.exceptions.SSLError):
            return ArchiveError(
                f"The archive {self.url} shows a certificate that is not trusted; name the file of its authority in the "
                "environment variable REQUESTS_CA_BUNDLE."
            )
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            return ArchiveError(f"The archive {self.url} did not answer in time for {what}; it is asked again later.")
        if isinstance(error, MultipartError | requests.exceptions.ChunkedEncodingError):
            return ArchiveError(f"The archive {self.url} did not send {what} whole ({_short(error)}); it is asked again later.")
        if isinstance(error, requests.ConnectionError):
            return ArchiveError(f"The archive {self.url} cannot be reached; check that it runs. It is asked again later.")
        if isinstance(error, requests.RequestException) and not isinstance(error, ValueError):
            return ArchiveError(f"The archive {self.url} failed on {what} ({type(error).__name__}); it is asked again later.")
        return ArchiveError(_no_dicomweb(self.url, f"its answer cannot be read, {type(error).__name__}"))


class _Patient(HTTPAdapter):
    """Waits for a limited time, and names the archive by host and port, which dicomweb-client shortens to the host."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(pool_maxsize=16)
        self._timeout_s = timeout_s

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        request.headers.pop("Host", None)
        options["timeout"] = self._timeout_s
        try:
            return super().send(request, **options)
        except requests.ConnectionError as error:
            # a connection that was kept and that the archive closes just as it is used again; what only reads is asked anew
            if request.method != "GET" or not any(isinstance(cause, ProtocolError) for cause in error.args):
                raise
            return super().send(request, **options)


def checked_url(url: str) -> str:
    """An address of DICOMweb, without a slash at its end.

    Raises
    ------
    SettingsError
        It is none, or carries a user or password, which belong elsewhere.
    """
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SettingsError(_no_address("what was given")) from None
    if parts.username is not None or parts.password is not None:
        raise SettingsError("The archive's address carries a login; pass --pacs-user and --pacs-password-file instead.")
    if not known or parts.query or parts.fragment:
        raise SettingsError(_no_address(url))
    return url.strip().rstrip("/")


def _at_most(blocks: Iterable[bytes], most_bytes: int | None, series_uid: str) -> Iterator[bytes]:
    """The same blocks, while they are not more than that."""
    received = 0
    for block in blocks:
        received += len(block)
        if most_bytes is not None and received > most_bytes:
            raise TooLargeError(
                f"Series {series_uid} has more than {most_bytes // MIB} MiB, which no Segmentation of a case has."
            )
        yield block


def _no_address(url: str) -> str:
    return f"{url!r} is no address of an archive; an address such as http://host:8042/dicom-web is needed."


def _no_dicomweb(url: str, answer: str) -> str:
    return f"At {url} there is no DICOMweb ({answer}); check the address, which often ends with /dicom-web."


def _checked_uid(uid: str) -> str:
    if not _UID.fullmatch(uid):
        raise NotFoundError(
            "That is no DICOM UID: numbers with dots in between, at most 64 characters; ask for the list of cases."
        )
    return uid


def _dataset(row: Mapping[str, Any]) -> Dataset:
    """A header from its JSON, value by value: one that is not as it should be is left out, as if it were absent."""
    header = Dataset()
    for tag, element in row.items():
        try:
            header.update(Dataset.from_json({tag: element}, lambda *_: b""))
        except Exception:  # pydicom raises many kinds on what no JSON of DICOM may hold
            continue
    return header


def _batches(instances: Iterable[Dataset | Path]) -> Iterator[list[Dataset]]:
    batch: list[Dataset] = []
    held = 0
    for instance in instances:
        dataset = copy(read_whole(instance) if isinstance(instance, Path) else instance)
        dataset.preamble = bytes(128)
        dataset.file_meta = _meta_of(dataset)
        size = len(dataset.get("PixelData", b""))
        if batch and held + size > _STORE_BYTES:
            yield batch
            batch, held = [], 0
        batch.append(dataset)
        held += size
    if batch:
        yield batch


def _meta_of(dataset: Dataset) -> FileMetaDataset:
    """The header of an instance's file, with the names that the instance itself has."""
    meta = copy(getattr(dataset, "file_meta", None)) or FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def _short(error: Exception) -> str:
    return str(error) if isinstance(error, MultipartError) else "the connection ended"

"""The datastore that MONAI Label sees: series of complete pairs as images, submissions as labels.

It writes nothing but submissions, through the service. What stock datastores also do (take images, delete, rename, keep notes,
zip everything) is refused.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urlencode

import numpy as np
from monailabel.interfaces.datastore import Datastore

from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.volume import Grid, Volume
from ..errors import NotFoundError, RequestError
from ..files import sha256_of
from ..readings.submission import Submission
from ..server.addresses import current_addresses
from ..server.identity import current_identity
from ..server.refusals import without_paths
from ..service.service import VhiService
from ..studies.nifti import write_labels, write_scan
from ..studies.pairing import ROLES
from .reader import named_reader_of, reader_of
from .slicer_segments import drawn_map

TAG = "final"
KEPT_LABELS = 16
# what a client may say of a submission, beside its segments
_CHOSEN = ("reading", "method", "rating", "amends", "decisions", "settings", "displayed", "confirmed", "doubts")
# the order in which one map holds a submission's segments: what comes later covers what came before
FLATTENED = (DISEASE_REGION, NORMAL_BONE, INFLAMMATION)


class CaseDatastore(Datastore):
    """Cases and submissions of a service, by the ids of their series."""

    def __init__(self, service: VhiService) -> None:
        self._service = service
        self._flattened = tempfile.TemporaryDirectory(prefix="vhi-labels-")

    # images ---------------------------------------------------------------------------------------------------------------

    def list_images(self) -> list[str]:
        """Both series of every complete pair."""
        return [case.image_id(role) for case in self._service.cases.index.cases for role in ROLES]

    def get_image_uri(self, image_id: str) -> str:
        """The original file of a series.

        Raises
        ------
        UnknownImageError
        """
        return str(self._service.image_file(image_id, reader_of({})))

    def get_image(self, image_id: str, params: Mapping[str, Any] | None = None) -> io.BytesIO:
        return io.BytesIO(Path(self.get_image_uri(image_id)).read_bytes())

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """The name under which a viewer keeps the series, and the hash by which it knows an older download from this file.

        In an archive also where the series lies; of a blinded study by the UIDs that browsers are shown.
        """
        path = Path(self.get_image_uri(image_id))
        status = path.stat()
        case, role = self._service.cases.index.of_image(image_id)
        viewed = case.viewed
        uids = {"StudyInstanceUID": viewed.study_uid, "SeriesInstanceUID": viewed.series_uid(role)} if viewed else {}
        return {
            **uids,
            "name": image_id + (".nii.gz" if path.name.lower().endswith(".gz") else ".nii"),
            "checksum": f"SHA256:{_sha256(path, status.st_size, status.st_mtime_ns)}",
        }

    # labels ---------------------------------------------------------------------------------------------------------------

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: Mapping[str, Any]) -> str:
        """Submit a flattened map whose segments `label_info["label_info"]` names; gives the submission's id.

        Raises
        ------
        RequestError
            Another tag than `final`, no names, or nobody named as the reader.
        VhiError
            Whatever the service refuses.
        """
        if label_tag != TAG:
            raise RequestError(f"Labels are saved as {TAG!r}, found tag {str(label_tag)[:60]!r}; leave the tag out.")
        if not isinstance(label_info, Mapping):
            raise RequestError("params must be an object with label_info in it.")
        self._service.cases.index.of_image(image_id)
        stated = _stated(label_info)
        drawn = drawn_map(Path(label_filename), label_info, self._service.cases.most_voxels(image_id))
        effort = label_info.get("effort")
        map_ = (drawn.labels, drawn.grid, drawn.segments, drawn.normal_bone_clicks)
        made = self._service.submit(image_id, *map_, effort=effort, **stated)
        return made.submission_id

    def preview(self, image_id: str, label_filename: str, label_info: Mapping[str, Any]) -> dict[str, Any]:
        """Facts of the number that saving the same label map would keep; nothing is kept.

        Raises
        ------
        VhiError
            What `save_label` would refuse.
        """
        self._service.cases.index.of_image(image_id)
        stated = _stated(label_info)
        drawn = drawn_map(Path(label_filename), label_info, self._service.cases.most_voxels(image_id))
        return self._service.preview(image_id, drawn.labels, drawn.grid, drawn.segments, drawn.normal_bone_clicks, **stated)

    def reading_info(self, image_id: str, reading: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """This reader's newest submission of a reading, see `VhiService.reading`.

        Raises
        ------
        NotFoundError, RequestError
            Nothing was submitted, or nobody named as the reader.
        """
        info = self._service.reading(image_id, named_reader_of(params), reading)
        return {**info, "reports": {form: current_addresses().path(path) for form, path in info["reports"].items()}}

    def reading_label(self, image_id: str, reading: int, params: Mapping[str, Any]) -> bytes:
        """Its label map as `.nii.gz`, on the grid of the series.

        Raises
        ------
        NotFoundError, RequestError
        """
        return _as_nifti(*self._service.reading_labels(image_id, named_reader_of(params), reading))

    def review_labels(self, image_id: str, first: str, second: str) -> bytes:
        """Two readings' masks as `.nii.gz`, see `lib.service.reviewing`."""
        return _as_nifti(*self._service.reviewing.labels(image_id, first, second))

    def earlier_facts(self, image_id: str, reading: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """Which earlier visit of the patient is shown beside this one, see `VhiService.earlier`.

        Raises
        ------
        NotFoundError, RequestError
            There is none, or nobody named as the reader.
        """
        return self._service.earlier(image_id, named_reader_of(params), reading).facts()

    def earlier_file(self, image_id: str, part: Literal["image", "label"], reading: int, params: Mapping[str, Any]) -> bytes:
        """Its STIR (float32 at most) or what was kept of it, as `.nii.gz` on the grid of this case's STIR.

        Errors as of `earlier_facts`.
        """
        earlier = self._service.earlier(image_id, named_reader_of(params), reading)
        if part == "label":
            return _as_nifti(earlier.kept.data.astype(np.uint8), earlier.kept.grid)
        with tempfile.TemporaryDirectory(prefix="vhi-earlier-") as folder:
            path = Path(folder) / "stir.nii.gz"
            write_scan(path, Volume(earlier.stir.data.astype(np.float32), earlier.stir.grid, earlier.stir.name))
            return path.read_bytes()

    def rate(self, image_id: str, rating: str, params: Mapping[str, Any]) -> str:
        """Keep how a reader rates the automatic disease region, as a submission without segments; gives its id.

        Raises
        ------
        RequestError
            No rating, or nobody named as the reader.
        """
        self._service.cases.index.of_image(image_id)
        reader = named_reader_of(params)
        return self._service.submit_masks(
            image_id, {}, reader=reader, reading=params.get("reading") or 1, rating=rating
        ).submission_id

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        return {TAG: image_id} if self._newest(image_id) else {}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """This reader's newest submission of a case as one flattened map; `label_id` is the image's id.

        Raises
        ------
        NotFoundError
            This reader submitted nothing.
        """
        submission = self._needed(label_id, label_tag)
        folder = Path(self._flattened.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the system may have tidied it up
        path = folder / f"{submission.case_id}-{submission.submission_id}.nii.gz"
        if not path.exists():
            masks = [self._service.readings.read_segment(submission, name) for name in FLATTENED]
            grid = next((mask.grid for mask in masks if mask is not None), None)
            if grid is None:
                raise NotFoundError(f"Submission {submission.submission_id} holds no segment that this program knows.")
            labels = np.zeros(grid.shape, np.uint8)
            for value, mask in enumerate(masks, start=1):
                if mask is not None:
                    labels[mask.data] = value
            write_labels(path, labels, grid)
            self._forget_older(path)
        return str(path)

    def _forget_older(self, path: Path) -> None:
        """Remove what was made of earlier submissions, but for the last few, which somebody may be reading."""
        made = sorted(path.parent.glob("*.nii.gz"), key=lambda path: path.stat().st_mtime_ns)
        for older in made[:-KEPT_LABELS]:
            older.unlink(missing_ok=True)

    def get_label(self, label_id: str, label_tag: str, params: Mapping[str, Any] | None = None) -> io.BytesIO:
        return io.BytesIO(Path(self.get_label_uri(label_id, label_tag)).read_bytes())

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """Facts about this reader's newest submission of a case."""
        submission = self._needed(label_id, label_tag)
        names = [{"name": name, "idx": value} for value, name in enumerate(FLATTENED, start=1) if submission.segment(name)]
        return {"name": f"{label_id}.nii.gz", "label_info": names, **_submission_facts(submission)}

    def submission_info(self, image_id: str, submission_id: str) -> dict[str, Any]:
        """The answer to a reader who just submitted."""
        case, _ = self._service.cases.index.of_image(image_id)
        submission = self._service.readings.get(case.case_id, submission_id)
        asked = urlencode({"image": image_id, "reader": submission.reader, "form": "html"})
        delivery = self._service.delivery
        archive = {} if delivery is None else {"archive": self._of_archive(delivery.delivery_state(submission))}
        report = current_addresses().path(f"/vhi/report?{asked}")
        facts = _submission_facts(submission)
        if feedback := self._service.conduct.feedback(case.case_id, submission.reader):
            facts["messages"] = [feedback, *facts["messages"]]
        return {**facts, **archive, "report": report if submission.measured else None}

    def _of_archive(self, delivery_state: Mapping[str, Any]) -> dict[str, Any]:
        error = delivery_state.get("last_error")
        return {**delivery_state, "last_error": self._service.for_readers(error) if error else None}

    def _newest(self, image_id: str) -> Submission | None:
        case, _ = self._service.cases.index.of_image(image_id)
        reader = reader_of({})
        return None if reader is None else self._service.readings.newest(case.case_id, reader)

    def _needed(self, label_id: str, label_tag: str) -> Submission:
        submission = self._newest(label_id) if label_tag == TAG else None
        if submission is None:
            raise NotFoundError(
                f"There is no label {label_tag[:60]!r} of {label_id} by you; labels are kept as {TAG!r}, for who logs in."
            )
        return submission

    # the whole ------------------------------------------------------------------------------------------------------------

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """The series of cases that this reader finished; that anyone did, where nobody logs in."""
        finished = self._service.readings.finished(reader_of({}))
        return [case.image_id(role) for case in self._service.cases.index.cases if case.case_id in finished for role in ROLES]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        labeled = set(self.get_labeled_images())
        return [image_id for image_id in self.list_images() if image_id not in labeled]

    def datalist(self) -> list[dict[str, Any]]:
        """T1W files with the disease region that readers start from, for training; where a reader handed one in.

        Raises
        ------
        RequestError
            A reader asks: the paths tell the names of files.
        """
        if not current_identity().is_admin:
            _refuse("The list for training is for administrators.")
        readings, pairs = self._service.readings, []
        for case in self._service.cases.index.cases:
            submission = readings.shared(case.case_id, DISEASE_REGION)
            segment = submission.segment(DISEASE_REGION) if submission else None
            if submission and segment:
                self._service.cases.source.fetch(case)
                pairs.append({"image": str(case.t1w), "label": str(readings.folder_of(submission) / segment.file)})
        return pairs

    def status(self) -> dict[str, Any]:
        """Counts of cases, not of series; what waits, and why."""
        index = self._service.cases.index
        completed = len(self.get_labeled_images()) // len(ROLES)
        return {
            "total": len(index.cases),
            "completed": completed,
            "label_tags": {TAG: completed} if completed else {},
            "waiting": [{"name": case.name, "reason": without_paths(case.reason)} for case in index.waiting],
        }

    def json(self) -> dict[str, Any]:
        """Every image and this reader's label of it, in the form that viewers look into."""
        objects = {
            image_id: {
                "image": {},
                "labels": {TAG: {"info": self.get_label_info(image_id, TAG)}} if self._newest(image_id) else {},
            }
            for image_id in self.list_images()
        }
        return {"name": self.name(), "description": self.description(), "objects": objects}

    def refresh(self) -> None:
        self._service.cases.refresh()

    def name(self) -> str:
        return "VHI studies"

    def description(self) -> str:
        return "T1W and STIR pairs, and what readers submitted"

    # refused --------------------------------------------------------------------------------------------------------------

    def set_name(self, name: str) -> NoReturn:
        _refuse("The name of the studies is fixed.")

    def set_description(self, description: str) -> NoReturn:
        _refuse("The description of the studies is fixed.")

    def add_image(self, image_id: str, image_filename: str, image_info: Mapping[str, Any]) -> NoReturn:
        _refuse("Images are not uploaded: put T1W and STIR of the visit into the folder of studies.")

    def remove_image(self, image_id: str) -> NoReturn:
        _refuse("Images are not deleted here: take the files out of the folder of studies.")

    def remove_label(self, label_id: str, label_tag: str) -> NoReturn:
        _refuse("Submissions are kept for good; amend the case by submitting it again.")

    def update_image_info(self, image_id: str, info: Mapping[str, Any]) -> None:
        """Nothing is noted about images; MONAI Label's own note, which strategy offered it, is passed over."""
        if set(info) - {"strategy"}:
            _refuse("Notes about images are not kept.")

    def update_label_info(self, label_id: str, label_tag: str, info: Mapping[str, Any]) -> NoReturn:
        _refuse("Submissions are kept as they were made; amend the case by submitting it again.")

    def get_dataset_archive(self, limit_cases: int | None) -> NoReturn:
        _refuse("The studies are not handed out as one archive; copy the folder on the server.")


def _stated(label_info: Mapping[str, Any]) -> dict[str, Any]:
    """Who reads, and what their viewer states of a submission beside its segments."""
    chosen = {name: label_info[name] for name in _CHOSEN if label_info.get(name) is not None}
    return {"reader": named_reader_of(label_info), **chosen}


def _submission_facts(submission: Submission) -> dict[str, Any]:
    # first what concerns the reader: 3D Slicer shows the answer as it is, under "Show details"
    return {
        "messages": list(submission.messages),
        "submission": submission.submission_id,
        "reader": submission.reader,
        "reading": submission.reading,
        "created": submission.created,
        "measured": submission.measured,
        "corrections": dict(submission.corrections),
        **(submission.result or {}),
    }


def _refuse(sentence: str) -> NoReturn:
    raise RequestError(sentence)


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_of(path)


def _as_nifti(labels: np.ndarray, grid: Grid) -> bytes:
    """A label map as the content of a `.nii.gz`."""
    with tempfile.TemporaryDirectory(prefix="vhi-labels-") as folder:
        path = Path(folder) / "label.nii.gz"
        write_labels(path, labels, grid)
        return path.read_bytes()

"""One submission: what a reader handed in, and everything that says how it came about.

`submission.json`, schema 4 (older ones are read too: schema 3 has no `earlier`, schema 2 no `reports` either, schema 1 neither
`corrections`, `decisions`, `result` and `proposal`):

`schema`        4
`case_id`       the case it is about
`number`        1, 2, ... within the case, whoever submitted
`reader`        login name
`reading`       1 for the reader's first reading of the case, 2 for the second, ...
`method`        "semi-automatic" or "manual"
`created`       ISO 8601, UTC
`amends`        id of the reader's submission that this one replaces, or null
`rating`        the automatic disease region in the reader's eyes: "satisfactory", "corrected", "failed", or null
`segments`      per segment: `name`, `file` in the submission's folder, `voxels`, `sha256` of the file; `proposal` says of a
                region that is the automatic proposal, voxel for voxel, how that came about, else null
`other`         the same for segments whose names this program does not know
`scans`         sha256 of the T1W and STIR file
`started_from`  per region, what was in force when the reader began: a submission, the study's shared one, or the automatic one
`changes`       how the mask differs from the automatic result, `lib.core.cleaning.Changes`, and the region from the one before
`corrections`   who made it differ, see `lib.core.corrections.Corrections`: the proposal, clicks, the hand, new regions
`decisions`     mode of the cleaning proposal and clicks (voxels of STIR) that led to the mask; or null
`result`        `result_id` and `vhi_mm3` of the number that was kept; or null
`reports`       sha256 of `vhi.json` and of each form of the report, by the file's name
`earlier`       the patient's earlier visit that the report compares with: `case`, `submission` and `date`; or why it compares
                with none, `not_compared`; null where there is none
`settings`      every setting of the measurement
`versions`      of this program and its libraries
`model`         of the automatic disease region, or null
`measured`      whether the folder holds `vhi.json` and the report
`messages`      sentences for the reader
`effort`        what it took, see `lib.readings.effort`
`source`        SOP instance UID of the DICOM Segmentation that it was read from, or null
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DamagedError, RequestError

SCHEMA = 4
OLDEST_SCHEMA = 1
METHODS = ("semi-automatic", "manual")
RATINGS = ("satisfactory", "corrected", "failed")
READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LAST_READING = 99


@dataclass(frozen=True)
class StoredSegment:
    """One segment as a file beside `submission.json`; an empty one has no voxels but is there."""

    name: str
    file: str
    voxels: int
    sha256: str
    proposal: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Submission:
    """The content of `submission.json`; fields as in the module's docstring."""

    case_id: str
    number: int
    reader: str
    reading: int
    method: str
    created: str
    segments: tuple[StoredSegment, ...]
    other: tuple[StoredSegment, ...] = ()
    amends: str | None = None
    rating: str | None = None
    scans: Mapping[str, str] = field(default_factory=dict)
    started_from: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None
    measured: bool = False
    messages: tuple[str, ...] = ()
    source: str | None = None
    effort: Mapping[str, Any] = field(default_factory=dict)
    corrections: Mapping[str, Any] = field(default_factory=dict)
    decisions: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    reports: Mapping[str, str] = field(default_factory=dict)
    earlier: Mapping[str, str] | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        check_reader(self.reader)
        if self.method not in METHODS:
            raise RequestError(f"The method is {self.method!r}; it must be {' or '.join(METHODS)}.")
        if self.rating is not None and self.rating not in RATINGS:
            raise RequestError(f"The rating is {self.rating!r}; it must be {', '.join(RATINGS)}, or left out.")
        check_reading(self.reading)

    @property
    def submission_id(self) -> str:
        """Its folder's name, `0002-anna`: unique within the case."""
        return f"{self.number:04d}-{self.reader}"

    def segment(self, name: str) -> StoredSegment | None:
        """The stored segment of that name; None where the reader did not hand it in."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: Path) -> Submission:
        """Parse, refusing what is not a submission of this schema.

        Raises
        ------
        DamagedError
            Not JSON, a newer schema, or a field that is missing, unknown, or something else than it was written as.
        """
        try:
            content = json.loads(text)
            if not OLDEST_SCHEMA <= content["schema"] <= SCHEMA:
                reason = f"it has schema {content['schema']}, this program reads {SCHEMA}"
                raise DamagedError(where, reason, "update the program")
            _check_kinds(content, _KINDS)
            for name in ("segments", "other"):
                for segment in content[name]:
                    _check_kinds(segment, _SEGMENT_KINDS)
                content[name] = tuple(StoredSegment(**segment) for segment in content[name])
            return cls(**{**content, "messages": tuple(content["messages"])})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RequestError) as error:
            raise DamagedError(where, f"it is not a submission ({error})", "restore its folder from a backup") from error


_TEXT, _MAYBE_TEXT, _MAYBE_OBJECT = (str,), (str, type(None)), (dict, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("schema", "number", "reading"), (int,)),
    **dict.fromkeys(("case_id", "created"), _TEXT),
    **dict.fromkeys(("amends", "rating", "source"), _MAYBE_TEXT),
    **dict.fromkeys(("segments", "other", "messages"), (list,)),
    **dict.fromkeys(("scans", "started_from", "changes", "settings", "versions", "effort", "corrections", "reports"), (dict,)),
    **dict.fromkeys(("model", "decisions", "result", "earlier"), _MAYBE_OBJECT),
    "measured": (bool,),
}
_SEGMENT_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("name", "file", "sha256"), _TEXT),
    "voxels": (int,),
    "proposal": _MAYBE_OBJECT,
}


def _check_kinds(content: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    """Raises TypeError where a field that is there is of another kind; a truth value is no number."""
    for name, kind in kinds.items():
        if name in content and type(content[name]) not in kind:
            raise TypeError(f"its field {name!r} is of type {type(content[name]).__name__}")


def check_reader(reader: str) -> None:
    """Refuse a reader's name that is unset, or that could not be a folder's name.

    Raises
    ------
    RequestError
    """
    if not isinstance(reader, str) or not READER.fullmatch(reader):
        raise RequestError(
            "The reader is not known, or the name cannot be used: it needs 1 to 64 letters, digits, dots, dashes, underscores or "
            "@, and begins with a letter or digit. Log in, or set the user name in the client's MONAI Label settings."
        )


def check_reading(reading: int) -> None:
    """Refuse what is not the number of a reading.

    Raises
    ------
    RequestError
    """
    if isinstance(reading, bool) or not isinstance(reading, int) or not 1 <= reading <= LAST_READING:
        raise RequestError(f"The reading is {reading!r}; it is 1 for the first, 2 for the second, up to {LAST_READING}.")


def reading_number(value: Any) -> int:
    """The number of a reading; a viewer sends it as text.

    Raises
    ------
    RequestError
    """
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 4:
        value = int(value)
    check_reading(value)
    return int(value)

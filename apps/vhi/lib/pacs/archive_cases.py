"""Cases in an archive: found from headers alone, downloaded when somebody needs them.

A study is a case once its T1W and its STIR series are known, by the rules of `studies.dicom_pairing`. What was learnt is kept,
so that a look at the archive costs one search, and a few more for each study that is new or changed. A study is looked at once
nothing arrived for a while: a pair that is chosen too early may not be the best one, nor whole. What the archive holds when the
server starts has most likely lain there for long, so that a second list without a change is enough.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from ..errors import ArchiveError, InputError, NotFoundError, SettingsError, UnknownImageError
from ..readings.data_folder import make_folder
from ..studies.dicom_content import series_of_headers
from ..studies.dicom_frames import Series
from ..studies.dicom_pairing import find_pair
from ..studies.pairing import ARCHIVE, ROLES, Archived, Case, CaseIndex, Role, Waiting
from ..studies.pairing_rules import PairingRules
from .cache import ChangedError, SeriesCache
from .client import Archive, SearchEntry
from .patient_identity import Identities
from .register import ArchivedStudy, Register, SeriesPair, key_of

# of a series this short the headers are asked for at once; of a longer one first those of one instance
_SHORT_SERIES = 3
# how many of the cached series are compared with the archive in one look
_CHECKED_AT_ONCE = 5
# of what failed for one study, and of studies whose size the archive does not tell
_AGAIN_S = 600.0
# between the first two lists: a study that arrives meanwhile grows within it
_AT_START_S = 0.8
log = logging.getLogger("vhi.pacs")


@dataclass(frozen=True)
class PacsConfig:
    """How an archive is used.

    Parameters
    ----------
    pacs_cache_gb : float
        How much disk the downloaded series may take; the last few stay whatever they take.
    pacs_settle_s : float
        A study is looked at once nothing arrived for this long [s].
    pacs_look_s : float
        Between two looks at the archive [s], longer where a look takes long; 0 is as often as can be.
    pacs_timeout_s : float
        How long the archive may take to go on answering [s].
    pacs_filter : str
        Which studies to look at, as `StudyDescription=*SIJ*`; several are divided by semicolons.
    pacs_report : bool
        Whether a submission's report, as Encapsulated PDF, and its pictures are stored in the archive too.
    """

    pacs_cache_gb: float = 20.0
    pacs_settle_s: float = 20.0
    pacs_look_s: float = 15.0
    pacs_timeout_s: float = 30.0
    pacs_filter: str = ""
    pacs_report: bool = False

    def __post_init__(self) -> None:
        if self.pacs_cache_gb < 0 or self.pacs_settle_s < 0 or self.pacs_look_s < 0 or not 0 < self.pacs_timeout_s <= 3600:
            raise SettingsError("pacs_cache_gb, pacs_settle_s and pacs_look_s must be 0 or more, pacs_timeout_s above 0.")
        self.filters()

    def filters(self) -> dict[str, str]:
        """Keywords and values of `pacs_filter`.

        Raises
        ------
        SettingsError
        """
        filters: dict[str, str] = {}
        for text in filter(None, (part.strip() for part in self.pacs_filter.split(";"))):
            keyword, equals, value = text.partition("=")
            if not (equals and keyword.strip() and tag_for_keyword(keyword.strip()) and value.strip()):
                raise SettingsError(f"pacs_filter holds {text[:60]!r}; KEYWORD=VALUE is needed, as StudyDescription=*SIJ*.")
            filters[keyword.strip()] = value.strip()
        return filters


class PacsCases:
    """The cases of an archive; see `CaseSource`.

    Parameters
    ----------
    archive : Archive
        It need not run yet.
    data : Path
        The data folder; everything is kept in `pacs/` in it.
    rules : PairingRules
    config : PacsConfig
    clock : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        archive: Archive,
        data: Path,
        rules: PairingRules | None = None,
        config: PacsConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.archive, self.rules, self.config = archive, rules or PairingRules(), config or PacsConfig()
        self._clock = clock
        make_folder(data / "pacs")
        self.register = Register(data / "pacs" / "studies.sqlite")
        self.cache = SeriesCache(archive, data / "pacs" / "series", self.config.pacs_cache_gb * 1e9, self.rules)
        self._looking = threading.Lock()
        self._again = 0.0
        # studies of the first list that were not looked at before; None before that list
        self._at_start: set[str] | None = None
        self._not_listed: set[str] = set()
        self._checked: dict[Path, float] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._cases: dict[str, tuple[ArchivedStudy, Case | None]] = {}
        self._identities = Identities(
            archive, lambda uid: None if (study := self.register.get(uid)) is None else self.case_of(study)
        )
        # why the archive cannot be asked, for readers; None while it can
        self.problem: str | None = f"The archive {archive.url} is being asked for its studies."
        self._index: tuple[object, CaseIndex] | None = None

    # what is known ------------------------------------------------------------------------------------------------------------

    def find(self) -> CaseIndex:
        """The cases as of the last look; the archive is not asked."""
        known = (self.register.version, self.problem)
        held = self._index
        if held is None or held[0] != known:
            held = self._index = (known, self._index_of(self.register.all()))
        return held[1]

    def case_of(self, study: ArchivedStudy) -> Case | None:
        """The case that a study is, where it is one."""
        held = self._cases.get(study.uid)
        if held is None or held[0] is not study:
            held = self._cases[study.uid] = (study, self._case_of(study))
        return held[1]

    def _case_of(self, study: ArchivedStudy) -> Case | None:
        if study.pair is None or study.obstacle is not None:
            return None
        folder = self.cache.folder(study.pair)
        return Case(study.uid, folder / "T1W.nii", folder / "STIR.nii", study.pair.series)

    def series_folder(self, case: Case, role: Role) -> Path:
        """The DICOM files of a series as the archive sent them; downloaded where they are not here.

        Raises
        ------
        VhiError
        """
        self.fetch(case)
        return case.path(role).parent / role

    def fetch(self, case: Case) -> None:
        """Make sure that the files of a case are there.

        Raises
        ------
        ArchiveError
            The archive cannot send them now.
        InputError
            They cannot be used.
        """
        if case.archived is None:
            raise UnknownImageError(f"Case {case.case_id} lies in no archive.")
        try:
            self.cache.fetch(case.archived, case.t1w.parent)
        except (NotFoundError, ChangedError):
            self.register.examine_again(case.archived.study_uid)
            raise

    def warnings(self, case: Case) -> tuple[str, ...]:
        """Warnings about a case's series for the reader of a result, once they were fetched."""
        study = self.register.get(case.archived.study_uid) if case.archived else None
        chosen = study.pair.warnings if study and study.pair else ()
        return (*chosen, *self.cache.warnings(case.t1w.parent))

    def patient(self, case: Case) -> str | None:
        """Patient ID of a case's study, as the archive has it now.

        Raises
        ------
        ArchiveError
            It cannot be asked now.
        """
        if case.archived is None:
            return None
        studies = self.archive.studies(fields=("PatientID",), StudyInstanceUID=case.archived.study_uid)
        return next((entry.text("PatientID") for entry in studies), "") or None

    def visits(self, case: Case) -> Mapping[str, str]:
        """The day of each case of the same patient, see `Identities`.

        Raises
        ------
        ArchiveError
            The archive cannot be asked now.
        """
        return self._identities.visits(case)

    # looking ------------------------------------------------------------------------------------------------------------------

    def look(self, in_use: Callable[[str], bool]) -> int:
        """Ask the archive what is new; look at some of it. How many studies are left to look at.

        Parameters
        ----------
        in_use : callable
            Whether something rests on the scans of a case; its pair stays what it is then.

        Raises
        ------
        ArchiveError
            The archive cannot be asked; what is known stays.
        """
        with self._looking:
            try:
                return self._look(in_use)
            except ArchiveError as error:
                self.problem = str(error)
                raise

    def _look(self, in_use: Callable[[str], bool]) -> int:
        if time.monotonic() >= self._again:
            began = time.monotonic()
            is_first = self._at_start is None
            self._list()
            self._check_cached()
            if self.config.pacs_look_s and not is_first:
                # at most a tenth of the time is spent on asking for the list
                self._again = time.monotonic() + max(self.config.pacs_look_s, 9 * (time.monotonic() - began))
        self.problem = None
        due = [study for study in self.register.all() if study.examined is None]
        ready = [study for study in due if self._has_settled(study) and self._may_be_tried(study)]
        ready.sort(key=lambda case: case.date, reverse=True)
        until = time.monotonic() + 2.0
        done = 0
        for study in ready:
            try:
                self.register.put([self._examined(study, in_use)])
            except ArchiveError as error:
                self.archive.check()  # it is down, then; else there is something about this study
                self._failed[study.uid] = (time.monotonic(), str(error))
                self.register.put([study])
            done += 1
            if time.monotonic() > until:  # a long list is asked again in between
                break
        return len(ready) - done

    def _list(self) -> None:
        """Which studies there are now."""
        now = self._clock()
        filters = {"ModalitiesInStudy": "MR", **self.config.filters()}
        listed = {study.study_uid: study for study in self.archive.studies(**filters)}
        news = []
        for uid, entry in listed.items():
            counts = "/".join(entry.text(key) for key in ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"))
            known = self.register.get(uid)
            if known is None:
                news.append(ArchivedStudy(uid, entry.text("StudyDate"), counts, since=now))
            elif known.counts != counts:
                news.append(replace(known, counts=counts, since=now, examined=None))
            elif counts == "/" and known.examined is not None and now - known.examined > _AGAIN_S:
                news.append(replace(known, examined=None))  # an archive that tells no sizes
        self.register.put(news)
        if self._at_start is None:
            # one whose size is not known may be growing
            self._at_start = {study.uid for study in self.register.all() if study.examined is None and study.counts != "/"}
        else:
            self._at_start -= {study.uid for study in news}
        # an archive that starts may list less than it holds: what is missing twice is gone
        missing = {study.uid for study in self.register.all()} - listed.keys()
        gone = missing & self._not_listed
        self._not_listed = missing - gone
        self.register.remove(gone)
        if gone:
            self._cases = {uid: case for uid, case in self._cases.items() if uid not in gone}
            self.cache.forget_but({study.uid for study in self.register.all()})

    def _check_cached(self) -> None:
        """Compare some of the series that are here with the archive: theirs may have changed though as many."""
        listed = [study for study in self.register.all() if study.uid not in self._not_listed]
        held = {folder: study for study in listed if (folder := self._folder(study)) and self.cache.holds(folder)}
        self._checked = {folder: when for folder, when in self._checked.items() if folder in held}
        for folder in sorted(held, key=lambda folder: self._checked.get(folder, 0.0))[:_CHECKED_AT_ONCE]:
            self._checked[folder] = time.monotonic()
            study = held[folder]
            try:
                if study.pair is not None and not self._is_unchanged(study.pair):
                    self.register.examine_again(study.uid)
            except ArchiveError:
                self.archive.check()  # it is down, then; else there is something about this series

    def _folder(self, study: ArchivedStudy) -> Path | None:
        case = self.case_of(study)
        return case.t1w.parent if case else None

    def _is_unchanged(self, pair: SeriesPair) -> bool:
        series = pair.series
        try:
            instances = {role: self._instances(series.study_uid, series.series_uid(role)) for role in ROLES}
        except NotFoundError:
            return False
        return pair.key == key_of(series, instances)

    def _instances(self, study_uid: str, series_uid: str) -> tuple[str, ...]:
        return tuple(sorted(instance.sop_uid for instance in self.archive.instances(study_uid, series_uid)))

    def _has_settled(self, study: ArchivedStudy) -> bool:
        quiet_s = self._clock() - study.since
        return quiet_s >= self.config.pacs_settle_s or (study.uid in (self._at_start or ()) and quiet_s >= _AT_START_S)

    def _may_be_tried(self, study: ArchivedStudy) -> bool:
        failed = self._failed.get(study.uid)
        return failed is None or time.monotonic() - failed[0] > _AGAIN_S

    # one study ----------------------------------------------------------------------------------------------------------------

    def _examined(self, study: ArchivedStudy, in_use: Callable[[str], bool]) -> ArchivedStudy:
        """The study with what its headers tell.

        Raises
        ------
        ArchiveError
        """
        looked_at = replace(study, examined=self._clock())
        try:
            series = [entry for entry in self.archive.series(study.uid) if entry.modality == "MR"]
            mr = " ".join(sorted(f"{entry.series_uid}:{entry.text('NumberOfSeriesRelatedInstances')}" for entry in series))
            if mr == study.mr and ":" in mr and not mr.endswith(":"):
                return looked_at  # something else than images arrived: a segmentation, a report
            if study.pair is not None and in_use(study.uid):
                return replace(looked_at, mr=mr, obstacle=self._why_changed(study.pair))
            pair = self._pair(study.uid, series)
        except NotFoundError:  # deleted a moment ago; the list will say so
            return replace(looked_at, obstacle="It was deleted from the archive while it was looked at.")
        except InputError as error:
            return replace(looked_at, mr=mr, pair=None, obstacle=_for_servers(str(error)))
        return replace(looked_at, mr=mr, pair=pair, obstacle=None)

    def _why_changed(self, pair: SeriesPair) -> str | None:
        if self._is_unchanged(pair):
            return None
        return (
            "Its T1W or STIR series has other instances in the archive than when it was read here, so what was submitted would "
            "not fit. Put the original instances back."
        )

    def _pair(self, study_uid: str, entries: list[SearchEntry]) -> SeriesPair:
        """T1W and STIR of a study.

        Raises
        ------
        InputError
            There is no pair, or no single best one.
        """
        instances: dict[str, tuple[str, ...]] = {}
        series: list[Series] = []
        for entry in entries:
            instances[entry.series_uid] = self._instances(study_uid, entry.series_uid)
            series += self._series(study_uid, entry.series_uid, instances[entry.series_uid])
        t1w, stir, notes = find_pair(series, self.rules)
        chosen = Archived(study_uid, t1w.series.uid, stir.series.uid)
        key = key_of(chosen, {role: instances[chosen.series_uid(role)] for role in ROLES})
        return SeriesPair(chosen, key, tuple(_for_servers(note) for note in notes))

    def _series(self, study_uid: str, series_uid: str, sop_uids: tuple[str, ...]) -> tuple[Series, ...]:
        """The headers of a series; of one that fits no role only the first."""
        if not sop_uids:
            return ()
        if len(sop_uids) > _SHORT_SERIES:
            first = _as_series(self.archive.metadata(study_uid, series_uid, sop_uids[0]))
            # an object that is no image says nothing, and another echo may fit
            if first and not any(rule.may_fit(header) for header in first for rule in (self.rules.stir, self.rules.t1w)):
                return first
        return _as_series(self.archive.metadata(study_uid, series_uid))

    # telling ------------------------------------------------------------------------------------------------------------------

    def _index_of(self, studies: list[ArchivedStudy]) -> CaseIndex:
        cases, waiting = [], []
        for study in sorted(studies, key=lambda study: study.uid):
            case = self.case_of(study)
            if case is not None:
                cases.append(case)
            else:
                series = tuple(uid.partition(":")[0] for uid in study.mr.split())
                _, failed = self._failed.get(study.uid, (0.0, self._under_way(study)))
                waiting.append(Waiting(study.uid, study.obstacle or failed, series))
        if self.problem:
            waiting.insert(0, Waiting(ARCHIVE, self.problem))
        return CaseIndex(tuple(cases), tuple(waiting))

    def _under_way(self, study: ArchivedStudy) -> str:
        images = study.counts.rpartition("/")[2]
        so_far = f" (so far {images} instances)" if images else ""
        return (
            f"It is new or has changed, and may still be arriving{so_far}; it is offered once nothing arrived for "
            f"{self.config.pacs_settle_s:g} s and its T1W and STIR were found."
        )


def _as_series(headers: list[Dataset]) -> tuple[Series, ...]:
    return series_of_headers((Path(str(header.get("SOPInstanceUID", "an instance"))), header) for header in headers)


def _for_servers(message: str) -> str:
    """A message of the pairing without the command line's options."""
    kept = [sentence for sentence in _sentences(message) if "--" not in sentence]
    return " ".join(kept)


def _sentences(text: str) -> Iterator[str]:
    parts = text.split(". ")
    for number, part in enumerate(parts, start=1):
        yield part if number == len(parts) else part + "."

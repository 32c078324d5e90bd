"""The input of `cohort`, as one table of readings and the masks behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from ..cohort.conduct import included_only, left_out_of_study
from ..cohort.overlap import MaskReading
from ..cohort.table import EMPTY, CohortTable, Reading, merged, natural, parse_table, parse_tables
from ..core.chain import PAPER, RecordedChain
from ..core.proposal import Stage
from ..core.stages import NAMES
from ..core.volume import Mask, Volume
from ..csv_tables import read_table_text
from ..errors import InputError
from ..readings.data_folder import FORMAT_FILE
from ..readings.finished import FinishedReading, finished_readings
from ..readings.reviews import classes_of_cases
from ..studies.nifti import read_volume
from ..studies.reader_masks import PassedOver, ReaderMask, find_reader_masks, find_stir, passed_over, read_inflammation
from ..studies.registration import placed, reoriented

DATA_FOLDER = ".vhi"


@dataclass(frozen=True)
class StoredMask:
    """One reader's mask where it lies, with the numbers that are known before it is read.

    `read` gives the mask, what of it reaches the conservative threshold (None where that is not known), and a note.
    """

    subject: str
    visit: str
    reader: str
    reading: int
    method: str
    read: Callable[[], tuple[Mask, Mask | None, str]]
    numbers: dict[str, float] | None = None
    rating: str | None = None
    stage: str | None = None
    verdict: str | None = None
    read_on: str | None = None

    def read_named(self) -> tuple[Mask, Mask | None, str]:
        """The mask, under a name that tells messages whose it is."""
        mask, conservative, note = self.read()
        whose = f"{self.subject}, {self.visit.replace('_', '-')}, reader {self.reader}, reading {self.reading}, {self.method}"
        return Mask(mask.data, mask.grid, f"the mask of {whose}"), conservative, note

    def as_reading(self, mask: Mask, conservative: Mask | None) -> Reading:
        """The numbers of a mask without other ones: all its voxels count."""
        numbers = self.numbers
        if numbers is None:
            numbers = {"vhi_mm3": mask.volume_mm3, "vhi_voxels": float(mask.voxels)}
            if conservative is not None:
                numbers["vhi_conservative_mm3"] = conservative.volume_mm3
                numbers["vhi_conservative_voxels"] = float(conservative.voxels)
        key = (self.subject, self.visit, self.reader, self.reading, self.method)
        return Reading(*key, numbers, self.rating, self.read_on, self.stage, self.verdict)


@dataclass
class CohortInput:
    """Everything that was given. `readings` grows while the scans are gone through.

    `chains` has subject, visit and post-transforms of each reading of which they are known, `settings` the settings that make it
    another measure, `stages` the stage of its number. `classes` has by case why its readers differ, as it was recorded in a
    server's review.
    """

    table: CohortTable = EMPTY
    masks: tuple[StoredMask, ...] = ()
    stir: dict[tuple[str, str], Path] = field(default_factory=dict)
    cases: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    inputs: list[tuple[str, Path]] = field(default_factory=list)
    passed_over: tuple[PassedOver, ...] = ()
    readings: list[Reading] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    chains: list[tuple[str, str, RecordedChain]] = field(default_factory=list)
    stages: list[tuple[str, str, str]] = field(default_factory=list)
    settings: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)

    def leave_out_of_study(self) -> None:
        """Take out subjects whom the table calls excluded or withdrawn: their masks and rows are in no analysis."""
        self.left_out = left_out_of_study(self.table)
        self.table = included_only(self.table, self.left_out)
        self.masks = tuple(mask for mask in self.masks if mask.subject not in self.left_out)
        self.readings = [reading for reading in self.readings if reading.subject not in self.left_out]
        self.cases = {key: case for key, case in self.cases.items() if key[0] not in self.left_out}

    def check_chains(self) -> None:
        """Take a note of the readings' post-transforms where they are not the paper's.

        Raises
        ------
        InputError
            There are several chains: their volumes are of different methods.
        """
        by_chain: dict[RecordedChain, list[str]] = {}
        for subject, visit, chain in self.chains:
            if subject not in self.left_out:
                by_chain.setdefault(chain, []).append(f"{subject}, {visit.replace('_', '-')}")
        if len(by_chain) > 1:
            each = "; ".join(f"{chain}: {len(which)} of them, the first of {which[0]}" for chain, which in by_chain.items())
            raise InputError(
                f"The readings were measured with different post-transforms ({each}), which is not one method; "
                "have the scans read again with one chain, or leave out patients by inclusion excluded in a --table."
            )
        self.notes += [
            f"The readings were measured with the post-transforms {chain}, which are not the paper's."
            for chain in by_chain
            if chain != RecordedChain(PAPER)
        ]

    def check_settings(self) -> None:
        """Take a note of thresholds that were set otherwise than by default, and of parts that were left out.

        Raises
        ------
        InputError
            They differ between readings: their volumes are of different methods.
        """
        by_settings: dict[tuple[str, ...], list[str]] = {}
        for subject, visit, changed in self.settings:
            if subject not in self.left_out:
                by_settings.setdefault(changed, []).append(f"{subject}, {visit.replace('_', '-')}")
        words = {changed: ", ".join(changed) or "the defaults" for changed in by_settings}
        if len(by_settings) > 1:
            each = "; ".join(f"{words[one]}: {len(of)} of them, the first of {of[0]}" for one, of in by_settings.items())
            raise InputError(
                f"The readings were measured with different settings ({each}), which is not one method; have the scans read "
                "again with the same settings, or leave out patients by inclusion excluded in a --table."
            )
        self.notes += [
            f"The readings were measured with {words[one]}, which is not the default method." for one in by_settings if one
        ]

    def check_stages(self, accept_uncleaned: bool) -> None:
        """Let only what a reader cleaned count as VHI; what does not state its stage is a reader's and counts as cleaned.

        Raises
        ------
        InputError
            A number is uncleaned or proposed, and that was not accepted.
        """
        stated = [
            *self.stages,
            *((reading.subject, reading.visit, reading.stage) for reading in self.table.readings if reading.stage),
        ]
        others = [entry for entry in stated if entry[2] != "cleaned" and entry[0] not in self.left_out]
        if not others:
            return
        counts = Counter(NAMES[cast(Stage, stage)].lower() for _, _, stage in others)
        each = " and ".join(f"{count} of {name}" for name, count in counts.items())
        subject, visit, _ = others[0]
        if not accept_uncleaned:
            raise InputError(
                f"{len(others)} of the readings are no VHI, which is what a reader kept ({each}; the first of {subject}, "
                f"{visit.replace('_', '-')}); have the scans cleaned by a reader, or pass --accept-uncleaned to analyse them "
                "all the same."
            )
        self.notes.append(f"Not all of these numbers are VHI: {each} were accepted (--accept-uncleaned); no reader cleaned them.")

    def scans(self) -> Iterator[list[MaskReading]]:
        """The readings of one scan after the other, on one grid each; what they measure is kept in `readings`."""
        by_scan: dict[tuple[str, str], list[StoredMask]] = {}
        for one in self.masks:
            by_scan.setdefault((one.subject, one.visit), []).append(one)
        for key in sorted(by_scan, key=lambda key: (natural(key[0]), key[1])):
            masks: list[MaskReading] = []
            for one in by_scan[key]:
                mask, conservative, note = one.read_named()
                self.notes += [note] if note else []
                self.readings.append(one.as_reading(mask, conservative))
                mask = placed(mask, masks[0].mask.grid) if masks else mask
                masks.append(MaskReading(one.subject, one.visit, one.reader, one.reading, one.method, mask))
            yield masks

    def whole_table(self) -> CohortTable:
        """The table with what the masks measure; call after `scans` was gone through."""
        table = merged(self.table, self.readings, self.cases)
        visits = {
            key: replace(visit, disagreement=visit.disagreement or self.classes.get(visit.case or ""))
            for key, visit in table.visits.items()
        }
        return CohortTable(table.readings, visits)

    def mask_of(self, subject: str, visit: str, reader: str, reading: int, method: str) -> Mask | None:
        """One reading's mask, read again; None where there is no file of it."""
        wanted = (subject, visit, reader, reading, method)
        mask = next((m for m in self.masks if (m.subject, m.visit, m.reader, m.reading, m.method) == wanted), None)
        return None if mask is None else mask.read_named()[0]

    def stir_of(self, subject: str, visit: str, like: Mask) -> Volume | None:
        """The STIR scan of a visit in the array order of a mask; None where there is no file of it."""
        path = self.stir.get((subject, visit))
        return None if path is None else reoriented(read_volume(path, "STIR"), like.grid)


def read_cohort(source: Path, tables: Sequence[Path], scans: Path | None, accept_uncleaned: bool = False) -> CohortInput:
    """Read a table, a folder of masks, or what a server stored; patients who are not in the study are left out.

    Parameters
    ----------
    source : Path
        A CSV file; a folder with masks by their names; or the studies (or data) folder of a server.
    tables : sequence of Path
        Further tables of the same columns: visits of cases, clinical values, scores.
    scans : Path, optional
        Where STIR scans lie, if not in `source`.
    accept_uncleaned : bool
        Whether volumes that no reader cleaned are analysed too.

    Raises
    ------
    VhiError
        Also where readings were measured by different chains of post-transforms, or were not cleaned.
    """
    if not source.exists():
        raise InputError(f"There is no {source}; pass a table, a folder of masks, or the studies folder of a server.")
    given = CohortInput()
    files = [*([] if source.is_dir() else [source]), *tables]
    given.table = parse_tables([(read_table_text(path), path.name) for path in files])
    given.inputs = [("table", path) for path in files]
    readings: tuple[ReaderMask, ...] = ()
    if source.is_dir():
        given.inputs.insert(0, ("folder", source))
        readings = _read_folder(source, given)
    # a data folder passed as such holds copies of scans under aliases, and no scans of its own
    own = source if source.is_dir() and not (source / FORMAT_FILE).is_file() else None
    places = [place for place in (scans, own) if place is not None]
    for place in places:
        if not place.is_dir():
            raise InputError(f"There is no folder {place} with STIR scans; check the path.")
        stir = find_stir(place)
        for case, path in stir.items():
            visit = given.table.visit_of_case(case)
            if given.cases.get(visit, case) == case:  # another case of that visit has the readings
                given.stir.setdefault(visit, path)
        if place is own and readings:
            given.passed_over = passed_over(own, readings, list(stir.values()))
            given.notes += passed_over_note(given.passed_over)
    given.leave_out_of_study()
    given.check_chains()
    given.check_settings()
    given.check_stages(accept_uncleaned)
    return given


def passed_over_note(files: Sequence[PassedOver], one: str = "image file", many: str = "image files") -> list[str]:
    """One sentence on the files that no reading was taken from; none where every file was used."""
    if not files:
        return []
    reasons = Counter(file.why for file in files)
    each = "; ".join(f"{count} ({why})" for why, count in reasons.most_common())
    return [f"Passed over: {len(files)} {many if len(files) > 1 else one}: {each}. Each is named in tables/passed_over.csv."]


def read_table(path: Path) -> CohortTable:
    """One CSV table from a file.

    Raises
    ------
    InputError
    """
    return parse_table(read_table_text(path), path.name)


def _read_folder(source: Path, cohort: CohortInput) -> tuple[ReaderMask, ...]:
    """Take the readings of a folder; those that are told by the names of files are returned."""
    for place in (source, source / DATA_FOLDER):
        if (place / FORMAT_FILE).is_file():
            cohort.masks = tuple(_of_server(reading, cohort) for reading in finished_readings(place))
            cohort.classes = classes_of_cases(place)
            if not cohort.masks:
                raise InputError(f"{place} is the data folder of a server on which nobody has submitted inflammation yet.")
            return ()
    readings = find_reader_masks(source)
    if not readings:
        raise InputError(
            f"{source} holds neither masks called <case>_inflammation_R<reader>[<reading>][_LT].nii.gz, nor BIDS masks, nor "
            "the data folder (.vhi) of a server; docs/cohort.md shows the names."
        )
    cohort.masks = tuple(_of_file(reading, cohort) for reading in readings)
    return readings


def _visit_of(case: str, cohort: CohortInput) -> tuple[str, str]:
    """Subject and visit of a case that was read; InputError where another case is that visit too."""
    subject, visit = key = cohort.table.visit_of_case(case)
    if (other := cohort.cases.setdefault(key, case)) != case:
        raise InputError(
            f"The cases {other} and {case} are both {visit.replace('_', '-')} of subject {subject}; say by case, subject and "
            "visit in a --table which is which, or take one away."
        )
    return key


def _of_file(one: ReaderMask, cohort: CohortInput) -> StoredMask:
    subject, visit = _visit_of(one.case, cohort)
    return StoredMask(subject, visit, one.reader, one.reading, one.method, lambda: read_inflammation(one))


def _of_server(one: FinishedReading, cohort: CohortInput) -> StoredMask:
    subject, visit = _visit_of(one.case, cohort)
    cohort.chains += [] if one.chain is None else [(subject, visit, one.chain)]
    cohort.settings += [] if one.settings is None else [(subject, visit, one.settings)]
    cohort.stages += [] if one.stage is None else [(subject, visit, one.stage)]
    return StoredMask(
        subject,
        visit,
        one.reader,
        one.reading,
        one.method,
        lambda: (one.read_mask(), None, ""),
        one.numbers,
        one.rating,
        one.stage,
        one.verdict,
        one.read_on,
    )

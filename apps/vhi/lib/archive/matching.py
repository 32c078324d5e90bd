"""Search parameters as SQL conditions: DICOM's attribute matching (PS3.4, C.2.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lib.archive.attributes import MORE, SEARCHABLE, SHOWN, Level, keyword_of, tag_of
from lib.errors import RequestError

LARGEST_PAGE = 100_000
_COLUMNS = {
    "StudyInstanceUID": "studies.study_uid",
    "SeriesInstanceUID": "series.series_uid",
    "SOPInstanceUID": "instances.sop_uid",
}
_TABLES = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}


@dataclass
class Search:
    """What a client asked for: conditions on the tables of its level and above, a page, and further attributes.

    `included` are tags in hexadecimal digits; `everything` asks for all that is kept.
    """

    level: Level
    conditions: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    limit: int = LARGEST_PAGE
    offset: int = 0
    included: set[str] = field(default_factory=set)
    everything: bool = False

    def only(self, keyword: str, value: str) -> None:
        """Of one study or series alone, as the address says."""
        self.conditions.append(f"{_COLUMNS[keyword]} = ?")
        self.values.append(value)


def search_of(level: Level, parameters: Sequence[tuple[str, str]]) -> Search:
    """Read the parameters of a search.

    Raises
    ------
    RequestError
        One is unknown, cannot be searched by at this level, or has an unusable value. To leave it out instead would answer
        with other patients' studies than were asked for.
    """
    search = Search(level)
    fuzzy = any(name == "fuzzymatching" and value.lower() == "true" for name, value in parameters)
    for name, value in parameters:
        if name in ("limit", "offset"):
            setattr(search, name, _count(name, value))
        elif name == "includefield":
            _include(search, value)
        elif name != "fuzzymatching":
            _match(search, name, value, fuzzy)
    search.limit = min(search.limit, LARGEST_PAGE)
    return search


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise RequestError(f"{name} must be a number from 0, found {value[:40]!r}.")
    return int(value)


def _include(search: Search, value: str) -> None:
    for name in value.split(","):
        if name == "all":
            search.everything = True
            continue
        keyword = keyword_of(name.split(".")[0])
        if keyword is None:
            raise RequestError(f"includefield {name[:40]!r} is no attribute; give a keyword, eight hexadecimal digits, or all.")
        search.included.add(tag_of(keyword))


def _match(search: Search, name: str, value: str, fuzzy: bool) -> None:
    keyword = keyword_of(name)
    found = SEARCHABLE.get(keyword or "")
    if found is None:
        raise RequestError(f"Searching by {name[:60]!r} is not supported; known are {', '.join(SEARCHABLE)}.")
    if found.level > search.level:
        raise RequestError(f"{found.keyword} belongs to the {found.level.name.lower()} level; search at that level.")
    if value in ("", "*"):
        return
    if found.keyword == "ModalitiesInStudy":
        condition, values = _any_of("one.Modality", _listed(value))
        search.conditions.append(f"EXISTS (SELECT 1 FROM series one WHERE one.study_uid = studies.study_uid AND {condition})")
        search.values += values
        return
    column = _COLUMNS.get(found.keyword, f"{_TABLES[found.level]}.{found.keyword}")
    if found.vr == "UI":
        values = _listed(value)
        condition = f"{column} IN ({', '.join('?' * len(values))})"
    elif found.vr in ("DA", "TM"):
        condition, values = _in_range(found.keyword, column, value, 8 if found.vr == "DA" else 6)
    elif found.vr == "PN":
        condition, values = _named(column, value, fuzzy)
    elif found.vr == "IS":
        condition, values = f"CAST({column} AS INTEGER) = CAST(? AS INTEGER)", [str(_count(found.keyword, value))]
    else:
        condition, values = _any_of(column, _listed(value) if found.vr == "CS" else [value])
    search.conditions.append(f"({condition})")
    search.values += values


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.replace("\\", ",").split(",") if one.strip()]


def _any_of(column: str, values: list[str]) -> tuple[str, list[str]]:
    """Single values, which may have wildcards, against an attribute that may hold several."""
    # backslashes separate values: around both sides they keep "MR" from matching "MRI"
    conditions = " OR ".join([f"'\\' || {column} || '\\' GLOB ?"] * len(values))
    return f"({conditions})", [f"*\\{_glob(value)}\\*" for value in values]


def _glob(value: str) -> str:
    return value.replace("[", "[[]")


def _in_range(keyword: str, column: str, value: str, digits: int) -> tuple[str, list[str]]:
    first, separator, last = value.partition("-")
    for end in (first, last):
        if end and not (end.replace(".", "").isascii() and end.replace(".", "").isdigit() and len(end) <= digits + 7):
            raise RequestError(f"{keyword} must be a value or a range such as 20260101-20261231, found {value[:40]!r}.")
    if not (first or last):
        return "1", []
    # one length, so that texts compare as the values do; an open end takes the rest of its unit
    short = f"substr({column} || '{'0' * digits}', 1, {digits})"
    low, high = (first or "").ljust(digits, "0")[:digits], ((last if separator else first) or "").ljust(digits, "9")[:digits]
    conditions, values = [f"{column} != ''"], []
    if first:
        conditions.append(f"{short} >= ?")
        values.append(low)
    if last or not separator:
        conditions.append(f"{short} <= ?")
        values.append(high)
    return " AND ".join(conditions), values


def _named(column: str, value: str, fuzzy: bool) -> tuple[str, list[str]]:
    """Names without regard to case; a family name alone or any of the name's groups will do. Fuzzy: parts that begin so."""
    folded = value.casefold()
    if fuzzy:
        words = [word for word in folded.replace("^", " ").replace("=", " ").replace("*", " ").replace("?", " ").split() if word]
        spaced = f"' ' || replace(replace(fold({column}), '^', ' '), '=', ' ')"
        return " AND ".join([f"{spaced} GLOB ?"] * len(words)) or "1", [f"* {_glob(word)}*" for word in words]
    # `=` separates the groups of a name; empty components at its end do not count
    pattern = _glob(folded.rstrip("^") or folded)
    return f"'=' || fold({column}) || '=' GLOB ? OR '=' || rtrim(fold({column}), '^') || '=' GLOB ?", [f"*={pattern}=*"] * 2


def shown_more(search: Search, level: Level) -> set[str] | None:
    """Tags of the further attributes to tell of a level; None for all that are kept of it."""
    if search.everything:
        return None
    return search.included & {tag_of(keyword) for keyword in (*MORE[level], *SHOWN[level])}

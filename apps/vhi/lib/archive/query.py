"""The search of a client: the parameters of a QIDO request, checked, and as a condition on the index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import RequestError
from .attributes import SEARCHABLE, Level, Searchable, keyword_of

MOST_RESULTS = 20_000
_LARGEST = 2**31
_ONE = {Level.STUDY: "a study", Level.SERIES: "a series", Level.INSTANCE: "an instance"}
_PLACES = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}


@dataclass(frozen=True)
class Query:
    """A search, as understood.

    Attributes
    ----------
    condition : SQL over the columns of `SEARCHABLE`, and `values` for its question marks
    fields : tags that are asked for beside those that every answer holds; None for all
    """

    level: Level
    condition: str
    values: tuple[str, ...]
    fields: frozenset[str] | None
    limit: int
    offset: int
    fuzzy: bool


def parse_query(level: Level, parameters: Iterable[tuple[str, str]]) -> Query:
    """Understand the parameters of a search.

    Raises
    ------
    RequestError
        A parameter is unknown, or cannot be searched by at this level: a filter is never ignored, since results of other
        patients would look like results of the search.
    """
    filters: dict[str, list[str]] = {}
    fields: frozenset[str] | None = frozenset()
    numbers = {"limit": MOST_RESULTS, "offset": 0}
    fuzzy = False
    for name, value in parameters:
        if name in numbers:
            numbers[name] = _whole(name, value)
        elif name == "fuzzymatching":
            fuzzy = value.lower() == "true"
        elif name == "includefield":
            fields = None if fields is None or value.lower() == "all" else fields | _fields(value)
        elif name != "accept":
            filters.setdefault(_searchable(level, name).keyword, []).append(value)
    terms = [term for keyword, values in filters.items() if (term := _term(SEARCHABLE[keyword], values)) is not None]
    condition = " AND ".join(text for text, _ in terms) or "1"
    limit = min(numbers["limit"], MOST_RESULTS)
    return Query(
        level, condition, tuple(value for _, values in terms for value in values), fields, limit, numbers["offset"], fuzzy
    )


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", value):
        raise RequestError(f"{name} is a whole number from 0, found {value[:40]!r}.")
    return min(int(value), _LARGEST)


def _fields(value: str) -> frozenset[str]:
    """Tags of the names in an includefield; those that the dictionary does not know stay as they are, when they are tags."""
    from .attributes import tag_of

    tags = set()
    for name in value.split(","):
        keyword = keyword_of(name.strip())
        if keyword is not None:
            tags.add(tag_of(keyword))
        elif re.fullmatch(r"[0-9A-Fa-f]{8}", name.strip()):
            tags.add(name.strip().upper())
        else:
            raise RequestError(f"includefield names {name[:60]!r}, which is no attribute of DICOM.")
    return frozenset(tags)


def _searchable(level: Level, name: str) -> Searchable:
    keyword = keyword_of(name)
    attribute = SEARCHABLE.get(keyword or "")
    if attribute is None:
        raise RequestError(f"{name[:60]!r} cannot be searched by; leave it out, or use one of {', '.join(SEARCHABLE)}.")
    if attribute.level > level:
        places = " or ".join(f"/{_PLACES[level]}" for level in Level if level >= attribute.level)
        hint = "; for studies there is ModalitiesInStudy" if keyword == "Modality" else ""
        raise RequestError(f"{keyword} belongs to {_ONE[attribute.level]}; search for it below {places}{hint}.")
    return attribute


def _term(attribute: Searchable, given: list[str]) -> tuple[str, list[str]] | None:
    """Condition on one attribute, and its values; None when everything matches."""
    column, vr = attribute.keyword, attribute.vr
    if vr in ("UI", "CS"):
        given = [part for value in given for part in re.split(r"[,\\]", value)]
    given = [part for part in (value.strip() for value in given) if part and part != "*"]
    if not given:
        return None
    if vr == "UI":
        return f"{column} IN ({', '.join('?' * len(given))})", given
    terms: list[str] = []
    values: list[str] = []
    for value in given:
        text, bound = _one(column, vr, value)
        terms.append(text)
        values += bound
    return f"({' OR '.join(terms)})", values


def _one(column: str, vr: str, value: str) -> tuple[str, list[str]]:
    if vr in ("DA", "TM"):
        return _range(column, vr, value)
    if vr == "IS":
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", value):
            raise RequestError(f"{column} is a whole number, found {value[:40]!r}.")
        return f"{column} = ?", [str(int(value))]
    return f"matches({column}, ?, '{vr}')", [value]


def _range(column: str, vr: str, value: str) -> tuple[str, list[str]]:
    """A date, a time, or a range of them, open on either side."""
    shape = r"[0-9]{8}" if vr == "DA" else r"[0-9]{2,6}(\.[0-9]{1,6})?"
    first, dash, last = value.replace(".", "").replace(":", "").partition("-") if vr == "DA" else value.partition("-")
    if not (first or last) or any(end and not re.fullmatch(shape, end) for end in (first, last)):
        example = "20250131, 20250101-20250131 or 20250101-" if vr == "DA" else "0930, 0900-1200 or 0900-"
        raise RequestError(f"{column} is searched by {example}; found {value[:40]!r}.")
    last = last if dash else first
    # an absent value lies in no range; times may be given, and kept, to the hour or to the microsecond: "~" is behind all digits
    terms, values = [f"{column} != ''"], []
    if first:
        terms.append(f"{column} >= ?" if vr == "DA" else f"{column} || '~' >= ?")
        values.append(first)
    if last:
        terms.append(f"{column} <= ?")
        values.append(last if vr == "DA" else last + "~")
    return f"({' AND '.join(terms)})", values


def matches(value: str, pattern: str, vr: str) -> bool:
    """Whether a kept value is one that a client asks for: `*` and `?` stand for any characters; names in any case.

    One of several values is enough, and one of the groups of a name (alphabetic, ideographic, phonetic).
    """
    expression = _pattern(pattern, vr == "PN")
    return any(
        expression.fullmatch(text) for part in value.split("\\") for text in ((part, *part.split("=")) if vr == "PN" else (part,))
    )


@lru_cache(maxsize=256)
def _pattern(pattern: str, any_case: bool) -> re.Pattern[str]:
    # runs of stars as one: no pattern takes long
    text = re.sub(r"\*+", "*", pattern)
    parts = (".*" if character == "*" else "." if character == "?" else re.escape(character) for character in text)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if any_case else 0))

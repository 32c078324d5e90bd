"""Who made a Segmentation or a report in the archive, when, and which reading of theirs it says it is."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_READING = re.compile(r"\breading\s*([1-9]\d?)\b", re.IGNORECASE)
# what programs write where nobody is named
_NOBODY = {"anonymous", "unknown", "unspecified", "none", "operator"}


def stated_reading(dataset: Dataset) -> int | None:
    """The reading that an object's description names ("reading 2"); None where it names none."""
    for keyword in ("SeriesDescription", "ContentDescription", "ContentLabel"):
        stated = _READING.search(str(dataset.get(keyword) or ""))
        if stated:
            return int(stated[1])
    return None


def written_at(dataset: Dataset) -> str:
    """Date and time of the content as one text that sorts."""
    for kind in ("Content", "Series", "InstanceCreation", "Study"):
        date = str(dataset.get(f"{kind}Date") or "")
        if date:
            return f"{date} {dataset.get(f'{kind}Time') or ''}".strip()
    return ""


def named_person(dataset: Dataset) -> tuple[str, ...]:
    """Family and given name of the first person who is named; empty for nobody."""
    several = dataset.get("OperatorsName")
    operators = [several] if several is None or isinstance(several, str) or hasattr(several, "family_name") else list(several)
    for person in (dataset.get("ContentCreatorName"), *operators):
        parts = tuple(part.strip() for part in str(person or "").split("=")[0].split("^")[:2])
        if bare("".join(parts)) not in {"", *_NOBODY}:
            return parts
    return ()


def plain(text: str) -> str:
    """A name without accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def bare(text: str) -> str:
    """Letters and digits alone, in small letters, for comparing names."""
    return re.sub(r"[^a-z0-9]", "", plain(text).lower())

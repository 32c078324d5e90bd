"""Who or what made each part of a result, in DICOM's three words: AUTOMATIC, SEMIAUTOMATIC, MANUAL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from highdicom.sr.coding import CodedConcept

from ..core.segment_names import CONSERVATIVE, DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from .codes import ARTIFICIAL_INTELLIGENCE, HISTOGRAM_ANALYSIS
from .content import ReportContent

Kind = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
_LONGEST_DESCRIPTION = 64
_LONGEST_NAME = 63  # of a DICOM person name, with the sign that ends the family name


@dataclass(frozen=True)
class Maker:
    """How a segment came about; the algorithm is None where a person drew it alone."""

    kind: Kind
    algorithm: str | None = None
    version: str = ""
    family: CodedConcept = HISTOGRAM_ANALYSIS


_BONE_MAKERS = {
    "proposed": Maker("AUTOMATIC", "VHI normal bone proposal"),
    "clicked": Maker("SEMIAUTOMATIC", "VHI normal bone from clicks"),
}


def makers(content: ReportContent) -> dict[str, Maker]:
    """The maker of every segment.

    A region that was given is a person's, unless the reading says that the reader corrected the automatic one. Inflammation is
    SEMIAUTOMATIC when a reader cleaned it and also when a person drew one of the regions it rests on.
    """
    result, reading = content.result, reading_of(content)
    changes: Mapping[str, Any] = reading.get("changes") or {}
    program = program_version(content)
    region = _region(content, DISEASE_REGION in changes)
    proposed = result.normal_bone_source == "proposed"
    bone = _BONE_MAKERS.get(result.normal_bone_source, Maker("MANUAL"))
    bone = bone if bone.algorithm is None else replace(bone, version=program)
    if reading.get("method") == "manual":
        maker = Maker("MANUAL")
    else:
        by_person = bool(reading.get("reader")) or region.kind != "AUTOMATIC" or not proposed
        maker = Maker("SEMIAUTOMATIC" if by_person else "AUTOMATIC", "VHI thresholds", program)
    return {NORMAL_BONE: bone, DISEASE_REGION: region, INFLAMMATION: maker, CONSERVATIVE: maker}


def _region(content: ReportContent, corrected: bool) -> Maker:
    given = content.result.disease_region.source == "given"
    if given and not corrected:
        return Maker("MANUAL")
    version = str((content.numbers["provenance"].get("model") or {}).get("version") or program_version(content))
    kind: Kind = "SEMIAUTOMATIC" if given else "AUTOMATIC"
    return Maker(kind, "VHI disease region ensemble", version[:64], ARTIFICIAL_INTELLIGENCE)


def reading_of(content: ReportContent) -> Mapping[str, Any]:
    """The reader's work in the words of the report; empty where nobody corrected the result."""
    return content.numbers.get("reading") or {}


def reader_name(content: ReportContent) -> str | None:
    """The reader as a DICOM person name; None for nobody."""
    return person_name(str(reading_of(content).get("reader") or ""))


def person_name(reader: str) -> str | None:
    """A name as DICOM has it: one family name, without the signs that divide such names; None for nobody."""
    clean = "".join(" " if sign in "\\^=" else sign for sign in reader if sign.isprintable()).strip()
    return f"{clean[:_LONGEST_NAME]}^" if clean else None


def series_description(what: str, reader: str | None) -> str:
    """The content of a series and whose it is, at most 64 characters: viewers' lists of series show nothing else of it.

    Parameters
    ----------
    what : str
    reader : str, optional
        A DICOM person name; None for nobody.
    """
    return what if reader is None else f"{what}, {reader.rstrip('^')}"[:_LONGEST_DESCRIPTION].rstrip()


def program_version(content: ReportContent) -> str:
    """Version of this program, as the report's provenance has it."""
    return str((content.numbers["provenance"].get("versions") or {}).get("vhi") or "unknown")

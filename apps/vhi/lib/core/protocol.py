"""How a scan was taken, as far as its grid tells; and ensembles that have networks of their own for some protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import ModelError
from .normalise import TRAINING_PIXEL_SPACING_MM
from .volume import Grid

# scans of one protocol differ by less, the study's and those of another scanner by more
LENGTHS, PLANE_DEG = 0.15, 20.0


@dataclass(frozen=True)
class Protocol:
    """The protocol of one kind of scan: spacing, field of view, plane.

    Parameters
    ----------
    pixel_mm, slice_mm, field_mm : float
        Spacing in the slice and between slices, and the width of the frame.
    lean_deg : float
        Between the slices and the patient's coronal plane, 0 to 90.
    """

    pixel_mm: float
    slice_mm: float
    field_mm: float
    lean_deg: float

    @classmethod
    def of(cls, grid: Grid) -> Protocol:
        """The protocol of a scan on this grid."""
        i, j, k = grid.spacing_mm
        normal = np.cross(grid.affine[:3, 0], grid.affine[:3, 1])
        lean = np.degrees(np.arccos(min(1.0, abs(normal[1]) / np.linalg.norm(normal))))
        field = max(i * grid.shape[0], j * grid.shape[1])
        return cls(*(round(float(n), 4) for n in ((i * j) ** 0.5, k, field, lean)))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Protocol:
        """The protocol that `as_dict` wrote.

        Raises
        ------
        ModelError
            A field is missing, unknown or no number.
        """
        try:
            return cls(**{name: float(value) for name, value in content.items()})
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"The protocol of a kind of scan is damaged ({error}); restore the manifest of the model."
            ) from error

    def as_dict(self) -> dict[str, float]:
        return asdict(self)

    def is_like(self, other: Protocol) -> bool:
        """Whether two scans may be of one kind."""
        lengths = ((self.pixel_mm, other.pixel_mm), (self.slice_mm, other.slice_mm), (self.field_mm, other.field_mm))
        alike = all(abs(np.log(a / b)) <= LENGTHS for a, b in lengths)
        return alike and abs(self.lean_deg - other.lean_deg) <= PLANE_DEG

    def description(self) -> str:
        """A description for pages: `pixels of 0.91 mm, slices 5.2 mm apart, 350 mm wide`."""
        return f"pixels of {self.pixel_mm:.2f} mm, slices {self.slice_mm:.1f} mm apart, {self.field_mm:.0f} mm wide"


# of the scans that the shipped networks learnt, which no networks of a kind may take over (Hepburn et al. 2023)
STUDY = Protocol(pixel_mm=0.5952, slice_mm=3.3, field_mm=200.0, lean_deg=38.0)


def is_of_kind(kind: Protocol, scan: Protocol) -> bool:
    """Whether networks of their own for a kind of scans answer a scan: never one that is like the study's too, since being alike
    is not transitive."""
    return kind.is_like(scan) and not scan.is_like(STUDY)


def kind_of(kinds: Iterable[Mapping[str, Any]], scan: Protocol) -> str | None:
    """The name of the first of the kinds of scans of a manifest that a scan is of."""
    return next((kind["name"] for kind in kinds if is_of_kind(Protocol.from_dict(kind["protocol"]), scan)), None)


class Ensemble(tuple[Any, ...]):
    """The members of an ensemble, and those that stand in for them on scans of other protocols.

    Parameters
    ----------
    members : iterable of Member
    kinds : sequence of (Protocol, members)
    pixel_spacing_mm : float, optional
        Of the slices that the members learnt; when absent the study's.
    """

    kinds: tuple[tuple[Protocol, tuple[Any, ...]], ...]
    pixel_spacing_mm: float

    def __new__(
        cls,
        members: Iterable[Any],
        kinds: Sequence[tuple[Protocol, Sequence[Any]]] = (),
        pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM,
    ) -> Ensemble:
        made = super().__new__(cls, members)
        made.kinds = tuple((protocol, own if isinstance(own, Ensemble) else Ensemble(own)) for protocol, own in kinds)
        made.pixel_spacing_mm = pixel_spacing_mm
        return made


def members_for(members: Sequence[Any], grid: Grid) -> Sequence[Any]:
    """The members that answer for a scan on this grid: all of them, unless the scan is of a kind that has networks of its own."""
    kinds = members.kinds if isinstance(members, Ensemble) else ()
    protocol = Protocol.of(grid)
    return next((own for known, own in kinds if is_of_kind(known, protocol)), members)


def spacing_of(members: Sequence[Any]) -> float:
    """Pixel spacing [mm] of the slices that members learnt, as `members_for` gives them."""
    return members.pixel_spacing_mm if isinstance(members, Ensemble) else TRAINING_PIXEL_SPACING_MM

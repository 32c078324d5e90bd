"""Which parts of the anatomy count: by default all of the disease region."""

from __future__ import annotations

from dataclasses import dataclass

from .partition import ABOVE_L45, IN_JOINT, L45_TO_S1
from .setting import check_settings, setting

NOTHING, L45, L5S1 = "nothing", "l4/5", "l5/s1"
_SOURCE = "the paper's readers removed it by hand: what lay above the L4/5 disc (one legend says L5/S1), and in the joint space"


@dataclass(frozen=True)
class AnatomicalLimits:
    """Parts that are reported apart and left out of the total; none, unless asked for."""

    leave_out_above: str = setting(NOTHING, "disc above which lesions are left out", _SOURCE, choices=(NOTHING, L45, L5S1))
    leave_out_joint_space: bool = setting(False, "leave out what lies in the sacroiliac joint space", _SOURCE)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Indices of the `ZONES` that do not count."""
        above = {NOTHING: (), L45: (ABOVE_L45,), L5S1: (ABOVE_L45, L45_TO_S1)}[self.leave_out_above]
        return (*above, *((IN_JOINT,) if self.leave_out_joint_space else ()))

    @property
    def words(self) -> str:
        """Where what is left out lies, for a sentence; empty where all counts."""
        above = () if self.leave_out_above == NOTHING else (f"above the {self.leave_out_above.upper()} disc",)
        return " and ".join((*above, *(("in the joint space",) if self.leave_out_joint_space else ())))

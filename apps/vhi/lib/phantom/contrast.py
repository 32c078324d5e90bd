"""Signal equations: from the relaxation of a tissue to its brightness in a spin echo and in a STIR series, at 3 T.

Signals are fractions of the signal that one unit of proton density would give with no relaxation at all; `study` scales
them to scanner units. The inversion-recovery signal keeps its sign, so that tissues mixed in one voxel add (and cancel) as
their magnetisations do; the magnitude is taken after mixing.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class Tissue:
    """Longitudinal and transverse relaxation times [ms] and proton density relative to free water."""

    t1_ms: float
    t2_ms: float
    proton_density: float


@dataclass(frozen=True)
class SpinEcho:
    """Repetition and echo time [ms] of a spin echo series."""

    tr_ms: float
    te_ms: float

    def signal(self, tissue: Tissue) -> float:
        """`PD (1 - exp(-TR/T1)) exp(-TE/T2)`."""
        return float(tissue.proton_density * (1 - np.exp(-self.tr_ms / tissue.t1_ms)) * np.exp(-self.te_ms / tissue.t2_ms))


@dataclass(frozen=True)
class InversionRecovery:
    """Repetition, echo and inversion time [ms] of an inversion-recovery (turbo) spin echo series."""

    tr_ms: float
    te_ms: float
    ti_ms: float

    def signal(self, tissue: Tissue) -> float:
        """`PD (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2)`; negative until the tissue's null at `TI = T1 ln 2` or so."""
        recovery = 1 - 2 * np.exp(-self.ti_ms / tissue.t1_ms) + np.exp(-self.tr_ms / tissue.t1_ms)
        return float(tissue.proton_density * recovery * np.exp(-self.te_ms / tissue.t2_ms))


# STIR as in Hepburn et al. 2023, section 2.4. The T1W timing is a usual musculoskeletal spin echo at 3 T.
STIR = InversionRecovery(tr_ms=5316, te_ms=50, ti_ms=210)
T1W = SpinEcho(tr_ms=600, te_ms=10)

# Measured at 3 T: T1 of subcutaneous fat and T2 of muscle along the spine by de Bazelaire et al., Radiology 2004;230:652; T1
# of muscle, T2 of fat, marrow fat, cartilage and joint fluid by Gold et al., AJR 2004;183:343. The water of marrow is chosen
# so that a third of fat mixed into it has about the T1 and T2 of whole vertebral marrow of the former (586 and 49 ms). Every
# other value, and every proton density, is plausible and no measurement; cortex, gas and fast flow hardly give a signal.
TISSUES = MappingProxyType(
    {
        "air": Tissue(1000, 1, 0.0),
        "fat": Tissue(382, 133, 1.0),
        "muscle": Tissue(1420, 29, 0.85),
        "ligament": Tissue(1100, 12, 0.50),
        "cortex": Tissue(900, 4, 0.30),
        "marrow fat": Tissue(365, 133, 0.90),
        "marrow water": Tissue(950, 44, 0.82),
        "oedema": Tissue(1500, 90, 0.95),
        "cartilage": Tissue(1240, 37, 0.70),
        "joint fluid": Tissue(3620, 767, 1.0),
        "csf": Tissue(4000, 1000, 1.0),
        "nerve": Tissue(1100, 78, 0.80),
        "disc annulus": Tissue(1000, 26, 0.68),
        "disc nucleus": Tissue(1350, 60, 0.80),
        "venous blood": Tissue(1550, 130, 0.85),
        "arterial flow": Tissue(1650, 8, 0.40),
        "bowel wall": Tissue(1200, 55, 0.80),
        "bowel fluid": Tissue(2300, 180, 0.95),
        "bowel content": Tissue(700, 30, 0.80),
        "gas": Tissue(1000, 1, 0.02),
        "skin": Tissue(900, 20, 0.70),
    }
)

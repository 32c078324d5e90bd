"""A made-up pelvis for tests of normal bone: every size is known by hand."""

import numpy as np

from lib.core.normal_bone_proposal import propose_normal_bone
from lib.core.volume import Grid, Mask, Volume

# 1 mm pixels, 3.3 mm slices, hung as stored: I to the patient's left, J downwards, K backwards
CORONAL = Grid((130, 90, 9), np.array([[-1.0, 0, 0, 65], [0, 0, -3.3, 0], [0, -1.0, 0, 0], [0, 0, 0, 1]]))


class Pelvis:
    """A made-up scan: L5 above, sacrum with ilia below, first sacral body on slices 2 to 6; marrow is even, all else is not.

    Columns 5 to 124 hold bone, so the midline is 64.5; the sacrum spans rows 30 to 59 and L5, 50 mm wide, rows 4 to 23.
    """

    def __init__(self, grid=CORONAL):
        rng = np.random.default_rng(3)
        self.grid = grid
        self.region = np.zeros(grid.shape, dtype=bool)
        self.region[40:90, 4:24, :] = True
        self.region[5:35, 25:75, :] = True
        self.region[95:125, 25:75, :] = True
        self.region[5:125, 30:60, 2:7] = True
        self.stir = rng.normal(100.0, 10.0, grid.shape)
        self.t1w = np.where(self.region, 600.0, 200.0) * rng.normal(1.0, 0.05, grid.shape)

    def proposed(self):
        return propose_normal_bone(
            Volume(self.t1w, self.grid, "T1W"),
            Volume(self.stir, self.grid, "STIR"),
            Mask(self.region, self.grid, "disease region"),
        )

    def turned(self, turn, grid):
        """The same scan in another file."""
        other = Pelvis.__new__(Pelvis)
        other.grid = grid
        other.stir, other.t1w, other.region = (turn(data) for data in (self.stir, self.t1w, self.region))
        return other

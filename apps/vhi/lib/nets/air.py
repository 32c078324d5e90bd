"""How much air slices need around them, so that they halve as evenly as those the networks learnt. No torch: a MONAI bundle takes
this module along, and `lib.engine` pads by the same rule.
"""

from __future__ import annotations

import math

_STUDY_SIZE = 336  # rows and columns of the slices that the shipped networks learnt


def fitting_sizes(shuffle: int, levels: int) -> tuple[int, int]:
    """The multiple that rows and columns of a U-Net's slices should have, and the smallest size it takes.

    As even as the study's slices, which halve to an odd size at the lowest level of a network of blocks of 4, and no more even.

    Parameters
    ----------
    shuffle : int
        Side of the pixel blocks that are folded into channels.
    levels : int
        Of the U-Net.
    """
    smallest = shuffle * 2 ** (levels - 1)
    return math.gcd(_STUDY_SIZE, smallest), smallest


def air_round(size: int, multiple: int, smallest: int) -> tuple[int, int]:
    """Pixels of air (0) that rows or columns of a slice of any `size` need before and after them.

    None where the size suits the network as it is, as the study's does. Else at least half a multiple on both sides,
    alike to a pixel: an image mirrored there would let fat at the frame's edge pass for bone.
    """
    if size % multiple == 0 and size >= smallest:
        return 0, 0
    # written so that TorchScript takes the remainder as Python does
    missing = max((multiple - size % multiple) % multiple + multiple, smallest - size)
    return missing // 2, missing - missing // 2

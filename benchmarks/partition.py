"""Draws which part of the pelvis each voxel belongs to: of a phantom for the model card, of real scans to be looked at.

    python benchmarks/partition.py docs/model-card-partition.png
    python benchmarks/partition.py --scans OUT

With --scans, which needs VHI_DATA, a page for each published scan: every slice with lumbar bone or disc, the lesions outlined.
They are patients' images: look at them and keep them nowhere.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps" / "vhi"))

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from lib.core.anatomy import anatomy_of
from lib.core.lesions import clear, grade_hyperintensity, label_lesions
from lib.core.normal_bone import sample_normal_bone
from lib.core.orientation import DisplayOrientation
from lib.core.partition import PARTS
from lib.core.settings import VhiSettings
from lib.core.thresholds import thresholds_from
from lib.core.volume import Mask, Volume
from lib.phantom.study import make_phantom

COLOURS = ("#000000", "#4c9be8", "#e8a33d", "#e5e04c", "#5fbf6b", "#c05fd0", "#e05a5a")  # as PARTS
OPACITY = 0.45


def page(t1w: Volume, region: Mask, lesions: np.ndarray | None, slices: Sequence[int], columns: int) -> Figure:
    """Hung slices of T1W with the parts in colour; lesions outlined in white.

    Parameters
    ----------
    lesions : (I, J, K) bool array or None
    slices : sequence of int
        Hung slices.
    """
    anatomy = anatomy_of(t1w, region)
    hang = DisplayOrientation.of(t1w.grid).hang
    grey, part = hang(t1w.data), hang(anatomy.part)
    outlined = None if lesions is None else hang(lesions)
    inside = np.nonzero(hang(region.data))
    rows, places = (slice(max(0, axis.min() - 8), axis.max() + 9) for axis in inside[1:])
    aspect = anatomy.context.spacing_mm[1] / anatomy.context.spacing_mm[2]
    count = -(-len(slices) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.6 * count + 0.35), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(count, columns)).ravel()
    top = np.percentile(grey, 99.5)
    for ax in axes:
        ax.set_axis_off()
    for ax, k in zip(axes, slices, strict=False):
        ax.imshow(grey[k, rows, places], cmap="gray", vmin=0, vmax=top, aspect=aspect)
        shown = part[k, rows, places]
        colour = np.zeros((*shown.shape, 4))
        for n, name in enumerate(COLOURS):
            colour[shown == n] = [*(int(name[at : at + 2], 16) / 255 for at in (1, 3, 5)), OPACITY if n else 0.0]
        ax.imshow(colour, aspect=aspect, interpolation="nearest")
        if outlined is not None and outlined[k].any():
            ax.contour(outlined[k, rows, places], [0.5], colors="white", linewidths=0.5)
        ax.set_title(f"{k + 1}", fontsize=7, pad=2)
    legend = [Patch(color=colour, label=name) for name, colour in zip(PARTS[1:], COLOURS[1:], strict=True)]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), fontsize=7, frameon=False)
    return figure


def write_phantom(path: Path) -> None:
    """Six slices of a phantom, from front to back."""
    phantom = make_phantom(seed=3)
    used = np.flatnonzero(DisplayOrientation.of(phantom.t1w.grid).hang(phantom.disease_region.data).any(axis=(1, 2)))
    slices = [int(k) for k in used[np.linspace(1, used.size - 2, 6).round().astype(int)]]
    page(phantom.t1w, phantom.disease_region, None, slices, 3).savefig(path, dpi=90)
    # 128 colours do for a drawing: a fifth of the size
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)


def write_scans(folder: Path) -> None:
    """A page for each published scan, and how many lesions touch a lumbar vertebra or facet joint."""
    from threshold_scans import read_scans

    folder.mkdir(parents=True, exist_ok=True)
    for scan in read_scans():
        thresholds = thresholds_from(sample_normal_bone(scan.stir, scan.bone).values)
        grade = clear(
            grade_hyperintensity(scan.stir, scan.region, thresholds.sensitive, thresholds.conservative),
            scan.region,
            VhiSettings(),
        )
        labels, _ = label_lesions(grade)
        part = anatomy_of(scan.t1w, scan.region).part
        lumbar = np.isin(part, [PARTS.index(one) for one in ("lumbar vertebrae", "facet joint", "disc")])
        sacral = part == PARTS.index("sacrum")
        touching = np.setdiff1d(np.unique(labels[lumbar]), [0])
        both = np.intersect1d(touching, np.unique(labels[sacral]))
        shown = np.flatnonzero(DisplayOrientation.of(scan.t1w.grid).hang(lumbar).any(axis=(1, 2)))
        page(scan.t1w, scan.region, labels > 0, [int(k) for k in shown], 5).savefig(folder / f"{scan.name}.png", dpi=75)
        print(f"{scan.name}: {touching.size} lesions touch lumbar bone, {both.size} of them the sacrum too", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scans", action="store_true")
    given = parser.parse_args()
    if given.scans and "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans.")
    (write_scans if given.scans else write_phantom)(given.out)


if __name__ == "__main__":
    main()

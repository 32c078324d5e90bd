"""Two linked images, judged by the slices' own headers: the viewer says which instance is on screen, the files say where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom

from archives import Study, dicomized, phantom_study
from lib.studies.dicomize import Labels
from viewing import wait_for

SHOWN = """() => Object.fromEntries([...window.services.viewportGridService.getState().viewports.keys()].map((id) => {
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
  const { focalPoint, parallelScale, viewUp } = viewport.getCamera();
  const { left, top, width, height } = viewport.element.getBoundingClientRect();
  const cross = viewport.element.querySelector('.vhi-cross:not([hidden])')?.getBoundingClientRect();
  const { lower, upper } = viewport.getProperties().voiRange;
  return [viewport.getCurrentImageId().match(/series\\/([0-9.]+)\\/instances/)[1], {
    id, instance: viewport.getCurrentImageId().match(/instances\\/([0-9.]+)\\/frames/)[1],
    middle: [...focalPoint], up: [...viewUp], mm_per_pixel: 2 * parallelScale / height, window: [lower, upper],
    place: [left, top, width, height], cross: cross ? [cross.left, cross.top] : null,
    is_active: !viewport.element.closest('[data-cy=viewport-pane]').classList.contains('pointer-events-none'),
  }];
}))"""
# cameras that moved and images that were drawn, once `FROM_NOW` was called
COUNT = """() => {
  window.counted = { moved: 0, drawn: 0 };
  const count = (kind, event) => window.addEventListener(event, () => (window.counted[kind] += 1), { capture: true });
  count('moved', 'CORNERSTONE_CAMERA_MODIFIED');
  count('drawn', 'CORNERSTONE_IMAGE_RENDERED');
}"""
# what was to be drawn before is drawn first: it is not counted
FROM_NOW = """() => Promise.all([...window.services.viewportGridService.getState().viewports.keys()].map((id) => {
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
  return new Promise((drawn) => {
    viewport.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', drawn, { once: true });
    viewport.render();
  });
})).then(() => { window.counted = { moved: 0, drawn: 0 }; })"""
ROLES = ("STIR", "T1W")


def other(role: str) -> str:
    return ROLES[1 - ROLES.index(role)]


def with_more_slices(folder: Path, seed: int = 5, *, slices: int = 21) -> Study:
    """A phantom whose T1W covers the same place in more, thinner slices than its STIR; instance numbers descend along the normal."""
    made = phantom_study(folder, seed)
    t1w = nibabel.load(made.t1w)
    voxels, affine = np.asarray(t1w.dataobj, np.float32), t1w.affine.copy()
    last = voxels.shape[2] - 1
    places = np.linspace(0, last, slices)
    below = np.minimum(places.astype(int), last - 1)
    part = places - below
    affine[:3, 2] *= last / (slices - 1)
    between = (voxels[:, :, below] * (1 - part) + voxels[:, :, below + 1] * part).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(between, affine), folder / "thin_t1w.nii.gz")
    labels = Labels(f"PHANTOM-{seed}", "20250601", descending=True)
    return dicomized(folder / "thin", folder / "thin_t1w.nii.gz", made.stir, labels=labels)


@dataclass
class Images:
    """The two images of an open case."""

    page: Any
    study: Study

    @cached_property
    def slices(self) -> dict[str, list[tuple[float, str]]]:
        """Of each series: position along the normal [mm] and instance, in the order of the positions."""
        by_role = {}
        for role in ROLES:
            headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in self.study.files(role)]
            rows, columns = np.array(headers[0].ImageOrientationPatient, float).reshape(2, 3)
            normal = np.cross(rows, columns)
            by_role[role] = sorted(
                (float(normal @ np.array(one.ImagePositionPatient, float)), str(one.SOPInstanceUID)) for one in headers
            )
        return by_role

    def shown(self) -> dict[str, dict[str, Any]]:
        """The slice that each image shows, by role."""
        uids = {self.study.stir_uid: "STIR", self.study.t1w_uid: "T1W"}
        return {uids[series]: view for series, view in self.page.evaluate(SHOWN).items()}

    def slice_of(self, role: str, shown: dict[str, dict[str, Any]] | None = None) -> int:
        """Which slice is on screen, counted along the normal."""
        instance = (shown or self.shown())[role]["instance"]
        return [uid for _, uid in self.slices[role]].index(instance)

    def nearest(self, role: str, to: str, slice_: int) -> int:
        """The slice of `role` that lies nearest to a slice of `to`."""
        return int(np.argmin([abs(mm - self.slices[to][slice_][0]) for mm, _ in self.slices[role]]))

    def check_at(self, role: str, slice_: int) -> None:
        """Wait until an image shows a slice; the other one shows the nearest, both with the same middle and size."""
        wait_for(lambda: self.slice_of(role) == slice_)
        self.check_together(role)

    def check_together(self, role: str) -> None:
        views = self.shown()
        partner = other(role)
        assert self.slice_of(partner, views) == self.nearest(partner, role, self.slice_of(role, views))
        assert abs(views["STIR"]["mm_per_pixel"] / views["T1W"]["mm_per_pixel"] - 1) < 1e-3
        middles = np.array([views[one]["middle"] for one in ROLES])
        normal = np.cross(*np.array(self._orientation).reshape(2, 3))
        apart = middles[1] - middles[0]
        assert np.linalg.norm(apart - normal * (apart @ normal)) < 0.05  # [mm], within the plane
        # a slice itself is shown, not something between two: the middle of the view lies in the plane of the instance
        for one, middle in zip(ROLES, middles, strict=True):
            assert abs(normal @ middle - self.slices[one][self.slice_of(one, views)][0]) < 0.05

    @cached_property
    def _orientation(self) -> list[float]:
        header = pydicom.dcmread(self.study.files("STIR")[0], stop_before_pixels=True)
        return [float(one) for one in header.ImageOrientationPatient]

    def point_at(self, role: str, dx: float = 0.0, dy: float = 0.0) -> tuple[float, float]:
        """Move the pointer over an image, a little from its middle, and wait until keys and buttons are its own."""
        left, top, width, height = self.shown()[role]["place"]
        x, y = left + width / 2 + dx, top + height / 2 + dy
        self.page.mouse.move(x, y)
        wait_for(lambda: self.shown()[role]["is_active"])
        return x, y

    def drag(self, role: str, button: str, dx: float, dy: float) -> None:
        x, y = self.point_at(role)
        self.page.mouse.down(button=button)
        self.page.mouse.move(x + dx, y + dy, steps=4)
        self.page.mouse.up(button=button)

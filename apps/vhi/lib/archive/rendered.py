"""Frames as pictures that any browser shows (PS3.18, 8.3.5 and 10.4): window, cut-out and size as asked for, JPEG or PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, RequestError
from ..studies.dicom_files import read_header
from ..studies.dicom_frames import ENHANCED_MR, Frame
from ..studies.dicom_voxels import values_of
from .frames import decoded_cells

if TYPE_CHECKING:
    from PIL import Image

JPEG, PNG = "image/jpeg", "image/png"
MEDIA = (JPEG, PNG)
LARGEST_SIDE = 4096
THUMBNAIL_SIDE = 128
_QUALITY = 90
# in the words of the query, and as headers have them
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


@dataclass(frozen=True)
class Window:
    """Values from which a picture is black and white: centre and width [units of the modality], and the function between.

    Notes
    -----
    PS3.3, C.11.2.1.2 and C.11.2.1.3.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    def __post_init__(self) -> None:
        least = 1 if self.function == "LINEAR" else 0
        fine = np.isfinite([self.centre, self.width]).all() and (self.width >= least if least else self.width > 0)
        if not fine or self.function not in _FUNCTIONS.values():
            raise RequestError(
                f"The window {self.centre:g}, {self.width:g}, {self.function.lower()} is none: a centre, a width of at least 1, "
                f"and {', '.join(_FUNCTIONS)} are needed."
            )

    def shades(self, values: np.ndarray) -> np.ndarray:
        """Values as shares of white, float array from 0 to 1 of the same shape."""
        if self.function == "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - self.centre) / self.width, -700, 700))))
        if self.function == "LINEAR" and self.width == 1:
            return (values > self.centre - 0.5).astype(np.float64)
        shift, width = (0.5, self.width - 1) if self.function == "LINEAR" else (0.0, self.width)
        return np.clip((values - (self.centre - shift)) / width + 0.5, 0, 1)


@dataclass(frozen=True)
class Rendering:
    """How a picture is asked for.

    Attributes
    ----------
    window : the header's own, else all values, when None
    size : columns and rows that the picture fits into; None as it is
    cut : first column, first row, columns and rows of the cut-out; negative ones are mirrored; None for all
    quality : of JPEG, 1 to 100
    """

    window: Window | None = None
    size: tuple[int, int] | None = None
    cut: tuple[int, int, int, int] | None = None
    quality: int = _QUALITY

    def render(self, path: Path, number: int, media_type: str) -> bytes:
        """The picture of a frame, counted from 1.

        Raises
        ------
        NotFoundError
            There is no such frame.
        InputError
            It cannot be decoded here, or is no picture in shades of grey or RGB.
        RequestError
            The cut-out lies outside.
        """
        from PIL import Image

        picture = Image.fromarray(self._pixels(path, number))
        if self.cut is not None:
            picture = _cut_out(picture, self.cut)
        if self.size is not None:
            share = min(self.size[0] / picture.width, self.size[1] / picture.height)
            size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        content = io.BytesIO()
        options = {"quality": self.quality} if media_type == JPEG else {}
        picture.save(content, media_type.partition("/")[2].upper(), **options)
        return content.getvalue()

    def _pixels(self, path: Path, number: int) -> np.ndarray:
        """`(rows, columns)`, or `(rows, columns, 3)`, uint8 array."""
        (cells,) = decoded_cells(path, [number])
        header = read_header(path)
        colours = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
        if colours == "RGB" and cells.ndim == 3 and cells.dtype == np.uint8:
            return cells
        if not colours.startswith("MONOCHROME") or cells.ndim != 2:
            raise InputError(f"{path.name} holds {colours}; shades of grey and RGB are rendered here. Ask for its frames.")
        frame = Frame(path, header, number - 1 if header.get("SOPClassUID") in ENHANCED_MR else None)
        slope, intercept = _number(frame, "RescaleSlope", 1.0), _number(frame, "RescaleIntercept", 0.0)
        values = values_of(cells, header, path.name) * slope + intercept
        shades = (self.window or _window_of(frame) or _all_of(values)).shades(values)
        dark = colours == "MONOCHROME1" or header.get("PresentationLUTShape") == "INVERSE"
        return np.rint(255 * (1 - shades if dark else shades)).astype(np.uint8)


def parse_rendering(query: Mapping[str, str], *, thumbnail: bool = False) -> Rendering:
    """The rendering that a query asks for; of a thumbnail the size alone.

    Raises
    ------
    RequestError
        A parameter that cannot be read, or that is not done here.
    """
    unknown = set(query) - {"accept", "window", "viewport", "quality"}
    if unknown:
        raise RequestError(f"The parameter {sorted(unknown)[0][:40]!r} is not known; accept, window, viewport and quality are.")
    window = _parse_window(query["window"]) if "window" in query else None
    size, cut = _parse_viewport(query["viewport"]) if "viewport" in query else (None, None)
    quality = query.get("quality", str(_QUALITY))
    if not (quality.isascii() and quality.isdigit() and 1 <= int(quality[:4]) <= 100):
        raise RequestError(f"quality is {quality[:20]!r}; a whole number from 1 to 100 is needed.")
    return Rendering(window, size or ((THUMBNAIL_SIDE, THUMBNAIL_SIDE) if thumbnail else None), cut, int(quality))


def _parse_window(text: str) -> Window:
    centre, width, function = (*text.split(","), "", "", "")[:3]
    try:
        return Window(float(centre), float(width), _FUNCTIONS[function.strip().lower() or "linear"])
    except (ValueError, KeyError):
        raise RequestError(
            f"window is {text[:60]!r}; centre,width,function is needed, and the function is one of {', '.join(_FUNCTIONS)}."
        ) from None


def _parse_viewport(text: str) -> tuple[tuple[int, int], tuple[int, int, int, int] | None]:
    try:
        numbers = [int(part) if part.strip() else 0 for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 6) or not all(1 <= number <= LARGEST_SIDE for number in numbers[:2]):
        raise RequestError(
            f"viewport is {text[:60]!r}; width,height up to {LARGEST_SIDE} are needed, and perhaps x,y,width,height of a cut-out."
        )
    return (numbers[0], numbers[1]), (numbers[2], numbers[3], numbers[4], numbers[5]) if len(numbers) == 6 else None


def _cut_out(picture: Image.Image, cut: tuple[int, int, int, int]) -> Image.Image:
    from PIL import ImageOps

    left, top, width, height = cut
    columns, rows = abs(width) or picture.width - left, abs(height) or picture.height - top
    if left < 0 or top < 0 or columns < 1 or rows < 1 or left + columns > picture.width or top + rows > picture.height:
        raise RequestError(f"The cut-out {cut} lies outside the image of {picture.width} x {picture.height} pixels.")
    cropped = picture.crop((left, top, left + columns, top + rows))
    cropped = ImageOps.mirror(cropped) if width < 0 else cropped
    return ImageOps.flip(cropped) if height < 0 else cropped


def _window_of(frame: Frame) -> Window | None:
    """The first window that the header has."""
    centre, width = _number(frame, "WindowCenter", np.nan), _number(frame, "WindowWidth", np.nan)
    function = frame.text("VOILUTFunction").upper() or "LINEAR"
    try:
        return Window(centre, width, function)
    except RequestError:
        return None


def _all_of(values: np.ndarray) -> Window:
    least, most = float(values.min()), float(values.max())
    return Window((least + most) / 2, max(most - least, 1.0), "LINEAR_EXACT")


def _number(frame: Frame, keyword: str, default: float) -> float:
    try:
        return float(frame.text(keyword).split("\\")[0])
    except ValueError:
        return default

"""The regions and the inflammation of one result as a DICOM Segmentation of the STIR series.

Every frame is placed by its position. A segment without a voxel is left out, because a Segmentation cannot hold one: "no
inflammation" is said by the structured report (`lib.reports.dicom_sr`), and by this object only through the segment's absence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.uid import UID

from ..core.planes import taken
from ..core.segment_names import CONSERVATIVE, DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.stages import name_of
from ..core.volume import Mask
from ..errors import InputError
from .algorithm_identification import Maker, makers, program_version, reader_name, series_description
from .codes import MANUFACTURER, MODEL_NAME, SEGMENTS
from .content import ReportContent
from .dicom_source import complete_result, is_multi_frame, planes_of, source_headers

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SERIES_NUMBER = 5001


def segmentation(content: ReportContent, stir: Sequence[Dataset]) -> Segmentation | None:
    """A BINARY Segmentation with the segments that hold a voxel; None where none does.

    Parameters
    ----------
    content : ReportContent
    stir : sequence of Dataset
        The headers of the measured STIR series: all its instances in any order, or its one multi-frame instance.

    Raises
    ------
    InputError
        The headers are not those of the measured series, or lack what places a frame.
    """
    grid = content.result.stir.grid
    masks = {name: Mask(data, grid, name) for name, data in segment_masks(content).items()}
    title = name_of(content.result.stage)
    words = SegmentationWords(
        reader_name(content), program_version(content), f"{title}: {content.vhi.replace('mm³', 'mm3')}", f"{title} segmentation"
    )
    return segmentation_of(masks, stir, "STIR", makers(content), words)


@dataclass(frozen=True)
class SegmentationWords:
    """The words that a Segmentation says of itself.

    Attributes
    ----------
    reader : a DICOM person name; None for none
    version : of this program
    description : at most 64 characters
    series : what the list of series calls it, before the reader's name
    """

    reader: str | None
    version: str
    description: str
    series: str


def segmentation_of(
    masks: Mapping[str, Mask], series: Sequence[Dataset], name: str, made: Mapping[str, Maker], words: SegmentationWords
) -> Segmentation | None:
    """A BINARY Segmentation of those masks that hold a voxel; None where none does.

    Parameters
    ----------
    masks : mapping of segment name to Mask
        On one grid; names of `lib.reports.codes.SEGMENTS`.
    series : sequence of Dataset
        The headers of the series to segment: all its instances in any order, or its one multi-frame instance.
    name : str
        What messages call the series.
    made : mapping of segment name to Maker
    words : SegmentationWords

    Raises
    ------
    InputError
        The masks do not lie on the frames, or the headers lack what places a frame.
    """
    masks = {segment: mask for segment, mask in masks.items() if mask.voxels}
    if not masks:
        return None
    sources = source_headers(series, name)
    grid = next(iter(masks.values())).grid
    planes = planes_of(sources, name)
    pixels = np.stack([np.stack([taken(mask.data, grid, plane) for plane in planes]) for mask in masks.values()], axis=-1)
    for segment, mask, placed in zip(masks, masks.values(), np.moveaxis(pixels, -1, 0), strict=True):
        if np.count_nonzero(placed) != mask.voxels:
            raise InputError(
                f"{np.count_nonzero(placed)} of the {mask.voxels} voxels of {segment} lie on the {len(planes)} frames of "
                f"the {name} headers: a frame is missing or doubled. Pass the headers of the whole series that was measured."
            )
    for header in sources:
        if not is_multi_frame(header) and not header.get("SliceThickness"):
            header.SliceThickness = round(grid.spacing_mm[2], 6)
    try:
        seg = Segmentation(
            source_images=sources,
            pixel_array=pixels,
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=[_described(n, segment, made[segment]) for n, segment in enumerate(masks, start=1)],
            series_instance_uid=UID(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=UID(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL_NAME,
            software_versions=words.version,
            device_serial_number="none",
            content_label="VHI",
            content_description=words.description,
            content_creator_name=words.reader,
            series_description=series_description(words.series, words.reader),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The DICOM headers of {name} cannot carry a segmentation ({error}); export the series again."
        ) from error
    # spacing, not thickness: viewers that build a volume from the frames need it, and scanners often leave it out
    seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = round(grid.spacing_mm[2], 6)
    complete_result(seg, series[0])
    return seg


def segment_masks(content: ReportContent) -> dict[str, np.ndarray]:
    """Every segment by its name, `(I, J, K)` bool on the STIR grid; any may be empty."""
    result = content.result
    return {
        NORMAL_BONE: result.normal_bone.data,
        DISEASE_REGION: result.disease_region.mask.data,
        INFLAMMATION: result.grade >= 1,
        CONSERVATIVE: result.grade == 2,
    }


def _described(number: int, name: str, made: Maker) -> SegmentDescription:
    code = SEGMENTS[name]
    algorithm = None
    if made.algorithm is not None:
        algorithm = AlgorithmIdentificationSequence(made.algorithm, made.family, made.version, source=MANUFACTURER)
    segment = SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=code.category,
        segmented_property_type=code.kind,
        algorithm_type=SegmentAlgorithmTypeValues(made.kind),
        algorithm_identification=algorithm,
        tracking_uid=UID(),
        tracking_id=name,
        anatomic_regions=[code.site],
    )
    segment.RecommendedDisplayCIELabValue = list(CIELabColor(*code.lab).value)
    return segment

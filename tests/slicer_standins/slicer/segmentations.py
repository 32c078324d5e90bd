"""Stand-in for the logic of Slicer's Segmentations module: label maps into segments, and segments into a label map.

As `vtkSlicerSegmentationsModuleLogic` does it: of the names that are given, the first takes the voxels of value 1, the second those
of value 2, and so on, whatever values the map holds; a segment is emptied first. Segments are flattened in their order, with values
from 1, the later ones on top, onto the grid of the reference volume.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class SegmentationsLogic:
    def ImportLabelmapToSegmentationNode(self, labelmap: Any, segmentation_node: Any, ids: Any = None) -> bool:
        segmentation = segmentation_node.GetSegmentation()
        if labelmap.array.shape != segmentation.shape or not np.allclose(labelmap.affine, segmentation_node.affine, atol=1e-3):
            raise AssertionError("the label map does not lie on the volume that is open")
        for value, segment_id in enumerate(ids.values, start=1):
            if segment_id not in segmentation.segments:
                segmentation.AddEmptySegment(segment_id, segment_id)
            segmentation.segments[segment_id].mask = labelmap.array == value
        return True

    def ExportSegmentsToLabelmapNode(self, segmentation_node: Any, ids: Any, labelmap: Any, reference: Any) -> bool:
        segmentation = segmentation_node.GetSegmentation()
        labelmap.array, labelmap.affine = np.zeros(reference.array.shape, np.uint8), reference.affine
        for value, segment_id in enumerate(ids.values, start=1):
            labelmap.array[segmentation.segments[segment_id].mask] = value
        return True

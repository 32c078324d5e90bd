"""Stand-ins for Slicer's MRML nodes; volumes and segments keep real arrays, `(I, J, K)`, and matrices from voxel to RAS mm."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ids = itertools.count(1)


class Node:
    """Anything in a scene: a name, and observers of its events. Singletons stay when a scene is closed, without what they held."""

    is_singleton = False

    def __init__(self) -> None:
        self._name, self._id = "", f"node{next(_ids)}"
        self._observers: dict[int, tuple[str, Callable[..., Any]]] = {}

    def GetName(self) -> str:
        return self._name

    def SetName(self, name: str) -> None:
        self._name = name

    def GetID(self) -> str:
        return self._id

    def Reset(self) -> None:
        pass

    def AddObserver(self, event: str, callback: Callable[..., Any]) -> int:
        tag = next(_ids)
        self._observers[tag] = event, callback
        return tag

    def RemoveObserver(self, tag: int) -> None:
        self._observers.pop(tag, None)

    def InvokeEvent(self, event: str) -> None:
        for wanted, callback in list(self._observers.values()):
            if wanted == event:
                callback(self, event)


class ParameterNode(Node):
    """A module's parameters; told once for all changes between StartModify and EndModify."""

    is_singleton = True

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, str] = {}
        self._held = self._changed = False

    def Reset(self) -> None:
        self._values = {}

    def GetParameter(self, name: str) -> str:
        return self._values.get(name, "")

    def SetParameter(self, name: str, value: str) -> None:
        if self.GetParameter(name) != value:
            self._values[name] = value
            self._changed = True
            self._tell()

    GetNodeReference = GetParameter
    SetNodeReferenceID = SetParameter

    def StartModify(self) -> bool:
        before, self._held = self._held, True
        return before

    def EndModify(self, before: bool) -> None:
        self._held = before
        self._tell()

    def _tell(self) -> None:
        if self._changed and not self._held:
            self._changed = False
            self.InvokeEvent(vtk.vtkCommand.ModifiedEvent)


class vtkMRMLScalarVolumeNode(Node):
    """A volume."""

    array: np.ndarray
    affine: np.ndarray

    def GetRASToIJKMatrix(self, matrix: vtk.vtkMatrix4x4) -> None:
        matrix.array = np.linalg.inv(self.affine)

    def GetIJKToRASMatrix(self, matrix: vtk.vtkMatrix4x4) -> None:
        matrix.array = self.affine.copy()

    def image(self) -> sitk.Image:
        """As ITK's writers get it."""
        made = sitk.GetImageFromArray(np.ascontiguousarray(self.array.transpose(2, 1, 0)))
        lps = LPS_OF_RAS @ self.affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        made.SetSpacing(spacing.tolist())
        made.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        made.SetOrigin(lps[:3, 3].tolist())
        return made


class vtkMRMLLabelMapVolumeNode(vtkMRMLScalarVolumeNode):
    """A label map, which is a scalar volume too."""


def volume_of(image: sitk.Image, node: Any) -> Any:
    """The node, holding the image."""
    node.array = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    lps = np.eye(4)
    lps[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    node.affine = LPS_OF_RAS @ lps
    return node


class Segment:
    """One segment: its name, tags, and voxels on the volume's grid."""

    def __init__(self, name: str, shape: Sequence[int]) -> None:
        self.name, self.mask = name, np.zeros(shape, bool)
        self._tags: dict[str, str] = {}

    def GetName(self) -> str:
        return self.name

    def SetTag(self, name: str, value: str) -> None:
        self._tags[name] = value

    def GetTag(self, name: str, value: vtk.mutable) -> bool:
        value.value = self._tags.get(name, "")
        return name in self._tags


class Segmentation:
    """Segments by id, in their order."""

    def __init__(self) -> None:
        self.segments: dict[str, Segment] = {}
        self.shape: tuple[int, ...] = ()

    def GetNumberOfSegments(self) -> int:
        return len(self.segments)

    def GetNthSegmentID(self, n: int) -> str:
        return list(self.segments)[n]

    def GetSegment(self, segment_id: str) -> Segment | None:
        return self.segments.get(segment_id)

    def GetSegmentIdBySegmentName(self, name: str) -> str:
        return next((key for key, one in self.segments.items() if one.name == name), "")

    def AddEmptySegment(self, segment_id: str, name: str, color: Sequence[float] | None = None) -> str:
        self.segments[segment_id] = Segment(name, self.shape)
        return segment_id


class vtkMRMLSegmentationNode(Node):
    def __init__(self) -> None:
        super().__init__()
        self._segmentation = Segmentation()

    def GetSegmentation(self) -> Segmentation:
        return self._segmentation

    def SetReferenceImageGeometryParameterFromVolumeNode(self, volume: vtkMRMLScalarVolumeNode) -> None:
        self._segmentation.shape, self.affine = volume.array.shape, volume.affine

    def SetDisplayVisibility(self, visible: bool) -> None:
        pass


class DisplayNode(Node):
    active = 0

    def __getattr__(self, name: str) -> Any:
        if name in ("SetTextScale", "SetSelectedColor", "SetFillOpacity", "SetColor", "SetActiveColor"):
            return lambda *_: None
        raise AttributeError(name)

    def GetActiveControlPoint(self) -> int:
        return self.active


vtkMRMLMarkupsDisplayNode = DisplayNode


class vtkMRMLMarkupsNode(Node):
    """Points in RAS mm."""

    PointPositionDefinedEvent = "PointPositionDefinedEvent"

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[float, ...]] = []
        self._display = DisplayNode()

    def GetDisplayNode(self) -> DisplayNode:
        return self._display

    def CreateDefaultDisplayNodes(self) -> None:
        pass

    def SetAndObserveDisplayNodeID(self, node_id: str) -> None:
        pass

    def GetNumberOfControlPoints(self) -> int:
        return len(self.points)

    def GetNthControlPointPosition(self, n: int) -> tuple[float, ...]:
        return self.points[n]

    def GetNthControlPointPositionWorld(self, n: int, out: list[float]) -> None:
        out[:] = self.points[n]

    def AddControlPoint(self, point: Sequence[float]) -> None:
        self.points.append(tuple(point))
        self._display.active = len(self.points) - 1
        self.InvokeEvent(self.PointPositionDefinedEvent)

    def RemoveAllControlPoints(self) -> None:
        self.points = []

    def GetControlPointPlacementComplete(self) -> bool:
        return bool(self.points)


vtkMRMLMarkupsFiducialNode = vtkMRMLMarkupsROINode = vtkMRMLMarkupsNode


class vtkMRMLSegmentEditorNode(Node):
    is_singleton = True
    OverwriteNone = 2
    overwrite = 0

    def UnRegister(self, owner: Any) -> None:
        pass

    def SetSingletonTag(self, tag: str) -> None:
        pass

    def SetOverwriteMode(self, mode: int) -> None:
        self.overwrite = mode

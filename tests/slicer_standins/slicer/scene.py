"""Stand-in for Slicer's scene: nodes, and the events that modules watch."""

from __future__ import annotations

from typing import Any

from . import nodes


class Scene(nodes.Node):
    StartCloseEvent, EndCloseEvent, NodeAddedEvent = "StartCloseEvent", "EndCloseEvent", "NodeAddedEvent"

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Any] = []

    def nodes_of(self, name: str) -> list[Any]:
        return [one for one in self.nodes if name in [kind.__name__ for kind in type(one).__mro__]]

    def AddNode(self, node: Any) -> Any:
        self.nodes.append(node)
        self.InvokeEvent(self.NodeAddedEvent)
        return node

    def CreateNodeByClass(self, name: str) -> Any:
        return getattr(nodes, name)()

    def AddNewNodeByClass(self, name: str) -> Any:
        return self.AddNode(self.CreateNodeByClass(name))

    def RemoveNode(self, node: Any) -> None:
        self.nodes = [one for one in self.nodes if one is not node]

    def GetFirstNodeByClass(self, name: str) -> Any:
        return next(iter(self.nodes_of(name)), None)

    def GetSingletonNode(self, tag: str, name: str) -> Any:
        return self.GetFirstNodeByClass(name)

    def Clear(self, singletons: int = 0) -> None:
        self.InvokeEvent(self.StartCloseEvent)
        self.nodes = [one for one in self.nodes if one.is_singleton]
        for one in self.nodes:
            one.Reset()
        self.InvokeEvent(self.EndCloseEvent)

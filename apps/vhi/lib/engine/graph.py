"""An ensemble of the method's U-Nets as one ONNX file, written from the weights of a version; no torch.

Each member has an input of its own, `member0` and so on, and an output, `probability0`: `(B, 1, H, W)` float32 both, H and W as
`lib.nets.air` pads them. Those of a kind of scans have `<kind>.member0` and `<kind>.probability0`. Mirror images and the sigmoid
are part of the file, so that who runs it computes what this program does. Parameters stay in the precision that the version
stores them in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from .runtime import ends

OPSET, IR_VERSION = 18, 9
EPSILON = 1e-5  # of torch's batch normalisation


def ensemble_graph(
    ensembles: Mapping[str | None, tuple[Sequence[Mapping[str, Any]], bool]], tensors: Mapping[str, np.ndarray]
) -> bytes:
    """The ONNX file of a version.

    Parameters
    ----------
    ensembles : mapping
        By the name of a kind of scans, None for all others: the layout of each member, as a manifest has it (`widths`, `shuffle`,
        `bias` of `lib.nets.unet.UNet`), and whether it averages its answers for a slice and for the slice's mirror image.
    tensors : mapping
        Parameters of the whole version by name, `member<n>.<module>.<parameter>`, of the shapes that torch gives them; before it
        `<kind>.` of those of a kind.

    Raises
    ------
    KeyError
        A parameter is missing.
    """
    graph = _Graph(tensors)
    names = []
    for kind, (networks, flip) in ensembles.items():
        for n, layout in enumerate(networks):
            names.append(ends(n, kind))
            _member(graph, *names[-1], layout, flip)
    size: list[str | int] = ["slices", 1, "rows", "columns"]
    inputs = [_value(member, size) for member, _ in names]
    outputs = [_value(probability, size) for _, probability in names]
    whole = helper.make_graph(graph.nodes, "ensemble", inputs, outputs, graph.constants)
    model: ModelProto = helper.make_model(
        whole, producer_name="vhi", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _value(name: str, size: Sequence[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, size)


class _Graph:
    """Nodes and constants of a file as they are added, each result named after what made it."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self.tensors = tensors
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], name: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """One operator; the name of its (first) result."""
        results = list(outputs) or [name]
        self.nodes.append(helper.make_node(operator, list(inputs), results, name=f"node of {name}", **attributes))
        return results[0]

    def constant(self, value: np.ndarray, name: str) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def parameter(self, name: str) -> str:
        """A parameter of the version in float32."""
        stored = self.constant(np.ascontiguousarray(self.tensors[name]), name)
        if self.tensors[name].dtype == np.float32:
            return stored
        return self.add("Cast", [stored], f"{name} in float32", to=TensorProto.FLOAT)


def _member(graph: _Graph, name: str, output: str, layout: Mapping[str, Any], flip: bool) -> None:
    """From `(B, 1, H, W)` slices to probabilities of the region."""
    if not flip:
        graph.add("Sigmoid", [_unet(graph, name, name, layout)], output)
        return
    both = graph.add("Concat", [name, _mirrored(graph, name, f"{name}.mirrored")], f"{name}.both", axis=0)
    halves = [f"{name}.upright", f"{name}.mirror image"]
    graph.add("Split", [_unet(graph, both, name, layout)], f"{name}.halves", halves, axis=0, num_outputs=2)
    back = _mirrored(graph, halves[1], f"{name}.turned back")
    added = graph.add("Add", [halves[0], back], f"{name}.sum")
    half = graph.constant(np.array(0.5, np.float32), f"{name}.half")
    graph.add("Sigmoid", [graph.add("Mul", [added, half], f"{name}.mean")], output)


def _mirrored(graph: _Graph, x: str, name: str) -> str:
    """Left and right exchanged."""
    ends = {"start": [-1], "end": [np.iinfo(np.int64).min], "axis": [3], "step": [-1]}
    constants = [graph.constant(np.array(value, np.int64), f"{name}.{what}") for what, value in ends.items()]
    return graph.add("Slice", [x, *constants], name)


def _unet(graph: _Graph, x: str, name: str, layout: Mapping[str, Any]) -> str:
    """Logits, as `lib.nets.unet.UNet.forward` computes them."""
    levels, shuffle = len(layout["widths"]), int(layout["shuffle"])
    if shuffle > 1:
        # one channel: the order of a block's pixels is the same in ONNX and in torch
        x = graph.add("SpaceToDepth", [x], f"{name}.blocks", blocksize=shuffle)
    skips = []
    for level in range(levels):
        if level:
            x = graph.add("MaxPool", [x], f"{name}.pooled{level}", kernel_shape=[2, 2], strides=[2, 2])
        x = _block(graph, x, f"{name}.down_path.{level}.convblock", layout)
        skips.append(x)
    for level in range(levels - 1):
        at = f"{name}.up_path.{level}"
        narrow = _convolution(graph, x, f"{at}.UpBlock.1", 1, bias=True)
        skip = skips[levels - 2 - level]
        joined = graph.add("Concat", [_raised(graph, narrow, skip, at), skip], f"{at}.joined", axis=1)
        x = _block(graph, joined, f"{at}.ConvBlock.convblock", layout)
    x = _convolution(graph, x, f"{name}.last_layer", 1, bias=True)
    return graph.add("DepthToSpace", [x], f"{name}.logits", blocksize=shuffle, mode="CRD") if shuffle > 1 else x


def _block(graph: _Graph, x: str, name: str, layout: Mapping[str, Any]) -> str:
    """Twice a convolution, batch normalisation and ReLU."""
    for convolution, normalisation in ((0, 1), (3, 4)):
        x = _convolution(graph, x, f"{name}.{convolution}", int(layout.get("kernel", 3)), bias=bool(layout["bias"]))
        at = f"{name}.{normalisation}"
        values = [graph.parameter(f"{at}.{what}") for what in ("weight", "bias", "running_mean", "running_var")]
        x = graph.add("BatchNormalization", [x, *values], f"{at}.normalised", epsilon=EPSILON)
        x = graph.add("Relu", [x], f"{at}.rectified")
    return x


def _convolution(graph: _Graph, x: str, name: str, kernel: int, *, bias: bool) -> str:
    parameters = [graph.parameter(f"{name}.{what}") for what in (("weight", "bias") if bias else ("weight",))]
    return graph.add("Conv", [x, *parameters], f"{name}.convolved", kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)


def _raised(graph: _Graph, x: str, skip: str, name: str) -> str:
    """The lower level at the size of the skip connection, which is odd where pooling dropped a row or column."""
    channels = graph.add("Shape", [x], f"{name}.channels", start=0, end=2)
    size = graph.add("Concat", [channels, graph.add("Shape", [skip], f"{name}.size", start=2, end=4)], f"{name}.target", axis=0)
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return graph.add("Resize", [x, "", "", size], f"{name}.raised", **how)

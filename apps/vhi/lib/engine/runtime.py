"""OpenVINO on the CPU: members of an ensemble as callables on numpy slices."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, cast
from weakref import WeakSet

import numpy as np

from ..cores import available_cores
from ..errors import ModelError
from ..nets.air import air_round, fitting_sizes
from .library import ov

Precision = Literal["bfloat16", "float32"]
ENGINE = "openvino"
_HINTS = {"bfloat16": ov.Type.bf16, "float32": ov.Type.f32}


_in_use: WeakSet[EngineMember] = WeakSet()


class EngineMember:
    """A member of an ensemble, compiled for this CPU: `(K, H, W)` float32 slices of any size to probabilities of the same shape.

    Parameters
    ----------
    part : ov.Model
        With one input, `(B, 1, H, W)`; compiled when it is first needed.
    multiple, smallest : int
        What the sizes of its slices must be, see `lib.nets.air`.
    computed_by : mapping
        `engine` and `precision`, for provenance.
    """

    def __init__(self, part: ov.Model, multiple: int, smallest: int, computed_by: Mapping[str, str]) -> None:
        self.part, self.multiple, self.smallest = part, multiple, smallest
        self.computed_by = computed_by
        self._compiled: ov.CompiledModel | None = None
        _in_use.add(self)

    def compile(self) -> ov.CompiledModel:
        """The network compiled for this CPU, once."""
        if self._compiled is None:
            self._compiled = _core().compile_model(self.part, "CPU", _settings(cast("Precision", self.computed_by["precision"])))
        return self._compiled

    def release(self) -> None:
        """Let go of OpenVINO."""
        self._compiled = self.part = None

    def __call__(self, slices: np.ndarray) -> np.ndarray:
        rows, columns = slice(*self._within(slices.shape[1])), slice(*self._within(slices.shape[2]))
        air = [(0, 0), *(air_round(size, self.multiple, self.smallest) for size in slices.shape[1:])]
        padded = np.pad(np.asarray(slices, dtype=np.float32), air)[:, None]
        probability = np.empty(slices.shape, dtype=np.float32)

        def keep(request: ov.InferRequest, at: int) -> None:
            probability[at] = request.get_output_tensor().data[0, 0, rows, columns]

        # a request for each core, one slice each: what lies between the layers is needed once a core, not once a slice
        queue = ov.AsyncInferQueue(self.compile(), available_cores())
        queue.set_callback(keep)
        try:
            for at in range(len(padded)):
                queue.start_async({0: padded[at : at + 1]}, at, share_inputs=True)
        finally:
            queue.wait_all()  # `padded` stays until all have answered
        return probability

    def _within(self, size: int) -> tuple[int, int]:
        """Where rows or columns of the slice itself begin and end in the padded one."""
        before, _ = air_round(size, self.multiple, self.smallest)
        return before, before + size


def graph_of(content: bytes) -> ov.Model:
    """The networks of an ensemble from its ONNX file, as `lib.engine.graph.ensemble_graph` writes it.

    Raises
    ------
    ModelError
    """
    try:
        return _core().read_model(content)
    except RuntimeError as error:
        raise _other_networks(error) from error


def members_of_graph(
    whole: ov.Model, networks: Sequence[Mapping[str, Any]], precision: Precision | None = None, kind: str | None = None
) -> tuple[EngineMember, ...]:
    """The members of an ensemble.

    Parameters
    ----------
    whole : ov.Model
        Read once, for the networks of every kind.
    networks : sequence of mapping
        The layout of each member, as the manifest has it.
    precision : {"bfloat16", "float32"}, optional
        What to compute in; when absent bfloat16 where this CPU multiplies it in hardware, else float32.
    kind : str, optional
        The networks for this kind of scans instead, which few scans need: compiled when the first one comes.

    Raises
    ------
    ModelError
        The file is not that of these networks.
    """
    chosen = precision or best_precision()
    computed_by = {"engine": ENGINE, "precision": chosen}
    try:
        named = [ends(n, kind) for n in range(len(networks))]
        parts = [ov.Model([whole.output(output)], [whole.input(member).get_node()]) for member, output in named]
        sizes = [fitting_sizes(int(layout["shuffle"]), len(layout["widths"])) for layout in networks]
        members = tuple(EngineMember(one, *size, computed_by) for one, size in zip(parts, sizes, strict=True))
        if kind is None:
            for member in members:
                member.compile()
    except RuntimeError as error:
        raise _other_networks(error) from error
    return members


def _other_networks(error: RuntimeError) -> ModelError:
    return ModelError(
        f"The engine file does not hold the networks that its manifest describes ({' '.join(str(error).split())[:200]}); "
        "make it again with models add-engine."
    )


def ends(n: int, kind: str | None = None) -> tuple[str, str]:
    """The names of the input and the output of a member."""
    prefix = "" if kind is None else f"{kind}."
    return f"{prefix}member{n}", f"{prefix}probability{n}"


@cache
def best_precision() -> Precision:
    """bfloat16 where OpenVINO takes it by itself on this CPU (AMX, AVX-512 BF16), else float32; never float16."""
    return "bfloat16" if _core().get_property("CPU", "INFERENCE_PRECISION_HINT") == ov.Type.bf16 else "float32"


def engine_version() -> str:
    """Version of OpenVINO."""
    return str(ov.__version__)


def _settings(precision: Precision) -> dict[str, Any]:
    cores = available_cores()
    # one thread a slice: threads within a layer wait for each other, which is slow on a busy machine
    threads = {"INFERENCE_NUM_THREADS": cores, "NUM_STREAMS": cores}
    # not bound to cores: every process would take the same ones, and all workers of a batch share the first
    return {"INFERENCE_PRECISION_HINT": _HINTS[precision], "ENABLE_CPU_PINNING": False} | threads


@cache
def _core() -> ov.Core:
    return ov.Core()


@atexit.register
def _release() -> None:
    """Members that are still there when the program ends let go of OpenVINO while its threads can end in order."""
    for member in list(_in_use):
        member.release()
    _core.cache_clear()

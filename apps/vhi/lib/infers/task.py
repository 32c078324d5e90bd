"""The work common to all inference tasks: take a request apart, ask the service, write the answer for the viewer."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from ..service.answers import Answer
from ..service.service import VhiService
from ..studies.nifti import write_labels
from ..studies.nrrd import nrrd_labels
from .request import InferRequest, parse_request


class ServiceTask(InferTask):
    """An inference task that the service answers.

    Parameters
    ----------
    options : mapping
        The option table that viewers show, see `lib.core.setting.option_cell`.
    names : mapping
        Every label that an answer may hold, with its value; values count from 1 without a gap.

    Attributes
    ----------
    also : names
        Further keys that a request may hold, which no option table shows.
    passed_over : names
        Options of other tasks, which 3D Slicer sends along when a list of options was fetched anew while another was open.
    """

    also: ClassVar[tuple[str, ...]] = ()
    passed_over: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        service: VhiService,
        name: str,
        description: str,
        names: Mapping[str, int],
        options: Mapping[str, Any] | None = None,
        *,
        type: InferType = InferType.SEGMENTATION,
    ) -> None:
        super().__init__(type=type, labels=dict(names), dimension=3, description=description, config=dict(options or {}))
        self.name = name
        self.service = service
        self._takes = (*self._config, *self.also)

    @abstractmethod
    def answer(self, request: InferRequest) -> Answer:
        """Ask the service."""

    def is_valid(self) -> bool:
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Answer a request with a fresh temporary file, which MONAI Label deletes once it is sent, and the facts."""
        asked = parse_request({k: v for k, v in request.items() if k not in self.passed_over}, self.name, self._takes)
        answer = self.answer(asked)
        # Slicer gives the first name the voxels of value 1, the second those of value 2, and so on, and empties the segments
        # whose values do not occur: with every name no value is taken for another, and nothing of an earlier answer stays
        return str(_write(answer, asked)), {"label_names": {**self.labels, **answer.names}, **answer.facts}


def _write(answer: Answer, asked: InferRequest) -> Path:
    handle, name = tempfile.mkstemp(prefix="vhi-answer-", suffix=asked.suffix)
    os.close(handle)
    path = Path(name)
    try:
        if asked.suffix == ".nrrd":
            path.write_bytes(nrrd_labels(answer.labels, answer.grid, compress=asked.compress))
        else:
            write_labels(path, answer.labels, answer.grid)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path

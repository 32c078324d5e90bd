"""The cleaning proposal beside a measurement: what a reader is shown of it, and what is told of every lesion."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cleaning.model import CleaningModel, model_of, propose, proposer
from ..core.cleaning import Changes, changes_of, kept_after, measure_cleaned, measure_proposed
from ..core.corrections import DisplayedLesions
from ..core.gestures import AnyGesture, Gesture
from ..core.pipeline import VhiResult
from ..core.proposal import Proposal
from ..core.segment_names import CONSERVATIVE, INFLAMMATION, PROPOSED_TO_REMOVE
from ..errors import ModelError, RequestError
from ..versions import read_live, read_version
from ..versions.site import folder_with, models_in_use
from .answers import names_present
from .memory_cache import LastUsed

OFF, SHOW, APPLY = "off", "show", "apply"
MODES = (OFF, SHOW, APPLY)
CLEANING_DIR = Path(__file__).resolve().parents[2] / "model" / "cleaning"
_VALUES = {INFLAMMATION: 1, CONSERVATIVE: 2, PROPOSED_TO_REMOVE: 3}


def checked_mode(value: Any) -> str:
    """The option `proposal`.

    Raises
    ------
    RequestError
    """
    if value not in MODES:
        raise RequestError(f"proposal is {str(value)[:60]!r}; it must be {', '.join(MODES[:-1])} or {MODES[-1]}.")
    return str(value)


class Proposals:
    """The live version of the cleaning model, or one that a reading began with.

    Parameters
    ----------
    shipped : Path
        The model folder that a site starts from.
    data : Path
        The data folder, where a site's own versions lie.
    """

    def __init__(self, shipped: Path, data: Path) -> None:
        self.shipped, self.data = shipped, data
        self._loading = threading.Lock()
        self._loaded: LastUsed[CleaningModel] = LastUsed(2)
        # at every other threshold the model decides anew: seconds, once for each result
        self._applied: weakref.WeakKeyDictionary[VhiResult, VhiResult] = weakref.WeakKeyDictionary()

    def live_version(self) -> str:
        """Its id.

        Raises
        ------
        ModelError
            There is none.
        """
        return read_live(models_in_use(self.data, self.shipped, "cleaning")).manifest.version

    def has(self, version: str) -> bool:
        """Whether that version is still there."""
        return folder_with(self.data, self.shipped, version, "cleaning") is not None

    def proposed(self, result: VhiResult, version: str) -> VhiResult:
        """An automatic result with what that version proposes.

        Raises
        ------
        ModelError
            The version is missing, corrupt or swapped.
        """
        return replace(result, proposal=propose(result, self._model(version)))

    def applied(self, automatic: VhiResult) -> VhiResult:
        """The automatic result without the lesions that its own proposal removes.

        Raises
        ------
        ModelError
            The version is missing, corrupt or swapped.
        """
        result = self._applied.get(automatic)
        if result is None:
            if automatic.proposal is None:
                raise ModelError("This result holds no proposal that could be followed; ask for one first.")
            result = measure_proposed(automatic, proposer(automatic, self._model(automatic.proposal.version)))
            self._applied[automatic] = result
        return result

    def _model(self, version: str) -> CleaningModel:
        with self._loading:
            model = self._loaded.get(version)
            if model is None:
                model = self._read(version)
                self._loaded.put(version, model)
            return model

    def _read(self, version: str) -> CleaningModel:
        root = folder_with(self.data, self.shipped, version, "cleaning")
        if root is None:
            raise ModelError(f"Version {version} of the cleaning proposal is gone; restore it, or run vhi again.")
        return model_of(read_version(root, version))


@dataclass(frozen=True, eq=False)
class DisplayedResult:
    """A result as a viewer shows it: the label map on the grid of STIR, `(I, J, K)` uint8, and the measurement beside it.

    `automatic` is the result that it is shown of, before anything was taken out of it; `lesions` are those that gestures left,
    where there were gestures to replay.
    """

    labels: np.ndarray
    names: dict[str, int]
    result: VhiResult
    automatic: VhiResult
    changes: Changes | None = None
    messages: tuple[str, ...] = ()
    lesions: DisplayedLesions | None = None


def render_result(automatic: VhiResult, mode: str, proposals: Proposals, grades: bool = False) -> DisplayedResult:
    """The automatic result, or what the proposal keeps of it.

    Parameters
    ----------
    automatic : VhiResult
        With a proposal, unless the mode is off.
    mode : str
        With `show` what is proposed to be removed has a label of its own and still counts; with `apply` it is gone.
    proposals : Proposals
    grades : bool
        Both grades apart.
    """
    result = proposals.applied(automatic) if mode == APPLY and automatic.proposal is not None else automatic
    labels = result.grade.copy() if grades else (result.grade > 0).astype(np.uint8)
    present = [INFLAMMATION, *([CONSERVATIVE] if grades else [])]
    if mode == SHOW and automatic.proposal is not None:
        present.append(PROPOSED_TO_REMOVE)
        labels[~automatic.proposal.keeps()[automatic.lesion_labels] & (labels > 0)] = _VALUES[PROPOSED_TO_REMOVE]
    return DisplayedResult(labels, names_present(labels, {name: _VALUES[name] for name in present}), result, automatic)


def apply_gestures(automatic: VhiResult, mode: str, gestures: Sequence[AnyGesture], proposals: Proposals) -> DisplayedResult:
    """The lesions that gestures leave of the automatic result or, with `apply`, of the lesions that the proposal keeps.

    With `show` what is proposed to be removed and no gesture has restored has its own label; it counts until one removes it.
    """
    keeps = None if automatic.proposal is None or mode == OFF else automatic.proposal.keeps()
    start = keeps if mode == APPLY and keeps is not None else np.ones(len(automatic.lesions) + 1, dtype=bool)
    kept, replayed = kept_after(automatic, gestures, start)
    labels = kept.data.astype(np.uint8)
    names = {INFLAMMATION: _VALUES[INFLAMMATION]}
    if mode == SHOW and keeps is not None:
        undecided, _ = kept_after(automatic, [_decided(gesture) for gesture in gestures if _decides(gesture)], ~keeps)
        labels[undecided.data & kept.data] = _VALUES[PROPOSED_TO_REMOVE]
        names = names_present(labels, {**names, PROPOSED_TO_REMOVE: _VALUES[PROPOSED_TO_REMOVE]})
    # without a gesture nobody has cleaned anything yet
    result = measure_cleaned(automatic, kept) if gestures else render_result(automatic, mode, proposals).result
    shown = DisplayedLesions.of(replayed, start)
    return DisplayedResult(labels, names, result, automatic, changes_of(automatic, kept), replayed.messages, shown)


def _decides(gesture: AnyGesture) -> bool:
    """Whether it changes what a proposal leaves undecided."""
    return not isinstance(gesture, Gesture) or gesture.what != "remove"


def _decided(gesture: AnyGesture) -> AnyGesture:
    """The gesture as a removal from the undecided lesions: those that it restores are decided too."""
    return replace(gesture, what="remove") if isinstance(gesture, Gesture) else gesture


def with_decisions(lesions: list[dict[str, Any]], proposal: Proposal, changes: Changes | None) -> list[dict[str, Any]]:
    """The automatic lesions as they are told, with what is proposed for each; the uncertain few first.

    Each has `keep`, `probability` and `reason` of the proposal, `uncertain`, and after clicks `removed`.
    """
    removed = set() if changes is None else set(changes.lesions_removed)
    with_proposals = [
        {
            **lesion,
            "keep": proposed.keep,
            "probability": proposed.probability,
            "reason": proposed.reason,
            "uncertain": proposed.lesion.id in proposal.uncertain,
            **({} if changes is None else {"removed": proposed.lesion.id in removed}),
        }
        for lesion, proposed in zip(lesions, proposal.lesions, strict=True)
    ]
    rank = {lesion: n for n, lesion in enumerate(proposal.uncertain)}
    return sorted(with_proposals, key=lambda lesion: (rank.get(lesion["id"], len(rank)), lesion["id"]))

"""The manifest of a trained version.

`manifest.json`, schema 1:

`schema`            1
`version`           id, also the folder's name
`created`           ISO 8601, UTC
`parent`            id of the version it was trained from, or null
`code_version`      version of this project that trained it
`sha256`            of `ensemble.safetensors`, hexadecimal
`network`           `widths`, `shuffle`, `bias` of `lib.nets.unet.UNet`, or `name` and `arguments` of a network of MONAI
                    (`lib.nets.named`, `lib.nets.stack`); a list of such, one per member, where members differ
`members`           number of members
`pixel_spacing_mm`  in-plane spacing of the training slices
`recipes`           per member, every setting of its `lib.nets.fit.Recipe`
`seeds`             per member; empty when unknown
`training_cases`    list of `{case_id, label_sha256}`: the manual masks that were learnt, by the hash of the file
`unlabelled_cases`  ids of scans that took part without a mask
`metrics`           free: what was measured, each with what it was measured on; null where nothing was
`flip`              whether a member averages its answers for a slice and for the slice's mirror image
`note`              what a user must know beside all this, or null
`gate`              of a retrained version: `accepted`, `reasons`, and what it was compared on (`lib.retraining.gate`); else null
`kinds`             kinds of scans that have networks of their own in the same file: list of `{name, protocol, usual}`
                    (`lib.core.protocol`; the usual Dice there), and of `network`, `members`, `pixel_spacing_mm`, `flip`,
                    `recipes`, `seeds` and `reference` what is another there; tensors `<name>.member0. ...`
`engine`            of `ensemble.onnx`, the same networks for an engine without torch: its `sha256`; null where there is none
`reference`         what its networks answer on scans like those they know (`lib.core.plausibility.Reference`), or null
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core.protocol import Protocol, kind_of
from ..core.volume import Grid
from ..errors import ModelError

SCHEMA = 1
# what networks for a kind of scans may have otherwise than those for all others
OF_KIND = ("network", "members", "pixel_spacing_mm", "flip", "recipes", "seeds", "reference")


@dataclass(frozen=True)
class TrainingCase:
    """A labelled scan by its id and the hash of the mask file that was learnt."""

    case_id: str
    label_sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`; fields as in the module's docstring."""

    version: str
    created: str
    code_version: str
    sha256: str
    network: dict[str, Any] | list[dict[str, Any]]
    members: int
    pixel_spacing_mm: float
    recipes: list[dict[str, Any]]
    seeds: list[int]
    training_cases: list[TrainingCase]
    unlabelled_cases: list[str] = field(default_factory=list)
    metrics: dict[str, Any] | None = None
    parent: str | None = None
    flip: bool = True
    note: str | None = None
    reference: dict[str, Any] | None = None
    gate: dict[str, Any] | None = None
    kinds: list[dict[str, Any]] = field(default_factory=list)
    engine: dict[str, str] | None = None
    schema: int = SCHEMA

    @property
    def networks(self) -> list[dict[str, Any]]:
        """The network of each member."""
        return self.network if isinstance(self.network, list) else [self.network] * self.members

    def of_kind(self, name: str | None) -> Manifest:
        """As if the networks for one kind of scans were the only ones; for None or an unknown kind, those of all others."""
        kind = next((kind for kind in self.kinds if kind["name"] == name), {})
        return replace(self, kinds=[], **{key: kind[key] for key in OF_KIND if key in kind})

    def for_scan(self, grid: Grid) -> Manifest:
        """As if the networks that answer a scan on this grid were the only ones."""
        return self.of_kind(kind_of(self.kinds, Protocol.of(grid)))

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """Parse, refusing what is not a manifest of this schema.

        Raises
        ------
        ModelError
            Not JSON, another schema, or a field missing or unknown.
        """
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                raise ModelError(f"{where} has schema {content['schema']}, this program reads {SCHEMA}; update the program.")
            content["training_cases"] = [TrainingCase(**case) for case in content["training_cases"]]
            manifest = cls(**content)
            for ensemble in (manifest, *(manifest.of_kind(kind["name"]) for kind in manifest.kinds)):
                if len(ensemble.networks) != ensemble.members:
                    raise ValueError(f"{ensemble.members} members, but {len(ensemble.networks)} networks")
            return manifest
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{where} is not a model manifest ({error}); restore the version from where it came.") from error

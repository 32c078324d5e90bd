"""Which post-transforms a measurement applies, in which order, as values that can be recorded and compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .transforms import POST_TRANSFORMS, PostTransform

PAPER = "paper"
CHANGED = "paper, with changed settings"
COMPOSE = "monai.transforms.Compose"
CHAIN_KEY = "postprocessing"

# called with a mapping that holds "grade", "grid" and "disease_region"; gives a new one
Step = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Chain:
    """A chain of post-transforms.

    Parameters
    ----------
    name : str
        "paper", "paper, with changed settings", or that of a site's file.
    steps : tuple of callables
        Applied in this order.
    text : str
        The whole chain in MONAI's configuration syntax, every argument written out: JSON with sorted keys and no spaces.
    """

    name: str
    steps: tuple[Step, ...] = field(compare=False)
    text: str

    @classmethod
    def of(cls, name: str, steps: Iterable[tuple[Step, Mapping[str, Any]]]) -> Chain:
        """A chain of steps, each with its configuration."""
        pairs = tuple(steps)
        config = {CHAIN_KEY: {"_target_": COMPOSE, "transforms": [dict(config) for _, config in pairs]}}
        return cls(name, tuple(step for step, _ in pairs), json.dumps(config, sort_keys=True, separators=(",", ":")))

    @property
    def config(self) -> dict[str, Any]:
        """The content of this chain's file."""
        config: dict[str, Any] = json.loads(self.text)
        return config

    @property
    def step_configs(self) -> list[dict[str, Any]]:
        """The configuration of each step."""
        steps: list[dict[str, Any]] = self.config[CHAIN_KEY]["transforms"]
        return steps

    @property
    def sha256(self) -> str:
        """Checksum of `text`: equal for chains of the same steps and arguments, however their files are written."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    @property
    def names_monai(self) -> bool:
        """Whether a step is one of MONAI's."""
        return any(str(step["_target_"]).startswith("monai.") for step in self.step_configs)

    @property
    def summary(self) -> str:
        """The steps in their order, with their arguments, for a sentence."""
        return "; ".join(step_words(step) for step in self.step_configs) or "no step at all"

    def record(self) -> dict[str, Any]:
        """Name, hash and all steps, as a result keeps them."""
        return {"name": self.name, "sha256": self.sha256, "config": self.config}


@dataclass(frozen=True)
class RecordedChain:
    """The chain that a stored result was made by; two are equal where their steps and arguments are.

    Parameters
    ----------
    name : str
    sha256 : str
        As `Chain.sha256`; "" for the paper's chain, which goes by its name.
    """

    name: str = field(compare=False)
    sha256: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> RecordedChain:
        """The chain that `Chain.record` wrote; results from before there was a choice have none, and are the paper's.

        Raises
        ------
        KeyError
            It lacks its name or hash.
        """
        if record is None or record["name"] == PAPER:
            return cls(PAPER)
        return cls(str(record["name"]), str(record["sha256"]))

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:12]})" if self.sha256 else self.name


def step_words(config: Mapping[str, Any]) -> str:
    """One step in words: its name without the package, and its arguments without the keys."""
    arguments = ", ".join(f"{name} {value}" for name, value in config.items() if name not in ("_target_", "keys"))
    name = str(config["_target_"]).removeprefix("vhi.transforms.")
    return f"{name} ({arguments})" if arguments else name


_PAPER_TEXT = Chain.of(PAPER, ((step, step.config()) for step in (cls() for cls in POST_TRANSFORMS) if step.is_on)).text


def chain_of_settings(transforms: Iterable[PostTransform]) -> Chain:
    """The chain that settings describe: of the given post-transforms, those that are on."""
    chain = Chain.of(CHANGED, ((step, step.config()) for step in transforms if step.is_on))
    return replace(chain, name=PAPER) if chain.text == _PAPER_TEXT else chain


PAPER_CHAIN = chain_of_settings(cls() for cls in POST_TRANSFORMS)

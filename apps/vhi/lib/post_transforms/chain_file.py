"""From a file, or from what a result recorded, to a chain of post-transforms that can be applied."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.chain import CHAIN_KEY, CHANGED, COMPOSE, PAPER, PAPER_CHAIN, Chain, Step
from ..core.post_transform import NAMESPACE
from ..core.setting import settings_of
from ..core.settings import POST_TRANSFORMS_KEY, VhiSettings
from ..core.transforms import POST_TRANSFORMS, PostTransform
from ..errors import SettingsError
from .config_file import read_config, resolve
from .outcome import check_keys
from .trial import check_trial

PAPER_FILE = Path(__file__).with_name("paper.json")
MOST_STEPS = 100
MONAI = "monai.transforms"
# of MONAI's transforms those that change a label map in memory, alike each time. Left out are those that read or write files,
# run what is given by name, wait, print, draw at random, or move voxels to another grid
MONAI_TARGETS = (
    "AsDiscreted",
    "CastToTyped",
    "EnsureTyped",
    "FillHolesd",
    "Identityd",
    "KeepLargestConnectedComponentd",
    "LabelFilterd",
    "MapLabelValued",
    "MaskIntensityd",
    "RemoveSmallObjectsd",
    "ThresholdIntensityd",
)
# names that mean something else where a chain is chosen
RESERVED = (PAPER, CHANGED, "default")
_OURS = {f"{NAMESPACE}.{cls.__name__}": cls for cls in POST_TRANSFORMS}
_GRADE = PostTransform.keys[0]
_REGION_KEY = "disease_region"


def read_chain(path: Path) -> Chain:
    """Read a chain of post-transforms from a file in MONAI's configuration syntax, and try it once.

    Parameters
    ----------
    path : Path
        JSON or YAML with an entry `postprocessing`: a list of steps, or a `Compose` of them. Each has `_target_`, one of ours
        (`vhi.transforms.…`) or of MONAI's that a chain may hold, `keys` ("grade"), and its arguments.

    Returns
    -------
    Chain
        Named as the file is; the paper's where its steps are those.

    Raises
    ------
    InputError
        No such file, or no configuration.
    SettingsError
        An unknown step, a wrong argument, an expression, references in a circle, or a step that fails on a small example.
    """
    source = path.name
    config = read_config(path)
    if CHAIN_KEY not in config:
        raise SettingsError(f"{source} has no entry {CHAIN_KEY!r}; that is where a chain lists its steps.")
    chain = _chain(path.stem, resolve(config, CHAIN_KEY, source), source)
    if chain.text == PAPER_CHAIN.text:
        return PAPER_CHAIN
    if chain.name in RESERVED:
        raise SettingsError(f"{source} holds another chain than the paper's; a file of another chain needs a name of its own.")
    return chain


def chain_of_record(record: Mapping[str, Any]) -> Chain:
    """The chain that a result or a reading recorded, see `Chain.record`.

    Raises
    ------
    SettingsError
        It cannot be built any more: a step that this version does not have.
    """
    name, config = record.get("name"), record.get("config")
    steps = config.get(CHAIN_KEY) if isinstance(config, Mapping) else None
    if not isinstance(name, str) or steps is None:
        raise SettingsError("The recorded chain of post-transforms is damaged: its name or its steps are missing.")
    return _chain(name, steps, f"The recorded chain {name!r}")


def _chain(name: str, value: Any, source: str) -> Chain:
    configs = list(_steps(value, source))
    if len(configs) > MOST_STEPS:
        raise SettingsError(f"{source} has {len(configs)} steps; at most {MOST_STEPS} are taken.")
    chain = Chain.of(name, [_built(config, f"{source}, step {n}") for n, config in enumerate(configs, start=1)])
    check_trial(chain, source)
    return chain


def _steps(value: Any, source: str) -> Iterator[dict[str, Any]]:
    """The steps of a list, of a Compose of them, or one alone, in order; without those that are disabled."""
    if isinstance(value, list):
        for item in value:
            yield from _steps(item, source)
        return
    if not isinstance(value, dict) or not isinstance(value.get("_target_"), str):
        raise SettingsError(f"{source}: a step is a mapping with a _target_, found {str(value)[:60]!r}.")
    if _is_disabled(value):
        return
    special = [key for key in value if key in ("_requires_", "_mode_") and value[key] != "default"]
    if special:
        raise SettingsError(f"{source}: {special[0]} is not taken in a chain of post-transforms; remove it.")
    config = {key: item for key, item in value.items() if key not in ("_disabled_", "_desc_", "_mode_")}
    if config["_target_"] not in (COMPOSE, COMPOSE.rsplit(".", 1)[1]):
        yield config
        return
    if set(config) != {"_target_", "transforms"} or not isinstance(config["transforms"], list):
        raise SettingsError(f"{source}: Compose takes a list of transforms and nothing else here.")
    yield from _steps(config["transforms"], source)


def _is_disabled(config: Mapping[str, Any]) -> bool:
    flag = config.get("_disabled_", False)
    return flag.lower().strip() == "true" if isinstance(flag, str) else bool(flag)


def _built(config: dict[str, Any], source: str) -> tuple[Step, Mapping[str, Any]]:
    target = config["_target_"]
    # MONAI's own rule: a name alone is one of its transforms
    full = target if "." in target else f"{MONAI}.{target}"
    if full in _OURS:
        step = _ours(_OURS[full], config, source)
        return step, step.config()
    name = full.removeprefix(f"{MONAI}.")
    if f"{MONAI}.{name}" != full or name not in MONAI_TARGETS:
        raise SettingsError(_unknown(target, source))
    from .monai_step import MonaiStep

    theirs = MonaiStep.of(full, {key: argument for key, argument in config.items() if key != "_target_"}, source)
    return theirs, theirs.config()


def _unknown(target: str, source: str) -> str:
    allowed = [*_OURS, *(f"{MONAI}.{name}" for name in MONAI_TARGETS)]
    last = {path.rsplit(".", 1)[1]: path for path in reversed(allowed)}
    near = difflib.get_close_matches(target.rsplit(".", 1)[-1], last, n=1)
    hint = f" Did you mean {last[near[0]]}?" if near else ""
    return f"{source}: {target[:80]!r} is no step that a chain may hold; it may hold {', '.join(allowed)}.{hint}"


def _ours(cls: type[PostTransform], config: dict[str, Any], source: str) -> PostTransform:
    arguments = {key: one for key, one in config.items() if key not in ("_target_", "keys", "allow_missing_keys", "region_key")}
    check_keys(config.get("keys"), source)
    if config.get("region_key", _REGION_KEY) != _REGION_KEY:
        raise SettingsError(f"{source}: region_key must be {_REGION_KEY!r} here.")
    known = cls.argument_names()
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        takes = ", ".join(known) or "no argument beside keys"
        raise SettingsError(f"{source}: {cls.__name__} takes no {unknown[0]!r}; it takes {takes}.")
    switch = next((one for one in settings_of(cls) if one.name == cls.switch), None)
    if switch is not None and isinstance(switch.default, bool):
        arguments[switch.name] = True  # who names a step wants it
    try:
        step = cls(**arguments)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error
    if not step.is_on:
        raise SettingsError(f"{source}: {cls.__name__} does nothing without {cls.switch}; give it a value, or remove the step.")
    return step


def settings_of_stored(values: Mapping[str, Any]) -> VhiSettings:
    """Settings as a reading or a batch stored them, by name, with a site's chain where one is recorded among them.

    Raises
    ------
    SettingsError
        An unknown setting, or a chain that cannot be built any more.
    """
    record = values.get(POST_TRANSFORMS_KEY)
    others = {name: value for name, value in values.items() if name != POST_TRANSFORMS_KEY}
    return VhiSettings.from_values(others, None if record is None else chain_of_record(record))

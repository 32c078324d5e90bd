"""The service as `--conf name value` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from lib.core.setting import SettingInfo
from lib.errors import SettingsError
from lib.service.answers import ServiceConfig
from lib.service.service import MODEL_DIR, VhiService

_FOLDERS = ("data", "models")
# MONAI Label's own, without meaning here
_STOCK = ("server_mode",)


def service_of(studies: str, conf: Mapping[str, str]) -> VhiService:
    """The service over a folder of studies.

    Parameters
    ----------
    conf : mapping
        Fields of `ServiceConfig`, and the folders `data` (submissions) and `models` (the disease-region ensemble).

    Raises
    ------
    SettingsError
        An unknown name, or a value that is not one.
    VhiError
        The folders cannot be used.
    """
    if studies.startswith(("http://", "https://")):
        raise SettingsError("This app reads a folder of NIfTI studies; pass the folder, not an address.")
    defaults = {field.name: field.default for field in fields(ServiceConfig)}
    unknown = sorted(set(conf) - set(defaults) - set(_FOLDERS) - set(_STOCK))
    if unknown:
        raise SettingsError(f"There is no setting {unknown[0]!r}; --conf knows {', '.join([*_FOLDERS, *defaults])}.")
    values: dict[str, Any] = {
        name: SettingInfo(name, default, meaning="", source="").parse(conf[name])  # type: ignore[arg-type]
        for name, default in defaults.items()
        if name in conf
    }
    data, models = (Path(conf[name]) if conf.get(name) else None for name in _FOLDERS)
    return VhiService(Path(studies), data=data, model_dir=models or MODEL_DIR, config=ServiceConfig(**values))

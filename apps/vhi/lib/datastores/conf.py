"""The service as `--conf name value` describes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.setting import fields_from
from ..errors import InputError, SettingsError
from ..pacs.archive_cases import PacsCases, PacsConfig
from ..pacs.start import cases_of, is_archive
from ..post_transforms import read_chain
from ..retraining.config import TrainConfig
from ..server.accounts import read_accounts
from ..server.config import ServerConfig
from ..server.texts import texts_in
from ..service.service import DATA_FOLDER, MODEL_DIR, VhiService
from ..service.study_config import StudyConfig
from ..studies.pairing_rules import read_rules

if TYPE_CHECKING:
    from ..pacs.archive_sync import ArchiveSync

_FOLDERS = ("data", "models")
# where submissions are kept of an archive, when nothing else is said
ARCHIVE_DATA = "vhi-data"
_RULES = "pairing_rules"
# files of chains, separated as in PATH; the first is that of readings which begin
CHAINS = "post_transforms"
# when training begins by itself, see lib.trainers.continuous
RETRAIN = "retrain"
# MONAI Label's own, without meaning here
_STOCK = ("server_mode",)


def service_of(studies: str, conf: Mapping[str, str]) -> VhiService:
    """The service over a folder of studies, or over an archive.

    Parameters
    ----------
    studies : str
        A folder, or the address of a DICOMweb archive, whose login is in the environment (see `lib.pacs.start`).
    conf : mapping
        Fields of `StudyConfig` and `TrainConfig`, `retrain`, the files `post_transforms`, and the folders `data` (submissions)
        and `models` (the disease-region ensemble). For an archive also fields of `PacsConfig`, and the file `pairing_rules`.

    Raises
    ------
    SettingsError
        An unknown name, or a value that is not one.
    VhiError
        The folders cannot be used.
    """
    kinds: tuple[type, ...] = (StudyConfig, TrainConfig, *((PacsConfig,) if is_archive(studies) else ()))
    paths = (*_FOLDERS, _RULES) if is_archive(studies) else _FOLDERS
    known = [*paths, RETRAIN, CHAINS, *(field.name for kind in kinds for field in fields(kind))]
    unknown = sorted(set(conf) - set(known) - set(_STOCK))
    if unknown:
        raise SettingsError(f"There is no setting {unknown[0]!r}; --conf knows {', '.join(known)}.")
    config = StudyConfig(**fields_from(StudyConfig, conf))
    texts_in(config.language)  # refused at the start, and not when the first page asks for them
    if config.hide_others and is_archive(studies) and _logins() is None:
        raise SettingsError("hide_others=true needs accounts: without login everybody is one reader. Start with --accounts.")
    data, models, rules = (Path(conf[name]) if conf.get(name) else None for name in (*_FOLDERS, _RULES))
    models = models or MODEL_DIR
    chains = [read_chain(Path(one)) for one in conf.get(CHAINS, "").split(os.pathsep) if one]
    if not is_archive(studies):
        return VhiService(Path(studies), data=data, model_dir=models, config=config, post_transforms=chains)
    data = data or Path(ARCHIVE_DATA)
    cases = cases_of(studies, data, read_rules(rules) if rules else None, PacsConfig(**fields_from(PacsConfig, conf)))
    return VhiService(cases, data=data, model_dir=models, config=config, post_transforms=chains)


def data_folder_of(studies: str, conf: Mapping[str, str]) -> Path:
    """Where submissions are kept.

    Raises
    ------
    InputError
        The studies are a folder that is not there.
    """
    if not is_archive(studies) and not Path(studies).is_dir():
        raise InputError(f"The folder of studies {studies} cannot be listed (there is no such folder); check it.")
    return Path(conf.get("data") or (ARCHIVE_DATA if is_archive(studies) else Path(studies) / DATA_FOLDER))


def train_config_of(conf: Mapping[str, str]) -> TrainConfig:
    """How the site retrains.

    Raises
    ------
    SettingsError
        A value that is not one.
    """
    return TrainConfig(**fields_from(TrainConfig, conf))


def archive_sync_of(service: VhiService) -> ArchiveSync | None:
    """The synchronisation of the service with its archive; None where its studies are a folder.

    Raises
    ------
    VhiError
        The data folder cannot be used.
    """
    if not isinstance(service.cases.source, PacsCases):
        return None
    from ..pacs.archive_sync import ArchiveSync  # reads and writes results as DICOM, which a folder of files does without

    return ArchiveSync(service, service.cases.source, _logins)


def _logins() -> frozenset[str] | None:
    """The names of the accounts; None where the server asks for no login."""
    accounts = ServerConfig.from_environment().accounts
    return None if accounts is None else frozenset(one.name for one in read_accounts(accounts) if not one.is_removed)

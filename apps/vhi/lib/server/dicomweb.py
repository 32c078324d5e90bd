"""Paths of the gateway: the resources of DICOMweb (PS3.18, chapter 10) below the addresses of the bundled viewer."""

from __future__ import annotations

import re

from .refusals import Refusal

ROOT = "/proxy/dicom"

_UID = r"[0-9][0-9.]{0,63}"
_INSTANCE = rf"/studies/{_UID}/series/{_UID}/instances/{_UID}"
_LEVELS = rf"/studies/{_UID}(?:/series/{_UID}(?:/instances/{_UID})?)?"
_SEARCH = rf"(?:/studies|/series|/instances|/studies/{_UID}/series|/studies/{_UID}(?:/series/{_UID})?/instances)"
_FRAMES = rf"{_INSTANCE}/frames/[0-9]{{1,9}}(?:,[0-9]{{1,9}}){{0,255}}"
_BULK = rf"{_INSTANCE}/bulk(?:data)?(?:/[0-9A-Za-z]{{1,16}}){{1,16}}"
_JSON = rf"(?:{_SEARCH}|{_LEVELS}/metadata)"
_BINARY = rf"(?:(?:{_LEVELS}|{_FRAMES})(?:/rendered|/thumbnail)?|{_BULK})"

# what the allow-list lets through; the bundled viewer stores below wado
READ_PATH = rf"{ROOT}/(?:wado|qido)(?:{_JSON}|{_BINARY})"
STORE_PATH = rf"{ROOT}/(?:wado|stow)/studies(?:/{_UID})?"

_ANSWERED_IN_JSON = re.compile(_JSON)
_PICTURE = re.compile(rf"{_INSTANCE}(?:/frames/[0-9]+)?/rendered|{_LEVELS}(?:/frames/[0-9]+)?/thumbnail")
_RESOURCE = re.compile(f"{_JSON}|{_BINARY}")


def resource_of(path: str) -> str:
    """The DICOMweb resource of a path that the allow-list let through, as `/studies/1.2.3/series`."""
    return "/" + path.removeprefix(f"{ROOT}/").partition("/")[2]


def is_resource(path: str) -> bool:
    """Whether that is a resource to read."""
    return _RESOURCE.fullmatch(path) is not None


def is_answered_in_json(resource: str) -> bool:
    """Whether a resource is a search or metadata, not images."""
    return _ANSWERED_IN_JSON.fullmatch(resource) is not None


def is_picture(resource: str) -> bool:
    """Whether a resource is one picture, such as a browser shows: rendered or a thumbnail."""
    return _PICTURE.fullmatch(resource) is not None


def check_plain(raw_path: bytes) -> None:
    """Raises Refusal for a path with escapes: UIDs and numbers need none, only the comma between frames is escaped by some."""
    if b"%" in raw_path.upper().replace(b"%2C", b","):
        raise Refusal(400, "A DICOMweb path is written without percent signs.")

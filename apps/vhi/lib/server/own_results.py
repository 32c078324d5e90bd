"""The gateway of a study that hides others' results: of what lies beside the images a reader sees their own alone.

A series of another modality than those that scanners make (Segmentations, structured reports, documents, presentation states) is
shown to a reader where every instance of it is that reader's: stored by this server for a submission of theirs, or by themselves
through the gateway. For anybody else it is not there: no search finds it, no count of a study holds it, and what is asked of it
by its UIDs is answered as what the archive does not have. Administrators see all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cachetools import LRUCache
from starlette.types import Message, Receive, Scope, Send

from .dicomweb import resource_of
from .gateway import JSON, NOT_THERE, Gateway
from .identity import Identity, current_identity
from .refusals import Refusal
from .server_context import ServerContext

# of images (PS3.3, C.7.3.1.1.1); a result says what it was made of, so that a reader's own is told by its UIDs
ACQUIRED = frozenset({"MR", "CT", "PT", "NM", "US", "CR", "DX", "MG", "RF", "XA"})
# what a search of studies may match by: nothing that a result in the study decides
MATCHED = frozenset(
    word.lower()
    for pair in (
        ("StudyInstanceUID", "0020000D"),
        ("PatientID", "00100020"),
        ("PatientName", "00100010"),
        ("PatientBirthDate", "00100030"),
        ("PatientSex", "00100040"),
        ("IssuerOfPatientID", "00100021"),
        ("StudyDate", "00080020"),
        ("StudyTime", "00080030"),
        ("StudyDescription", "00081030"),
        ("StudyID", "00200010"),
        ("AccessionNumber", "00080050"),
        ("ReferringPhysicianName", "00080090"),
        ("includefield", "fuzzymatching"),
        ("limit", "offset"),
    )
    for word in pair
)
MODALITIES = ("modalitiesinstudy", "00080061")
# counts of a study and its modalities, which tell that a result is there
TELLING = ("00201206", "00201208", "00080061", "00080062")
SERIES, INSTANCE, MODALITY = "0020000E", "00080018", "00080060"
KEPT_SERIES = 1000
BY_SERIES = "Results of others are hidden here, so that a study is not sent as a whole: ask for its series one by one."
IN_STUDY = "Results of others are hidden here: search the studies first, then the series or instances of one study."
OTHER_KEYS = "Results of others are hidden here: studies are searched by patient, date, description or number alone."


class OwnResults:
    """ASGI application for what the allow-list lets through to the archive, where `hide_others` is set.

    Parameters
    ----------
    gateway : Gateway
    context : ServerContext
    """

    def __init__(self, gateway: Gateway, context: ServerContext) -> None:
        self._gateway, self._context = gateway, context
        # what scanners made, which changes for nobody; for the event loop alone
        self._acquired: LRUCache[tuple[str, str], frozenset[str]] = LRUCache(KEPT_SERIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises
        ------
        Refusal
            404 for another's result, 403 for what would tell of one; what `Gateway` raises.
        """
        who = current_identity()
        if who.is_admin or scope["method"] == "POST":
            await self._gateway(scope, receive, send)
            return
        match resource_of(scope["path"]).strip("/").split("/"):
            case ["studies"]:
                await self._studies(scope, receive, send)
            case ["series"] | ["instances"]:
                raise Refusal(403, IN_STUDY)
            case ["studies", study, "series" | "instances"]:
                await self._search(study, who, scope, receive, send)
            case ["studies", study, "series", series, "instances"]:
                await self._check(study, series, None, who)
                await self._search(study, who, scope, receive, send)
            case ["studies", study, "series", series, "instances", instance, *_]:
                await self._check(study, series, instance, who)
                await self._gateway(scope, receive, send)
            case ["studies", study, "series", series, *_]:
                await self._check(study, series, None, who)
                await self._gateway(scope, receive, send)
            case _:
                raise Refusal(403, BY_SERIES)

    async def _studies(self, scope: Scope, receive: Receive, send: Send) -> None:
        for key, value in _query(scope):
            acquired = {part.strip().upper() for part in value.replace("\\", ",").split(",")} <= {"", *ACQUIRED}
            if not (key.lower() in MATCHED or (key.lower() in MODALITIES and acquired)):
                raise Refusal(403, OTHER_KEYS)
        items = await self._search_archive(scope, receive)
        for item in items:
            modalities = item.get("00080061")
            _strip(item)
            if modalities is not None:
                values = [value for value in modalities.get("Value", ()) if value in ACQUIRED]
                item["00080061"] = {"vr": "CS", "Value": values}
        await _send_json(items, send)

    async def _search(self, study: str, who: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        """Of what a search in a study finds what this reader may know of; paged here, where the others are gone."""
        asked = _query(scope)
        rest = [(key, value) for key, value in asked if key.lower() not in ("limit", "offset")]
        items = await self._search_archive({**scope, "query_string": urlencode(rest).encode()}, receive)
        shown = {series: await self._sees(study, series, who) for series in {_value(item, SERIES) for item in items}}
        own = [item for item in items if shown[_value(item, SERIES)]]
        for item in own:
            _strip(item)
        limit, offset = (_number(asked, name) for name in ("limit", "offset"))
        await _send_json(own[offset or 0 :][: len(own) if limit is None else limit], send)

    async def _search_archive(self, scope: Scope, receive: Receive) -> list[dict[str, Any]]:
        body = bytearray()

        async def keep(message: Message) -> None:
            body.extend(message.get("body", b""))

        await self._gateway(scope, receive, keep)
        return _listed(bytes(body))

    async def _check(self, study: str, series: str, instance: str | None, who: Identity) -> None:
        known = await self._instances(study, series, who, instance)
        if not known or (instance is not None and instance not in known):
            raise Refusal(404, NOT_THERE)

    async def _sees(self, study: str, series: str, who: Identity) -> bool:
        return bool(series) and bool(await self._instances(study, series, who))

    async def _instances(self, study: str, series: str, who: Identity, wanted: str | None = None) -> frozenset[str]:
        """The instances of a series that this reader may know of; empty where they may not, or it is not there."""
        key = study, series
        kept = self._acquired.get(key)
        if kept and (wanted is None or wanted in kept):
            return kept
        listed = await self._ask(f"/studies/{study}/series", SeriesInstanceUID=series, includefield="Modality")
        modalities = {_value(item, MODALITY) for item in listed if _value(item, SERIES) == series}
        if not modalities:
            return frozenset()
        items = await self._ask(f"/studies/{study}/series/{series}/instances")
        names = frozenset(_value(item, INSTANCE) for item in items)
        if modalities <= ACQUIRED:
            self._acquired[key] = names
            return names
        own = await asyncio.wrap_future(self._context.quick.submit(lambda: self._own(study, names, who)))
        return names if names and own else frozenset()

    def _own(self, study: str, names: frozenset[str], who: Identity) -> bool:
        archive_sync = getattr(self._context.app, "archive_sync", None)
        return archive_sync is not None and who.name is not None and bool(archive_sync.is_of(who.name, study, names))

    async def _ask(self, resource: str, **query: str) -> list[dict[str, Any]]:
        return _listed(await self._gateway.search(resource, urlencode(query)))


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def _number(asked: list[tuple[str, str]], name: str) -> int | None:
    given = [value for key, value in asked if key.lower() == name]
    if not given:
        return None
    if len(given) > 1 or not (given[0].isascii() and given[0].isdigit()):
        raise Refusal(400, f"{name} must be one whole number.")
    return int(given[0][:9])


def _listed(body: bytes) -> list[dict[str, Any]]:
    try:
        content = json.loads(body) if body.strip() else []
    except ValueError as error:
        raise Refusal(502, "The archive did not answer in DICOM JSON.") from error
    return [item for item in content if isinstance(item, dict)] if isinstance(content, list) else []


def _value(item: Mapping[str, Any], tag: str) -> str:
    values = (item.get(tag) or {}).get("Value") or [""]
    return str(values[0])


def _strip(item: dict[str, Any]) -> None:
    for tag in TELLING:
        item.pop(tag, None)


async def _send_json(items: list[dict[str, Any]], send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", JSON.encode())]})
    await send({"type": "http.response.body", "body": json.dumps(items).encode(), "more_body": False})

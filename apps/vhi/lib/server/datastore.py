"""Series to download, labels to save and to download: with MONAI Label's addresses and answers."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from .drafts import handed_in
from .refusals import Refusal, finite
from .requests import check_id, parse_params, uploaded_file
from .server_context import ServerContext

CHECKSUM = re.compile(r"(?:(SHA256|SHA512|MD5):)?([0-9a-fA-F]{32,128})")


def add_datastore(api: FastAPI, context: ServerContext) -> None:
    """Series to download, labels to save and to download."""

    @api.get("/datastore/", tags=["Datastore"], summary="What there is: counts, or every series")
    async def datastore(request: Request, output: Literal["stats", "all", "train"] | None = None) -> Response:
        def look() -> Any:
            store = context.app.datastore()
            return {"all": store.json, "train": store.datalist}.get(output or "", store.status)()

        content = await context.quickly(request, look)
        return JSONResponse(finite(json.loads(content) if isinstance(content, str) else content))

    @api.get("/datastore/image", tags=["Datastore"], summary="A series as a file")
    async def image(request: Request, image: str) -> Response:
        check_id("image", image)
        return await context.quickly(
            request, lambda: _file_answer(context.app.datastore().get_image_uri(image), f"image {image}")
        )

    @api.head("/datastore/image", tags=["Datastore"], summary="Whether a series is there, with this checksum")
    async def has_image(request: Request, image: str, check_sum: str | None = None) -> Response:
        check_id("image", image)
        await context.quickly(
            request, lambda: _check_sum(_needed(context.app.datastore().get_image_uri(image), f"image {image}"), check_sum)
        )
        return Response()

    @api.get("/datastore/image/info", tags=["Datastore"], summary="What is known of a series")
    async def image_info(request: Request, image: str) -> Response:
        check_id("image", image)
        return JSONResponse(finite(await context.quickly(request, lambda: context.app.datastore().get_image_info(image))))

    @api.get("/datastore/label", tags=["Datastore"], summary="This reader's label map of a case")
    async def label(request: Request, label: str, tag: str) -> Response:
        check_id("label", label)
        check_id("tag", tag)
        return await context.quickly(
            request, lambda: _file_answer(context.app.datastore().get_label_uri(label, tag), f"label {label}")
        )

    @api.head("/datastore/label", tags=["Datastore"], summary="Whether this reader has a label map of a case")
    async def has_label(request: Request, image: str, tag: str) -> Response:
        check_id("image", image)
        check_id("tag", tag)
        await context.quickly(request, lambda: _needed(context.app.datastore().get_label_uri(image, tag), f"label {image}"))
        return Response()

    @api.get("/datastore/label/info", tags=["Datastore"], summary="What is known of this reader's label map")
    async def label_info(request: Request, label: str, tag: str) -> Response:
        check_id("label", label)
        check_id("tag", tag)
        return JSONResponse(finite(await context.quickly(request, lambda: context.app.datastore().get_label_info(label, tag))))

    @api.put("/datastore/label", tags=["Datastore"], summary="Submit a label map with its segments' names")
    async def save_label(
        request: Request,
        image: str,
        label: Annotated[UploadFile, File()],
        params: Annotated[str, Form()] = "{}",
        tag: str = "final",
    ) -> Response:
        given = parse_params(params, reserved=frozenset())
        check_id("image", image)
        check_id("tag", tag or "final")

        def save() -> dict[str, Any]:
            with uploaded_file(label.filename, label.file) as path:
                label_id = context.app.datastore().save_label(image, str(path), tag or "final", given)
            handed_in(context, image, given)
            return {**(context.app.on_save_label(image, label_id) or {}), "image": image, "label": label_id}

        return JSONResponse(finite(await context.save_for(request, save)))


def _needed(path: str, name: str) -> Path:
    if not path or not Path(path).is_file():
        raise Refusal(404, f"There is no {name}.")
    return Path(path)


def _file_answer(path: str, name: str) -> Response:
    file = _needed(path, name)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Response(file.read_bytes(), media_type=kind, headers={"Content-Disposition": f'attachment; filename="{file.name}"'})


def _check_sum(path: Path, check_sum: str | None) -> None:
    if check_sum is None:
        return
    match = CHECKSUM.fullmatch(check_sum)
    if match is None:
        raise Refusal(400, "check_sum cannot be read; it is SHA256:, SHA512: or MD5: and the sum in hexadecimal digits.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, (match[1] or "SHA256").lower()).hexdigest()
    if digest != match[2].lower():
        raise Refusal(404, "The series is there with another checksum.")

"""The OpenAPI description of exactly what the allow-list answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .allowlist import ALLOWED

PROBLEM = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}


def description_of(own: FastAPI) -> dict[str, Any]:
    """Own routes and those of MONAI Label that are allowed, with the security that the allow-list asks for."""
    import monailabel.app

    described = get_openapi(title=own.title, version="1", routes=own.routes)
    stock = monailabel.app.app.openapi()
    schemas = {**stock.get("components", {}).get("schemas", {}), **described.get("components", {}).get("schemas", {})}
    paths: dict[str, dict[str, Any]] = {}
    for allowed in ALLOWED:
        source = described if allowed.where == "own" else stock
        for method in allowed.methods:
            operation = source["paths"].get(allowed.template, {}).get(method.lower())
            if operation is not None:
                problem = {"description": "One sentence", "content": {"application/json": {"schema": PROBLEM}}}
                responses = {**operation["responses"], "4XX": problem}
                responses.pop("422", None)
                security: list[dict[str, list[str]]] = [] if allowed.who == "anyone" else [{"token": []}]
                paths.setdefault(allowed.template, {})[method.lower()] = {
                    **operation,
                    "responses": responses,
                    "security": security,
                }
    scheme = {"type": "http", "scheme": "bearer"}
    return {**described, "paths": paths, "components": {"schemas": schemas, "securitySchemes": {"token": scheme}}}

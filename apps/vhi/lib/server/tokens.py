"""Signing in by MONAI Label's addresses, as its clients do; by a page see `lib.server.sessions`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Form, Request

from .identity import current_identity
from .refusals import Refusal
from .server_context import ServerContext


def add_tokens(api: FastAPI, context: ServerContext) -> None:
    """Add the routes `/auth/`."""

    @api.get("/auth/", tags=["Auth"], summary="Whether a login is needed")
    async def auth() -> dict[str, Any]:
        return {"enabled": context.login.needed, "client_id": "vhi", "realm": "vhi"}

    @api.post("/auth/token", tags=["Auth"], summary="A token for a name and password")
    async def sign_in(
        request: Request,
        username: Annotated[str, Form(max_length=256)],
        password: Annotated[str, Form(max_length=1024)],
        grant_type: Annotated[str, Form(max_length=32)] = "password",
    ) -> dict[str, Any]:
        if not context.login.needed:
            return {"access_token": None, "token_type": None}
        if grant_type != "password":
            raise Refusal(400, "grant_type must be password.")
        token = await context.token_for(request, username, password)
        return {"access_token": token, "token_type": "bearer", "expires_in": int(context.config.token_hours * 3600)}

    @api.get("/auth/token/valid", tags=["Auth"], summary="Who the token names")
    async def valid() -> dict[str, Any]:
        who = current_identity()
        return {"username": who.name or "local", "email": None, "name": who.name, "roles": [who.role]}

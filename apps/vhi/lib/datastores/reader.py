"""Who is reading: the login of the request, else the name that the viewer sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RequestError
from ..server.identity import current_identity, current_login

# what 3D Slicer sends until somebody sets it
UNSET_CLIENT_ID = "user-xyz"


def reader_of(params: Mapping[str, Any]) -> str | None:
    """The reader's name, or None where nobody said who they are.

    Parameters
    ----------
    params : mapping
        What the viewer sent; `client_id` and `user` count only where the server asks for no login.

    Raises
    ------
    RequestError
        The viewer sent something else than a text.
    """
    login = current_login()
    if login is not None:
        return login
    for key in ("client_id", "user"):
        name = params.get(key)
        if name is not None and not isinstance(name, str):
            raise RequestError(f"{key} must be a name, found {type(name).__name__}.")
        if name and name != UNSET_CLIENT_ID:
            return name
    return None


def sees_all() -> bool:
    """Whether who asks may see other readers' submissions: an administrator, and who sits at a server that asks for no login."""
    return current_identity().is_admin


def named_reader_of(params: Mapping[str, Any]) -> str:
    """The reader's name, needed where something is kept under it.

    Raises
    ------
    RequestError
        Nobody said who they are; the sentence says how to.
    """
    reader = reader_of(params)
    if reader is None:
        raise RequestError(
            "Nobody is named as the reader, so nothing was saved. In 3D Slicer set your name once under Edit > Application "
            "Settings > MONAI Label > Client/User-ID, and save again; or have the server ask for a login."
        )
    return reader

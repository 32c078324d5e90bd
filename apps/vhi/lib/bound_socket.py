"""A socket for a server, taken before its slow start."""

from __future__ import annotations

import socket

from .errors import SettingsError


def bound_socket(host: str, port: int, who: str, advice: str) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Parameters
    ----------
    who, advice : str
        Of the refusal's sentence: what cannot listen, and what to do.

    Raises
    ------
    SettingsError
        The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # only where the protocol is named does asyncio send small answers at once instead of 40 ms later
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # at once: two servers started together do not both believe that the port is theirs
        bound.listen(128)
    except OSError as error:
        bound.close()
        reason = (error.strerror or str(error)).lower()
        raise SettingsError(f"{who} cannot listen on {host} port {port} ({reason}); {advice}.") from error
    return bound

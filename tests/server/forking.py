"""A server that starts in a moment: everything is imported once, each server is a fork that builds the app anew.

Run as a program: each line of the input is a port; a server on it is started, and its process id printed.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    # what a save imports when it first needs it
    import lib.figures.mosaic
    import lib.reports.html
    import lib.reports.pdf
    import lib.service.service  # noqa: F401
    from lib.server.asgi import app

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            import uvicorn

            uvicorn.run(app, host="127.0.0.1", port=int(line), log_level="warning")
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()

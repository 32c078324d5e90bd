"""How old the answer to `/info/` may be."""

from __future__ import annotations

from types import SimpleNamespace

from fastapi import FastAPI, Request

from lib.server.inference import add_inference
from lib.server.server_context import ServerContext
from lib.server.worker_pool import WorkerPool


def test_information_asked_right_after_a_save_counts_it_however_often_it_was_asked_before():
    from starlette.testclient import TestClient

    labelled: list[str] = []
    api, save, quick = FastAPI(), WorkerPool("save", 1, 1), WorkerPool("quick", 1, 1)

    class Context(ServerContext):
        """The pools that these routes use, before an application that counts."""

        app = SimpleNamespace(info=lambda: {"completed": len(labelled)})

    context = Context(save=save, quick=quick, **dict.fromkeys(("infer", "copies", "password", "sign_on", "login", "config")))

    @api.put("/save")
    async def keep(request: Request) -> None:
        await context.save_for(request, lambda: labelled.append("a case"))

    add_inference(api, context)
    try:
        with TestClient(api) as client:
            for number in range(20):
                assert client.get("/info/").json() == {"completed": number}
                client.put("/save")
            labelled.append("a case that this server did not save")
            assert client.get("/info/").json()["completed"] >= 20
    finally:
        save.close()
        quick.close()

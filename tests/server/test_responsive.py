"""While an inference runs everything else is answered; the queue is bounded; a client that goes away leaves it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import uvicorn

from lib.server.config import ServerConfig
from standin import App, guarded

BODY = b"params=%7B%7D"


class Running:
    """A stand-in server on a port of its own, whose inferences wait until they are let."""

    def __init__(self, stock, guard, app: App) -> None:
        self.guard, self.app = guard, app
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._server = uvicorn.Server(uvicorn.Config(stock, log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def infer(self) -> requests.Response:
        return requests.post(f"{self.url}/infer/vhi?image=one_T1W&output=json", data=BODY, headers=FORM, timeout=30)

    def stop(self) -> None:
        self.app.go_on.set()
        self._server.should_exit = True
        self._thread.join(30)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def running(monkeypatch, tmp_path) -> Iterator[Running]:
    found = Running(*guarded(monkeypatch, tmp_path, ServerConfig(workers=1, queue=2)))
    found.app.go_on.clear()
    yield found
    found.stop()


def until(true) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_information_and_saves_are_answered_while_an_inference_runs(running):
    with ThreadPoolExecutor(1) as clients:
        inference = clients.submit(running.infer)
        assert running.app.begun.acquire(timeout=20)
        assert requests.get(f"{running.url}/info/", timeout=20).json()["name"] == "VHI"
        saved = requests.put(f"{running.url}/datastore/label?image=one_T1W", files={"label": ("x.nii.gz", b"map")}, timeout=20)
        assert saved.status_code == 200
        assert requests.get(f"{running.url}/scoring/", timeout=20).status_code == 200
        assert requests.get(f"{running.url}/vhi/health", timeout=20).json()["inferences"] == 1
        assert not inference.done()
        running.app.go_on.set()
        assert inference.result(20).status_code == 200


def test_beyond_the_queue_clients_are_told_to_come_back(running):
    with ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(running.infer) for _ in range(3)]
        until(lambda: running.guard.context.infer.jobs == 3)
        refused = running.infer()
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "busy" in refused.json()["detail"]
        running.app.go_on.set()
        assert [one.result(20).status_code for one in waiting] == [200] * 3


def test_a_client_that_hangs_up_leaves_the_queue_and_the_rest_are_answered(running):
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(running.infer)
        assert running.app.begun.acquire(timeout=20)
        head = f"POST /infer/vhi?image=one_T1W HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(BODY)}\r\n"
        with socket.create_connection(running.address) as impatient:
            impatient.sendall(head.encode() + f"Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + BODY)
            until(lambda: running.guard.context.infer.jobs == 2)
        until(lambda: running.guard.context.infer.jobs == 1)
        running.app.go_on.set()
        assert first.result(20).status_code == 200
        assert running.infer().status_code == 200
        assert len(running.app.asked) == 2  # the one that left was never begun


def test_an_inference_whose_client_hangs_up_ends_by_itself_and_leaves_no_file(running):
    head = f"POST /infer/vhi?image=one_T1W HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(BODY)}\r\n"
    with socket.create_connection(running.address) as impatient:
        impatient.sendall(head.encode() + f"Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + BODY)
        assert running.app.begun.acquire(timeout=20)
    running.app.go_on.set()
    until(lambda: running.guard.context.infer.jobs == 0)
    assert not (running.app.folder / "result.nii.gz").exists()

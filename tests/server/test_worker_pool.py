"""The bounded pool of workers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from lib.server.worker_pool import BusyError, GoneError, WorkerPool


async def never() -> None:
    await asyncio.Event().wait()


def test_a_full_queue_refuses_and_takes_again_once_there_is_room():
    pool, go_on = WorkerPool("test", 1, 1), threading.Event()
    try:
        first, second = pool.submit(go_on.wait), pool.submit(lambda: "second")
        with pytest.raises(BusyError):
            pool.submit(lambda: None)
        go_on.set()
        assert first.result(10)
        assert second.result(10) == "second"
        assert pool.submit(lambda: "third").result(10) == "third"
    finally:
        pool.close()


def test_a_client_that_goes_while_its_job_waits_frees_the_place():
    pool, go_on, ran = WorkerPool("test", 1, 1), threading.Event(), []

    async def scenario() -> None:
        pool.submit(go_on.wait)
        gone = asyncio.Event()
        waiting = asyncio.ensure_future(pool.run(lambda: ran.append("left"), gone.wait, 30))
        await asyncio.sleep(0.05)
        assert pool.jobs == 2
        gone.set()
        with pytest.raises(GoneError):
            await waiting
        await asyncio.sleep(0.05)
        assert pool.jobs == 1
        last = asyncio.ensure_future(pool.run(lambda: ran.append("stayed"), never, 30))
        go_on.set()
        await last

    try:
        asyncio.run(scenario())
        assert ran == ["stayed"]
    finally:
        pool.close()


def test_a_job_that_takes_too_long_is_given_up():
    pool, go_on = WorkerPool("test", 1, 1), threading.Event()
    try:
        with pytest.raises(TimeoutError):
            asyncio.run(pool.run(go_on.wait, never, 0.05))
    finally:
        go_on.set()
        pool.close()


def test_an_error_of_the_job_reaches_the_one_who_waits():
    pool = WorkerPool("test", 1, 1)
    try:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(pool.run(lambda: 1 // 0, never, 5))
    finally:
        pool.close()

"""Fixtures of the browser tests; helpers are in `tests/viewing.py`.

`viewer_server` runs a test twice, over the embedded archive and over Orthanc; archive, server and studies live as long as the session.
`page` is a new browser window, in which nothing is kept of earlier ones, and whose errors fail the test. Where VHI_SCREENSHOTS names a folder, every test leaves a screenshot there
of how its page ended, else only one that fails, in its own folder; `shot(name)` takes more of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from archives import ARCHIVES, Archive, why_no_orthanc
from browsing import Reader
from viewing import (
    PATIENCE_S,
    ViewerServer,
    Watch,
    chromium,
    file_name,
    screenshot_folder,
    two_phantoms,
    viewer_over,
    why_no_browser,
)

# readers of earlier tests have finished the cases; the next one is offered them all the same
OPTIONS = ("--set", "several_readers=true")
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note for `page` how the test itself ended."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    return two_phantoms(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="session")
def started(tmp_path_factory) -> Iterator[Callable[[str], Archive]]:
    """Starts each kind of archive once."""
    with ExitStack() as stack:
        known: dict[str, Archive] = {}

        def start(name: str) -> Archive:
            reason = why_no_orthanc() if name == "orthanc" else None
            if reason:
                pytest.skip(reason)
            if name not in known:
                known[name] = ARCHIVES[name](tmp_path_factory.mktemp(name) / "archive")
                known[name].start()
                stack.callback(known[name].stop)
            return known[name]

        yield start


@pytest.fixture(scope="session")
def viewer_servers(started, phantoms, tmp_path_factory) -> Iterator[Callable[[str], ViewerServer]]:
    """Starts the server over each kind of archive once."""
    with ExitStack() as stack:
        known: dict[str, ViewerServer] = {}

        def start(name: str) -> ViewerServer:
            if name not in known:
                work = tmp_path_factory.mktemp(f"server-{name}")
                known[name] = stack.enter_context(viewer_over(started(name), phantoms, work, *OPTIONS, OMP_NUM_THREADS="1"))
            return known[name]

        yield start


@pytest.fixture(scope="module")
def viewer_servers_of_two(phantoms, tmp_path_factory) -> Iterator[Callable[[str], ViewerServer]]:
    """Starts for each kind of archive one that no other module stores in, and the server over it."""
    with ExitStack() as stack:
        known: dict[str, ViewerServer] = {}

        def start(name: str) -> ViewerServer:
            reason = why_no_orthanc() if name == "orthanc" else None
            if reason:
                pytest.skip(reason)
            if name not in known:
                work = tmp_path_factory.mktemp(f"two-{name}")
                archive = ARCHIVES[name](work / "archive")
                archive.start()
                stack.callback(archive.stop)
                known[name] = stack.enter_context(viewer_over(archive, phantoms, work / "server", *OPTIONS, OMP_NUM_THREADS="1"))
            return known[name]

        yield start


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def viewer_server(request: pytest.FixtureRequest, viewer_servers) -> ViewerServer:
    """The server over each archive in turn."""
    return viewer_servers(request.param)


@pytest.fixture(scope="session")
def profile(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("profile")


# not longer than a module: see `viewing.chromium`
@pytest.fixture(scope="module")
def browser(profile) -> Iterator[Any]:
    reason = why_no_browser()
    if reason:
        pytest.skip(reason)
    with chromium(profile) as started:
        yield started


@pytest.fixture
def watch() -> Watch:
    """Errors in the test's pages; a test that expects an error takes it out of `watch.errors`."""
    return Watch()


@pytest.fixture
def page(browser, watch, request, tmp_path) -> Iterator[Any]:
    """A window of a browser that holds nothing of before but the cache of files and of what it compiled of them."""
    context = browser.contexts[0]
    context.set_default_timeout(PATIENCE_S * 1000)
    context.set_default_navigation_timeout(PATIENCE_S * 1000)
    context.clear_cookies()
    earlier, window = [*context.pages], context.new_page()
    forgotten = {"origin": "*", "storageTypes": "local_storage,indexeddb,cache_storage,service_workers"}
    context.new_cdp_session(window).send("Storage.clearDataForOrigin", forgotten)
    watch.over(window)
    yield window
    wanted = os.environ.get("VHI_SCREENSHOTS") or not request.node.stash.get(PASSED, False)
    if wanted and not window.is_closed():
        window.screenshot(path=screenshot_folder(tmp_path) / f"{file_name(request.node.name)}.png")
    for one in context.pages:
        if one not in earlier:
            one.close()
    assert watch.errors == []


@pytest.fixture
def shot(page, request, tmp_path) -> Callable[[str], None]:
    """Takes a screenshot under a name."""

    def take(name: str) -> None:
        page.screenshot(path=screenshot_folder(tmp_path) / f"{file_name(request.node.name)}-{file_name(name)}.png")

    return take


@pytest.fixture
def reading(page, viewer_server) -> Callable[[str, str], Reader]:
    """Opens a study for a reader."""

    def start(name: str, study: str) -> Reader:
        reader = Reader(page, viewer_server, viewer_server.studies[study], name)
        reader.open()
        return reader

    return start

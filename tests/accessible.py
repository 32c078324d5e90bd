"""The faults that axe-core, the open checker of accessibility, finds on a page."""

from __future__ import annotations

from typing import Any

GRAVE = ("serious", "critical")


def grave_faults(page: Any, within: str | None = None) -> list[str]:
    """Faults that keep somebody from using the page, or the part of it that a selector names; one line each."""
    from axe_playwright_python.sync_playwright import Axe

    report = Axe().run(page, within).response
    assert report["passes"], "axe-core checked nothing"
    return [
        f"{one['impact']}: {one['help']} ({one['id']}): {node['html'][:160]}"
        for one in report["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]

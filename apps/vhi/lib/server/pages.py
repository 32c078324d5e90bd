"""The one page that people meet who open the server's address in a browser."""

from __future__ import annotations

from html import escape

SLICER_STEPS = (
    "In 3D Slicer install the extension MONAILabel (Extensions Manager), restart, and open the module MONAI Label.",
    "Enter {url} as the server and press the green arrow{login}.",
    "Press Next Sample: a case opens with its disease region; correct it, run vhi, clean it, and press Submit Label.",
)


def slicer_steps(url: str, *, login: bool) -> list[str]:
    """The three steps from here to a reading in 3D Slicer."""
    return [step.format(url=url, login=" (sign in with your name and password)" if login else "") for step in SLICER_STEPS]


def front_page(url: str, *, login: bool) -> str:
    """HTML of the front page."""
    steps = "".join(f"<li>{escape(step)}</li>" for step in slicer_steps(url, login=login))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>VHI</title>'
        "<style>body{font:1.1em sans-serif;max-width:40em;margin:3em auto;padding:0 1em}li{margin:.6em 0}</style>"
        f"<h1>VHI server</h1><p>Volume of hyperintense inflammation. Research use only.</p><ol>{steps}</ol></html>"
    )

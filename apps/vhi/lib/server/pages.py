"""The few pages of this server itself: what people meet who open its address in a browser, and where they sign in."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from .addresses import current_addresses

SLICER_STEPS = (
    "In 3D Slicer install the extension MONAILabel (Extensions Manager), restart, and open the module MONAI Label.",
    "Enter {url} as the server and press the green arrow{login}.",
    "Press Next Sample: a case opens with its disease region; correct it, run vhi, clean it, and press Submit Label.",
)
_STYLE = (
    "body{font:1.1em sans-serif;max-width:40em;margin:3em auto;padding:0 1em}li{margin:.6em 0}"
    "label{display:block;margin:.8em 0}input{display:block;font:inherit;width:100%;max-width:20em;padding:.3em}"
    "button{font:inherit;padding:.3em 1.5em}.wrong{color:#a00}"
)


def slicer_steps(url: str, *, login: bool) -> list[str]:
    """The three steps from here to a reading in 3D Slicer."""
    return [step.format(url=url, login=" (sign in with your name and password)" if login else "") for step in SLICER_STEPS]


def slicer_help(*, login: bool) -> str:
    """HTML of these steps, folded, at this server's address as the page's reader has it."""
    steps = "".join(f"<li>{escape(step)}</li>" for step in slicer_steps(current_addresses().url(""), login=login))
    return f"<details><summary>Reading with 3D Slicer</summary><ol>{steps}</ol></details>"


def notice_page(sentence: str) -> str:
    """HTML of a page that says one thing."""
    return _page(
        f'<p>{escape(sentence)}</p><p><a href="{_path("/vhi/worklist")}">Worklist, and how to read with 3D Slicer</a></p>'
    )


def login_page(following: str, problem: str = "", sign_on: str = "") -> str:
    """HTML of the page to sign in on.

    Parameters
    ----------
    following : str
        The path to go on to.
    problem : str
        Why the last try failed.
    sign_on : str
        How the sign-on service is called; empty where there is none.
    """
    by_service = f"{_path('/sign-on')}?next={quote(following, safe='/')}"
    service = f'<p><a href="{escape(by_service)}">Sign in with {escape(sign_on)}</a></p><p>or</p>' if sign_on else ""
    wrong = f'<p class="wrong" role="alert">{escape(problem)}</p>' if problem else ""
    to = f'<input type="hidden" name="next" value="{escape(following)}">'
    return _page(
        f'{wrong}{service}<form method="post" action="{_path("/login")}">{to}'
        '<label>Name <input name="username" autocomplete="username" required autofocus></label>'
        '<label>Password <input name="password" type="password" autocomplete="current-password" required></label>'
        f"<button>Sign in</button></form>{slicer_help(login=True)}"
    )


def going_on_page(following: str) -> str:
    """HTML of a page that goes on to a path of this server by itself."""
    to = escape(following)
    return _page(f'<meta http-equiv="refresh" content="0;url={to}"><p>You are signed in. <a href="{to}">Go on</a></p>')


def _path(path: str) -> str:
    return escape(current_addresses().path(path))


def _page(content: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>VHI</title>'
        f"<style>{_STYLE}</style><h1>VHI server</h1>{content}</html>"
    )

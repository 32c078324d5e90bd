"""The page of the model versions: one HTML file with its figure, and a script for what administrators may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..figures import svg_bytes
from ..figures.model_history import VersionPoint, model_history_figure
from .html import data_uri, template_environment

# the session's mark goes with every request that changes something; without login there is none, and none is needed
SCRIPT = """
document.querySelectorAll('button[data-post]').forEach(function (button) {
  button.addEventListener('click', async function () {
    if (!window.confirm(button.dataset.question)) return;
    const name = document.body.dataset.csrfCookie + '=';
    const mark = document.cookie.split('; ').find(function (one) { return one.startsWith(name); });
    const headers = mark ? {'X-CSRF-Token': decodeURIComponent(mark.slice(name.length))} : {};
    const answer = await fetch(button.dataset.post, {method: 'POST', headers: headers});
    if (answer.ok) { window.location.reload(); return; }
    const told = await answer.json().catch(function () { return {}; });
    document.getElementById('told').textContent = told.detail || 'That failed with status ' + answer.status + '.';
  });
});
"""


def models_html(
    content: Mapping[str, Any], pictures: Mapping[str, Sequence[bytes]], address: str = "/vhi/models", csrf_cookie: str = ""
) -> str:
    """The page.

    Parameters
    ----------
    content : mapping
        What `lib.trainers.desk.TrainingDesk.models` gives.
    pictures : mapping of name to PNG files
        Of labels in quarantine by `<case>--<submission>`, of sessions by their id.
    address : str
        Path of the page, as its reader's browser asks for it.
    csrf_cookie : str
        Name of the cookie with the mark of the reader's session; empty where nobody signs in.
    """
    environment = template_environment()
    points = [
        VersionPoint(
            one["version"],
            one["state"] != "rejected",
            {what: dice["version"] for what, dice in one["dice"].items()},
            {what: dice["before"] for what, dice in one["dice"].items() if dice["before"] is not None},
        )
        for one in content["versions"]
    ]
    drawn = {name: [data_uri("image/png", file) for file in files] for name, files in pictures.items()}
    figure = data_uri("image/svg+xml", svg_bytes(model_history_figure(points))) if any(point.dice for point in points) else None
    template = environment.get_template("models.html.j2")
    told = {"address": address, "csrf_cookie": csrf_cookie}
    return template.render(content=content, figure=figure, pictures=drawn, script=SCRIPT, **told)

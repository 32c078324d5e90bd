"""The page of the model versions: one HTML file with its figure, and a script for what administrators may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .html import data_uri, template_environment

# the session's mark goes with every request that changes something; without login there is none, and none is needed
SCRIPT = """
document.querySelectorAll('button[data-post]').forEach(function (button) {
  button.addEventListener('click', async function () {
    if (button.dataset.question && !window.confirm(button.dataset.question)) return;
    const name = document.body.dataset.csrfCookie + '=';
    const mark = document.cookie.split('; ').find(function (one) { return one.startsWith(name); });
    const headers = mark ? {'X-CSRF-Token': decodeURIComponent(mark.slice(name.length))} : {};
    const chosen = new URLSearchParams();
    (button.dataset.fields || '').split(' ').filter(Boolean).forEach(function (id) {
      chosen.set(id, document.getElementById(id).value);
    });
    const query = String(chosen) ? '?' + chosen : '';
    const answer = await fetch(button.dataset.post + query, {method: 'POST', headers: headers});
    if (answer.ok) { window.location.reload(); return; }
    const told = await answer.json().catch(function () { return {}; });
    document.getElementById('told').textContent = told.detail || 'That failed with status ' + answer.status + '.';
  });
});
"""


def models_html(
    content: Mapping[str, Any], pictures: Mapping[str, Sequence[bytes]], address: str = "/vhi/models", csrf_cookie: str = ""
) -> str:
    """The page of models.

    Parameters
    ----------
    content : mapping
        What `lib.trainers.training_manager.TrainingManager.models` gives.
    pictures : mapping of name to PNG files
        Of labels in quarantine by `<case>--<submission>`, of sessions by their id.
    address : str
        Path of the page, as its reader's browser asks for it.
    csrf_cookie : str
        Name of the cookie with the mark of the reader's session; empty where nobody signs in.
    """
    from ..figures.canvas import svg_bytes  # matplotlib: a server that shows nobody this page does without
    from ..figures.gain import gain_figure
    from ..figures.model_history import VersionPoint, model_history_figure

    environment = template_environment()
    points = [
        VersionPoint(
            version["version"],
            version["state"] != "rejected",
            {what: dice["version"] for what, dice in version["dice"].items()},
            {what: dice["before"] for what, dice in version["dice"].items() if dice["before"] is not None},
        )
        for version in content["versions"]
    ]
    drawn = {name: [data_uri("image/png", file) for file in files] for name, files in pictures.items()}
    figure = data_uri("image/svg+xml", svg_bytes(model_history_figure(points))) if any(point.dice for point in points) else None
    measured = [
        version for version in content["versions"] if any(dice["before"] is not None for dice in version["dice"].values())
    ]
    efforts = content["efforts"]
    gain = data_uri("image/svg+xml", svg_bytes(gain_figure(measured, efforts))) if measured or efforts else None
    template = environment.get_template("models.html.j2")
    return template.render(
        content=content, figure=figure, gain=gain, pictures=drawn, script=SCRIPT, address=address, csrf_cookie=csrf_cookie
    )

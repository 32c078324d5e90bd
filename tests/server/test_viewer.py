"""The viewer's files: where they come from, how they are sent, what is added to them."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests

from front import in_front_of
from lib.errors import InputError
from lib.server.gateway import ArchiveAddress
from lib.server.viewer import EXPECTED, Viewer
from lib.service.study_config import StudyConfig

ARCHIVE = ArchiveAddress("http://127.0.0.1:9/dicom-web")  # nothing listens there
BUNDLE = Path(find_spec("monailabel").origin).parent / "endpoints" / "static" / "ohif"
UNFINISHED = "/ohif/monai-label?StudyInstanceUIDs=1.2"


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    with in_front_of(ARCHIVE, tmp_path_factory.mktemp("front")) as started:
        yield started


def get(front, path: str, **more) -> requests.Response:
    return requests.get(front.url + path, timeout=60, allow_redirects=False, **more)


def told(front, **more) -> dict:
    script = get(front, "/ohif/app-config.js", **more).text
    return json.loads(re.search(r"window\.vhi = (\{.*\});", script)[1])


def signed_in_by_page(front) -> dict[str, str]:
    from standin import PASSWORDS

    form = {"username": "anna", "password": PASSWORDS["anna"]}
    answer = requests.post(f"{front.url}/login", data=form, timeout=60, allow_redirects=False)
    return answer.cookies.get_dict()


@pytest.mark.slow
def test_every_file_of_the_bundle_is_served_as_it_is_with_its_kind(front):
    kinds = {
        ".js": "text/javascript",
        ".css": "text/css",
        ".wasm": "application/wasm",
        ".svg": "image/svg+xml",
        ".png": "image/png",
    }
    files = [path for path in BUNDLE.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20 and path.suffix in kinds]
    folders = set()
    for path in files[::5] + list((BUNDLE / "assets").glob("favicon*.png")):
        name = path.relative_to(BUNDLE).as_posix()
        if name == "app-config.js":
            continue
        answer = get(front, f"/ohif/{name}")
        assert answer.status_code == 200, name
        assert answer.content == path.read_bytes(), name
        assert answer.headers["content-type"].startswith(kinds[path.suffix]), name
        assert answer.headers["x-content-type-options"] == "nosniff"
        folders.add(path.parent.name)
    assert {"ohif", "assets"} <= folders


@pytest.mark.parametrize("prefix", ["", "/radiology/vhi"])
def test_every_icon_of_the_manifest_is_where_it_says(front, prefix):
    told_by = {"X-Forwarded-Prefix": prefix} if prefix else {}
    answer = get(front, "/ohif/manifest.json", headers=told_by)
    assert answer.headers["content-type"] == "application/json"
    icons = [icon["src"] for icon in answer.json()["icons"]]
    assert len(icons) == len({*icons}) > 3
    for icon in icons:
        assert icon.startswith(f"{prefix}/ohif/")
        assert get(front, icon.removeprefix(prefix)).headers["content-type"] == "image/png"


def test_what_is_named_by_its_content_is_kept_by_the_browser_and_the_rest_asked_for(front):
    named = next(path.name for path in BUNDLE.glob("*.bundle.*.js"))
    assert "immutable" in get(front, f"/ohif/{named}").headers["cache-control"]
    first = get(front, "/ohif/app.bundle.css")
    assert first.headers["cache-control"] == "no-cache"
    assert get(front, "/ohif/app.bundle.css", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert get(front, "/ohif/app-config.js").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/ohif/no-such.js", "/ohif/vhi/no-such.js", "/ohif/vhi/no", "/ohif/assets/no.svg"])
def test_a_missing_file_is_missing_and_not_the_page(front, path):
    assert get(front, path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/ohif/../ohif.py",
        "/ohif/..%2fohif.py",
        "/ohif/%2e%2e/%2e%2e/ohif.py",
        "/ohif//etc/passwd",
        "/ohif/vhi/..%2f..%2fguard.py",
    ],
)
def test_no_path_leaves_the_folder(front, path):
    prepared = requests.Request("GET", front.url).prepare()
    prepared.url = front.url + path
    answer = requests.Session().send(prepared, timeout=60, allow_redirects=False)
    assert answer.status_code in (403, 404)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    bundle = another_build(tmp_path / "viewer")
    (tmp_path / "secret.js").write_text("secret")
    (bundle / "link.js").symlink_to(tmp_path / "secret.js")
    with in_front_of(ARCHIVE, tmp_path / "front", viewer=bundle) as front:
        assert get(front, "/ohif/link.js").status_code == 404


def test_the_page_asks_nothing_of_the_internet(front):
    answer = get(front, "/ohif/", cookies=signed_in_by_page(front))
    assert answer.status_code == 200
    assert not re.search(r'(?:src|href)="https?://', answer.text)
    policy = answer.headers["content-security-policy"]
    assert "http" not in policy
    assert "'unsafe-eval'" not in policy
    assert len(answer.headers["content-security-policy"].split("'sha256-")) == 3  # its two scripts


def test_who_is_not_signed_in_signs_in_first_and_comes_back(front):
    answer = get(front, UNFINISHED)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/ohif/monai-label%3FStudyInstanceUIDs%3D1.2"
    assert get(front, UNFINISHED, cookies=signed_in_by_page(front)).status_code == 200


def test_the_page_is_told_what_the_server_knows(front):
    known = told(front)
    assert known.pop("csrf_cookie").startswith("vhi_csrf_")
    assert known == {
        "prefix": "",
        "viewer_version_expected": EXPECTED,
        "viewer_version_found": EXPECTED,
        "login_required": True,
        "reader": None,
        "is_admin": False,
        "blinded": False,
    }
    assert told(front, cookies=signed_in_by_page(front))["reader"] == "anna"


def test_the_data_source_is_this_server_by_whatever_name_it_was_called(front):
    script = get(front, "/ohif/app-config.js").text
    assert "window.location.origin + window.vhi.prefix + '/proxy/dicom/'" in script
    assert script.index("'session', 'main'") > script.index("window.vhi = ")


def another_build(folder: Path) -> Path:
    """The viewer with one more comment in its main script."""
    for path in BUNDLE.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(BUNDLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    script = next(folder.glob("app.bundle.*.js"))
    script.write_bytes(script.read_bytes() + b"\n// changed\n")
    return folder


def test_another_build_is_told_apart(tmp_path):
    assert Viewer().version == EXPECTED
    changed = Viewer(another_build(tmp_path / "viewer")).version
    assert changed != EXPECTED
    assert changed.partition(" ")[0] == EXPECTED.partition(" ")[0]


def test_a_folder_without_a_viewer_stops_the_start(tmp_path):
    with pytest.raises(InputError, match="holds no OHIF viewer"):
        Viewer(tmp_path)


def test_a_server_over_a_folder_says_what_the_viewer_needs(tmp_path):
    with in_front_of(None, tmp_path, accounts=None) as front:
        answer = get(front, "/ohif/")
        assert "--archive" in answer.text
        assert answer.headers["content-type"].startswith("text/html")


def test_of_a_blinded_study_whose_cases_cannot_be_copied_no_image_is_shown(tmp_path):
    with in_front_of(ARCHIVE, tmp_path, accounts=None) as front:
        front.app.service.config = StudyConfig(blinded=True, seed=1)
        assert get(front, "/proxy/dicom/qido/studies").status_code == 403
        assert told(front)["blinded"] is True

"""The OHIF viewer that MONAI Label brings, handed out with our configuration and our modules in place of its own configuration.

No file of the viewer is changed. `index.html` loses its links to fonts on other hosts, because nothing is asked of the internet.
`app-config.js` gains what this server knows (`window.vhi`), the addresses of our gateway, and two modules that run before the
viewer starts: `session.js` (the login) and `main.js` (reading, cleaning, submitting), both in the folder `ohif`. Their words come
from `language.js`, which `lib.server.texts` makes. The build says where it lies at the few places of `ROOTED`; below a path
prefix these are handed out with the prefix. Its `manifest.json` names icons where they do not lie; here it names those that are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cached_property
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from ..errors import InputError
from .addresses import current_addresses
from .dicomweb import ROOT
from .pages import notice_page
from .refusals import Refusal
from .server_context import ServerContext
from .sessions import cookie_names, identity_of_page, login_address
from .texts import module_of

MODULES = Path(__file__).parent / "ohif"
# the version that the modules were written for and are tested with: its number, and the start of its main script's sha256; the
# main script names every other script by a hash of its content
EXPECTED = "3.10.0-beta.5 eefbda3a38a3"
# in the address of the page: a finished case is opened to look at where its readers differ, see `ohif/review.js`
REVIEW = "review"
LONG = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"
# proxies and nosniff need these right, whatever the operating system's own table says
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".wasm": "application/wasm"}
TYPES |= {".svg": "image/svg+xml", ".json": "application/json", ".map": "application/json", ".webapp": "application/json"}

# how page, styles and scripts of the build write their own address
ROOTED = ('__webpack_require__.p = "/ohif/"', "PUBLIC_URL = '/ohif/'", '="/ohif/', "routerBasename: '/ohif/'")

MANIFEST = "manifest.json"

_MAIN_SCRIPT = re.compile(r'<script[^>]*\bsrc="/ohif/(app\.bundle[\w.-]*\.js)"')
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_ELSEWHERE = re.compile(r'<link\b[^>]*href="https?://[^>]*>')
_VERSION = re.compile(rb'versionNumber = "([^"]{1,40})"')
_HASHED = re.compile(r"(?:.*\.)?[0-9a-f]{20}(?:\..*)?")


class Viewer:
    """The files of one build of the viewer.

    Parameters
    ----------
    folder : Path
        Of the build; where MONAI Label keeps its own when absent.

    Raises
    ------
    InputError
        The folder holds no viewer.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            package = find_spec("monailabel")
            if package is None or package.origin is None:
                raise InputError(
                    "MONAI Label is not installed here, whose viewer is served; install it, or name a build in VHI_SERVER_VIEWER."
                )
            folder = Path(package.origin).parent / "endpoints" / "static" / "ohif"
        self.folder = folder
        try:
            index = (folder / "index.html").read_text(encoding="utf-8")
            self._config = (folder / "app-config.js").read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{folder} holds no OHIF viewer ({error.strerror}: {error.filename}); install monailabel again."
            ) from error
        self._page = _ELSEWHERE.sub("", index)
        self._main_script = _MAIN_SCRIPT.search(index)
        self._files = StaticFiles(directory=folder)
        self._modules = StaticFiles(directory=MODULES)

    @cached_property
    def version(self) -> str:
        """As `EXPECTED`; reads 15 MB once."""
        if self._main_script is None:
            return "unknown"
        script = (self.folder / unescape(self._main_script[1])).read_bytes()
        number = _VERSION.search(script)
        return f"{number[1].decode() if number else 'unknown'} {hashlib.sha256(script).hexdigest()[:12]}"

    @property
    def page(self) -> str:
        """`index.html`, for where this client finds it."""
        return rooted(self._page, current_addresses().prefix)

    @property
    def policy(self) -> str:
        """The content security policy of the page: own scripts, WebAssembly for decoding, nothing from elsewhere."""
        digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE.findall(self.page))
        inline = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
        return (
            f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {inline}; worker-src 'self' blob:; "
            "connect-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
            "font-src 'self' data:; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )

    def config(self, facts: dict[str, Any]) -> str:
        """`app-config.js`: the bundled one, then what this server adds."""
        own = rooted(self._config, current_addresses().prefix)
        return "\n".join([own, f"window.vhi = {_script_json(facts)};", _ADDED])

    def manifest(self) -> str:
        """`manifest.json`, whose icons the build looks for at the top of the site, where they lie."""
        text = (self.folder / MANIFEST).read_text(encoding="utf-8")
        return text.replace('"/assets/', f'"{current_addresses().prefix}/ohif/assets/')

    async def file(self, path: str, scope: Any) -> Response:
        """A file of the viewer, or of our modules below `vhi/`.

        Raises
        ------
        HTTPException
            404.
        """
        name = path.rpartition("/")[2]
        if path.startswith("vhi/"):
            answer = await self._modules.get_response(path.removeprefix("vhi/"), scope)
        else:
            answer = await self._files.get_response(path, scope)
            prefix = current_addresses().prefix
            if path == MANIFEST and answer.status_code == 200:
                answer = Response(self.manifest())
            elif prefix and name.endswith(".js") and answer.status_code in (200, 206):
                answer = await run_in_threadpool(_rooted_script, self.folder / path, prefix, answer)
        kind = TYPES.get(f".{name.rpartition('.')[2]}")
        if kind and answer.status_code == 200:
            answer.headers["content-type"] = kind
        # workers live by the policy that their own script comes with
        answer.headers["content-security-policy"] = self.policy
        answer.headers["cache-control"] = LONG if _HASHED.fullmatch(name) else ASK_FIRST
        return answer


def rooted(text: str, prefix: str) -> str:
    """A text of the build with its own address below the prefix."""
    for place in ROOTED:
        text = text.replace(place, place.replace("/ohif/", f"{prefix}/ohif/"))
    return text


def _rooted_script(file: Path, prefix: str, plain: Response) -> Response:
    """A script of the build below a prefix; as it is when it does not say where it lies."""
    content = file.read_bytes()
    if ROOTED[0].encode() not in content:
        return plain
    return Response(content.replace(ROOTED[0].encode(), rooted(ROOTED[0], prefix).encode()))


# addresses of this page's own server, whatever it is called: workers of the viewer cannot resolve relative ones
_ADDED = f"""
for (const source of window.config.dataSources) {{
  const gateway = window.location.origin + window.vhi.prefix + '{ROOT}/';
  Object.assign(source.configuration, {{
    friendlyName: 'VHI', name: 'VHI', qidoRoot: gateway + 'qido', wadoRoot: gateway + 'wado', wadoUriRoot: gateway + 'wado',
  }});
}}
// modules of the page run in their order, before the viewer's own deferred script
for (const name of ['session', 'main']) {{
  document.write('<script type="module" src="' + window.vhi.prefix + '/ohif/vhi/' + name + '.js"></' + 'script>');
}}
"""


def add_viewer(api: FastAPI, context: ServerContext, *, has_archive: bool) -> None:
    """Add the routes below `/ohif/`.

    Raises
    ------
    InputError
        The configured folder holds no viewer.
    """
    viewer = Viewer(context.config.viewer)

    def viewer_settings(request: Request) -> dict[str, Any]:
        who = identity_of_page(context.login, request)
        return {
            "viewer_version_expected": EXPECTED,
            "viewer_version_found": viewer.version,
            "login_required": context.login.needed,
            "reader": who.name if who else None,
            "is_admin": bool(who and who.is_admin),
            "blinded": context.is_blinded,
            "prefix": current_addresses().prefix,
            "csrf_cookie": cookie_names(context.login, request.scope).csrf,
        }

    @api.get("/ohif/app-config.js", include_in_schema=False)
    async def config(request: Request) -> Response:
        script = await context.quickly(request, lambda: viewer.config(viewer_settings(request)))
        return Response(script, media_type=TYPES[".js"])

    @api.get("/ohif/vhi/language.js", include_in_schema=False)
    async def language(request: Request) -> Response:
        script = await context.quickly(request, lambda: module_of(context.language))
        return Response(script, media_type=TYPES[".js"], headers={"cache-control": ASK_FIRST})

    @api.get("/ohif", include_in_schema=False)
    async def folder() -> Response:
        return RedirectResponse(current_addresses().path("/ohif/"), 307)

    @api.get("/ohif/{path:path}", include_in_schema=False)
    async def file(request: Request, path: str) -> Response:
        if "." in path.rpartition("/")[2] and path != "index.html":
            return await viewer.file(path, request.scope)
        if path.startswith("vhi/"):
            raise Refusal(404, "There is no such module.")
        who = identity_of_page(context.login, request)
        if who is not None and REVIEW in request.query_params and not who.is_admin:
            raise Refusal(403, "Finished cases are reviewed by administrators.")
        if not has_archive:
            return HTMLResponse(notice_page(NO_ARCHIVE))
        if who is None:
            return RedirectResponse(login_address(request), 303)
        return HTMLResponse(viewer.page, headers={"content-security-policy": viewer.policy, "cache-control": ASK_FIRST})


NO_ARCHIVE = (
    "The viewer shows DICOM studies of an archive, and this server was started on a folder of NIfTI files. Read these in 3D "
    "Slicer, or start the server with --archive or --pacs."
)


def _script_json(value: Any) -> str:
    """JSON that is safe inside a script."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

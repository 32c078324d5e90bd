"""Which requests are answered at all: a list of methods and paths; everything else is closed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .dicomweb import READ_PATH, STORE_PATH

Who = Literal["anyone", "reader", "admin"]
Where = Literal["own", "stock", "archive", "page"]
SMALL_BODY = 1 << 20
# one path segment that can be a name: no separators, nothing that climbs
SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@dataclass(frozen=True)
class Allowed:
    """One kind of request.

    Attributes
    ----------
    methods, template : as in `POST /infer/{model}`
    who : who may send it
    where : answered by our own routes, by MONAI Label's, or by the archive through the gateway; a "page" is one of our own routes
        whose own security headers count before the guard's
    large : carries an image, so that the body may be large
    basic : a page that a browser opens: name and password do as well as a token
    matching : regular expression of the paths, where the template says too little
    """

    methods: tuple[str, ...]
    template: str
    who: Who
    where: Where = "own"
    large: bool = False
    basic: bool = False
    matching: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        if self.matching:
            return re.compile(f"(?:{self.matching})/?")
        return re.compile(re.sub(r"\{\w+\}", SEGMENT, self.template.rstrip("/").replace(".", r"\.")) + "/?")


ALLOWED = (
    Allowed(("GET",), "/", "anyone"),
    Allowed(("GET",), "/openapi.json", "reader", basic=True),
    Allowed(("GET", "POST"), "/login", "anyone", "page"),
    Allowed(("GET",), "/sign-on", "anyone", "page"),
    Allowed(("GET",), "/sign-on/back", "anyone", "page"),
    Allowed(("POST",), "/logout", "reader"),
    # the viewer's page looks itself who is signed in; its files are no secret
    Allowed(("GET",), "/ohif/{path}", "anyone", "page", matching=rf"/ohif(?:/{SEGMENT})*"),
    # this page too
    Allowed(("GET",), "/vhi/worklist", "anyone", "page"),
    Allowed(("GET",), "/auth/", "anyone"),
    Allowed(("POST",), "/auth/token", "anyone"),
    Allowed(("GET",), "/auth/token/valid", "reader"),
    Allowed(("GET",), "/info/", "reader"),
    Allowed(("POST",), "/infer/{model}", "reader", large=True),
    Allowed(("POST",), "/activelearning/{strategy}", "reader"),
    Allowed(("GET",), "/datastore/", "reader"),
    Allowed(("GET", "HEAD"), "/datastore/image", "reader"),
    Allowed(("GET",), "/datastore/image/info", "reader"),
    Allowed(("PUT",), "/datastore/label", "reader", large=True),
    Allowed(("GET", "HEAD"), "/datastore/label", "reader"),
    Allowed(("GET",), "/datastore/label/info", "reader"),
    # who may start and stop is a setting, see lib.server.training
    Allowed(("GET", "POST", "DELETE"), "/train/", "reader"),
    Allowed(("POST",), "/train/{model}", "reader"),
    Allowed(("GET",), "/batch/infer", "reader", "stock"),
    Allowed(("GET",), "/scoring/", "reader", "stock"),
    Allowed(("GET",), "/vhi/health", "anyone"),
    Allowed(("GET",), "/vhi/health/details", "admin", basic=True),
    # or with a token of its own, see lib.server.health
    Allowed(("GET",), "/vhi/metrics", "admin", basic=True),
    Allowed(("GET",), "/vhi/cases", "admin", basic=True),
    Allowed(("GET",), "/vhi/worklist/rows", "reader"),
    Allowed(("GET",), "/vhi/worklist/progress", "admin"),
    Allowed(("GET", "POST"), "/vhi/review", "admin"),
    Allowed(("GET",), "/vhi/review/differences", "admin"),
    Allowed(("GET",), "/vhi/review/labels", "admin"),
    Allowed(("GET",), "/vhi/reviews", "admin", basic=True),
    Allowed(("GET",), "/vhi/study", "reader"),
    Allowed(("GET",), "/vhi/submissions", "reader", basic=True),
    Allowed(("GET",), "/vhi/report", "reader", basic=True),
    Allowed(("GET",), "/vhi/reading", "reader"),
    Allowed(("GET",), "/vhi/reading/label", "reader"),
    Allowed(("POST",), "/vhi/reading/preview", "reader", large=True),
    Allowed(("GET",), "/vhi/earlier", "reader"),
    Allowed(("GET",), "/vhi/earlier/image", "reader"),
    Allowed(("GET",), "/vhi/earlier/label", "reader"),
    Allowed(("POST",), "/vhi/rating", "reader"),
    Allowed(("GET", "PUT", "DELETE"), "/vhi/draft", "reader"),
    Allowed(("POST",), "/vhi/share", "admin"),
    Allowed(("GET",), "/vhi/archive", "reader", basic=True),
    Allowed(("GET",), "/vhi/models", "admin", "page", basic=True),
    Allowed(("POST",), "/vhi/models/live", "admin", basic=True),
    Allowed(("POST",), "/vhi/models/release", "admin", basic=True),
    Allowed(("POST",), "/vhi/models/set-aside", "admin", basic=True),
    Allowed(("POST",), "/vhi/models/pin", "admin", basic=True),
    Allowed(("POST",), "/vhi/models/unpin", "admin", basic=True),
    Allowed(("POST",), "/vhi/models/compare", "admin", basic=True),
    Allowed(("GET",), "/proxy/dicom/{service}/{resource}", "reader", "archive", basic=True, matching=READ_PATH),
    Allowed(("POST",), "/proxy/dicom/{service}/studies", "reader", "archive", large=True, basic=True, matching=STORE_PATH),
)
_PATTERNS = tuple((endpoint, endpoint.pattern) for endpoint in ALLOWED)

# what MONAI Label would answer there, and why this server does not
CLOSED = {
    "/session": "Sessions are closed: VHI needs both series of a visit; put T1W and STIR into the studies folder of the server.",
    "/datastore": "Images are not uploaded, and nothing is overwritten, deleted or exported in bulk by the datastore routes: "
    "put T1W and STIR of the visit into the studies folder of the server; labels are saved anew.",
    "/model": "Models are changed by training, at /vhi/models, or on the server by the models command.",
    "/reload": "The server is restarted by its service, not by a request.",
    "/proxy": "This server forwards nothing but reading and storing by DICOMweb, to its archive alone, where it has one.",
    "/logs": "Logs are read on the server.",
    "/infer": "That inference route is closed; use POST /infer/{model}.",
    "/batch": "Batch inference is started on the server.",
    "/scoring": "Scoring is started on the server.",
}


def find_allowed(method: str, path: str) -> Allowed | None:
    """The entry of the list that a request matches; None where it is not on it."""
    return next((allowed for allowed, pattern in _PATTERNS if method in allowed.methods and pattern.fullmatch(path)), None)


def methods_of(path: str) -> tuple[str, ...]:
    """The methods that the list has for a path."""
    return tuple(method for allowed, pattern in _PATTERNS if pattern.fullmatch(path) for method in allowed.methods)


def why_closed(path: str) -> str | None:
    """The reason for a path that MONAI Label knows and this server does not answer."""
    return CLOSED.get("/" + path.lstrip("/").partition("/")[0])

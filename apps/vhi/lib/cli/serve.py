"""`serve`: the server for 3D Slicer and other MONAI Label clients, over a folder of studies or a PACS."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .ensemble import MODEL_DIR
from .post_transforms import CHAIN_HELP

if TYPE_CHECKING:
    from ..server.config import ServerConfig
    from ..server.log import LogConfig

APP_DIR = Path(__file__).resolve().parents[2]
STOP_WITHIN_S = 5
ARCHIVE_DATA = "vhi-data"


def serve(  # noqa: PLR0913 options of a command
    studies: Annotated[Path | None, typer.Option(help="Folder of the studies: T1W and STIR series as NIfTI.")] = None,
    pacs: Annotated[
        str | None, typer.Option(metavar="URL", help="DICOMweb archive with the studies, as http://host:8042/dicom-web.")
    ] = None,
    pacs_user: Annotated[str | None, typer.Option(metavar="NAME", help="Its login.")] = None,
    pacs_password_file: Annotated[
        Path | None, typer.Option(help="File with its password alone; or set MONAI_LABEL_DICOMWEB_PASSWORD.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Folder of DICOM files, served as an archive of its own that viewers may store to.")
    ] = None,
    pairing_rules: Annotated[
        Path | None, typer.Option(help="With --pacs or --archive: a site's rules, see docs/dicom.md.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    accounts: Annotated[
        Path | None, typer.Option(help="Accounts file, see the command users; needed beyond this machine.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name that clients call the server by; repeatable.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A web page that may call the server; repeatable.")
    ] = None,
    public_url: Annotated[
        str, typer.Option(metavar="URL", help="Where clients reach the server through a proxy, as https://host/prefix/.")
    ] = "",
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="A proxy, or its network, that says who the clients are; repeatable.",
            show_default="this machine",
        ),
    ] = None,
    sign_on: Annotated[
        Path | None, typer.Option(help="File that describes an OpenID Connect provider, see docs/deploy.md.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain in PEM, to speak TLS without a proxy.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key in PEM, where it is not in the same file.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Inferences at once.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(help="Where submissions are kept.", show_default=".vhi in the studies; vhi-data here for an archive"),
    ] = None,
    model_dir: Annotated[Path, typer.Option(help="Folder of the trained ensemble.", show_default="the shipped one")] = MODEL_DIR,
    retrain: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="after=N quiet=TIME", help="Retrain by itself after N corrected cases, once idle for TIME (30m)."),
    ] = None,
    train_by: Annotated[
        str, typer.Option(metavar="ROLE", help="Who may train where there are accounts: admin, reader.")
    ] = "admin",
    metrics_token: Annotated[
        Path | None, typer.Option(help="File with the token that Prometheus shows at /vhi/metrics; else administrators alone.")
    ] = None,
    log_file: Annotated[Path | None, typer.Option(help="Log there instead of to the terminal.")] = None,
    log_mib: Annotated[int, typer.Option(min=0, help="Begin a new log at this size; 0 leaves that to logrotate.")] = 20,
    log_files: Annotated[int, typer.Option(min=1, help="How many older logs are kept.")] = 5,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log one JSON object a line.")] = False,
    post_transforms: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help=f"{CHAIN_HELP[:-1]}; repeatable, new readings are measured with the first."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="How the study is run; docs/deploy.md lists the names. Repeatable."),
    ] = None,
) -> None:
    """Serve a folder of studies or those of a PACS to 3D Slicer, and those of a PACS to a browser, until Ctrl-C."""
    from ..bound_socket import bound_socket
    from ..errors import SettingsError
    from ..server.config import LOOPBACK, ServerConfig, is_loopback
    from ..server.log import LogConfig
    from ..server.tls import check_certificate
    from .settings import parse_changes
    from .status import status

    place = where(studies, pacs, archive)
    login = pacs_login(pacs, pacs_user, pacs_password_file)
    if pairing_rules is not None and studies is not None:
        raise SettingsError("--pairing-rules pairs the series of an archive; files are paired by their names. Leave it out.")
    if not is_loopback(host) and accounts is None:
        raise SettingsError(f"Listening on {host} opens the server to others: make accounts with users add, and pass --accounts.")
    names = [*(allow_host or []), *([] if is_loopback(host) else [host])]
    config = ServerConfig(
        accounts=accounts,
        hosts=tuple(name.lower() for name in names),
        origins=tuple(allow_origin or ()),
        workers=workers,
        train_by=train_by,
        public_url=public_url,
        trusted_proxies=tuple(trusted_proxy or LOOPBACK),
        sign_on=sign_on.resolve() if sign_on else None,
        metrics_token=None if metrics_token is None else metrics_token.resolve(),
    )
    config.read_metrics_token()
    log = LogConfig(log_file, log_mib, log_files, log_json)
    tls = check_certificate(tls_cert, tls_key) if tls_cert or tls_key else None
    bound = bound_socket(host, port, "The server", "pass another --port or --host")
    conf = {**parse_changes(change or [], "docs/deploy.md lists the names"), "models": str(model_dir.resolve())}
    if data is not None or studies is None:
        conf["data"] = str((data or Path(ARCHIVE_DATA)).resolve())
    if retrain is not None:
        conf["retrain"] = " ".join(retrain)
    if post_transforms:
        conf["post_transforms"] = chain_files(post_transforms)
    if pairing_rules is not None:
        conf["pairing_rules"] = str(pairing_rules.resolve())
    local = f"{'https' if tls else 'http'}://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
    url = config.public.url("") if config.public else local
    with status("Starting the server"):
        if archive is not None:
            place, login = start_archive(archive)
        os.environ |= login
        prepare(place, port, config, conf)
        application = load(log)
    run(application, bound, lambda: _announce(url, login=accounts is not None, viewer=studies is None), tls)


def where(studies: Path | None, pacs: str | None, archive: Path | None) -> str:
    """The folder or the address that holds the studies.

    Raises
    ------
    SettingsError
        None or several are named, or the address is none.
    InputError
        There is no such folder.
    """
    from ..errors import InputError, SettingsError

    given = {name: one for name, one in {"--studies": studies, "--pacs": pacs, "--archive": archive}.items() if one is not None}
    if len(given) != 1:
        raise SettingsError(
            f"Pass one of --studies FOLDER (NIfTI), --pacs URL (a DICOMweb archive) and --archive FOLDER (DICOM files); found "
            f"{' and '.join(given) or 'none of them'}."
        )
    if pacs is not None:
        from ..pacs.client import checked_url

        return checked_url(pacs)
    folder = studies or archive or Path()
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; pass the folder that holds the studies.")
    return str(folder.resolve())


def chain_files(paths: list[Path]) -> str:
    """Files of chains of post-transforms as the app is told them, each read once to refuse it before anything starts.

    Raises
    ------
    SettingsError, InputError
        A chain that cannot be used, or a path that holds the sign between two.
    """
    from ..errors import SettingsError
    from ..post_transforms import read_chain

    for path in paths:
        if os.pathsep in str(path.resolve()):
            raise SettingsError(f"The path {path} holds a {os.pathsep!r}; move the file, or give its folder another name.")
        read_chain(path)
    return os.pathsep.join(str(path.resolve()) for path in paths)


def pacs_login(pacs: str | None, user: str | None, password_file: Path | None) -> dict[str, str]:
    """The environment that tells the login of a PACS; the password is on no command line.

    Raises
    ------
    SettingsError, InputError
    """
    from ..errors import SettingsError

    if pacs is None:
        if user or password_file:
            raise SettingsError("--pacs-user and --pacs-password-file belong to --pacs; leave them out.")
        return {}
    from ..pacs.start import login_environment

    return login_environment(user, password_file)


def start_archive(folder: Path) -> tuple[str, dict[str, str]]:
    """Serve a folder of DICOM files by DICOMweb, to this process alone; its address and the environment with its login.

    Raises
    ------
    VhiError
    """
    import secrets

    from ..archive import open_archive
    from ..pacs.start import PASSWORD, USER

    user, password = "vhi", secrets.token_urlsafe(24)
    return open_archive(folder, user=user, password=password).start().url.rstrip("/"), {USER: user, PASSWORD: password}


def prepare(studies: str, port: int, config: ServerConfig, conf: dict[str, str]) -> None:
    """Tell MONAI Label and the guard, by environment, what to serve; before either is imported.

    Raises
    ------
    VhiError
        The accounts file or the service's folders cannot be used, or a package was left half installed.
    """
    import json

    _check_packages()
    if config.accounts is not None:
        from ..server.accounts import Accounts

        Accounts(config.accounts)
    os.environ |= config.to_environment() | {
        "MONAI_LABEL_APP_DIR": str(APP_DIR),
        "MONAI_LABEL_STUDIES": studies,
        "MONAI_LABEL_APP_CONF": json.dumps(conf),
        "MONAI_LABEL_SERVER_PORT": str(port),
        "MONAI_LABEL_RELOAD_APP_LIB": "false",
        "PYTHONPATH": os.pathsep.join([str(APP_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    # as many threads for arrays as leave a processor to the answers
    threads = str(max(1, (os.cpu_count() or 2) // (2 * config.workers)))
    os.environ.setdefault("OMP_NUM_THREADS", threads)


def _check_packages() -> None:
    """MONAI Label sorts the names of all packages when it is imported, which one without a name would end in a traceback."""
    from ..errors import SettingsError

    for place in sys.path:
        for package in Path(place).glob("*.dist-info"):
            if not (package / "METADATA").is_file():
                raise SettingsError(
                    f"{package} holds no METADATA, as an interrupted installation leaves it, and MONAI Label cannot be imported "
                    "beside it. Remove that folder, or install the package again."
                )


def load(log: LogConfig) -> object:
    """MONAI Label behind the guard, with the app loaded; what happens goes to the log.

    Raises
    ------
    VhiError
        Whatever keeps the app from starting.
    """
    import io
    import logging.config
    from contextlib import redirect_stdout

    logging.config.dictConfig(log.to_dict())
    with redirect_stdout(io.StringIO()):  # it prints that every origin is allowed, which the guard settles otherwise
        from ..server.asgi import app
    from monailabel.interfaces.utils.app import app_instance

    # here, not while uvicorn starts: a sentence then, a traceback there
    app_instance()
    return app


def preload() -> None:
    """Import what the report of a submission needs, beside the server's work: the first reader does not wait for it.

    A library that is missing or broken is told in the log here, and not first by the reader whose submission fails.
    """
    import logging

    try:
        from ..figures import chart, mosaic  # noqa: F401
        from ..reports import html, pdf  # noqa: F401
    except Exception as error:  # a library that fails at import may raise anything
        logging.getLogger("vhi.server").error(
            "reports cannot be written, because a library cannot be loaded (%s): %s. Install requirements.txt again and restart "
            "the server; until then submissions that are measured fail.",
            type(error).__name__,
            error,
        )


def run(application: object, bound: socket.socket, ready: Callable[[], None], tls: tuple[Path, Path] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, which ends the process with code 0; by TLS where certificate and key are given."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()
                threading.Thread(target=preload, name="vhi-preload", daemon=True).start()

    server = Announcing(
        uvicorn.Config(
            application,  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the guard knows which proxies are trusted
            timeout_graceful_shutdown=STOP_WITHIN_S,
            lifespan="on",
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
        )
    )
    try:
        server.run(sockets=[bound])
    except (KeyboardInterrupt, SystemExit):
        if not server.should_exit:
            raise  # it did not start
    from ..readings.holding import remove_temporary

    remove_temporary()
    typer.echo("Stopped.", err=True)
    # A thread in the middle of the networks' work cannot be told to end, and the interpreter aborts when it ends around one.
    # Nothing is lost: what is on disk appears whole or not at all, and requests had their time to end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _announce(url: str, *, login: bool, viewer: bool) -> None:
    from ..server.pages import slicer_steps

    typer.echo(f"Serving at {url}")
    if viewer:
        typer.echo(f"Open {url}/ in a browser, or read in 3D Slicer:")
    for number, text in enumerate(slicer_steps(url, login=login), start=1):
        typer.echo(f"  {number}. {text}")
    typer.echo("Stop with Ctrl-C.")
    sys.stdout.flush()

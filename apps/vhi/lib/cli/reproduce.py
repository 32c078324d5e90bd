"""`reproduce`: the paper's tables and figures from a clone of the authors' repository, ours beside theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .ensemble import MODEL_DIR

MOST_WARNINGS = 4

if TYPE_CHECKING:
    from ..reproduction.clone import Clone
    from ..reproduction.network_regions import RegionNetworks


def reproduce(
    clone: Annotated[Path, typer.Argument(help="Clone of the authors' repository.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder; a run that was interrupted there goes on.", show_default=False)],
    networks: Annotated[
        bool, typer.Option("--networks/--no-networks", help="Disease regions by the released networks and by ours.")
    ] = True,
    model_dir: Annotated[Path, typer.Option(help="Folder of our ensemble.", show_default="the shipped one")] = MODEL_DIR,
) -> None:
    """Reproduce the paper from the authors' public repository.

    Writes OUT/report (report.html, report.pdf, reproduction.json, tables, figures), which appears whole, and keeps every finished
    step in OUT/work. Files of the clone are found by name and content; what is passed over is listed.
    """
    from ..files import result_folder
    from ..provenance import code_version
    from ..reports.cohort import write_cohort
    from ..reports.reproduction import MARK, OWN_FILES, reproduction_content
    from ..reproduction.clone import find_clone
    from ..reproduction.comparison import EQUAL
    from ..reproduction.comparisons import compare_all, counted
    from ..reproduction.kept import REPORT, check_output, kept_steps
    from ..reproduction.pictures import draw_pictures
    from ..reproduction.run import reproduce_steps
    from ..studies.staple import staple
    from .status import status

    check_output(out)
    with status("Looking through the clone"):
        files = find_clone(clone)
    with kept_steps(out, code_version()) as kept:
        ensembles, notes = _ensembles(files, model_dir) if networks else ((), ["Networks were not used."])
        results = reproduce_steps(files, kept, ensembles, staple, status)
        comparisons = compare_all(results)
        with status("Writing the report"), result_folder(out / REPORT, OWN_FILES, MARK) as folder:
            content = reproduction_content(results, comparisons, draw_pictures(results), notes, _origin(clone, ensembles))
            write_cohort(content, folder)
    counts = counted(comparisons)
    for section in content.sections:
        typer.echo(f"{section.title}: {f'not available: {section.why_not}' if section.why_not else f'n = {section.n}'}")
    typer.echo(f"steps       {kept.done} done, {kept.again} kept from before")
    typer.echo(f"equal       {sum(counts.get(verdict, 0) for verdict in EQUAL)} published numbers")
    for verdict, name in (("differs", "differ"), ("missing", "no data"), ("not comparable", "other data")):
        typer.echo(f"{name:11} {counts.get(verdict, 0)}")
    for what, why in results.failed[:MOST_WARNINGS]:
        typer.echo(f"WARNING     {what}: {why}")
    if len(results.failed) > MOST_WARNINGS:
        typer.echo(f"WARNING     {len(results.failed) - MOST_WARNINGS} more steps were not done, see tables/not_done.csv")
    typer.echo(f"passed over {len(files.passed_over)} files, in tables/passed_over.csv")
    typer.echo(f"report      {out / REPORT / 'report.html'}")


def _ensembles(clone: Clone, model_dir: Path) -> tuple[tuple[RegionNetworks, ...], list[str]]:
    """The released networks, where they lie in the clone and can be used, and ours."""
    from ..core.plausibility import Reference
    from ..reproduction.network_regions import RegionNetworks
    from ..versions import read_live
    from .ensemble import load_ensemble

    manifest = read_live(model_dir).manifest
    learnt = frozenset(case.case_id for case in manifest.training_cases)
    identity = f"{manifest.version} {manifest.sha256}"
    ours = RegionNetworks("ours", identity, learnt, lambda: load_ensemble(model_dir)[0], Reference.from_dict(manifest.reference))
    released = _released(clone)
    if released is None:
        return (ours,), ["The authors' networks (model_1.pt, ...) are not in the clone: disease regions by ours alone."]
    return (released, ours), []


def _released(clone: Clone) -> RegionNetworks | None:
    """The networks in the clone; a file that holds none of the paper's is passed over with the reason."""
    from ..errors import VhiError
    from ..reproduction.network_regions import RegionNetworks
    from .status import status

    hashes, states = [], []
    if clone.networks:
        with status("Loading the released networks"):
            from ..nets.published import read_released, released_members

            for path in clone.networks:
                try:
                    sha256, state = read_released(path)
                except VhiError as error:
                    clone.leave(path, str(error))
                    continue
                if sha256 in hashes:
                    clone.leave(path, "the same network as another file")
                    continue
                hashes.append(sha256)
                states.append(state)
    if not states:
        return None
    # released after training on every manual region of the repository, the test subjects' included
    identity = f"{len(states)} networks, sha256 {', '.join(one[:12] for one in hashes)}"
    return RegionNetworks("released", identity, frozenset(clone.regions), lambda: released_members(states))


def _origin(clone: Path, ensembles: tuple[RegionNetworks, ...]) -> dict[str, Any]:
    """When, by what, from what."""
    from ..provenance import command_line, method_versions, now

    return {
        "created": now(),
        "command": command_line(),
        "versions": method_versions({} if ensembles else None),
        "inputs": [
            {"role": "clone", "file": clone.name or clone.resolve().name, "identity": _commit(clone)},
            *({"role": "networks", "file": ensemble.name, "identity": ensemble.identity} for ensemble in ensembles),
        ],
    }


def _commit(clone: Path) -> str:
    """The clone's commit as git's own files say it; empty where it is no clone of git."""
    try:
        head = (clone / ".git" / "HEAD").read_text(encoding="ascii").strip()
        return (clone / ".git" / head[5:]).read_text(encoding="ascii").strip() if head.startswith("ref: ") else head
    except (OSError, UnicodeDecodeError):
        return ""

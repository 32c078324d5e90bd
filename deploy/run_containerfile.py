"""Run the steps of a Containerfile in a bare Debian root, where there is no container engine; then, with --start, its command.

As root, with a root made by debootstrap in which Python stands as it does in the image that FROM names:

    debootstrap --variant=minbase trixie ROOT
    chroot ROOT apt-get install -y --no-install-recommends python3-venv ca-certificates
    chroot ROOT python3 -m venv /usr/local
    python3 deploy/run_containerfile.py deploy/Containerfile ROOT

It knows the instructions that the file uses, and refuses others. What only an engine does (layers, a read-only root, a network
of its own) it does not show.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Image:
    """The root and what the instructions so far say of it."""

    root: Path
    context: Path
    folder: str = "/"
    user: str = "root"
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH, "HOME": "/root"})

    def call(self, words: list[str]) -> list[str]:
        """Words that run in the root, in the folder, as the user."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        shell = f"cd {shlex.quote(self.folder)} && exec {shlex.join(words)}"
        return ["chroot", f"--userspec={self.user}", str(self.root), "/usr/bin/env", "-i", *variables, "/bin/sh", "-c", shell]

    def copy(self, words: list[str]) -> None:
        """Files, or the content of a folder, as COPY has it."""
        *sources, target = words
        place = self.root / os.path.join(self.folder, target).lstrip("/")
        for source in (self.context / one for one in sources):
            if source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)

    def do(self, name: str, rest: str) -> None:
        """One instruction."""
        if name == "WORKDIR":
            self.folder = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            self.copy(shlex.split(rest))
        elif name == "RUN":
            subprocess.run(self.call(["/bin/sh", "-ec", rest]), check=True)
        elif name == "USER":
            self.user = rest
        elif name == "ENV":
            self.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
        elif name == "CMD":
            self.command = tuple(json.loads(rest))
        elif name not in ("FROM", "EXPOSE"):
            sys.exit(f"{name} is no instruction that this program knows; add it.")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and rest of each, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description="Run the steps of a Containerfile in a bare root.")
    parser.add_argument("file", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--start", action="store_true", help="then run its command, until it ends")
    options = parser.parse_args()
    image = Image(options.root.resolve(), options.file.resolve().parents[1])
    for name, rest in instructions(options.file.read_text(encoding="utf-8")):
        print(f"{name} {rest}", flush=True)
        image.do(name, rest)
    if options.start:
        sys.exit(subprocess.run(image.call(list(image.command)), check=False).returncode)


if __name__ == "__main__":
    main()

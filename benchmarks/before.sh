#!/usr/bin/env bash
# The build of commit 06ad96e (Python 3.11, numpy 1, pydicom 2), to be run beside this one: a worktree of it with an environment of
# its own, by its own pins. benchmarks/same_numbers.py compares the two.
#
#   benchmarks/before.sh FOLDER             install it, 4.2 GB; PYTHON=/path/to/python3.11 where that is not on the path
#   benchmarks/before.sh FOLDER --env DIR   take an environment that exists
#
# Away with it: git worktree remove --force FOLDER
set -euo pipefail
commit=06ad96ea0f69d366492cb718662a4f2de05460c0

if [ $# -ne 1 ] && ! { [ $# -eq 3 ] && [ "$2" = --env ]; }; then
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  exit 2
fi
mkdir -p "$(dirname "$1")"
folder="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
environment=
if [ $# -eq 3 ]; then
  [ -x "$3/bin/python" ] || { echo "$3 is no environment: it holds no bin/python."; exit 1; }
  environment="$(cd "$3" && pwd)"
fi

cd "$(dirname "$0")/.."
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
  echo "Commit ${commit:0:7} is not in this clone; fetch the whole history (git fetch --unshallow)."
  exit 1
fi
if [ ! -e "$folder" ]; then
  git worktree add --quiet --detach "$folder" "$commit"
elif [ "$(git -C "$folder" rev-parse HEAD 2>/dev/null)" != "$commit" ]; then
  echo "$folder exists and is no worktree of commit ${commit:0:7}; pass another folder."
  exit 1
fi

if [ -n "$environment" ]; then
  [ ! -e "$folder/.venv" ] || [ -L "$folder/.venv" ] || { echo "$folder/.venv exists; remove it first."; exit 1; }
  ln -sfn "$environment" "$folder/.venv"
else
  make --no-print-directory -C "$folder" setup
fi
"$folder/.venv/bin/python" "$folder/main.py" --help >/dev/null
echo "$folder"

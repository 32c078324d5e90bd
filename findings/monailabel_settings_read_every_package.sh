#!/bin/sh
# MONAI Label 0.8.5: importing its settings reads what every installed package says of itself, twice.
# `monailabel.config` asks for two of its settings whether SAM-2 is installed, each time by sorting the names of all distributions, for
# which `importlib.metadata` parses the METADATA file of each. With the 185 packages of a server that is 370 files and about 0.35 s of the
# processor at each start, as much as all of its routes. And where one folder `*.dist-info` without METADATA was left behind by an
# installation that was interrupted, its name is None, the names cannot be sorted, and MONAI Label cannot be imported at all.
#
# Expected was a look-up of the one name, as `importlib.metadata.distribution(name)` makes it, for which other packages do not matter.
#
# Seen (Python 3.11): as `expected` below. Ends with 1 where that changed. Needs python3 (3.11 or later) with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check --no-deps monailabel==0.8.5
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pydantic-settings==2.16.3
cat >"$folder/look.py" <<'PY'
import sys
from importlib.metadata import distributions, version

packages, read = len(list(distributions())), []
sys.addaudithook(lambda event, args: read.append(args[0]) if event == "open" and str(args[0]).endswith("METADATA") else None)
print(f"monailabel {version('monailabel')}")
read.clear()
try:
    import monailabel.config
except TypeError as error:
    print(f"{type(error).__name__}: {error}")
else:
    print(f"files METADATA read for each package: {len(read) / packages:.0f}")
PY
"$folder/env/bin/python" "$folder/look.py" | tee "$folder/seen"
site=$("$folder/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir "$site/left_behind-1.0.dist-info"
"$folder/env/bin/python" "$folder/look.py" | tee -a "$folder/seen"
cat >"$folder/expected" <<'TXT'
monailabel 0.8.5
files METADATA read for each package: 2
monailabel 0.8.5
TypeError: '<' not supported between instances of 'NoneType' and 'str'
TXT
diff "$folder/expected" "$folder/seen"

#!/bin/sh
# isal 1.9.1 (Intel's ISA-L for Python): what is raised for data that do not decompress cannot be handled as the standard library's.
# `isal.isal_zlib` is documented as a drop-in replacement for zlib and has a name `error`, as zlib has, but the class is no `zlib.error`:
# code that goes on catching `zlib.error` lets it through to the user as a traceback. zlib-ng 1.1.0 of the same authors, asked the same,
# raises an own class too. And the type stubs declare the class as an instance of Exception, so that mypy refuses the one right line,
# `except IsalError`, as no exception class.
#
# Expected was that `import isal_zlib as zlib` keeps handlers working, and that its own class can be named in one.
#
# Seen (Python 3.11, x86-64): as `expected` below. Ends with 1 where that changed. Needs python3 (3.11 or later) with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check isal==1.9.1 zlib-ng==1.1.0 mypy==2.4.1
cat >"$folder/look.py" <<'PY'
import zlib
from importlib.metadata import version

from isal import isal_zlib
from zlib_ng import zlib_ng

for package, module in (("isal", isal_zlib), ("zlib-ng", zlib_ng)):
    same = issubclass(module.error, zlib.error)
    print(f"{package} {version(package)}: {module.error.__module__}.{module.error.__name__} is a zlib.error: {same}")
PY
cat >"$folder/handler.py" <<'PY'
from isal.igzip_lib import IsalError

try:
    pass
except IsalError:
    pass
PY
"$folder/env/bin/python" "$folder/look.py" | tee "$folder/seen"
(cd "$folder" && "$folder/env/bin/mypy" handler.py || true) | head -1 | tee -a "$folder/seen"
cat >"$folder/expected" <<'TXT'
isal 1.9.1: igzip_lib.IsalError is a zlib.error: False
zlib-ng 1.1.0: zlib_ng.error is a zlib.error: False
handler.py:5: error: Exception type must be derived from BaseException (or be a tuple of exception classes)  [misc]
TXT
diff "$folder/expected" "$folder/seen"

#!/bin/sh
# All that is to be known of a GPU, in at most six minutes: sh benchmarks/gpu.sh [--device cuda] [-o FOLDER] [--quick]
# Runs from a clone, with any Python that has torch (PYTHON=...). Packages it lacks come from the folder WHEELS, if that
# is set (pip download -d WHEELS . ./benchmarks, on a machine with a network), else from PyPI; torch is left as it is.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
export PYTHONPATH="$here/src:$here/benchmarks/src:$work/site${PYTHONPATH:+:$PYTHONPATH}"
"$python" -c 'import torch' || { echo "gpu.sh needs a Python with torch; say which: PYTHON=/path/to/python" >&2; exit 2; }
missing=$("$python" - <<'PY'
from importlib.util import find_spec
names = {"numpy": "numpy", "scipy": "scipy", "safetensors": "safetensors", "tifffile": "tifffile", "psutil": "psutil"}
print(*(package for module, package in names.items() if find_spec(module) is None))
PY
)
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    "$python" -m pip install --quiet --target "$work/site" --no-deps ${WHEELS:+--no-index --find-links "$WHEELS"} $missing
fi
limit=${LIMIT:-360}  # seconds
command -v timeout >/dev/null || exec "$python" -m napari_xmem_benchmark.gpu "$@"
timeout "$limit" "$python" -m napari_xmem_benchmark.gpu "$@"

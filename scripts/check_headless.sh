#!/usr/bin/env bash
# check_headless.sh PYTHON DIST TORCH: install the wheel in DIST into a new environment, without its extras, and use it.
set -euo pipefail
python="$1" wheel="$(ls "$2"/napari_xmem-*.whl)" torch="$3"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
bin="$work/venv/bin"
"$bin/pip" --disable-pip-version-check install --quiet --constraint constraints.txt "$torch"
"$bin/pip" --disable-pip-version-check install --quiet --constraint constraints.txt "$wheel"
if "$bin/python" -c "import napari" 2>/dev/null || "$bin/python" -c "import qtpy" 2>/dev/null; then
    echo "the core has brought napari or Qt" >&2
    exit 1
fi
cd "$work"
"$bin/python" - <<'PY'
import napari_xmem as nx
from napari_xmem.sample_data import simulated_nuclei

movie, truth = simulated_nuclei(frames=4)
result = nx.propagate(movie, {0: truth[0]}, device="cpu")
print(nx.evaluate(result.labels, truth))
try:
    import napari_xmem.widgets.propagate
except ImportError as error:
    print(error)
else:
    raise SystemExit("the docks cannot be there without napari")
PY
"$bin/napari-xmem" demo demo

#!/usr/bin/env bash
# What the Containerfile does, in steps that can be tried without a container engine.
#   container_steps.sh wheel FOLDER     build the wheel of this source tree into FOLDER
#   container_steps.sh install FOLDER   install it with the extras for headless runs, then see that it works
# PYTHON names the interpreter (default: python3), TORCH_INDEX where torch comes from (default: as pip is set up).
set -euo pipefail
step="$1" folder="$2" python="${PYTHON:-python3}"
pip() { "$python" -m pip --disable-pip-version-check --no-cache-dir "$@"; }
case "$step" in
wheel)
    pip wheel --quiet --no-deps --wheel-dir "$folder" .
    ;;
install)
    wheel="$(ls "$folder"/napari_xmem-*.whl)"
    torch="$(sed -n 's/^\(torch==.*\)/\1/p' "$folder/constraints.txt")"
    pip install --quiet --constraint "$folder/constraints.txt" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
    # Stores by https too; those on S3 need s3fs besides, which takes older versions of aiohttp and fsspec.
    pip install --quiet --constraint "$folder/constraints.txt" "$wheel[dask,geff,metrics]" aiohttp fsspec
    if "$python" -c "import napari" 2>/dev/null || "$python" -c "import qtpy" 2>/dev/null; then
        echo "napari or Qt has come along, which a headless image does not need" >&2
        exit 1
    fi
    "$python" -m napari_xmem --version
    "$python" -m napari_xmem models
    ;;
*)
    echo "unknown step $step" >&2
    exit 2
    ;;
esac

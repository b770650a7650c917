#!/usr/bin/env bash
# Propagate every movie of a folder with the command line. Start it again after a break: what is done is skipped.
#   bash examples/overnight.sh MOVIES RESULTS [options of napari-xmem propagate]
# For each NAME.tif in MOVIES there must be NAME_seeds.tif.
set -uo pipefail
movies=$1 results=$2
shift 2
mkdir -p "$results"
for movie in "$movies"/*.tif; do
    name=$(basename "$movie" .tif)
    labels="$results/${name}_labels.tif"
    if [[ $name == *_seeds || -e $labels ]]; then
        continue
    fi
    echo "$(date +%H:%M) $name"
    napari-xmem propagate "$movie" --seeds "$movies/${name}_seeds.tif" --output "$labels" \
        --scores "$results/${name}_scores.csv" --resume --overwrite --quiet "$@" 2>> "$results/errors.log"
    status=$?
    if ((status >= 128)); then  # interrupted or terminated: stop here, not at the next movie
        exit $status
    elif ((status != 0)); then
        echo "      failed, see $results/errors.log"
    fi
done

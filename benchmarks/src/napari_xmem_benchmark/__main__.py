"""Runs one case in a process of its own, see `napari_xmem_benchmark.measure.run_case`."""

from __future__ import annotations

import json
import sys
import warnings

from napari_xmem_benchmark.command import main
from napari_xmem_benchmark.measure import Case
from napari_xmem_benchmark.run_here import run_here

if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--case":
        warnings.simplefilter("ignore")
        sys.stdout.write(json.dumps(run_here(Case(**json.loads(sys.argv[2])))) + "\n")
    else:
        sys.exit(main(sys.argv[1:]))

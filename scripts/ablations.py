"""Print docs/evidence/model.md's table of ablations: python scripts/ablations.py --data DATA [--model FILE].

DATA is a folder of image archives; docs/model.md says under "Data" which, and where they come from.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from napari_xmem_training.suite.ablations import run_ablations, table

KINDS = ("nuclei-dense", "phase-crowd", "yeast", "rods", "em-stack", "natural")
KINDS_WITH_DATA = (*KINDS, "still-phase", "drosophila")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    kinds = args.kinds or (KINDS_WITH_DATA if args.data else KINDS)
    results = run_ablations(
        args.model, args.data, kinds, args.objects, progress=lambda line: print(line, file=sys.stderr)
    )
    print(table(results, kinds))
    if args.json:
        values = {
            name: {s.kind: {str(c): round(r.mean, 4) for c, r in s.columns.items()} for s in scores}
            for name, scores in results.items()
        }
        args.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""check_distribution.py DIST: whether the wheel and the sdist of a release hold what they should, and no more."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

IN_SDIST = {"docs", "examples", "scripts", "src", "tests"}
NOT_IN_SDIST = ("docs/images/",)
SDIST_LIMIT_BYTES = 12_000_000


def check(folder: Path) -> list[str]:
    """Return what is wrong, a line each."""
    wrong = []
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
        message = message_from_string(archive.read(metadata).decode())
    for needed in ("napari_xmem/napari.yaml", "napari_xmem/py.typed", "napari_xmem/model/weights/LICENSE"):
        if needed not in names:
            wrong.append(f"{wheel.name} lacks {needed}")
    for line in message.get_payload().splitlines():
        if "](docs/" in line or "](CHANGELOG" in line or "](examples" in line:
            wrong.append(f"the long description has a link that holds in the repository only: {line.strip()}")
    core = [r for r in message.get_all("Requires-Dist", []) if "extra ==" not in r]
    wrong += [f"the core asks for {r}" for r in core if r.lower().startswith(("napari", "qtpy", "superqt", "magicgui"))]
    with tarfile.open(sdist) as archive:
        inside = [name.partition("/")[2] for name in archive.getnames()]
    wrong += [f"{sdist.name} holds {name}" for name in inside if name.startswith(NOT_IN_SDIST)]
    folders = {name.partition("/")[0] for name in inside if "/" in name}
    wrong += [f"{sdist.name} holds the folder {name}" for name in sorted(folders - IN_SDIST)]
    if sdist.stat().st_size > SDIST_LIMIT_BYTES:
        wrong.append(f"{sdist.name} has {sdist.stat().st_size:,} bytes, more than {SDIST_LIMIT_BYTES:,}")
    return wrong


if __name__ == "__main__":
    found = check(Path(sys.argv[1]))
    print("\n".join(found) or "wheel and sdist hold what they should")
    sys.exit(bool(found))

"""Copy the manifest from the top level into the package, where npe2 looks for it.

npe2 looks beside the package's ``__init__.py``. A copy made by this hook is found in wheels, in wheels built from an
sdist and in editable installs; after an edit of ``napari.yaml`` an editable install has to be repeated.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManifestHook(BuildHookInterface):
    """Hatchling hook, run before every build, editable ones included."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy ``napari.yaml``."""
        root = Path(self.root)
        shutil.copyfile(root / "napari.yaml", root / "src" / "napari_xmem" / "napari.yaml")

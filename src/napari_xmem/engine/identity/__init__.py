"""Identity: what objects looked like and where they went, and who is who after they hid each other or were lost."""

from __future__ import annotations

from napari_xmem.engine.identity.keeper import FrameSeen, IdentityKeeper

__all__ = ["FrameSeen", "IdentityKeeper"]

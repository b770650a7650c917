"""local_pages.py SITE: built pages take from the folder what they would fetch, the search script of local pages."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

SHIM = re.compile(r"https://unpkg\.com/iframe-worker(?:@[\w.]+)?/shim")
LOADED = re.compile(
    r"""<(?:script[^>]*\ssrc|link[^>]*\srel="?stylesheet"?[^>]*\shref|img[^>]*\ssrc)="?(https?://[^"\s>]+)"""
)


def main(site: Path) -> int:
    """Rewrite the pages; name what they would still fetch."""
    fetched = set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        here = os.path.relpath(site / "javascripts" / "iframe-worker-shim.js", page.parent).replace(os.sep, "/")
        text = SHIM.sub(here, text)
        page.write_text(text, encoding="utf-8")
        fetched.update(LOADED.findall(text))
    if fetched:
        print("pages fetch from elsewhere:", *sorted(fetched), sep="\n  ")
    return bool(fetched)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

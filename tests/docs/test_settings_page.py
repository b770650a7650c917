"""docs/settings.md is what the configs say; nothing in the manifest says otherwise."""

from __future__ import annotations

import runpy

import yaml

from napari_xmem.config import PropagationConfig, settings_of


def test_the_page_is_what_the_configs_say(repository):
    written = runpy.run_path(str(repository / "scripts" / "settings_page.py"))["page"]()
    assert written == (repository / "docs" / "settings.md").read_text(encoding="utf-8"), (
        "run python scripts/settings_page.py"
    )


def test_remembered_choices_in_the_manifest_agree_with_the_configs(repository):
    manifest = yaml.safe_load((repository / "napari.yaml").read_text(encoding="utf-8"))
    properties = manifest["contributions"]["configurations"]["propagate"]["properties"]
    known = settings_of(PropagationConfig)
    for name in ("device", "scope", "direction"):
        assert properties[name]["default"] == known[name].default
        if known[name].closed:
            assert properties[name]["enum"] == [option.value for option in known[name].options]

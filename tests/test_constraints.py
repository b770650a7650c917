"""The set that development uses is whole: what pyproject.toml asks for is there, in a version that it allows."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def test_each_requirement_is_pinned_to_a_version_that_is_allowed(repository, project):
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines[1:])}
    asked = list(project["project"]["dependencies"])
    asked += [text for extra in project["project"]["optional-dependencies"].values() for text in extra]
    asked += [text for group in project["dependency-groups"].values() for text in group if isinstance(text, str)]
    wrong = []
    for text in asked:
        wanted = Requirement(text)
        version = pinned.get(canonicalize_name(wanted.name))
        if canonicalize_name(wanted.name) != "napari-xmem" and (version is None or version not in wanted.specifier):
            wrong.append(f"{text}: {version or 'no pin'}")
    assert len(asked) > 40
    assert not wrong, "\n".join(wrong)

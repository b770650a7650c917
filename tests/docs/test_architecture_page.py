"""The page about the architecture names rooms, files and classes that there are, and every room."""

from __future__ import annotations

import re

import pytest

#: What other programs and the language have, and code that is no name.
OF_OTHERS = {
    "Any", "RuntimeError", "TID251", "--help", "errored", "finished", "force-include", "next()", "sys.modules",
    "import napari_xmem", "scope.advance(frame, index, seeds)",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(repository):
    text = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).replace("``", "`")


@pytest.fixture(scope="module")
def package(repository):
    return repository / "src" / "napari_xmem"


def test_what_stands_on_the_page_exists(repository, package, page):
    inside = [path for path in package.rglob("*") if "__pycache__" not in path.parts]
    places = [f"/{path.relative_to(package).as_posix()}" for path in inside]
    modules = {path.stem for path in inside}
    source = "\n".join(path.read_text(encoding="utf-8") for path in inside if path.suffix == ".py")

    def exists(word):
        word = word.removeprefix("python ").removeprefix("napari-xmem ").split()[0].rstrip("/")
        if (repository / word).exists() or any(place.endswith(f"/{word}") for place in places):
            return True
        if word.endswith(".py") or "/" in word:
            return False
        name = re.split(r"[=(]", word)[0].rpartition(".")[2]
        return name in modules or re.search(rf"(\bclass |\bdef |^    |self\.){name}\b( =|:|\(|,)", source, re.M)

    missing = [word for word in re.findall(r"`([^`]+)`", page) if word not in OF_OTHERS and not exists(word)]
    assert missing == []


def test_dotted_names_are_where_they_are_said_to_be(package, page):
    for room, name in re.findall(r"`([a-z_]+)\.(?:[a-z_]+\.)*(\w+)`", page):
        if (package / room).is_dir():
            files = (package / room).rglob("*.py")
            assert any(re.search(rf"\b(class|def) {name}\b", f.read_text(encoding="utf-8")) for f in files) or list(
                (package / room).rglob(f"{name}.py")
            ), f"{room}.{name}"


def test_every_room_is_on_the_page(package, page):
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    told = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    assert rooms - {"__init__", "__main__", "_version"} <= told
    folders = {path.name for path in (package / "widgets").iterdir() if (path / "__init__.py").exists()}
    assert folders - told <= {path.parent.name for path in (package / "widgets").glob("*/dock.py")}  # a folder per dock

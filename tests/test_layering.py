"""Imports point one way; docs/architecture.md says why."""

from __future__ import annotations

import ast

import pytest

BASE = {"errors", "config", "files"}
# A room may import itself and these.
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "files": set(),
    "imaging": BASE,
    "tracking": BASE | {"imaging"},
    "model": BASE | {"imaging"},
    "memory": BASE | {"imaging"},
    "engine": BASE | {"imaging", "tracking", "model", "memory"},
    "io": BASE | {"imaging", "tracking"},
    "simulate": BASE | {"imaging"},
    "sample_data": BASE | {"imaging", "simulate"},
    "session": BASE | {"imaging", "model", "memory", "engine", "tracking", "io"},
    "cli": None,
    "__main__": {"cli"},
    "widgets": None,
    "__init__": None,
}
NEVER = {"widgets": {"widgets"}, "cli": {"cli", "__main__"}}
GUI = {"napari", "qtpy", "magicgui", "superqt", "PyQt6", "PySide6"}


def room_of(path, package):
    first = path.relative_to(package).parts[0]
    return first.removesuffix(".py")


def imported(path):
    """Yield (module, inside a function or type-checking block?) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.If))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module != "napari_xmem" else [f"napari_xmem.{a.name}" for a in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) in lazy


@pytest.fixture(scope="module")
def sources(repository):
    package = repository / "src" / "napari_xmem"
    return [(path, room_of(path, package)) for path in sorted(package.rglob("*.py"))]


def test_arrows(sources):
    wrong = []
    for path, room in sources:
        assert room in ALLOWED, (
            f"{room} is a new room: say in test_layering.py and docs/architecture.md what it may import"
        )
        for name, _ in imported(path):
            parts = name.split(".")
            if parts[0] != "napari_xmem" or len(parts) == 1 or parts[1] in (room, "__version__"):
                continue
            if ALLOWED[room] is not None and parts[1] not in ALLOWED[room]:
                wrong.append(f"{path.name} ({room}) imports {name}")
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_outermost_rooms(sources):
    wrong = [
        f"{path} imports {name}"
        for path, room in sources
        for name, _ in imported(path)
        for outer, users in NEVER.items()
        if name.startswith(f"napari_xmem.{outer}") and room not in users
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_never_imports_training_or_benchmark(sources):
    """They are distributions of their own, which `cli.extras` looks for when a command needs them."""
    wrong = [
        f"{path} imports {name}"
        for path, _ in sources
        for name, _ in imported(path)
        if name.split(".")[0] in {"napari_xmem_training", "napari_xmem_benchmark"}
    ]
    assert not wrong, "\n".join(wrong)


def test_only_widgets_import_the_gui(sources):
    wrong = [
        f"{path} imports {name}"
        for path, room in sources
        for name, _ in imported(path)
        if name.split(".")[0] in GUI and room != "widgets"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["imaging", "io", "tracking"])
def test_rooms_without_torch(sources, room):
    wrong = [path for path, r in sources if r == room for name, _ in imported(path) if name.split(".")[0] == "torch"]
    assert not wrong


def test_no_assert_and_no_print_in_the_package(sources):
    wrong = []
    for path, _ in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if isinstance(node, ast.Assert) or called == "print":
                wrong.append(f"{path}:{node.lineno}")
    assert not wrong, "\n".join(wrong)

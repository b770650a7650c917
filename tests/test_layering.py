"""Imports point one way; docs/architecture.md says why."""

from __future__ import annotations

import ast
import collections
import functools

import pytest

BASE = {"errors", "config", "files", "notices", "words"}
# A room may import itself and these.
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "files": set(),
    "notices": set(),
    "words": set(),
    "imaging": BASE,
    "tracking": BASE | {"imaging"},
    "model": BASE | {"imaging"},
    "memory": BASE | {"imaging"},
    "engine": BASE | {"imaging", "tracking", "model", "memory", "io"},
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


@functools.cache
def nodes(path):
    """Imports, assertions and calls of a file; everything is read once."""
    kinds = (ast.Import, ast.ImportFrom, ast.Assert, ast.Call)
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]


def imported(path):
    """Yield the module of every import in a file, inside functions and type-checking blocks too."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from [node.module] if node.module != "napari_xmem" else [f"napari_xmem.{a.name}" for a in node.names]


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
        for name in imported(path):
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
        for name in imported(path)
        for outer, users in NEVER.items()
        if name.startswith(f"napari_xmem.{outer}") and room not in users
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_never_imports_training_or_benchmark(sources):
    """They are distributions of their own, which `cli.optional_commands` looks for when a command needs them."""
    wrong = [
        f"{path} imports {name}"
        for path, _ in sources
        for name in imported(path)
        if name.split(".")[0] in {"napari_xmem_training", "napari_xmem_benchmark"}
    ]
    assert not wrong, "\n".join(wrong)


def test_only_widgets_import_the_gui(sources):
    wrong = [
        f"{path} imports {name}"
        for path, room in sources
        for name in imported(path)
        if name.split(".")[0] in GUI and room != "widgets"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["imaging", "io", "tracking"])
def test_rooms_without_torch(sources, room):
    wrong = [path for path, r in sources if r == room for name in imported(path) if name.split(".")[0] == "torch"]
    assert not wrong


def test_no_assert_and_no_print_in_the_package(sources):
    wrong = []
    for path, _ in sources:
        for node in nodes(path):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if isinstance(node, ast.Assert) or called == "print":
                wrong.append(f"{path}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


def test_only_programs_of_one_thread_change_how_python_warns(sources):
    """Filters and ``showwarning`` belong to all threads: a thread of the viewer may not set them for a while."""
    wrong = [
        f"{path}:{node.lineno}"
        for path, room in sources
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("catch_warnings")
        if room != "cli" and path.name != "metrics.py"  # scores of tracks are worked out for scripts and the shell
    ]
    assert not wrong, "\n".join(wrong)


MOST_FILES = 26


def module_of(path, package):
    return ".".join(path.relative_to(package).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


def import_graph(paths, package):
    """Return the modules that each module imports, at any place: in functions and for type checking too."""
    known = {module_of(path, package) for path in paths}
    graph = {}
    for path in paths:
        found = graph.setdefault(module_of(path, package), set())
        for node in nodes(path):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                if name.startswith(f"{package.name}."):
                    inner = name.removeprefix(f"{package.name}.")
                    found.add(inner if inner in known else inner.rpartition(".")[0])
    return graph


def circles(graph):
    """Return the sets of modules that reach each other."""

    def reached_from(start):
        reached, ahead = set(), [start]
        while ahead:
            for other in graph.get(ahead.pop(), ()):
                if other not in reached:
                    reached.add(other)
                    ahead.append(other)
        return reached

    reached = {module: reached_from(module) for module in graph}
    found = []
    for module in graph:
        together = {other for other in reached[module] if module in reached.get(other, ())}
        if together and together not in found:
            found.append(together)
    return found


@pytest.mark.parametrize(
    "package",
    ["src/napari_xmem", "training/src/napari_xmem_training", "benchmarks/src/napari_xmem_benchmark"],
)
def test_no_file_imports_in_a_circle(repository, package):
    graph = import_graph(sorted((repository / package).rglob("*.py")), repository / package)
    assert any(graph.values())
    assert circles(graph) == []


def test_circles_are_found(tmp_path):
    room = tmp_path / "some_package" / "room"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text("")
    (room / "a.py").write_text("from some_package.room import b")
    (room / "b.py").write_text("if TYPE_CHECKING:\n    from some_package.room.c import thing")
    (room / "c.py").write_text("def late():\n    import some_package.room.a")
    (room / "d.py").write_text("from some_package.room.a import thing")
    graph = import_graph(sorted(room.rglob("*.py")), room.parent)
    assert circles(graph) == [{"room.a", "room.b", "room.c"}]


def test_no_folder_is_crowded(sources, repository):
    package = repository / "src" / "napari_xmem"
    counts = collections.Counter(path.parent.relative_to(package).as_posix() for path, _ in sources)
    assert {name: n for name, n in counts.items() if n > MOST_FILES} == {}

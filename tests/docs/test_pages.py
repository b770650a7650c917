"""The pages: navigation and files agree, code on them is run or stands in an example, commands exist."""

from __future__ import annotations

import re
import runpy
import shlex
import textwrap
from types import ModuleType

import numpy as np
import pytest
import tifffile
import yaml

from napari_xmem import PropagationConfig, TrackingSession
from napari_xmem.model import load_model, save_model

PAGES = (
    *(
        "README.md",
        "docs/scripting.md",
        "docs/models.md",
        "docs/long_movies.md",
        "docs/errors.md",
        "docs/correcting.md",
    ),
    *("docs/round_trips.md", "docs/finding.md", "docs/command_line.md", "docs/identity.md", "docs/lineages.md"),
)
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without resolving names of Python functions."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


def blocks(repository, page):
    """Language, title and text of every code block of a page."""
    return FENCE.findall((repository / page).read_text(encoding="utf-8"))


def settings(repository):
    """Content of mkdocs.yml."""
    return yaml.load((repository / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)


def docs_pages(repository):
    """All pages that are published."""
    excluded = {repository / "docs" / line.strip("/ ") for line in settings(repository).get("exclude_docs", "").split()}
    return [path for path in (repository / "docs").rglob("*.md") if path not in excluded]


def nav_files(entries):
    """All files named in a navigation."""
    for entry in entries:
        for value in entry.values():
            yield from nav_files(value) if isinstance(value, list) else [value]


def test_navigation_and_files_agree(repository):
    docs = repository / "docs"
    named = list(nav_files(settings(repository)["nav"]))
    assert len(named) == len(set(named))
    assert sorted(named) == sorted(path.relative_to(docs).as_posix() for path in docs_pages(repository))


def test_diagrams_are_pictures_that_the_script_draws(repository, tmp_path):
    assert not [path for path in docs_pages(repository) if "```mermaid" in path.read_text(encoding="utf-8")]
    diagrams = runpy.run_path(str(repository / "scripts" / "diagrams.py"))
    for name in ("memory_life", "frame_way"):
        diagrams[name](tmp_path)
        drawn, there = (folder / f"{name}.svg" for folder in (tmp_path, repository / "docs" / "images"))
        comments = [re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")) for path in (drawn, there)]
        assert len(comments[0]) > 8 and comments[0] == comments[1], "run scripts/diagrams.py"


def test_links_and_pictures_exist(repository):
    for page in [repository / "README.md", *docs_pages(repository)]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"https?:|#", target):
                assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target}"


def test_reference_names_exist(repository):
    from importlib import import_module

    for page in (repository / "docs" / "api").glob("*.md"):
        for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            module, _, attribute = name.rpartition(".")
            shown = getattr(import_module(module), attribute)
            assert page.stem == "errors" or not isinstance(shown, ModuleType), (
                f"{name} names a module, not what is in it"
            )


def test_every_public_name_is_in_the_reference(repository):
    import napari_xmem

    text = "".join(path.read_text(encoding="utf-8") for path in (repository / "docs" / "api").glob("*.md"))
    shown = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE)}
    documented_with_their_room = {"XMemError", "__version__"}
    assert set(napari_xmem.__all__) - documented_with_their_room <= shown


def test_titled_blocks_stand_in_the_examples(repository):
    found = 0
    for page in docs_pages(repository):
        for _, title, text in blocks(repository, page.relative_to(repository)):
            if title:
                source = (repository / title).read_text(encoding="utf-8")
                inside = [text, textwrap.indent(text, "    ")]
                assert any(version in source for version in inside), f"{page.name} shows other code than {title}"
                found += 1
    assert found >= 2


def test_commands_and_options_exist(repository):
    """Every `napari-xmem` line of every page (but benchmarks) is understood by the parsers; nothing is run."""
    from napari_xmem.cli.command_line import build_parser
    from napari_xmem_training import cli as training

    seen = 0
    for page in [repository / "README.md", *docs_pages(repository)]:
        for language, title, text in blocks(repository, page.relative_to(repository)):
            if language != "bash" or title:
                continue
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["napari-xmem", "train"]:
                    training.build_parser().parse_args(words[2:])
                elif words[:2] == ["napari-xmem", "benchmark"]:
                    continue  # its options are its own affair
                elif words[:1] == ["napari-xmem"]:
                    build_parser().parse_args(words[1:])
                elif words[:1] in (["python"], ["bash"]) and words[1] != "-m":
                    assert (repository / words[1]).is_file(), line
                    continue
                else:
                    continue
                seen += 1
    assert seen > 10


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A working folder with the files that the pages name, and the variables that their code takes for granted."""
    t, y, x = np.mgrid[:5, :48, :64]
    labels = np.zeros(t.shape, np.uint16)
    labels[(y - 20) ** 2 + (x - 18 - 2 * t) ** 2 < 90] = 1
    labels[(y - 30) ** 2 + (x - 46 + t) ** 2 < 90] = 2
    movie = (200 + 3000 * (labels > 0) + np.random.default_rng(0).normal(0, 50, t.shape)).astype(np.uint16)
    seeds = labels.copy()
    seeds[1:] = 0
    for name, array in (("movie", movie), ("seeds", seeds), ("labels", labels), ("truth", labels)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="minisblack", metadata={"axes": "TYX"})
    (tmp_path / "spots.csv").write_text("TRACK_ID,FRAME,POSITION_X,POSITION_Y\n0,0,3,4\n0,1,3,5\n", encoding="utf-8")
    save_model(load_model("bundled", "cpu"), tmp_path / "my_model.safetensors")
    monkeypatch.chdir(tmp_path)
    return {
        "movie": movie,
        "frames": movie,
        "seeds": seeds[0],
        "first_labels": labels[0],
        "three_cells": labels[0],
        "more_labels": labels[3],
        "truth": labels,
        "masks": labels,
        "volumes": np.stack([movie[:2]] * 2, axis=1),
        "volume_labels": np.stack([labels[0], np.zeros_like(labels[0])]),
    }


def cells_that_divide():
    """3 divides into 7 and 8, 4 goes on as 9, and 5 and 6 stay as they are, on six frames; `painted` halves 6."""
    t, y, x = np.mgrid[:6, :64, :96]
    labels = np.zeros(t.shape, np.uint16)
    discs = {3: (16, 16, 7, range(3)), 7: (9, 16, 5, range(3, 6)), 8: (23, 16, 5, range(3, 6))}
    discs |= {4: (16, 48, 7, range(4)), 9: (16, 48, 7, range(4, 6)), 5: (16, 80, 7, range(6)), 6: (48, 40, 7, range(6))}
    for number, (row, column, radius, frames) in discs.items():
        inside = (y - row) ** 2 + (x - column - t / 2) ** 2 < radius**2
        labels[inside & np.isin(t, frames)] = number
    movie = (200 + 3000 * (labels > 0) + np.random.default_rng(0).normal(0, 50, t.shape)).astype(np.uint16)
    painted = np.zeros_like(labels[0])
    painted[40:56, 36:41], painted[40:56, 43:48] = 20, 21
    return {"movie": movie, "labels": labels, "painted": painted}


@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_runs(repository, scene, page):
    if page == "README.md":
        scene = {}  # it is pasted by who has nothing yet
    if page == "docs/identity.md":
        session = TrackingSession(scene["movie"][:2], {0: scene["seeds"]}, config=PropagationConfig(scope="local"))
        session.run()
        scene |= {"session": session, "labels": scene["seeds"]}
    if page == "docs/lineages.md":
        scene |= cells_that_divide()
        for name in ("movie", "labels"):
            tifffile.imwrite(f"{name}.tif", scene[name], photometric="minisblack", metadata={"axes": "TYX"})
    code = [text for language, title, text in blocks(repository, page) if language == "python" and not title]
    assert code
    for text in code:
        if "iter_propagate(frames, {0: first_labels, 40:" in text:  # its movie is longer than ours
            text = text.replace("40:", "3:")
        if "session.divide(" in text:  # each line is another way; what is done last can be taken back
            scene["session"] = session = TrackingSession.of_labels(scene["movie"], scene["labels"])
            for line in text.splitlines():
                exec(line, scene)
                if "(" in line and "link(7, 3)" not in line:
                    session.undo()
            continue
        if "viewer." not in text:  # a viewer's own affair, see tests/widgets
            exec(compile(text, page, "exec"), scene)


def test_memory_of_presets_is_as_told(repository, scene, capsys):
    """The settings on the page are those of the presets, and what they need is right within a sixth."""
    from napari_xmem.widgets.propagate.presets import PRESETS

    page = "docs/long_movies.md"
    code = next(text for language, _, text in blocks(repository, page) if language == "python")
    told = next(text for language, _, text in blocks(repository, page) if language == "text")
    exec(compile(code, page, "exec"), scene)
    presets = {preset.text.lower(): preset.memory for preset in PRESETS}
    for name, memory in scene["settings"].items():
        assert memory == presets.get(name, presets["nuclei (standard)"]), name
    for line, printed in zip(told.splitlines(), capsys.readouterr().out.splitlines(), strict=True):
        name, n_bytes = re.fullmatch(r"(.*): (\d+) MB for 39 objects", line).groups()
        now = re.fullmatch(rf"{name}: (\d+) MB for 39 objects", printed)
        assert int(now[1]) == pytest.approx(int(n_bytes), rel=1 / 6), printed


@pytest.mark.gui
def test_keys_are_told(repository):
    from napari_xmem.widgets.lineage.form import ACTIONS
    from napari_xmem.widgets.propagate import dock as propagate
    from napari_xmem.widgets.review import dock as review

    page = (repository / "docs" / "first_movie.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (Shift\+\w) \|", page, flags=re.MULTILINE))
    assert told == {key.replace("-", "+") for key in (*propagate.KEYS, *review.KEYS, *(a[1] for a in ACTIONS))}

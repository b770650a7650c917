"""The errors that docs/errors.md explains, provoked one by one: nothing in them is made up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tifffile

import napari_xmem as nx
from napari_xmem.cli.command_line import build_parser
from napari_xmem.session import TrackingSession

MOVIE = np.random.default_rng(0).integers(0, 1000, (10, 48, 64)).astype(np.uint16)
SEEDS = np.zeros((48, 64), np.uint16)
SEEDS[10:30, 10:30] = 1


class Provoked:
    """One method per error, to be called in an empty working folder; helpers stand at the end."""

    # ---- files in

    def no_file(self):
        nx.open_movie("movie.tif")

    def unknown_kind(self):
        Path("movie.mp4").touch()
        nx.open_movie("movie.mp4")

    def single_image(self):
        np.save("image.npy", MOVIE[0])
        nx.open_movie("image.npy")

    def axes_unknown(self):
        np.save("movie.npy", np.zeros((10, 5, 48, 64), np.uint16))
        nx.open_movie("movie.npy")

    def stack_in_time(self):
        np.save("movie.npy", np.zeros((10, 5, 48, 64), np.uint16))
        nx.open_movie("movie.npy", axes="TZYX")

    def cut_off(self):
        tifffile.imwrite("movie.tif", MOVIE, photometric="minisblack", metadata={"axes": "TYX"})
        os.truncate("movie.tif", 20_000)
        nx.open_movie("movie.tif")

    def too_many_channels(self):
        nx.propagate(np.zeros((10, 48, 64, 5), np.uint8), SEEDS)

    def swapped_axes(self):
        nx.propagate(MOVIE[:1], SEEDS)

    def nothing_in_range(self):
        self.files()
        self.run("propagate", "good.tif", "--seeds", "seeds.npy", "--seed-frame", "2", "--start", "5", "-o", "out.tif")

    # ---- arguments

    def path_for_a_frame(self):
        nx.find_similar("movie.tif", SEEDS)

    # ---- seeds

    def nothing_painted(self):
        nx.propagate(MOVIE, np.zeros_like(SEEDS))

    def seeds_of_another_size(self):
        nx.propagate(MOVIE, SEEDS[:40])

    def seeds_of_another_length(self):
        nx.propagate(MOVIE, np.zeros((7, 48, 64), np.uint16))

    def every_frame_labelled(self):
        self.files()
        np.save("all.npy", np.stack([SEEDS] * len(MOVIE)))
        self.run("propagate", "good.tif", "--seeds", "all.npy", "--output", "labels.tif")

    def two_series(self):
        Path("frames").mkdir()
        for t in range(4):
            for channel in (1, 2):
                tifffile.imwrite(f"frames/t{t}_ch{channel}.tif", MOVIE[t])
        nx.open_movie("frames")

    def a_pickled_segmentation(self):
        np.save("image_seg.npy", {"masks": SEEDS}, allow_pickle=True)
        nx.open_labels("image_seg.npy")

    def probabilities(self):
        nx.propagate(MOVIE, SEEDS * 0.5)

    def frame_beyond_the_end(self):
        nx.propagate(MOVIE, {10: SEEDS})

    def negative(self):
        nx.propagate(MOVIE, {0: -SEEDS.astype(np.int16)})

    def the_movie_itself(self):
        nx.propagate(MOVIE, MOVIE[0])

    # ---- settings

    def misspelt(self):
        self.files()
        self.run("propagate", "good.tif", "--seeds", "seeds.npy", "-o", "out.tif", "--memory", "topk=20")

    def misspelt_setting(self):
        nx.MemoryConfig(topk=20)

    def out_of_range(self):
        nx.MemoryConfig(top_k=0)

    def contradiction(self):
        nx.MemoryConfig(working_min_frames=8, working_max_frames=6)

    def unknown_policy(self):
        nx.propagate(MOVIE, SEEDS, memory=nx.MemoryConfig(eviction="oldest"))

    # ---- files out

    def exists(self):
        Path("labels.tif").touch()
        nx.LabelWriter("labels.tif", (10, 48, 64), "uint16")

    def no_folder(self):
        nx.LabelWriter("results/labels.tif", (10, 48, 64), "uint16")

    def unknown_ending(self):
        nx.LabelWriter("labels.png", (10, 48, 64), "uint16")

    def output_is_input(self):
        self.files()
        self.run("propagate", "good.tif", "--seeds", "seeds.npy", "-o", "good.tif", "--overwrite")

    def unfinished(self):
        self.files()
        Path("labels.tif.unfinished").mkdir()
        Path("labels.tif.unfinished", "run.json").write_text("{}")
        self.run("propagate", "good.tif", "--seeds", "seeds.npy", "-o", "labels.tif")

    def disk_full(self):
        from napari_xmem.io import writer

        with writer._saying(Path("labels.tif")):  # what the writer wraps around every write
            raise OSError(28, "No space left on device")

    # ---- models

    def no_weights(self):
        nx.load_model("my_model.pth")

    def no_weights_inside(self):
        Path("weights.pth").write_bytes(b"<html>not found</html>")
        nx.load_model("weights.pth")

    def cut_short(self):
        from napari_xmem.model.checkpoint import bundled_path

        Path("model.safetensors").write_bytes(bundled_path().read_bytes()[:1000])
        nx.load_model("model.safetensors")

    def another_network(self):
        import torch

        torch.save({"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(3)}, "resnet.pth")
        nx.load_model("resnet.pth")

    def whole_object(self):
        import torch

        torch.save(torch.nn.Linear(2, 2), "model.pth")
        nx.load_model("model.pth")

    def no_network(self):
        from napari_xmem.model import checkpoint
        from napari_xmem.notices import listening

        before, checkpoint.XMEM_URL = checkpoint.XMEM_URL, "http://127.0.0.1:9/XMem.pth"
        cache, os.environ["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME"), os.getcwd()
        try:
            with listening(lambda warning: None):  # that it will be downloaded
                nx.load_model("xmem")
        finally:
            checkpoint.XMEM_URL = before
            os.environ.pop("XDG_CACHE_HOME")
            if cache is not None:
                os.environ["XDG_CACHE_HOME"] = cache

    # ---- the machine

    def no_such_gpu(self):
        nx.load_model("bundled", device="cuda:99")

    def no_such_name(self):
        nx.load_model("bundled", device="gpu")

    def no_room(self):
        self.fail_on_a_frame(MemoryError("1.2 GB were asked for"))

    def unforeseen(self):
        self.fail_on_a_frame(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))

    # ---- memory and sessions

    def another_model(self):
        from napari_xmem.memory import MemoryBank

        MemoryBank(nx.MemoryConfig(), key_dim=4, value_dim=4).save("nuclei.xmem", fingerprint="0123456789abcdef")
        MemoryBank.load("nuclei.xmem", fingerprint="5afe6f66cd80acf8")

    def another_scope(self):
        from napari_xmem.engine.state_file import StoredMemory

        StoredMemory("local", "5afe6f66cd80acf8", (), {}).check("5afe6f66cd80acf8", "global")

    def no_memory_file(self):
        from napari_xmem.engine.state_file import load_memory

        Path("notes.txt").write_text("frame 3 looks odd")
        load_memory("notes.txt")

    def nothing_to_undo(self):
        TrackingSession(MOVIE, {0: SEEDS}).undo()

    def locked(self):
        session = TrackingSession.of_labels(MOVIE, np.stack([SEEDS] * len(MOVIE)))
        session.lock([4])
        session.correct({4: SEEDS})

    def not_done_yet(self):
        TrackingSession(MOVIE, {0: SEEDS}).lock([4])

    # ---- helpers

    def files(self):
        """Write a movie and seeds that are right."""
        tifffile.imwrite("good.tif", MOVIE, photometric="minisblack", metadata={"axes": "TYX"})
        np.save("seeds.npy", SEEDS)

    def run(self, *arguments):
        """Run the command line and raise what it would print."""
        args = build_parser().parse_args(arguments)
        args.run(args)

    def fail_on_a_frame(self, error):
        """Let a frame fail the way torch or the system would."""
        from napari_xmem.engine.run_passes import _guarded

        def frames():
            raise error
            yield

        list(_guarded(frames()))


CASES = [
    name for name in vars(Provoked) if not name.startswith("_") and name not in ("files", "run", "fail_on_a_frame")
]

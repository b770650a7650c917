"""What is wrong with a movie's frames stands in the result, whoever finds it, and is kept with it."""

import numpy as np
from scipy import ndimage

from napari_xmem import PropagationResult, propagate
from napari_xmem.cli import main


def movie_and_seeds():
    """Three textured cells on 96 x 112 px that move a little; 20 frames."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:160, :176]
    texture = ndimage.gaussian_filter(rng.standard_normal(y.shape), 2) * 3
    field, labels = np.full(y.shape, 0.1), np.zeros(y.shape, np.uint8)
    for i, (row, column) in enumerate([(60, 60), (64, 110), (100, 80)], start=1):
        inside = np.hypot(y - row, x - column) < 10
        field[inside], labels[inside] = 0.6 + 0.1 * texture[inside], i
    field = ndimage.gaussian_filter(field, 1)
    frames = np.empty((14, 96, 112))
    for t in range(14):
        top = 32 if t < 10 else 22  # the stage jumps by 10 px
        frames[t] = field[top : top + 96, 32:144] + rng.normal(0, 0.03, (96, 112))
    return np.clip(frames * 20000 + 500, 0, 65535).astype(np.uint16), labels[32:128, 32:144]


def test_faults_of_a_movie_are_in_the_result_in_its_file_and_on_the_command_line(tmp_path, capsys):
    frames, seeds = movie_and_seeds()
    assert not propagate(frames[:4], seeds).acquisition
    frames[3] = frames[2]
    frames[5] = 0
    frames[7:] = np.clip(frames[7:] * 1.6, 0, 65535).astype(np.uint16)
    result = propagate(frames, seeds)
    seen = result.acquisition
    assert seen.frames("repeated") == (3,) and seen.frames("blank") == (5,)
    assert seen.frames("brightness step") == (7,) and seen.frames("shift") == (10,)
    assert {one.frame for one in seen.findings} == {3, 5, 7, 10}
    (shift,) = (one for one in seen.findings if one.kind == "shift")
    assert np.allclose((shift.y_px, shift.x_px), (10, 0), atol=1)
    (step,) = (one for one in seen.findings if one.kind == "brightness step")
    assert abs(step.amount - 1.6) < 0.1
    result.save(tmp_path / "run.npz")
    assert PropagationResult.load(tmp_path / "run.npz").acquisition == seen
    assert result.frame(3).findings == seen.findings[:1]
    np.save(tmp_path / "movie.npy", frames[:7])
    np.save(tmp_path / "seeds.npy", seeds)
    movie, painted, labels = (str(tmp_path / name) for name in ("movie.npy", "seeds.npy", "labels.npy"))
    assert main(["propagate", movie, "--seeds", painted, "-o", labels]) == 0
    assert "acquisition: repeated: frame 3; blank: frame 5" in capsys.readouterr().out

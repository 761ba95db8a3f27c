"""Chapter 10: wrong versions of what the learner writes are refused in the words that fit; and what
the chapter says of tiles and margins.
"""

import inspect

import numpy as np
import pytest
import torch

from benchmarks.full_frames import in_blocks
from extras.benchmark_server import where
from extras.exercises import ch10, verdict
from helpers.inference import predict_frame
from helpers.labels import TRAIN_19
from helpers.unet import UNet

LARGE = 'interpolate(batch, scale_factor=factor, mode="bilinear")'
IN_PLACE = (
    "for number, label_id in enumerate(TRAIN_19.ids):\n"
    "        train_ids[train_ids == number] = label_id\n"
    "    return np.where(train_ids == 255, 0, train_ids).astype(np.uint8)"
)
WRONG = [
    ("10.A", "step = tile // grid * grid", "step = tile", "388 is no multiple of 16"),
    ("10.A", "step = tile // grid * grid", "step = tile // grid * grid + grid", "there is a gap"),
    ("10.A", "+ tile < length", "+ 2 * tile < length", "pixels are not covered"),
    ("10.A", "tile // grid * grid", "(tile // grid - 1) * grid", "2 tiles are enough"),
    ("10.A", "+ tile < length", "+ tile <= length", "one tile is enough"),
    ("10.A", "return positions", "return range(0, length, step)", "expected a list, found range"),
    ("10.A", "tile // grid * grid", "1.0 * (tile // grid * grid)", "pixels have whole numbers"),
    ("10.B", LARGE, LARGE.replace(', mode="bilinear"', ""), "each label became a block"),
    ("10.B", LARGE, LARGE[:-1] + ", align_corners=True)", "align_corners"),
    ("10.B", "large[0].argmax(0)", "large[0]", "argmax over the classes is missing"),
    ("10.B", "large[0].argmax(0)", "large.argmax(1)", "the batch of one is still there"),
    ("10.B", "batch = logits[None]", "batch = logits", "wants a batch"),
    ("10.B", "batch = logits[None]", "batch = logits[None].softmax(1)", "enlarged probabilities"),
    ("10.B", "scale_factor=factor", "scale_factor=4", "use `factor`"),
    ("10.B", "large[0].argmax(0)", "large[0].argmax(0).numpy()", "expected a tensor"),
    ("10.C", "return table[train_ids]", "return train_ids", "still train ids"),
    ("10.C", "np.uint8", "np.int64", "one channel of 8 bits"),
    ("10.C", "np.zeros(256, np.uint8)", "np.arange(256).astype(np.uint8)", "became 255"),
    ("10.C", "TRAIN_19.ids", "np.arange(1, 20)", "are label ids"),
    ("10.C", "return table[train_ids]", "return table[train_ids].tolist()", "found list"),
    ("10.C", "return table[train_ids]", IN_PLACE, "0 became 7, and later 7 became 20"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch10.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch10))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


def test_labels_enlarged_by_interpolation_are_refused():
    def enlarge(logits, factor):
        labels = logits.argmax(0)[None, None].float()
        large = torch.nn.functional.interpolate(labels, scale_factor=factor, mode="bilinear")
        return large[0, 0].long()

    assert "argmax comes last" in verdict("10.B", enlarge)


def test_a_label_map_is_decoded_as_the_helper_does():
    train_ids = np.array([[*range(19), 255]], np.uint8)
    assert np.array_equal(ch10.to_submission(train_ids), TRAIN_19.decode(train_ids))


def test_bands_of_distance_by_hand():
    truth = np.zeros((9, 80), np.uint8)
    truth[:, 40:] = 1
    bands = where.edge_bands(truth)[4]
    # Distances 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33 to the right edge of the zeros
    distances = np.array([1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33])
    names = [where.EDGE_NAMES[band] for band in bands[40 - distances]]
    pairs = ["1", "2", "3-4", "3-4", "5-8", "5-8", "9-16", "9-16", "17-32", "17-32", "more"]
    assert names == pairs
    right, asked = where.right_by_distance(np.zeros_like(truth), truth)
    assert asked.sum() == truth.size and right.sum() == (truth == 0).sum()


def test_things_are_counted_one_by_one():
    instances = np.array([[26001, 26001, 26002, 7], [26001, 26001, 24000, 7]])
    prediction = np.array([[13, 13, 13, 0], [13, 0, 11, 0]], np.uint8)
    things = where.found_things(prediction, instances, TRAIN_19)
    assert sorted(map(tuple, things.tolist())) == [(1.0, 1.0), (1.0, 1.0), (4.0, 0.75)]
    sizes = np.array([1, 399, 400, 1999, 2000, 50_000])
    names = [where.SIZE_NAMES[band] for band in where.size_band(sizes)]
    assert names == [
        "below 400",
        "below 400",
        "400-1,999",
        "400-1,999",
        "2,000-9,999",
        "50,000 and more",
    ]


def test_how_far_a_label_sees_and_a_tile_on_the_grid():
    """107 pixels to each side; all pixels of a tile together no further than 94 beyond its edge."""
    model = UNet(width=1, depth=4, padding="same", norm=None, dropout=0.0).double().eval()
    model.pool = torch.nn.AvgPool2d(2)  # every pixel counts, not only the largest of a block
    for weight in model.parameters():
        torch.nn.init.constant_(weight, 1.0 if weight.dim() > 1 else 0.0)
    furthest, beyond = 0, 0
    for column in range(256, 272):
        image = torch.ones(1, 3, 16, 512, dtype=torch.float64, requires_grad=True)
        model(image)[0, 0, 8, column].backward()
        columns = image.grad.abs().sum((0, 1, 2)).nonzero()
        first, last = int(columns.min()), int(columns.max())
        furthest = max(furthest, column - first, last - column)
        beyond = max(beyond, 256 - first, last - 271)
    assert (furthest, beyond) == (107, 94)


def test_labels_in_blocks_are_those_of_the_small_frame():
    class Colors(torch.nn.Module):
        """The largest of the three colors, as a class."""

        padding = "same"

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1, 1, 1, 1))

        def forward(self, x):
            return x * self.weight

    from helpers.windows import View

    info = {"view": View("frame", padding="same"), "mean": (0, 0, 0), "std": (1, 1, 1)}
    random = np.random.default_rng(3)
    frame = random.integers(0, 256, (1024, 2048, 3), dtype=np.uint8)
    blocks = in_blocks(Colors(), frame, info)
    assert blocks.shape == (1024, 2048)
    assert (blocks[::4, ::4] == blocks[3::4, 3::4]).all()
    smooth = predict_frame(Colors(), frame, info)
    assert 0.5 < (smooth == blocks).mean() < 1

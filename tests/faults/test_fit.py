"""Data that do not fit the training or the network are refused before an epoch is spent on them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from helpers import evaluate
from helpers.checkpoints import load_model
from helpers.labels import TRAIN_19, LabelSet
from helpers.training import make_run, train
from tests.faults.conftest import make_root, paths

OWN = LabelSet(names=("sky", "road"), colors=((0, 0, 9), (9, 0, 0)), ids=(1, 2))


@pytest.fixture
def own_root(tmp_path):
    """A data set with two classes of its own."""
    root = make_root(tmp_path / "own")
    for split in ("train", "val"):
        for path in paths(root, "gtFine", split):
            label = np.asarray(Image.open(path))
            Image.fromarray(np.where(label == 23, 1, 2).astype(np.uint8)).save(path)
    (root / "classes.json").write_text(json.dumps(OWN.as_dict()))
    return root


# -- W8: class sets


def test_own_data_want_their_classes(config, own_root):
    with pytest.raises(ValueError, match="sky, road.*--classes .*classes.json"):
        make_run(replace(config, root=str(own_root)), progress=False)


def test_own_classes_want_their_data(config, own_root):
    with pytest.raises(ValueError, match="Cityscapes' ids.*sky, road"):
        make_run(replace(config, classes=str(own_root / "classes.json")), progress=False)


def test_a_network_of_own_classes_is_not_scored_on_cityscapes(one_epoch, own_root, root, runs):
    classes = str(own_root / "classes.json")
    train(replace(one_epoch, root=str(own_root), classes=classes), progress=False)
    info = load_model(runs / "r" / "best.pt")[1]
    assert len(evaluate.dataset_for(info, own_root, "val")) == 2
    with pytest.raises(ValueError, match="Cityscapes' ids"):
        evaluate.dataset_for(info, root, "val")


def test_a_network_of_cityscapes_is_not_scored_on_own_classes(one_epoch, own_root, runs):
    train(one_epoch, progress=False)
    info = load_model(runs / "r" / "best.pt")[1]
    with pytest.raises(ValueError, match="classes of .*own are sky, road"):
        evaluate.dataset_for(info, own_root, "val")


# -- W9: nothing to learn from


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("cache", ["auto", None])
def test_a_split_without_labels_is_refused_before_the_first_epoch(config, root, split, cache, runs):
    for path in paths(root, "gtFine", split):
        Image.fromarray(np.zeros((16, 32), np.uint8)).save(path)
    with pytest.raises(ValueError, match=f"no labeled pixel in . {split} frames"):
        make_run(replace(config, cache=cache), progress=False)
    assert not (runs / "r" / "last.pt").exists()


def test_one_class_is_nothing_to_learn(config, own_root):
    path = own_root / "classes.json"
    path.write_text(json.dumps(LabelSet(("sky",), ((0, 0, 9),), (1,)).as_dict()))
    with pytest.raises(ValueError, match="one class alone"):
        make_run(replace(config, root=str(own_root), classes=str(path)), progress=False)


def test_an_epoch_without_a_labeled_pixel_is_no_loss_of_0(config, root):
    run = make_run(config, progress=False)
    run.train_set.train_id_of = np.full(256, 255, np.uint8)
    with pytest.raises(ValueError, match="no labeled pixel in all 4"):
        run.train_epoch(0)


def test_the_message_of_a_void_split_does_not_speak_of_cityscapes_alone():
    scores = evaluate.Scores(TRAIN_19, None)
    with pytest.raises(ValueError, match="all is void in this label set"):
        scores.check()


# -- U8: mixed sizes


@pytest.fixture
def mixed(root):
    for split in ("train", "val"):
        for kind in ("leftImg8bit", "gtFine"):
            path = paths(root, kind, split)[0]
            Image.open(path).resize((24, 16), Image.Resampling.NEAREST).save(path)
    return root


def test_frames_of_two_sizes_are_named(config, mixed):
    with pytest.raises(ValueError, match="(?s)000001_.*000003_.*--view crop.*--batch-size 1"):
        make_run(config, progress=False)


def test_what_the_message_advises_works(one_epoch, mixed):
    assert train(replace(one_epoch, batch_size=1), progress=False)
    assert train(replace(one_epoch, name="crops", view="crop", size=8), progress=False)


def test_what_the_cache_advises_works(config, mixed):
    # The demo draws its crops itself: a cache keeps whole frames for it.
    cached = replace(config, epochs=1, cache="auto", augment=True, name="cached")
    with pytest.raises(ValueError, match="(?s)--view crop --cache none.*--batch-size 1"):
        make_run(cached, progress=False)
    assert train(replace(cached, view="crop", size=8, cache=None), progress=False)


@pytest.mark.parametrize(("rows", "fits"), [((31, 32), True), ((32, 33), False)])
def test_sizes_are_compared_as_they_are_reduced(root, config, rows, fits):
    for split in ("train", "val"):
        for kind in ("leftImg8bit", "gtFine"):
            for number, path in enumerate(paths(root, kind, split)):
                size = (64, rows[number % 2])
                Image.open(path).resize(size, Image.Resampling.NEAREST).save(path)
    halved = replace(config, epochs=1, height=16, batch_size=4)
    if fits:
        assert train(halved, progress=False)
    else:
        with pytest.raises(ValueError, match="frames of several sizes"):
            make_run(halved, progress=False)


def test_evaluation_of_two_sizes_is_refused(one_epoch, mixed, runs):
    train(replace(one_epoch, batch_size=1), progress=False)
    command = ["--checkpoint", str(runs / "r" / "best.pt"), "--root", str(mixed)]
    evaluate.main(command)
    with pytest.raises(ValueError, match="frames of several sizes"):
        evaluate.main([*command, "--batch-size", "2"])

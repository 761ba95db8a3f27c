"""The label table and the label sets against the official table."""

import numpy as np
import pytest

from helpers.labels import ALL_30, CAMVID_11, LABELS, TRAIN_19, LabelSet


def test_labels_equal_the_official_table():
    official = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    assert [tuple(label) for label in LABELS] == [
        (o.name, o.id, o.trainId, o.category, o.categoryId, o.hasInstances, o.ignoreInEval, o.color)
        for o in official
    ]


def test_train_19_encodes_as_the_official_table():
    expected = [
        label.train_id if 0 <= label.train_id < 19 else 255 for label in LABELS if label.id >= 0
    ]
    encoded = TRAIN_19.encode(np.arange(34, dtype=np.uint8))
    assert encoded.dtype == np.uint8 and encoded.tolist() == expected
    assert TRAIN_19.encode(np.array([-1, 7], np.int16)).tolist() == [255, 0]


def test_all_30_and_camvid_11():
    assert ALL_30.ids == tuple(range(4, 34)) and len(ALL_30.names) == 30
    assert ALL_30.encode([0, 3, 4, 33]).tolist() == [255, 255, 0, 29]
    assert CAMVID_11.encode([23, 12, 29, 22, 6, 33, 25]).tolist() == [0, 1, 8, 5, 255, 10, 10]
    assert CAMVID_11.names[8] == "Car" and CAMVID_11.colors[10] == (0, 128, 192)


def test_ids_that_are_merged_may_be_above_33():
    content = {"names": ["sky", "road"], "colors": [[0, 0, 9], [9, 0, 0]], "ids": [1, 2]}
    merged = LabelSet.from_dict({**content, "merged": [[40, 1]]})
    assert merged.highest_id == 40 and merged.encode([1, 2, 40, 7]).tolist() == [0, 1, 1, 255]


def test_decode_and_colorize():
    train_ids = np.array([[0, 18], [255, 10]], np.uint8)
    assert TRAIN_19.decode(train_ids).tolist() == [[7, 33], [0, 23]]
    assert TRAIN_19.encode(TRAIN_19.decode(train_ids)).tolist() == train_ids.tolist()
    assert TRAIN_19.colorize(train_ids)[0, 0].tolist() == [128, 64, 128]
    assert TRAIN_19.colorize(train_ids)[1, 0].tolist() == [0, 0, 0]


def test_unknown_ids_are_named():
    with pytest.raises(ValueError, match="unknown label id 77: label ids are 0 to 33"):
        TRAIN_19.encode(np.array([7, 77]))
    with pytest.raises(ValueError, match="19"):
        TRAIN_19.decode(np.array([19]))
    with pytest.raises(ValueError, match="scaling"):
        TRAIN_19.encode(np.array([0.1]))


@pytest.mark.parametrize("look_up", [TRAIN_19.decode, TRAIN_19.colorize])
def test_logits_are_no_train_ids(look_up):
    for wrong in (np.zeros((19, 4, 4), np.float32), np.zeros((4, 4)), np.ones((4, 4), bool)):
        with pytest.raises(ValueError, match="train ids are integers, found .*: take argmax"):
            look_up(wrong)


def test_a_picture_in_place_of_ids_has_a_short_message():
    for look_up in (TRAIN_19.encode, TRAIN_19.colorize):
        with pytest.raises(ValueError) as caught:
            look_up(np.arange(60_000, dtype=np.uint16))
        assert len(str(caught.value)) < 300

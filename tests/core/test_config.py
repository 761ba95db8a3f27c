"""The command line of the training."""

import pytest

from helpers.config import TrainConfig, parse
from helpers.recipes import make_model


def test_command_line(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert parse([]) == TrainConfig.demo() and "no GPU" in capsys.readouterr().out
    arguments = (
        "--preset recipe --train-limit 4 --learning-rate .5 --compile --schedule none --size 36 "
        "--no-augment"
    )
    assert parse(arguments.split()) == TrainConfig(
        train_limit=4, learning_rate=0.5, compile=True, schedule=None, size=36
    )


@pytest.mark.parametrize(("name", "stride"), [("fcn32s", 32), ("fcn16s", 16), ("fcn8s", 8)])
def test_a_config_names_its_network(name, stride):
    config = TrainConfig.demo(model=name, depth=0, norm=None, width=2, hidden=4)
    model = make_model(config, 5)
    assert model.arguments == {"num_classes": 5, "stride": stride, "width": 2, "hidden": 4}


def test_an_unknown_label_set_is_refused_before_any_data():
    with pytest.raises(ValueError, match="label_set must be one of train19, all30, camvid11"):
        TrainConfig.demo(label_set="foo")

"""The command line of the training."""

from helpers.config import TrainConfig, parse


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

"""The command line of helpers.training: every field of TrainConfig is an option."""
import argparse
from dataclasses import fields
from pathlib import Path

from helpers import checkpoints
from helpers.device import find_device
from helpers.paths import find_root, shown
from helpers.training import Run, TrainConfig


def parse(arguments=None) -> tuple[TrainConfig, str | None]:
    """(config, file to export to or None) from the command line."""
    parser = argparse.ArgumentParser(prog="python -m helpers.training", argument_default=argparse.SUPPRESS,
                                     description="Train a U-Net; started again, it resumes where it was interrupted.")
    parser.add_argument("--preset", choices=["demo", "recipe"],
                        help="demo: whole frames at quarter scale, width 8; recipe: the full one. The options below "
                             "change single values. Default: recipe on a GPU, else demo")
    parser.add_argument("--export", metavar="FILE", help="write the final model in half precision to FILE")
    for field in fields(TrainConfig):
        kind = {int: int, int | None: int, float: float}.get(field.type, _text)
        how = {"action": argparse.BooleanOptionalAction} if field.type is bool else {"type": kind}
        if field.name not in ("mean", "std"):
            parser.add_argument("--" + field.name.replace("_", "-"), **how)
    given = vars(parser.parse_args(arguments))
    export = given.pop("export", None)
    preset = given.pop("preset", None)
    if preset is None:
        preset = "demo" if find_device().type == "cpu" else "recipe"
        if preset == "demo":
            print("no GPU found: training the thin demo; --preset recipe trains the full one")
    return (TrainConfig.demo(**given) if preset == "demo" else TrainConfig(**given)), export


def _text(value: str) -> str | None:
    if value.endswith(".json"):  # own classes: their text, so that a checkpoint needs no file beside it
        return Path(value).read_text(encoding="utf-8")
    return None if value == "none" else value


def ensure_city(config: TrainConfig) -> None:
    """Build the sample city if the config's root is the one that is found by itself, and nothing stands there yet."""
    if find_root(config.root) == find_root(None):
        from helpers.sample_city import ensure_root
        ensure_root(config.root)


def main(arguments=None, make_run=Run) -> None:
    """Train as the command line says, on `make_run(config)`."""
    from helpers.extra.insight import estimate

    config, export = parse(arguments)
    if make_run is Run:
        ensure_city(config)
    run = make_run(config)
    minutes = estimate(run) / 60  # with many processes all of them take part
    if run.progress:
        print(f"training {config.name} on {run.device}: {len(run.train_set)} frames, {config.epochs} epochs, about "
              f"{minutes:.0f} minutes on this machine; results in {shown(run.folder)}")
    run.fit()
    if export and run.rank == 0:
        path = checkpoints.save_model(Path(export), run.model, run.info())
        print(f"exported {shown(path)}, {path.stat().st_size} bytes")

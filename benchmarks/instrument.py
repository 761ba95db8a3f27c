"""The sample city as an instrument (chapter 12): every question of extras.experiments.instrument,
five streets each.

python -m benchmarks.instrument
python -m benchmarks.instrument --checkpoint runs/mine/best.pt --output mine.json
"""

import argparse
import json
import platform
from pathlib import Path

import torch

from extras.experiments.instrument import QUESTIONS, ask
from helpers import command
from helpers.checkpoints import file_hash, load_model
from helpers.files import write_text
from helpers.paths import ROOT

SEEDS = (0, 1, 2, 3, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", default=ROOT / "data" / "checkpoints" / "unet.pt", type=Path
    )
    parser.add_argument(
        "--output", default=ROOT / "benchmarks" / "results" / "instrument.json", type=Path
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, info = load_model(arguments.checkpoint)
    questions = {}
    for name, question in QUESTIONS.items():
        scores = []
        for seed in SEEDS:
            answers = [ask(model, info, question, seed, value) for value in question.values]
            scores.append([answer[0] for answer in answers])
        questions[name] = {
            "text": question.text,
            "axis": question.axis,
            "scored": question.label or "all classes",
            "values": list(question.values),
            "scores": scores,
        }
        result = {
            "command": "python -m benchmarks.instrument",
            "checkpoint": arguments.checkpoint.name,
            "sha256": file_hash(arguments.checkpoint),
            "hardware": f"{platform.machine()}, CPU, one thread",
            "seeds": list(SEEDS),
            "questions": questions,
        }
        text = json.dumps(result, indent=1) + "\n"
        write_text(arguments.output, text)
        print(name, *(f"{sum(column) / len(column):.2f}" for column in zip(*scores)), flush=True)


if __name__ == "__main__":
    command.run(main)

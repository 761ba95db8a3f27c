"""Tests and chapters as other processors would compute them: fewer instructions, fewer threads.

    python -m scripts.processors                       # every setting on everything: hours
    python -m scripts.processors --only lowest -- notebooks/14_many_gpus.ipynb
    python -m scripts.processors --table               # what is stored

PyTorch and its libraries choose instructions by the processor; the variables below hold them back,
and every choice rounds a little differently. Results go to benchmarks/results/processors.json.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from helpers import command
from helpers.files import write_json
from helpers.paths import ROOT

RESULT = ROOT / "benchmarks" / "results" / "processors.json"
EVERYTHING = ["tests", "notebooks"]

# Name: (variables, the word in the processor's list of abilities that they need).
SETTINGS = {
    "as it is": ({}, None),
    "ATen default": ({"ATEN_CPU_CAPABILITY": "default"}, None),
    "ATen avx2": ({"ATEN_CPU_CAPABILITY": "avx2"}, "avx2"),
    "ATen avx512": ({"ATEN_CPU_CAPABILITY": "avx512"}, "avx512f"),
    "oneDNN SSE41": ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, "sse4_1"),
    "oneDNN AVX2": ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2"),
    "oneDNN AVX512_CORE": ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "avx512bw"),
    "MKL compatible": ({"MKL_CBWR": "COMPATIBLE"}, None),
    "lowest": (
        {
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "MKL_CBWR": "COMPATIBLE",
        },
        None,
    ),
}
THREADS = (1, 2)
NOT_TRIED = "not tried: this processor lacks it"


def abilities() -> set[str]:
    """What the processor can do, in Linux' words; empty where that is not told."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)
    return set(flags[1].split()) if flags else set()


def processor() -> str:
    """The name of the processor."""
    try:
        name = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        name = None
    return name[1] if name else platform.processor() or platform.machine()


def outcome(targets: list[str], variables: dict, threads: int) -> str:
    """The last line of pytest, without its time, and the names of what failed."""
    environment = {**os.environ, **variables, "OMP_NUM_THREADS": str(threads)}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-q",
        "-rfE",
        "-p",
        "no:cacheprovider",
        *targets,
    ]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or [f"ended with {done.returncode}"]
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+(?: \d+)?)", done.stdout, re.M)
    said = re.sub(r" in [\d.]+s.*|=", "", lines[-1]).strip()
    return ": ".join([said, ", ".join(failed)]) if failed else said


def table(results: dict) -> str:
    """The results as Markdown, a row per setting and number of threads."""
    lines = [f"On {results['processor']}:", "", "| setting | threads | on | outcome |"]
    lines.append("| --- | --- | --- | --- |")
    for row in results["rows"]:
        lines.append(f"| {row['setting']} | {row['threads']} | {row['on']} | {row['outcome']} |")
    return "\n".join(lines)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--threads", nargs="+", type=int, default=THREADS)
    parser.add_argument("--table", action="store_true", help="only show what is stored")
    parser.add_argument("targets", nargs="*", help="files, as for pytest (default: everything)")
    args = parser.parse_args(arguments)
    results = {"processor": processor(), "rows": []}
    if RESULT.is_file():
        stored = json.loads(RESULT.read_text(encoding="utf-8"))
        if stored["processor"] == results["processor"] or args.table:
            results = stored
    if not args.table:
        targets = args.targets or EVERYTHING
        for name in args.only:
            variables, needs = SETTINGS[name]
            for threads in args.threads:
                if needs is None or needs in abilities():
                    said = outcome(targets, variables, threads)
                else:
                    said = NOT_TRIED
                row = {"setting": name, "threads": threads, "on": " ".join(targets)}
                # A run on the same files takes the place of the last one.
                results["rows"] = [old for old in results["rows"] if row.items() - old.items()]
                results["rows"].append({**row, "outcome": said})
                write_json(RESULT, results)
                print(f"{name}, {threads} threads: {said}")
    print(table(results))


if __name__ == "__main__":
    command.run(main)

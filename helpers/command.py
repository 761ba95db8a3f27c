"""How a command ends: with a sentence for whoever gave it, not with a traceback."""

import argparse
import errno
import os
import subprocess
import sys
from pathlib import Path

from helpers.files import locked
from helpers.paths import ROOT, data_dir, find_root, sample_city_dir

# What a wrong input, a missing file or a broken disk raise; of RuntimeErrors, torch's about memory.
# Anything else is a bug of ours.
EXPECTED = (OSError, ValueError, FloatingPointError, MemoryError, RuntimeError)


class PatientOutput:
    """A stream that outlives its reader: neither `| head` nor a closed terminal ends a training."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        return self._try(self.stream.write, text)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def _try(self, work, *arguments):
        try:
            return work(*arguments)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            # Nobody reads any more: the rest goes nowhere.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self.stream.fileno())


def run(main) -> None:
    """Call `main()` as a command.

    A wrong input ends it with a sentence and exit code 1, Ctrl-C with a line that says how to go on
    and 130; COURSE_TRACEBACK=1 shows where an error came from.
    """
    # A file or an old terminal may lack the letters of a path.
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    sys.stdout = PatientOutput(sys.stdout)
    sys.stderr = PatientOutput(sys.stderr)
    sys.argv[1:] = [home_expanded(argument) for argument in sys.argv[1:]]
    try:
        main()
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt}" if interrupt.args else "\nstopped", file=sys.stderr)
        sys.exit(130)
    except EXPECTED as error:
        # A RuntimeError is a bug of ours, unless the memory was full.
        bug = isinstance(error, RuntimeError) and not memory_is_full(error)
        if bug or os.environ.get("COURSE_TRACEBACK"):
            raise
        print(str(error) or "out of memory", file=sys.stderr)
        sys.exit(1)


def memory_is_full(error: RuntimeError) -> bool:
    """Whether it is what PyTorch, cuBLAS and cuDNN say when a device or the machine has no
    memory left.
    """
    words = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return any(word in str(error) for word in words)


def home_expanded(argument: str) -> str:
    """An argument whose ~ is the home folder; a shell leaves that of --root=~/data as it is."""
    name, mark, value = argument.rpartition("=")
    return name + mark + os.path.expanduser(value)


def add_root(parser: argparse.ArgumentParser) -> None:
    """The option --root, which means the same in every command."""
    parser.add_argument("--root", help="dataset root (default: found as everywhere in the course)")


def ensure_data(root=None) -> Path:
    """The dataset root. Where no data set is found, the sample city is made, as a process of its
    own.
    """
    if find_root(root) != sample_city_dir():
        return find_root(root)
    if not sample_city_dir().is_dir():
        print(f"no data set found: making the sample city in {sample_city_dir()}", file=sys.stderr)
    # Always, for an interrupted city is completed so; a whole one takes a second. Of the processes
    # that train together one makes it, and the others wait.
    command = [sys.executable, "-m", "sample_city"]
    with locked(data_dir(), wait=True):
        made = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    if made.returncode != 0:
        raise OSError("the sample city was not made, see above; --root takes another data set")
    return sample_city_dir()

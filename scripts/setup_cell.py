"""The setup cell and the Colab badge, one source for all notebooks.

scripts/address.py changes the public address.
"""

# The public address of the repository, once there is one: https://github.com/<owner>/<name>
ADDRESS = ""
FOLDER = "segmentation-course"

SETUP = f'''# @title Setup: the same cell in every chapter. Run it and go on.
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

# The project is this folder or one above it. A notebook opened alone gets it from its
# address, or from course.zip beside it or in Google Drive.
address = os.environ.get("COURSE_REPO", "{ADDRESS}")
fetched = Path.cwd() / "{FOLDER}"
root = None
for place in [Path.cwd(), *Path.cwd().parents, fetched]:
    if root is None and (place / "helpers" / "labels.py").is_file():
        root = place
if root is None and address:
    command = ["git", "clone", "--quiet", "--depth", "1", address, str(fetched)]
    subprocess.run(command, check=True)
    root = fetched
for archive in [Path("course.zip"), Path("/content/drive/MyDrive/course.zip")]:
    if root is None and archive.is_file():
        zipfile.ZipFile(archive).extractall(fetched)
        root = fetched
if root is None:
    raise SystemExit(
        "This notebook needs the project around it. Upload course.zip to the folder of "
        "this notebook (in Colab: Files, on the left) or to your Google Drive (then "
        "Files, Mount Drive), and run this cell again. In a clone of the project,\\n"
        "    python -m scripts.address --zip\\n"
        "makes course.zip."
    )
if str(root) not in sys.path:
    sys.path.insert(0, str(root))

needed = ["torch", "torchvision", "numpy", "matplotlib", "PIL", "ipywidgets", "tqdm"]
missing = []
for name in needed:
    if importlib.util.find_spec(name) is None:
        missing.append(name)
if missing:
    requirements = root / "requirements.txt"
    print("not installed here:", *missing, "- run  %pip install -r", requirements)'''


def badge(name: str, address: str = ADDRESS) -> str:
    """Markdown that opens notebooks/<name> in Colab; empty while there is no address on GitHub."""
    if not address.startswith("https://github.com/"):
        return ""
    place = address.removeprefix("https://github.com/").removesuffix(".git")
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    target = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{name}"
    return f"[![Open in Colab]({picture})]({target})"

"""The setup cell and the Colab badge, one source for all notebooks; scripts/address.py changes the
public address.
"""

# The public address of the repository, once there is one: https://github.com/<owner>/<name>
ADDRESS = ""
FOLDER = "segmentation-course"

SETUP = f'''# Setup, the same cell in every notebook: find the project, or clone it if this notebook was opened alone.
import importlib.util, os, subprocess, sys
from pathlib import Path

address = os.environ.get("COURSE_REPO", "{ADDRESS}")
places = [Path.cwd(), *Path.cwd().parents, Path.cwd() / "{FOLDER}"]
root = next((p for p in places if (p / "helpers" / "labels.py").is_file()), None)
if root is None and not address:
    raise SystemExit("This notebook needs the project around it: download or clone the whole repository first.")
if root is None:
    root = Path.cwd() / "{FOLDER}"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, str(root)], check=True)
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
needed = ("torch", "torchvision", "numpy", "matplotlib", "PIL", "ipywidgets", "tqdm")
if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
    print("not installed here:", *missing, "- run  %pip install -r", root / "requirements.txt")'''  # noqa: E501 - a notebook's cell, as it is


def badge(name: str, address: str = ADDRESS) -> str:
    """Markdown that opens notebooks/<name> in Colab; empty while there is no public address on
    GitHub.
    """
    if not address.startswith("https://github.com/"):
        return ""
    place = address.removeprefix("https://github.com/").removesuffix(".git")
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{place}/blob/main/notebooks/{name})"
    )

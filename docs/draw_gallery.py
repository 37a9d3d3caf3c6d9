"""Draw the pictures of the gallery by the commands that are shown there: ``make gallery``.

Beside the pictures, ``made-from.json`` tells by a hash what each was made from: its command, the
task file and what that imports, and the code that draws.
"""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PICTURES = ROOT / "docs" / "_static" / "gallery"
MADE_FROM = PICTURES / "made-from.json"


def commands() -> dict[str, list[str]]:
    """Return the command behind each picture, without its file."""
    text = (ROOT / "docs" / "gallery.rst").read_text(encoding="utf-8")
    found = {}
    for line in re.findall(r"^   psy (plot .*)$", text, flags=re.MULTILINE):
        *command, option, name = shlex.split(line)
        assert option == "-o", line
        found[name] = command
    return found


def source_of(command: list[str]) -> str:
    """Return a hash of all that decides how a picture looks."""
    task = EXAMPLES / "psy-tasks" / f"task_{command[1]}.py"
    modules = set(re.findall(r"^(?:from|import) (\w+)", task.read_text(), flags=re.MULTILINE))
    beside = [path for path in task.parent.glob("*.py") if path.stem in modules]
    drawing = (ROOT / "src" / "psyrun" / "plotting").glob("*.py")
    drawing = [path for path in drawing if path.name not in ("terminal.py", "textual.py")]
    content = hashlib.blake2b(shlex.join(command).encode(), digest_size=8)
    for path in [task, *sorted(beside), *sorted(drawing)]:
        content.update(path.read_bytes())
    return content.hexdigest()


def main() -> None:
    """Run the studies, each as a whole, and draw."""
    psy = [sys.executable, "-m", "psyrun"]
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(EXAMPLES / "psy-tasks", Path(directory) / "psy-tasks")
        for study in sorted({command[1] for command in commands().values()}):
            subprocess.run([*psy, "run", "-j", "2", study], cwd=directory, check=True)
        for name, command in commands().items():
            subprocess.run([*psy, *command, "-o", PICTURES / name], cwd=directory, check=True)
    for path in PICTURES.glob("*.png"):
        if path.name not in commands():
            path.unlink()
    made = {name: source_of(command) for name, command in commands().items()}
    MADE_FROM.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

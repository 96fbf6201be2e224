"""Look at the book while you write it: `make serve`.

python tools/serve.py [PORT]    http://127.0.0.1:8000, till Ctrl-C

When a source changes, the book is built anew, and the open page shows it. What is wrong
with a build is said here; the page stays as it was, and the next change is waited for.
"""

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

from livereload import Server

ROOT = Path(__file__).parents[1]
BUILD = (
    str(Path(sys.executable).with_name("jupyter-book")),
    *("build", "-W", "--keep-going", "."),
)
SOURCES = (
    "*.md",
    "_*.yml",
    "*.bib",
    "_ext/*.*",
    "_static/*",
    "_templates/*",
    "chapters/*.ipynb",
    "exercises/*.ipynb",
    "appendices/*.*",
    "seqlib/**/*.py",
)


class Builder(Thread):
    """Builds whenever it is asked to, while the pages are served all the same."""

    def __init__(self, root: Path):
        super().__init__(daemon=True)
        self.root = root
        self.asked = Event()
        self.running: subprocess.Popen | None = None
        self.done = root / "_build" / "served"  # touched when the pages are new

    def run(self) -> None:
        """Build, out of Ctrl-C's way, and wait for the next change."""
        while self.asked.wait():
            self.asked.clear()
            self.running = subprocess.Popen(
                BUILD, cwd=self.root, start_new_session=True
            )
            if self.running.wait() == 0:
                self.done.touch()
            else:
                print("The book is not built: see above. Waiting for a change.")

    def stop(self) -> None:
        """End what runs, and leave nothing behind."""
        if self.running:
            self.running.terminate()
        self.done.unlink(missing_ok=True)


def serve(root: Path, port: int, builder: Builder) -> None:
    """Serve the built book and watch its sources, till Ctrl-C."""
    builder.done.parent.mkdir(exist_ok=True)
    builder.done.touch()
    server = Server()
    for pattern in SOURCES:
        server.watch(str(root / pattern), builder.asked.set, delay="forever")
    server.watch(str(builder.done))  # reloads the open pages
    builder.start()
    try:
        server.serve(port=port, root=str(root / "_build" / "html"))
    except OSError as error:
        sys.exit(f"Port {port} cannot be had ({error.strerror}): name another one.")
    finally:
        builder.stop()


if __name__ == "__main__":
    serve(ROOT, int(sys.argv[1]) if len(sys.argv) > 1 else 8000, Builder(ROOT))

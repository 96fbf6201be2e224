"""`make serve`: a change is built, the open page shows it, an error is survived."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import audit
import pytest
import serve

TOOLS = Path(__file__).parents[1] / "tools"
START = """
import signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])
import serve
signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal
root = Path(sys.argv[2])
serve.serve(root, int(sys.argv[3]), serve.Builder(root))
"""
SECONDS = 180  # a busy machine is no failure


@pytest.fixture
def tiny(tmp_path):
    """Return a book of one page, built."""
    (tmp_path / "_config.yml").write_text("title: Tiny\nonly_build_toc_files: true\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (tmp_path / "intro.md").write_text("# Tiny\n\nAs it was.\n")
    subprocess.run(serve.BUILD, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def free_port():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(root, port):
    command = [sys.executable, "-u", "-c", START, TOOLS, root, str(port)]
    with open(root / "said", "w") as said:
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)


def wait_for(happened):
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


def answers(address):
    try:
        return urllib.request.urlopen(address).status == 200
    except OSError:
        return False


def test_a_change_shows_and_an_error_is_survived(tiny):
    if audit.chromium() is None:
        missing = "Chromium is not installed: nobody saw a page change"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    port, page_of = free_port(), tiny / "intro.md"
    address = f"http://127.0.0.1:{port}"
    server = start(tiny, port)
    try:
        wait_for(lambda: answers(address))
        with audit.started() as browser:
            page = browser.new_page()
            page.set_default_timeout(1000 * SECONDS)
            with page.expect_websocket():  # then the page hears of changes
                page.goto(f"{address}/intro.html")
            page.get_by_text("As it was.").wait_for()
            page_of.write_text("# Tiny\n\n[Nowhere](nowhere.md) leads this.\n")
            wait_for(lambda: "Waiting for a change" in (tiny / "said").read_text())
            assert "nowhere.md" in (tiny / "said").read_text()
            page_of.write_text("# Tiny\n\nAs it is now.\n")
            page.get_by_text("As it is now.").wait_for()
        server.send_signal(signal.SIGINT)
        assert server.wait(SECONDS) == 0
    finally:
        server.kill()
    assert "Traceback" not in (tiny / "said").read_text()
    assert not (tiny / "_build" / "served").exists()


def test_a_port_that_is_taken_gets_a_sentence(tmp_path):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start(tmp_path, port := taken.getsockname()[1])
        assert server.wait(SECONDS) == 1
    said = (tmp_path / "said").read_text()
    assert f"Port {port} cannot be had" in said
    assert "Traceback" not in said

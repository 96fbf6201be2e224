"""Real data: what comes with Python and its libraries, and checked downloads."""

import hashlib
import inspect
import io
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import sklearn.datasets

from seqlib import data
from seqlib.data import download

PLAY = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 40


# --- what comes with Python ----------------------------------------------------------


def test_english_text_is_prose_without_repetition():
    text = data.english_text()
    lines = text.splitlines()
    assert 150_000 < len(text) < 400_000  # it differs with Python's version
    assert text.isascii()
    assert len(set(lines)) == len(lines)
    assert all(line == line.strip() and line for line in lines)
    letters = sum(c.islower() or c == " " for c in text)
    assert letters / len(text) > 0.85
    assert "::=" not in text
    assert "====" not in text
    assert text.count(" the ") > 2000
    assert text == data.english_text()


def test_python_source_is_what_inspect_shows():
    import heapq
    import json.decoder

    assert data.python_source("heapq") == inspect.getsource(heapq)
    assert data.python_source("json.decoder") == inspect.getsource(json.decoder)


@pytest.mark.parametrize("name", ["time", "sys", "numpy", "nope", "json.nope", ""])
def test_python_source_refuses_the_rest(name):
    with pytest.raises(ValueError, match="name must be a module of the standard lib"):
        data.python_source(name)


def test_python_source_wants_a_name():
    with pytest.raises(TypeError, match="name must be a string, got module"):
        data.python_source(sys)


# --- what comes with matplotlib and scikit-learn -------------------------------------


@pytest.mark.referee("seqlib.data.daily_prices", by="by hand")
def test_daily_prices():
    prices = data.daily_prices()
    assert prices.dates[0] == np.datetime64("2004-08-19")  # the day of the offering
    assert prices.close[0] == 100.34
    assert (np.diff(prices.dates).astype(int) > 0).all()
    for column in prices[1:]:
        assert column.shape == prices.dates.shape == (1047,)
        assert column.dtype == np.float64
        assert (column > 0).all()
    inside = (prices.low <= prices.close) & (prices.close <= prices.high)
    assert inside.all()


@pytest.mark.referee("seqlib.data.monthly_prices", by="by hand")
def test_monthly_prices():
    prices = data.monthly_prices()
    assert prices.prices.shape == (len(prices.dates), len(prices.names)) == (390, 10)
    months = prices.dates.astype("datetime64[M]").astype(int)
    assert (np.diff(months) == 1).all()
    assert (prices.dates == prices.dates.astype("datetime64[M]")).all()
    index = prices.prices[:, prices.names.index("^GSPC")]
    assert index[0] == pytest.approx(329.08)  # January 1990
    known = ~np.isnan(prices.prices)
    assert (prices.prices[known] > 0).all()
    assert known[:, prices.names.index("IBM")].all()
    amazon = prices.dates[known[:, prices.names.index("AMZN")]]
    assert amazon[0] == np.datetime64("1997-06-01")  # offered in May


def test_eeg():
    times, values = data.eeg()
    assert times.shape == (800,)
    assert values.shape == (800, 4)
    assert times[1] - times[0] == pytest.approx(0.0125)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values.std(axis=0), 1, rtol=0.01)


@pytest.mark.referee("seqlib.data.digits", by="scikit-learn")
def test_digits():
    images, labels = data.digits()
    theirs = sklearn.datasets.load_digits()
    np.testing.assert_array_equal(images.reshape(-1, 64) * 16, theirs.data)
    np.testing.assert_array_equal(labels, theirs.target)
    assert images.min() == 0
    assert images.max() == 1
    assert labels.dtype == np.int64


@pytest.mark.parametrize(
    ("act", "hidden", "sentence"),
    [
        (data.daily_prices, "matplotlib", "daily_prices needs matplotlib, which is no"),
        (data.monthly_prices, "matplotlib", "monthly_prices needs matplotlib, which"),
        (data.eeg, "matplotlib", "eeg needs matplotlib, which is not installed: pip"),
        (data.digits, "sklearn.datasets", "digits needs scikit-learn, which is not"),
        (data.tiny_shakespeare, "pooch", "tiny_shakespeare needs pooch, which is not"),
        (data.english_french, "pooch", r"english_french needs pooch.*sentence_pairs"),
    ],
)
def test_a_missing_library_gets_a_sentence(act, hidden, sentence, monkeypatch):
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(ModuleNotFoundError, match=sentence):
        act()


def test_matplotlib_without_its_samples(monkeypatch, tmp_path):
    monkeypatch.setattr("matplotlib.get_data_path", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"eeg reads eeg\.dat of matplotlib's"):
        data.eeg()


def test_importing_loads_none_of_them():
    code = (
        "import sys, seqlib.data; "
        "print([m for m in ('matplotlib', 'sklearn', 'pooch', 'torch', 'pydoc_data', "
        "'requests') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- downloads, from a server of the test's own --------------------------------------


def archive():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("fra-eng/fra.txt", "Go.\tVa !\nI ate.\tJ’ai mangé.\n")
    return held.getvalue()


@pytest.fixture
def server(monkeypatch):
    """Serve /good, /damaged, /cut (half of it), /zip; anything else is a 404."""
    asked = []
    answers = {"/good": PLAY, "/damaged": PLAY[:-1] + b"!", "/cut": PLAY}
    answers["/zip"] = archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            cut = len(PLAY) // 2 if self.path == "/cut" else None
            self.wfile.write((body or b"")[:cut])

        def log_message(self, *_):
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def at(path, name="tiny_shakespeare"):
        """Let `name` come from this path of the server."""
        body = answers["/zip" if name == "english_french" else "/good"]
        source = download.SOURCES[name]._replace(
            url=f"http://127.0.0.1:{served.server_port}{path}",
            checksum=hashlib.sha256(body).hexdigest(),
        )
        monkeypatch.setitem(download.SOURCES, name, source)
        return asked

    yield at
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture
def refused(monkeypatch):
    """Let Shakespeare come from a port where nobody listens."""
    source = download.SOURCES["tiny_shakespeare"]._replace(
        url="http://127.0.0.1:1/good", checksum=hashlib.sha256(PLAY).hexdigest()
    )
    monkeypatch.setitem(download.SOURCES, "tiny_shakespeare", source)


def test_a_good_file_is_fetched_once(server, tmp_path, capfd):
    asked = server("/good")
    for _ in range(2):
        assert data.tiny_shakespeare(tmp_path).encode() == PLAY
    assert asked == ["/good"]
    assert [f.name for f in tmp_path.iterdir()] == ["tiny_shakespeare.txt"]
    assert capfd.readouterr() == ("", "")


def test_a_good_cache_needs_no_network(refused, tmp_path):
    (tmp_path / "tiny_shakespeare.txt").write_bytes(PLAY)
    assert data.tiny_shakespeare(str(tmp_path)).encode() == PLAY


def test_the_archive_of_sentences(server, tmp_path):
    server("/zip", "english_french")
    pairs = data.english_french(tmp_path)
    assert pairs == [("Go.", "Va !"), ("I ate.", "J’ai mangé.")]
    assert pairs[0].french == "Va !"


@pytest.mark.parametrize("path", ["/damaged", "/zip"])
def test_a_replaced_file_is_refused_and_removed(server, tmp_path, path):
    server(path)
    sentence = "its checksum is not the one expected, and it was removed: use seqlib.da"
    for _ in range(2):
        with pytest.raises(ValueError, match=sentence) as found:
            data.tiny_shakespeare(tmp_path)
        assert found.value.__context__ is None
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"), [("/cut", "ChunkedEncodingError"), ("/gone", "server said 404")]
)
def test_what_does_not_come_whole_is_not_kept(server, tmp_path, path, why):
    server(path)
    with pytest.raises(ConnectionError, match=why) as found:
        data.tiny_shakespeare(tmp_path)
    message = str(found.value)
    assert message.startswith("tiny_shakespeare could not be fetched from http://127")
    assert "use seqlib.data.english_text() instead" in message
    assert "\n" not in message
    assert found.value.__context__ is None
    assert list(tmp_path.iterdir()) == []


def test_no_connection_is_one_sentence(refused, tmp_path):
    with pytest.raises(ConnectionError, match=r"\(ConnectionError\): use seqlib") as e:
        data.tiny_shakespeare(tmp_path)
    assert e.value.__context__ is None


def test_a_damaged_cache_is_fetched_anew(server, tmp_path):
    asked = server("/good")
    (tmp_path / "tiny_shakespeare.txt").write_bytes(PLAY[:100])
    assert data.tiny_shakespeare(tmp_path).encode() == PLAY
    assert asked == ["/good"]


def test_a_damaged_cache_is_never_used(refused, tmp_path):
    (tmp_path / "tiny_shakespeare.txt").write_bytes(PLAY[:100])
    with pytest.raises(ConnectionError):
        data.tiny_shakespeare(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(server, tmp_path):
    server("/good")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConnectionError, match="could not be fetched"):
        data.tiny_shakespeare(file)
    with pytest.raises(TypeError, match="folder must be a path, got int"):
        data.tiny_shakespeare(3)


@pytest.mark.parametrize("name", download.SOURCES)
def test_what_stands_in_is_there(name):
    source = download.SOURCES[name]
    assert hasattr(data, source.instead.partition("(")[0])
    assert len(source.checksum.removeprefix("sha1:")) in (40, 64)

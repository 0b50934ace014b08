"""Has an installation of mmbot with one extra alone do what the extra is for.

usage: PYTHON .ci/extras.py EXTRA DIRECTORY

PYTHON is that of the installation; files are made in DIRECTORY. Nothing but this machine is asked.
The exit code is 0 if it was done; else the last line says what was not.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

MMBOT = (sys.executable, "-m", "mmbot")
SECONDS = 600


def aws(_place: Path) -> None:
    """Read a secret through boto3, from a server here that answers as AWS does."""
    from mmbot.daemon.aws_secrets import AwsSecrets  # noqa: PLC0415

    class Secrets(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"Name": asked["SecretId"], "SecretString": '{"key_id": "the-id"}'}
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Secrets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ.update(
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}",
            AWS_ACCESS_KEY_ID="none",
            AWS_SECRET_ACCESS_KEY="none",  # noqa: S106 (it is none)
        )
        read = AwsSecrets("us-east-2").read("credentials.key_id", "kalshi", "key_id")
        server.shutdown()
    expect(read == "the-id", f"the secret was read as {read!r}")


def cluster(_place: Path) -> None:
    """Simulate seeds on a scheduler with a worker, all of it here."""
    from distributed import LocalCluster  # noqa: PLC0415

    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(host="127.0.0.1", **options) as here:
        told = run("simulate", "--seeds", "2", "--scheduler", here.scheduler_address)
    expect("2 seeds, 0 violations" in " ".join(told.split()), told)


def peers(place: Path) -> None:
    """Have other engines read the bench's frames."""
    path = place / "bench.json"
    told = run("bench", "--quick", "--only", "path", "--json", path)
    expect("is left out" not in told, told)
    measured = path.read_text(encoding="utf-8")
    expect("nautilus_trader" in measured, "nautilus_trader read nothing")
    expect("pykalshi" in measured, "pykalshi read nothing")


def plots(place: Path) -> None:
    """Draw the week of a demonstration."""
    os.environ["TMPDIR"] = str(place)
    run("demo")
    drawn = [path.read_bytes() for path in place.glob("mmbot-demo-*/week.png")]
    expect(len(drawn) == 1 and drawn[0].startswith(b"\x89PNG"), "no picture was drawn")


def test(_place: Path) -> None:
    """Find all tests, and run some."""
    root = Path(__file__).resolve().parent.parent
    pytest = (sys.executable, "-m", "pytest", "-q", "--no-cov", "-p", "no:cacheprovider")
    run_in(root, *pytest, "--collect-only", "tests")
    run_in(root, *pytest, "--numprocesses", "0", "tests/test_packaging.py", "tests/kalshi")


def run(*arguments: str | Path) -> str:
    """Run a command of mmbot's to its end; return what it printed."""
    return run_in(Path.cwd(), *MMBOT, *arguments)


def run_in(directory: Path, *command: str | Path) -> str:
    """Run any command to its end in a directory; return what it printed."""
    ended = subprocess.run(  # noqa: S603 (its own commands)
        [str(each) for each in command],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    expect(ended.returncode == 0, ended.stdout)
    return ended.stdout


def expect(done: bool, otherwise: str) -> None:
    """End with what went wrong, in one line, unless it was done."""
    if not done:
        sys.exit(" ".join(otherwise.split())[-300:] or "it said nothing")


EXTRAS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (aws, cluster, peers, plots, test)
}

if __name__ == "__main__":
    name, where = sys.argv[1:]
    if name not in EXTRAS:
        sys.exit(f"what the extra {name} is for is not known; say it in .ci/extras.py")
    os.chdir(where)
    EXTRAS[name](Path(where))

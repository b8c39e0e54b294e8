"""The command as a person types it: in this process (fast), as a program, and as a program at a terminal."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.helpers import free_port
from tests.parts import sweep

PROGRAM = Path(sys.executable).with_name("podkeeper")
READY = "Ctrl-C stops the service"


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer; fails with the last one after a deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not so after {seconds} s; the last answer was {answer!r}"
        time.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    def complains(self, *words: str, code: int = 1) -> None:
        """One clear paragraph on stderr, nothing on stdout, and no traceback."""
        assert (self.code, self.out) == (code, ""), self
        assert self.err.count("\n") == 1, self.err
        assert len(self.err) < 700, self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err, (word, self.err)


@dataclass
class Place:
    """A data directory with ports of its own, and the environment that says so."""

    data_dir: Path
    extra: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    gateway_port: int = field(default_factory=free_port)

    @property
    def settings(self) -> dict[str, str]:
        """What to set."""
        return {
            "PODKEEPER_DATA_DIR": str(self.data_dir),
            "PODKEEPER_LISTEN": f"127.0.0.1:{self.port}",
            "PODKEEPER_GATEWAY_LISTEN": f"127.0.0.1:{self.gateway_port}",
            **self.extra,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """Ours without the settings of whoever runs the tests, and these."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PODKEEPER_", "SLACK_"))}
        return {**kept, **self.settings, "COLUMNS": "200"}

    def run(self, *arguments: str, given: bytes | None = b"") -> Said:
        """As a program that has no terminal."""
        done = subprocess.run([PROGRAM, *arguments], env=self.environment, input=given, capture_output=True, timeout=60)
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """As a program that goes on; both streams in a pipe."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [PROGRAM, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def at_terminal(self, *arguments: str, answers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """As a program at a terminal; each answer is typed once its question is on the screen."""
        main, side = pty.openpty()
        process = subprocess.Popen(
            [PROGRAM, *arguments], env={**self.environment, "TERM": "xterm"}, stdin=side, stdout=side, stderr=side
        )
        os.close(side)
        screen, open_questions = "", dict(answers or {})
        with suppress(OSError):  # the terminal is gone when the program has ended
            while chunk := os.read(main, 4096):
                screen += chunk.decode(errors="replace")
                for question in [q for q in open_questions if q in screen]:
                    os.write(main, f"{open_questions.pop(question)}\n".encode())
        os.close(main)
        return process.wait(30), screen

    @contextmanager
    def up(self) -> Iterator["Service"]:
        """`podkeeper up`; ended by Ctrl-C."""
        log = self.data_dir.with_name(f"{self.data_dir.name}-{free_port()}.log")
        with log.open("wb") as file:
            process = subprocess.Popen([PROGRAM, "up"], env=self.environment, stdout=file, stderr=file)
        service = Service(process, log)
        try:
            until(lambda: READY in service.said or process.poll() is not None)
            assert process.poll() is None, service.said
            yield service
        finally:
            if process.poll() is None:
                service.end()

    def clear(self) -> None:
        """Remove from the engine what this place made there."""
        database = self.data_dir / "podkeeper.db"
        if database.exists():
            with closing(sqlite3.connect(database)) as connection:
                found = connection.execute("SELECT id FROM installation").fetchone()
            if found is not None:
                sweep(found[0])


@dataclass
class Service:
    """A `podkeeper up` that runs."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def end(self, number: int = signal.SIGINT) -> str:
        """Ask it to end; everything that it said."""
        self.process.send_signal(number)
        assert self.process.wait(30) == 0, self.said
        return self.said


@contextmanager
def place(**extra: str) -> Iterator[Place]:
    """A fresh place; what it made on the engine is removed. Not in pytest's folders: sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="pk-cli-") as folder:
        made = Place(Path(folder) / "data", extra)
        try:
            yield made
        finally:
            made.clear()

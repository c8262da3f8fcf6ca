"""`ppcls serve` as a process of its own."""

import contextlib
import http.client
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

COMMAND = [sys.executable, "-c", "import sys; from ppcls.cli import main; sys.exit(main())", "serve"]


@dataclass(frozen=True)
class Server:
    process: "subprocess.Popen[str]"
    port: int
    log: Path

    @contextlib.contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            yield connection

    def get(self, path: str) -> str:
        with self.connection() as connection:
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    def number(self, name: str) -> float:
        """Return one of the numbers of /metrics."""
        found = re.search(rf"^{name} (\S+)$", self.get("/metrics"), re.MULTILINE)
        assert found, name
        return float(found[1])

    def memory_mib(self) -> float:
        """Return what the server and the processes of its models hold."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in (pid, *children))
        return pages * resource.getpagesize() / 2**20


@contextlib.contextmanager
def server(folder: Path, *options: str, max_files: Optional[int] = None) -> Iterator[Server]:
    """Run the server of an exported model while the `with` block runs; its log is a file, which no pipe can fill."""
    words = [*COMMAND, str(folder), "--port", "0", *options]
    if max_files:
        words = ["sh", "-c", f'ulimit -n {max_files}; exec "$@"', "sh", *words]
    with tempfile.NamedTemporaryFile("w") as log:
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdout
            try:
                line = process.stdout.readline()
                assert line.startswith("serving on http://127.0.0.1:"), Path(log.name).read_text()
                yield Server(process, int(line.rpartition(":")[2]), Path(log.name))
            finally:
                process.kill()

"""A stack, the sandbox and workers, each a process of its own, for the length of a demo."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Sequence
from decimal import Decimal

import httpx

from headway.cli.demo.processes import Household, Program
from headway.cli.pipelines import pipelines_dir
from headway.cli.throwaway import ThrowawayDirectory
from headway.errors import HeadwayError
from headway.local.postgres.sockets import socket_dir
from headway.local.project import Project, packaged_supabase_dir

__all__ = ["House"]

_PATIENCE_S = 60.0
_POLL_S = 0.03
_WORKER_NEEDS = ("SUPABASE_URL", "SUPABASE_SECRET_KEY")


class House:
    """The processes of a demo and the addresses that they answer at.

    Args:
        throwaway: The directory that everything is kept in.
    """

    def __init__(self, throwaway: ThrowawayDirectory) -> None:
        self.household = Household(throwaway, [pipelines_dir()])
        self.stack: dict[str, str] = {}
        self.sandbox: dict[str, str] = {}
        self.workers: list[Program] = []
        self._throwaway = throwaway

    def start_stack(self) -> float:
        """Bring the stack up; the seconds that it took."""
        began = time.perf_counter()
        supabase = self._throwaway.path / "project" / "supabase"
        shutil.copytree(packaged_supabase_dir(), supabase, dirs_exist_ok=True)
        project = Project(supabase.parent, self._throwaway.path / "data")
        self._throwaway.also_remove(socket_dir(project.postgres_dir))
        arguments = ["up", "--json", "--project", str(project.root), "--data-dir", str(project.data_dir)]
        ports = ["--port", "0", "--db-port", "0", "--inbox-port", "0"]
        program = self.household.start("stack", [*arguments, *ports], {"HEADWAY_LOCAL_DURABLE": "false"})
        self.stack = program.first_document()
        return time.perf_counter() - began

    def start_sandbox(self) -> float:
        """Bring the sandbox up; the seconds that it took."""
        began = time.perf_counter()
        self.sandbox = self.household.start("sandbox", ["sandbox", "-o", "json"], {}).first_document()
        return time.perf_counter() - began

    def slow_down(self, provider: str, seconds: float) -> None:
        """Let a paid API think before it answers, as the real one does.

        Args:
            provider: Such as ``openai``.
            seconds: For each call.
        """
        fault = {"provider": provider, "kind": "slow", "seconds": seconds}
        httpx.post(f"{self.sandbox_url}/_sandbox/faults", json=fault).raise_for_status()

    def paid(self, provider: str) -> tuple[int, Decimal]:
        """How many calls of a language model the sandbox has answered for a provider, and what they cost."""
        ledger = httpx.get(f"{self.sandbox_url}/_sandbox/ledger").raise_for_status().json()
        calls = sum(
            row["entries"]
            for row in ledger["rows"]
            if (row["provider"], row["unit"]) == (provider, "input_token")
        )
        return calls, Decimal(ledger["cost"].get(provider, "0"))

    def start_worker(self, name: str, modules: Sequence[str]) -> tuple[Program, float]:
        """Start a worker and wait until it takes jobs; the program, and the seconds that it took.

        Args:
            name: What people call it.
            modules: Whose jobs it runs.
        """
        began = time.perf_counter()
        port = _free_port()
        environment = {variable: self.stack[variable] for variable in _WORKER_NEEDS}
        environment |= self.sandbox
        # What a worker that is killed had downloaded goes with the demo's own directory.
        temporary = self._throwaway.path / "tmp"
        temporary.mkdir(exist_ok=True)
        environment["TMPDIR"] = str(temporary)
        environment["HEADWAY_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        arguments = ["worker", *modules, "--http-port", str(port), "--name", name.replace(" ", "-")]
        program = self.household.start(name, arguments, environment, listening=False)
        self.workers.append(program)
        _await_ready(program, port)
        return program, time.perf_counter() - began

    @property
    def url(self) -> str:
        """The stack's address."""
        return self.stack["SUPABASE_URL"]

    @property
    def sandbox_url(self) -> str:
        """The sandbox's address."""
        return self.sandbox["HEADWAY_SANDBOX_URL"]

    def close(self) -> None:
        """End every process, in order."""
        self.household.end_all()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(program: Program, port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as http:
        while time.monotonic() < deadline:
            program.require_running()
            try:
                if http.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(_POLL_S)
    raise HeadwayError(
        f"{program.name} is not ready after {_PATIENCE_S:.0f} s",
        hint=f"See {program.log}.",
        code="demo_failed",
    )

"""Is schema headway exposed, and are its migrations those of this version?"""

from __future__ import annotations

from headway.client.doctor.finding import Finding, fault, passed, skipped
from headway.client.doctor.subject import Subject
from headway.core.contract import CONTRACT_VERSION
from headway.errors import ConfigError, Denied, HeadwayError, SchemaMismatch

__all__ = ["examine_exposure", "examine_migrations"]

_EXPOSE = (
    "Add headway to the exposed schemas: Settings, Data API (on your machine [api] schemas in config.toml); "
    "without the schema itself, apply the migrations first: supabase db push."
)
_MIGRATE = "Apply the migrations of this version: supabase db push (on your machine `headway reset`)."
_FUNCTIONS = frozenset(
    {
        "submit",
        "submit_many",
        "cancel",
        "cancel_batch",
        "retry",
        "signal",
        "snapshot",
        "batch_snapshot",
        "watch",
        "events_after",
        "version",
        "register_worker",
        "stop_worker",
        "claim",
        "heartbeat",
        "checkpoint",
        "emit",
        "finish",
        "sweep",
        "prune",
        "submit_children",
        "children",
        "add_files",
        "reserve_usage",
        "record_usage",
        "release_usage",
    }
)


async def examine_exposure(subject: Subject) -> Finding:
    """Whether the Data API shows schema headway."""
    try:
        await subject.rows("kinds?select=kind&limit=1", caller=subject.best)
    except ConfigError as error:
        if error.code == "PGRST106":
            return fault("exposure", "the Data API does not show schema headway", _EXPOSE, code=error.code)
        return fault("exposure", error)
    except SchemaMismatch as error:
        return fault("exposure", "schema headway is there, but not its tables", _MIGRATE, code=error.code)
    except Denied as error:
        if error.code == "42501" and subject.best == "public":
            return passed("exposure", "the Data API shows schema headway")
        return fault("exposure", error)
    except HeadwayError as error:
        return fault("exposure", error)
    return passed("exposure", "the Data API shows schema headway")


async def examine_migrations(subject: Subject) -> Finding:
    """Whether the database speaks this version's contract, wholly."""
    if subject.best == "public":
        return skipped("migrations", "nobody is signed in, and no secret key is set")
    try:
        answer = await subject.ask(
            "POST", "/rest/v1/rpc/version", caller=subject.best, profile="headway", json={}
        )
        version = answer.json()
    except SchemaMismatch as error:
        return fault("migrations", "the engine's functions are not there", _MIGRATE, code=error.code)
    except HeadwayError as error:
        return fault("migrations", error)
    if version != CONTRACT_VERSION:
        newer = isinstance(version, int) and version > CONTRACT_VERSION
        return fault(
            "migrations",
            f"the database speaks version {version} of the contract, this package {CONTRACT_VERSION}",
            "Upgrade the package: pip install -U headway." if newer else _MIGRATE,
            database=version,
            package=CONTRACT_VERSION,
        )
    missing = await _missing(subject)
    if missing:
        return fault(
            "migrations", f"functions are missing: {', '.join(missing[:5])}", _MIGRATE, missing=missing
        )
    return passed("migrations", f"the migrations are those of version {version}", version=version)


async def _missing(subject: Subject) -> list[str]:
    """Functions that the Data API does not have, as far as it tells."""
    if subject.secret_key is None:
        return []
    try:
        answer = await subject.ask("GET", "/rest/v1/", caller="secret", profile="headway")
        paths = answer.json().get("paths", {})
    except (HeadwayError, ValueError, AttributeError):
        return []  # a project may switch its description off
    known = {path.removeprefix("/rpc/") for path in paths if path.startswith("/rpc/")}
    return sorted(_FUNCTIONS - known) if known else []

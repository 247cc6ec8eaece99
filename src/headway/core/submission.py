"""A request for a job, refused before it is sent where the engine would refuse it.

Shapes and limits are those of ``headway_private.read_submission``; what depends on the kind, the clock or the
caller's rights is left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID, uuid4

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from headway.core.json_limits import refuse_unstorable, storable
from headway.core.validation import field_path
from headway.errors import InvalidRequest

__all__ = ["MOST_JOBS", "InputFile", "Notify", "Submission", "read_submission", "submissions_body"]

MOST_JOBS = 10_000
"""How many jobs one call may submit."""

Key: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_YEAR = 31_622_400
_STRICT = ConfigDict(frozen=True, extra="forbid")


class Notify(BaseModel):
    """Whom to tell when the job ends.

    Attributes:
        webhook: An http(s) URL without credentials.
        email: One address.
        on: Which ends; completed and failed when left out or empty.
    """

    model_config = _STRICT

    webhook: (
        Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s/@]+(/\S*)?$")] | None
    ) = None
    email: Annotated[str, StringConstraints(max_length=254, pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$")] | None = (
        None
    )
    on: Annotated[tuple[Literal["completed", "failed", "cancelled"], ...], Field(max_length=3)] | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Notify:
        if self.webhook is None and self.email is None:
            raise PydanticCustomError("headway_missing", "names nobody")
        return self


class InputFile(BaseModel):
    """A file for the job: an object in Storage that the caller can see.

    Attributes:
        name: What the handler calls it; unique among the job's files.
        bytes: Its size, when known.
        sha256: Its checksum as lower-case hexadecimal digits, when known.
    """

    model_config = _STRICT

    name: Key
    bucket: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    path: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    content_type: Key | None = None
    bytes: Annotated[StrictInt, Field(ge=0, le=1_099_511_627_776)] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class Submission(BaseModel):
    """What ``headway.submit`` takes; ``docs/engine.md`` has the table of the fields.

    The id is made here, so that a submission whose answer was lost can be sent again and finds its job.
    """

    model_config = _STRICT

    id: UUID = Field(default_factory=uuid4)
    kind: Annotated[
        # Its spelling is left to the engine, which knows the nearest kind.
        str, StringConstraints(min_length=1, max_length=100)
    ]
    payload: Any = Field(default_factory=dict)
    queue: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    priority: Annotated[StrictInt, Field(ge=0, le=9)] | None = None
    run_at: AwareDatetime | None = None
    delay_seconds: Annotated[float, Field(ge=0, le=_YEAR)] | None = None
    idempotency_key: Key | None = None
    idempotency_seconds: Annotated[StrictInt, Field(ge=1, le=_YEAR)] | None = None
    unique_key: Key | None = None
    debounce_key: Key | None = None
    debounce_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    organization_id: UUID | None = None
    project_id: UUID | None = None
    owner_id: UUID | None = None
    parent_id: UUID | None = None
    batch_id: UUID | None = None
    tags: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=64)], ...], Field(max_length=32)
    ] = ()
    retention_seconds: Annotated[StrictInt, Field(ge=60, le=_YEAR)] | None = None
    max_attempts: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    cost_budget: Annotated[Decimal, Field(ge=0, le=1_000_000_000)] | None = None
    notify: Notify | None = None
    files: Annotated[tuple[InputFile, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Submission:
        for one, other in (
            ("delay_seconds", "run_at"),
            ("debounce_key", "unique_key"),
            ("debounce_key", "run_at"),
            ("debounce_key", "delay_seconds"),
        ):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise _contradiction(one, f"contradicts {other}")
        for needed, given in (
            ("idempotency_key", "idempotency_seconds"),
            ("debounce_key", "debounce_seconds"),
        ):
            if getattr(self, needed) is None and getattr(self, given) is not None:
                raise _contradiction(needed, f"is missing beside {given}", missing=True)
        if len({file.name for file in self.files}) < len(self.files):
            raise _contradiction("files", "has a name twice")
        return self

    def body(self) -> dict[str, Any]:
        """The JSON to send; what was left out is left out, and decimals travel as text, exactly."""
        # By hand, and only what was set: ten thousand of these go into one request.
        given = {name: getattr(self, name) for name in self.model_fields_set}
        body = {name: _plain(value) for name, value in given.items() if value not in (None, ())}
        # Never pruned of its nulls: they are the caller's.
        return body | {"id": str(self.id), "payload": self.payload}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def read_submission(fields: Mapping[str, Any], path: str = "") -> Submission:
    """A valid submission.

    Args:
        fields: By name; ``None`` counts as left out. The payload may be a pydantic model or anything that
            becomes JSON.
        path: What to put before the names of fields in errors, such as ``jobs[3]``.

    Raises:
        InvalidRequest: a field is wrong; ``code``, ``details`` (the field) and ``hint`` are as the engine's.
            The value is not shown.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    prefix = f"{path}." if path else ""
    if "payload" in given:
        given["payload"] = storable(given["payload"], f"{prefix}payload")
    try:
        submission = Submission.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _refusal(first, prefix) from None
    texts = {name: getattr(submission, name) for name in given if name != "payload"}
    nested: set[str] = {"files", "notify"} & texts.keys()
    if nested:
        texts |= submission.model_dump(include=nested)
    refuse_unstorable(texts, path)
    return submission


def submissions_body(
    jobs: Iterable[Submission], *, batch_id: UUID | None = None, batch_name: str | None = None
) -> dict[str, Any]:
    """The JSON that ``headway.submit_many`` takes.

    Args:
        jobs: 1 to 10,000; all of them are stored, or none.
        batch_id: Puts them into one batch of this id.
        batch_name: Its name, for people.

    Raises:
        InvalidRequest: there are too few or too many, or two have the same id.
    """
    bodies = [job.body() for job in jobs]
    if not 1 <= len(bodies) <= MOST_JOBS:
        raise InvalidRequest(
            f"jobs: has {len(bodies)} entries, not 1 to {MOST_JOBS}",
            hint=f"Send 1 to {MOST_JOBS:,} jobs at a time.",
            code="HW103" if bodies else "HW102",
            details="jobs",
        )
    seen: dict[str, int] = {}
    for place, body in enumerate(bodies):
        if (first := seen.setdefault(body["id"], place)) != place:
            raise InvalidRequest(
                f"jobs[{place}].id: is that of jobs[{first}] too",
                hint="Make a new UUID for every new job, or leave it out.",
                code="HW201",
                details=f"jobs[{place}].id",
            )
    request: dict[str, Any] = {"jobs": bodies}
    if batch_id is not None or batch_name is not None:
        request["batch"] = {"id": str(batch_id or uuid4())}
        if batch_name is not None:
            request["batch"]["name"] = batch_name
    return request


_REMEDIES = {
    "id": "Send a UUID such as 6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b.",
    "kind": 'Say which kind of job, in lower-case words joined by dots, such as "cv.parse".',
    "run_at": "Send a datetime with an offset, at most 366 days ahead.",
    "delay_seconds": "Send 0 to 31622400 seconds, or run_at, not both.",
    "priority": "Send a whole number from 0 to 9; 9 is the most urgent.",
    "tags": "Send up to 32 strings of 1 to 64 characters.",
    "notify": "Send a webhook (an http(s) URL without credentials) or an e-mail address.",
    "files": "Send up to 100 files with name, bucket and path, each with its own name.",
    "cost_budget": "Send a number from 0 to 1000000000.",
    "retention_seconds": "Send 60 to 31622400 seconds.",
    "max_attempts": "Send 1 to 100.",
    "idempotency_key": "Send a key of 1 to 255 characters, with its lifetime if need be.",
    "debounce_key": "Send the key with debounce_seconds, without unique_key, run_at and delay_seconds.",
}


def _contradiction(field: str, message: str, *, missing: bool = False) -> PydanticCustomError:
    kind: Literal["headway_missing", "headway_contradiction"] = (
        "headway_missing" if missing else "headway_contradiction"
    )
    return PydanticCustomError(kind, "{message}", {"field": field, "message": message})


def _refusal(error: ErrorDetails, prefix: str) -> InvalidRequest:
    kind = error["type"]
    location = error["loc"] or (error.get("ctx", {}).get("field", ""),)
    path = prefix + field_path(location)
    code = "HW100"
    message = error["msg"][:1].lower() + error["msg"][1:]
    hint = _REMEDIES.get(str(location[0]), "Leave it out, or see the table of fields in docs/engine.md.")
    if kind == "extra_forbidden":
        code, message = "HW101", "unknown field"
        parts: dict[str, type[BaseModel]] = {"files": InputFile, "notify": Notify}
        known = parts.get(str(location[0]), Submission)
        hint = f"Known fields: {', '.join(known.model_fields)}."
    elif kind in ("missing", "headway_missing"):
        code = "HW102"
        message = "is missing" if kind == "missing" else message
    elif kind in ("too_long", "greater_than_equal", "less_than_equal", "string_too_short", "string_too_long"):
        code = "HW103"
    elif kind == "string_unicode":
        code, message = "HW105", "text contains half of a surrogate pair"
    elif kind.endswith("_parsing"):
        message = "has the wrong format"
    return InvalidRequest(f"{path}: {message}", hint=hint, code=code, details=path)

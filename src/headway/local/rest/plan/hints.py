"""What a misspelt name was probably meant to be.

Source: PostgREST's documentation, "Errors"; it compares trigrams and bigrams, then ranks by Levenshtein
distance, as the Haskell library fuzzyset does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headway.local.rest.errors import RestError
from headway.local.rest.identifiers import QName
from headway.local.rest.schema.model import Relation, Relationship, Routine, SchemaCache

__all__ = ["ambiguous_relationship", "no_function", "no_relationship", "no_table"]

_NAME_SCORE = 0.75
_DEFAULT_SCORE = 0.33
_MAX_TABLES = 500
_MAX_LENGTH = 256


def _closest(name: str, known: Iterable[str], least: float, *, below: float = 1.01) -> str | None:
    """The known name most like ``name``, at least that similar."""
    if len(name) > _MAX_LENGTH:
        return None
    wanted = name.lower()
    grams = _grams(wanted)
    best: tuple[float, str] | None = None
    for candidate in sorted(set(known)):
        lowered = candidate.lower()
        if lowered != wanted and not grams & _grams(lowered):
            continue
        longest = max(len(wanted), len(lowered)) or 1
        score = 1 - _distance(wanted, lowered) / longest
        if least <= score < below and (best is None or score > best[0]):
            best = (score, candidate)
    return None if best is None else best[1]


def _grams(text: str) -> set[str]:
    padded = f"-{text}-"
    return {padded[i : i + size] for size in (2, 3) for i in range(len(padded) - size + 1)}


def _distance(left: str, right: str) -> int:
    """The Levenshtein distance."""
    previous = list(range(len(right) + 1))
    for row, here in enumerate(left, 1):
        current = [row]
        for column, there in enumerate(right, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (here != there)))
        previous = current
    return previous[-1]


def no_table(cache: SchemaCache, table: QName) -> RestError:
    """There is no such table.

    Args:
        cache: The schema cache.
        table: What was asked for.
    """
    known = [name.name for name in cache.tables if name.schema == table.schema]
    close = _closest(table.name, known, _NAME_SCORE) if len(known) < _MAX_TABLES else None
    hint = None if close is None else f"Perhaps you meant the table '{table.schema}.{close}'"
    message = f"Could not find the table '{table.schema}.{table.name}' in the schema cache"
    return RestError(404, "PGRST205", message, None, hint)


_RAW = {"text/plain": "text", "text/xml": "xml", "application/octet-stream": "bytea"}


def no_function(
    cache: SchemaCache, name: QName, arguments: Iterable[str], content_type: str, *, post: bool
) -> RestError:
    """There is no such function, or none with these arguments.

    Args:
        cache: The schema cache.
        name: What was asked for.
        arguments: The names of the arguments.
        content_type: The body's type.
        post: Whether it was called with POST.
    """
    given = sorted(arguments)
    called = f"{name.schema}.{name.name}"
    listed = ", ".join(given)
    raw = _RAW.get(content_type) if post else None
    shown = f"({listed})" if given else " without parameters"
    message = f"Could not find the function {called}{'' if raw else shown} in the schema cache"
    plural = "s" if len(given) > 1 else ""
    with_parameters = f" with parameter{plural} {listed}" if given else " without parameters"
    if raw:
        searched = f" with a single unnamed {raw} parameter"
    elif post and content_type == "application/json":
        searched = f"{with_parameters} or with a single unnamed json/jsonb parameter"
    else:
        searched = with_parameters
    details = f"Searched for the function {called}{searched}, but no matches were found in the schema cache."
    return RestError(404, "PGRST202", message, details, None if raw else _function_hint(cache, name, given))


def _function_hint(cache: SchemaCache, name: QName, given: Sequence[str]) -> str | None:
    overloads = cache.routines.get(name, ())
    if overloads:
        signatures = [f"({', '.join(sorted(p.name for p in r.parameters))})" for r in overloads]
        close = _closest(f"({', '.join(given)})", signatures, _DEFAULT_SCORE)
        found = None if close is None else name.name + close
    else:
        known = [other.name for other in cache.routines if other.schema == name.schema]
        found = _closest(name.name, known, _NAME_SCORE)
    return None if found is None else f"Perhaps you meant to call the function {name.schema}.{found}"


def ambiguous_function(routines: Iterable[Routine]) -> RestError:
    """Several functions take these arguments.

    Args:
        routines: The candidates.
    """
    shown = ", ".join(
        f"{r.name.schema}.{r.name.name}({', '.join(f'{p.name} => {p.type}' for p in r.parameters)})"
        for r in routines
    )
    return RestError(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {shown}",
        None,
        "Try renaming the parameters or the function itself in the database so function overloading can be "
        "resolved",
    )


def no_relationship(cache: SchemaCache, origin: QName, target: str, hint: str | None) -> RestError:
    """Nothing leads from one table to the other.

    Args:
        cache: The schema cache.
        origin: Where the embed starts.
        target: What is to be embedded.
        hint: The hint that was given.
    """
    using = f"' using the hint '{hint}" if hint is not None else ""
    return RestError(
        400,
        "PGRST200",
        f"Could not find a relationship between '{origin.name}' and '{target}' in the schema cache",
        f"Searched for a foreign key relationship between '{origin.name}' and '{target}{using}' in the "
        f"schema '{origin.schema}', but no matches were found.",
        _relationship_hint(cache.relationships, origin, target),
    )


def _relationship_hint(
    relationships: Mapping[tuple[QName, str], Sequence[Relation]], origin: QName, target: str
) -> str | None:
    known = relationships.get((origin, origin.schema))
    if known is not None:
        names = {relation.foreign_table.name for relation in known}
        # A name that is there needs no suggestion: then it is the hint that does not fit.
        close = None if target in names else _closest(target, names, _DEFAULT_SCORE, below=1.0)
        return None if close is None else f"Perhaps you meant '{close}' instead of '{target}'."
    parents = [table.name for table, schema in relationships if schema == origin.schema]
    close = _closest(origin.name, parents, _DEFAULT_SCORE)
    return None if close is None else f"Perhaps you meant '{close}' instead of '{origin.name}'."


def ambiguous_relationship(origin: str, target: str, candidates: Sequence[Relation]) -> RestError:
    """Several relationships lead from one table to the other.

    Args:
        origin: Where the embed starts.
        target: What is to be embedded.
        candidates: The relationships.
    """
    relationships = [c for c in candidates if isinstance(c, Relationship)]
    hints = ", ".join(f"'{r.foreign_table.name}!{_distinguishing(r)}'" for r in relationships)
    return RestError(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{origin}' and '{target}'",
        [_describe(relationship) for relationship in relationships],
        f"Try changing '{target}' to one of the following: {hints}. Find the desired relationship in the "
        "'details' key.",
    )


def _distinguishing(relationship: Relationship) -> str:
    return relationship.junction.table.name if relationship.junction else relationship.constraint


_CARDINALITY = {"m2m": "many-to-many", "m2o": "many-to-one", "o2o": "one-to-one", "o2m": "one-to-many"}


def _describe(relationship: Relationship) -> dict[str, str]:
    def listed(names: Iterable[str]) -> str:
        return f"({', '.join(names)})"

    here, there = relationship.table.name, relationship.foreign_table.name
    if junction := relationship.junction:
        source = listed(column for _, column in junction.source_columns)
        target = listed(column for _, column in junction.target_columns)
        shown = (
            f"{junction.table.name} using {junction.source_constraint}{source} "
            f"and {junction.target_constraint}{target}"
        )
    else:
        own = listed(column for column, _ in relationship.columns)
        other = listed(column for _, column in relationship.columns)
        shown = f"{relationship.constraint} using {here}{own} and {there}{other}"
    return {
        "cardinality": _CARDINALITY[relationship.kind],
        "embedding": f"{here} with {there}",
        "relationship": shown,
    }

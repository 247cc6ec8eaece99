"""How this Postgres differs from a hosted project's in ways that an application can notice."""

from __future__ import annotations

import asyncpg

from headway.local.database import Database
from headway.local.postgres.bootstrap.apply import SUPERUSER

__all__ = ["environment_warnings"]

_EXPECTED_EXTENSIONS = ("pgcrypto", "uuid-ossp", "pg_stat_statements")

_FACTS = """
select current_setting('wal_level') as wal_level,
       current_setting('TimeZone') as timezone,
       current_setting('shared_preload_libraries') as preloaded,
       (select datlocprovider::text from pg_catalog.pg_database
         where datname = current_database()) as provider,
       array(select e from unnest($1::text[]) as e
              where e not in (select name from pg_catalog.pg_available_extensions)) as missing
"""


async def environment_warnings(database: Database) -> list[str]:
    """What a person should know about this server before relying on it, one sentence each.

    Args:
        database: A bootstrapped database.
    """
    connection = await database.connect(SUPERUSER)
    try:
        facts = await connection.fetchrow(_FACTS, list(_EXPECTED_EXTENSIONS))
        assert facts is not None
        warnings = []
        try:
            await connection.execute("select now() at time zone 'America/New_York'")
        except asyncpg.InvalidParameterValueError:
            warnings.append(
                "The server has no time zone data: every zone but UTC is unknown to it. "
                "Install the system's tzdata package."
            )
    finally:
        await connection.close()
    if facts["provider"] != "i":
        warnings.append(
            "Text sorts by code point here (Z before a); hosted projects sort by ICU en_US (a before Z). "
            'Say ORDER BY ... COLLATE "C" where the order must be the same in both.'
        )
    if facts["timezone"] not in {"UTC", "Etc/UTC", "GMT"}:
        warnings.append(f"The server's time zone is {facts['timezone']}; hosted projects use UTC.")
    if facts["wal_level"] != "logical":
        warnings.append("wal_level is not logical: Realtime cannot see changes of tables.")
    if "pg_stat_statements" not in facts["missing"] and "pg_stat_statements" not in facts["preloaded"]:
        warnings.append("pg_stat_statements is not preloaded: its view cannot be read.")
    warnings.extend(
        f"The extension {name} is missing from this Postgres: {_CONSEQUENCE[name]}."
        for name in facts["missing"]
    )
    return warnings


_CONSEQUENCE = {
    "pgcrypto": "crypt(), gen_salt() and Vault do not work",
    "uuid-ossp": "uuid_generate_v4() does not exist; gen_random_uuid() does",
    "pg_stat_statements": "there are no statement statistics",
}

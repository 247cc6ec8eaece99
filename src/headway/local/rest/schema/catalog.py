"""The catalog queries behind the schema cache.

Each gives one JSON array of objects. They run with an empty ``search_path``, so that every type and default
that Postgres prints is schema-qualified and quoted, and can be put back into a statement as it is.

Source: the PostgreSQL documentation, "System Catalogs"; PostgREST's documentation, "Schema Cache".
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "COMPUTED_RELATIONSHIPS",
    "FOREIGN_KEYS",
    "FUNCTION_SOURCES",
    "KEYS",
    "MEDIA_HANDLERS",
    "REPRESENTATIONS",
    "ROUTINES",
    "TABLES",
    "VIEWS",
    "routines_query",
]


def _as_json(query: str) -> str:
    return f"SELECT coalesce(json_agg(to_json(found)), '[]')::json FROM ({query}) found"  # noqa: S608


_BASE_TYPES = """
    WITH RECURSIVE domains(oid, base) AS (
        SELECT oid, oid FROM pg_catalog.pg_type WHERE typtype <> 'd'
        UNION ALL
        SELECT t.oid, d.base FROM domains d JOIN pg_catalog.pg_type t ON t.typbasetype = d.oid
        WHERE t.typtype = 'd'
    )
"""

TABLES: Final = _as_json(
    f"""{_BASE_TYPES}
    SELECT
        n.nspname AS schema, c.relname AS name, c.relkind IN ('v', 'm') AS is_view,
        pg_catalog.obj_description(c.oid, 'pg_class') AS description,
        c.relkind IN ('r', 'p') OR (writable.bits & 8) = 8 AS insertable,
        c.relkind IN ('r', 'p') OR (writable.bits & 4) = 4 AS updatable,
        c.relkind IN ('r', 'p') OR (writable.bits & 16) = 16 AS deletable,
        coalesce((
            SELECT json_agg(a.attname ORDER BY a.attname)
            FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
            WHERE k.conrelid = c.oid AND k.contype = 'p'
        ), '[]') AS primary_key,
        coalesce(cols.list, '[]') AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.relkind IN ('v', 'f')
            THEN pg_catalog.pg_relation_is_updatable(c.oid, true) ELSE 0 END
    ) AS writable(bits)
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_object(
            'name', a.attname,
            'description', pg_catalog.col_description(c.oid, a.attnum),
            'nullable', NOT (a.attnotnull OR t.typtype = 'd' AND t.typnotnull),
            'base_type', CASE
                WHEN b.typnamespace = 'pg_catalog'::regnamespace THEN pg_catalog.format_type(b.oid, NULL)
                ELSE pg_catalog.format_type(a.atttypid, a.atttypmod)
            END,
            'nominal_type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'max_length', CASE
                WHEN b.oid IN ('bpchar'::regtype, 'varchar'::regtype) AND m.typmod > 4 THEN m.typmod - 4
                WHEN b.oid IN ('bit'::regtype, 'varbit'::regtype) AND m.typmod > 0 THEN m.typmod
            END,
            'default', CASE
                WHEN t.typtype = 'd' AND d.adbin IS NULL THEN pg_catalog.pg_get_expr(t.typdefaultbin, 0)
                WHEN a.attidentity = 'd' THEN (
                    SELECT pg_catalog.format('nextval(%L)', s.objid::regclass)
                    FROM pg_catalog.pg_depend s
                    WHERE s.refobjid = c.oid AND s.refobjsubid = a.attnum AND s.deptype = 'i'
                      AND s.classid = 'pg_class'::regclass LIMIT 1
                )
                WHEN a.attgenerated <> '' THEN NULL
                ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid)
            END,
            'enum', coalesce((
                SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)
                FROM pg_catalog.pg_enum e WHERE e.enumtypid = b.oid
            ), '[]')
        ) ORDER BY a.attnum) AS list
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        JOIN domains ON domains.oid = t.oid
        JOIN pg_catalog.pg_type b ON b.oid = domains.base
        CROSS JOIN LATERAL (SELECT CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END) m(typmod)
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) cols ON true
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition AND n.nspname = ANY ($1::text[])
    ORDER BY n.nspname, c.relname
"""  # noqa: S608 - the inserted text is a constant above
)
"""Tables and views of the schemas ``$1``, with their columns."""

FOREIGN_KEYS: Final = _as_json(
    """
    SELECT
        tn.nspname AS schema, t.relname AS name, fn.nspname AS foreign_schema, f.relname AS foreign_name,
        k.conname AS constraint, k.conrelid = k.confrelid AS is_self, pairs.list AS columns,
        EXISTS (
            SELECT FROM pg_catalog.pg_constraint u
            WHERE u.conrelid = k.conrelid AND u.contype IN ('p', 'u')
              AND u.conkey @> k.conkey AND u.conkey <@ k.conkey
        ) AS is_unique
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(a.attname, fa.attname) ORDER BY key.place) AS list
        FROM unnest(k.conkey, k.confkey) WITH ORDINALITY AS key(here, there, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.here
        JOIN pg_catalog.pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = key.there
    ) pairs
    WHERE k.contype = 'f' AND k.conparentid = 0
    ORDER BY k.conrelid, k.conname
"""
)
"""Every foreign key, whatever its schema: views of exposed schemas may lead to any."""

KEYS: Final = _as_json(
    """
    SELECT k.conname AS constraint, keys.kind, keys.relation::bigint AS relation,
        n.nspname AS schema, c.relname AS name, cols.list AS columns
    FROM pg_catalog.pg_constraint k
    CROSS JOIN LATERAL (
        VALUES (k.contype::text, k.conrelid, k.conkey),
               (CASE WHEN k.contype = 'f' THEN 'referenced' END, k.confrelid, k.confkey)
    ) AS keys(kind, relation, attributes)
    JOIN pg_catalog.pg_class c ON c.oid = keys.relation
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(a.attnum, a.attname) ORDER BY key.place) AS list
        FROM unnest(keys.attributes) WITH ORDINALITY AS key(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = keys.relation AND a.attnum = key.number
    ) cols
    WHERE k.contype IN ('p', 'f') AND keys.kind IS NOT NULL
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
)
"""Both sides of every key, for finding them again in views."""

VIEWS: Final = _as_json(
    """
    SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, r.ev_action::text AS definition,
        (
            SELECT json_object_agg(a.attnum, a.attname) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ) AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.ev_type = '1'
    WHERE c.relkind IN ('v', 'm') AND n.nspname = ANY ($1::text[])
"""
)
"""The parse trees of the views of the schemas ``$1``."""

COMPUTED_RELATIONSHIPS: Final = _as_json(
    """
    SELECT
        fn.nspname AS function_schema, p.proname AS function_name,
        tn.nspname AS schema, t.relname AS name, rn.nspname AS foreign_schema, r.relname AS foreign_name,
        NOT p.proretset OR p.prorows = 1 AS to_one
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace fn ON fn.oid = p.pronamespace
    JOIN pg_catalog.pg_class t ON t.reltype = p.proargtypes[0] AND t.relkind IN ('r', 'p', 'f', 'v', 'm')
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_class r ON r.reltype = p.prorettype AND r.relkind IN ('r', 'p', 'f', 'v', 'm')
    JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    WHERE p.pronargs = 1 AND p.prokind = 'f'
"""
)
"""Functions from a row of one table to rows of another."""

_ROUTINES = (
    _BASE_TYPES
    + """
    SELECT
        n.nspname AS schema, p.proname AS name, p.oid::bigint AS oid,
        pg_catalog.obj_description(p.oid, 'pg_proc') AS description,
        coalesce(arguments.list, '[]') AS parameters,
        rn.nspname AS return_schema, coalesce(rc.relname, rt.typname) AS return_name,
        p.proretset AS returns_set,
        rt.typtype = 'c' OR coalesce(p.proargmodes::text[] && '{t,b,o}'::text[], false) AS returns_composite,
        p.provolatile AS volatility, p.provariadic <> 0 AS is_variadic,
        coalesce(p.proconfig, '{}') AS config
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN domains ON domains.oid = p.prorettype
    JOIN pg_catalog.pg_type rt ON rt.oid = domains.base
    JOIN pg_catalog.pg_namespace rn ON rn.oid = rt.typnamespace
    LEFT JOIN pg_catalog.pg_class rc ON rc.oid = rt.typrelid
    CROSS JOIN LATERAL (
        SELECT
            json_agg(json_build_object(
                'name', coalesce(arg.name, ''),
                'type', arg.type::regtype::text,
                'cast_type', CASE arg.type
                    WHEN 'bit'::regtype THEN 'bit varying'
                    WHEN 'bit[]'::regtype THEN 'bit varying[]'
                    WHEN 'bpchar'::regtype THEN 'character varying'
                    WHEN 'bpchar[]'::regtype THEN 'character varying[]'
                    ELSE arg.type::regtype::text
                END,
                'required', arg.place <= p.pronargs - p.pronargdefaults,
                'variadic', coalesce(arg.mode = 'v', false)
            ) ORDER BY arg.place) AS list,
            count(*) - count(nullif(arg.name, '')) AS unnamed,
            (array_agg(arg.type ORDER BY arg.place) FILTER (WHERE coalesce(arg.name, '') = ''))[1]
                AS unnamed_type
        FROM unnest(p.proargnames, p.proargtypes::oid[], p.proargmodes) WITH ORDINALITY
            AS arg(name, type, mode, place)
        WHERE arg.type IS NOT NULL
    ) arguments
    WHERE p.prokind = 'f' AND rt.oid <> 'trigger'::regtype AND n.nspname = ANY ($1::text[])
      AND (arguments.unnamed = 0 OR arguments.unnamed = 1 AND arguments.unnamed_type
           IN ('json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'xml'::regtype, 'bytea'::regtype))
"""
)

ROUTINES: Final = _as_json(_ROUTINES)
"""Functions of the schemas ``$1`` that can be called by name."""


def routines_query(*, only_executable: bool) -> str:
    """The query for callable functions of the schemas ``$1``.

    Args:
        only_executable: Leave out those that the current role may not execute.
    """
    return (
        _as_json(f"{_ROUTINES} AND has_function_privilege(p.oid, 'execute')") if only_executable else ROUTINES
    )


FUNCTION_SOURCES: Final = _as_json(
    """
    SELECT p.oid::bigint AS oid, n.nspname AS schema, p.proname AS name, l.lanname AS language,
        coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) AS source,
        coalesce(p.proconfig, '{}') AS config
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE l.lanname IN ('sql', 'plpgsql') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      )
"""
)
"""The bodies of all functions but those of extensions, for ``safeupdate``."""

REPRESENTATIONS: Final = _as_json(
    """
    SELECT k.castsource::regtype::text AS source, k.casttarget::regtype::text AS target,
        k.castfunc::regproc::text AS function
    FROM pg_catalog.pg_cast k
    JOIN pg_catalog.pg_type s ON s.oid = k.castsource
    JOIN pg_catalog.pg_type t ON t.oid = k.casttarget
    WHERE k.castcontext = 'i' AND k.castmethod = 'f' AND has_function_privilege(k.castfunc, 'execute')
      AND (s.typtype = 'd' AND k.casttarget IN ('json'::regtype, 'text'::regtype)
           OR t.typtype = 'd' AND k.castsource IN ('json'::regtype, 'text'::regtype))
"""
)
"""Casts between domains and JSON or text."""

MEDIA_HANDLERS: Final = _as_json(
    """
    WITH media AS (
        SELECT t.oid, t.typname, n.nspname, lower(t.typname) AS media_type,
            CASE t.typname WHEN '*/*' THEN 'application/octet-stream' ELSE lower(t.typname) END
                AS content_type
        FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typtype = 'd'
          AND (t.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$' OR t.typname = '*/*')
    )
    SELECT pn.nspname AS schema, p.proname AS name, m.media_type, m.content_type,
        CASE WHEN p.proargtypes[0] <> 'anyelement'::regtype THEN an.nspname END AS target_schema,
        CASE WHEN p.proargtypes[0] <> 'anyelement'::regtype THEN a.typname END AS target_name
    FROM media m
    JOIN pg_catalog.pg_proc p ON p.prorettype = m.oid AND p.prokind = 'a' AND p.pronargs = 1
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
    JOIN pg_catalog.pg_type a ON a.oid = p.proargtypes[0]
    JOIN pg_catalog.pg_namespace an ON an.oid = a.typnamespace
    WHERE pn.nspname = ANY ($1::text[]) AND (a.typtype = 'c' OR a.oid = 'anyelement'::regtype)
    UNION ALL
    SELECT m.nspname, m.typname, m.media_type, m.content_type, pn.nspname, p.proname
    FROM media m
    JOIN pg_catalog.pg_proc p ON p.prorettype = m.oid AND p.prokind = 'f' AND NOT p.proretset
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
    WHERE pn.nspname = ANY ($1::text[])
"""
)
"""Aggregates and functions of the schemas ``$1`` that make a media type."""

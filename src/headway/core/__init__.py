"""What a job is and how its story is told: values and rules, without I/O, clock or event loop.

Client and worker share this package; it imports nothing of Headway but ``headway.errors``. The engine is SQL
(``docs/engine.md``); these are its words in Python:

``parts``, ``job``
    The read model: a job as lists, messages, rows and snapshots show it.
``event``, ``message``
    The append-only facts, and the broadcasts that carry them.
``evolution``
    What a job was right after an event.
``feed``
    The fold of one watcher: snapshots, messages and rows in any order become every event once and in order.
``listing``
    The same for a list of jobs: each job's latest state.
``stages``
    Weighted stages as one percent that never falls.
``json_limits``, ``submission``
    A submission, refused before it is sent where the engine would refuse it.
``answers``, ``lease``
    What the engine answers to callers and to workers.
``refusals``, ``libraries``, ``transport``, ``repetition``
    What a server or a library said, as an error of ``headway.errors``, and which requests may be sent again.
``retry_after``, ``retry``
    When a failed attempt is worth another, and after how long.
``validation``
    How a document becomes a value, or an error that names the field.

``docs/watching.md`` tells what a watcher sees and what is guaranteed.
"""

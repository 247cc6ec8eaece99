"""The worker: a process that claims jobs, runs their handlers, and tells what becomes of them.

What people type is ``Worker``, ``Context`` and the values a handler may return; ``headway`` exports those
names. Behind them, one duty per file:

``worker``, ``registry``, ``shape``, ``limits``, ``routes``
    What a module of handlers declares.
``context``, ``sync_context``, ``job``, ``outcomes``
    What a handler is given, and may answer.
``attempt``, ``reports``
    One execution: its lease, its progress that is not yet told, its reasons to stop.
``store``, ``http_store``
    Every request to the engine.
``runtime``, ``service``, ``agenda``, ``observations``
    The process: its services with one start/stop shape, what is due when, and what it tells of itself.
``claimer``, ``waking``, ``sweeper``, ``keeper``, ``runner``, ``finisher``
    The services that make up the life of a job.

It imports nothing of ``headway.client``.
"""

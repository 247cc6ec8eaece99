"""Everything that a worker does beside running jobs, as its settings want it."""

from __future__ import annotations

import asyncio
import math
import time
from importlib.metadata import version as version_of

from headway.worker import reaper
from headway.worker.deliveries import Channel
from headway.worker.http_port import HttpPort, build_app
from headway.worker.lag import LagMonitor
from headway.worker.metrics import Metrics
from headway.worker.notifier import Notifier
from headway.worker.outbox_wake import OutboxWake
from headway.worker.retention import Retention
from headway.worker.scheduler import Scheduler
from headway.worker.service import Service, ServiceContext
from headway.worker.webhooks import WebhookChannel

__all__ = ["side_services"]

# A delivery is reported well before somebody else may claim it.
_REPORTED_WITHIN = 30
_MAIL_SECONDS = 30
_LOOPBACK_KNOWN_FOR = 30.0


def side_services(context: ServiceContext) -> list[Service]:
    """The services that the settings ask for, in the order of their start.

    Metrics and traces are added to the context's observations at once.

    Args:
        context: The worker's.

    Raises:
        ConfigError: a setting of one of them is wrong, or its libraries are not installed.
    """
    settings = context.settings
    version = version_of("headway")
    lag = LagMonitor(context.observations, threshold=settings.loop_lag_warning)
    context.observations.add(lag)
    services: list[Service] = [lag]
    if reaper.is_needed():
        services.append(reaper.Reaper(context.observations))
    if settings.traces:
        from headway.worker.tracing import Tracing

        tracing = Tracing(version=version, worker=context.worker_name)
        context.observations.add(tracing)
        services.append(tracing)
    if settings.http_port is not None:
        metrics = Metrics(
            context.condition,
            link=context.link,
            version=version,
            worker=context.worker_name,
            kinds=context.kinds,
        )
        context.observations.add(metrics)
        app = build_app(context, metrics)
        services.append(HttpPort(app, host=settings.http_host, port=settings.http_port))
    if settings.scheduler:
        services.append(Scheduler(context))
    if settings.retention:
        services.append(Retention(context))
    if settings.notifier:
        services.append(_notifier(context, version))
        if context.link is not None:
            services.append(OutboxWake(context.link, context.agenda, context.observations))
    return services


def _notifier(context: ServiceContext, version: str) -> Notifier:
    settings = context.settings
    channels: dict[str, Channel] = {
        "webhook": WebhookChannel(
            origins=settings.webhook_origins,
            timeout=settings.webhook_timeout,
            loopback=_Loopback(context).allowed,
            version=version,
        )
    }
    longest = settings.webhook_timeout
    if settings.smtp_host is not None:
        from headway.worker.email import EmailChannel

        channels["email"] = EmailChannel(settings)
        # Letters may have to wait for one another.
        longest = max(longest, 3 * _MAIL_SECONDS)
    return Notifier(context, channels, lease_seconds=math.ceil(longest) + _REPORTED_WITHIN)


class _Loopback:
    """Whether this project admits webhooks to the machine itself, read now and then."""

    def __init__(self, context: ServiceContext) -> None:
        self._db = context.api.db
        self._known_until = 0.0
        self._value = False
        # Forty deliveries that begin together ask once.
        self._asking = asyncio.Lock()

    async def allowed(self) -> bool:
        async with self._asking:
            if time.monotonic() >= self._known_until:
                rows = (
                    await self._db.schema("headway")
                    .table("notification_settings")
                    .select("allow_loopback")
                    .execute()
                ).data
                self._value = any(row.get("allow_loopback") is True for row in rows if isinstance(row, dict))
                self._known_until = time.monotonic() + _LOOPBACK_KNOWN_FOR
            return self._value

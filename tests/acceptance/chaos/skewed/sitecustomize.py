"""A wrong clock: on the PYTHONPATH of a process, its wall clock is CLOCK_OFF_BY seconds off."""

import datetime
import os
import time

_OFF = float(os.environ.get("CLOCK_OFF_BY", "0"))
_time, _time_ns = time.time, time.time_ns


class _Shifted(type(datetime.datetime)):  # type: ignore[misc]
    def __instancecheck__(cls, value):  # type: ignore[no-untyped-def]
        return isinstance(value, _datetime)

    def __subclasscheck__(cls, other):  # type: ignore[no-untyped-def]
        return issubclass(other, _datetime)


_datetime = datetime.datetime


class _Wrong(_datetime, metaclass=_Shifted):
    @classmethod
    def now(cls, tz=None):  # type: ignore[no-untyped-def]
        return _datetime.now(tz) + datetime.timedelta(seconds=_OFF)

    @classmethod
    def utcnow(cls):  # type: ignore[no-untyped-def]
        return _datetime.utcnow() + datetime.timedelta(seconds=_OFF)


if _OFF:
    time.time = lambda: _time() + _OFF
    time.time_ns = lambda: _time_ns() + int(_OFF * 1e9)
    datetime.datetime = _Wrong

"""A Django project in one file, with one client for the process, used before a prefork server forks it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path

from headway.client import Headway

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="no secret", USE_TZ=True)
django.setup()

headway = Headway(url=os.environ["SUPABASE_URL"], key=os.environ["SUPABASE_PUBLISHABLE_KEY"])
# In the parent: a thread, a socket and a Realtime connection that no child may use.
_parent = headway.as_user(os.environ["TEST_TOKEN"])
_parents_watch = _parent.watch(os.environ["TEST_JOB"])
next(_parents_watch)


def caller(request: HttpRequest) -> Headway:
    return headway.as_user(request.headers["Authorization"].removeprefix("Bearer "))


def submit(request: HttpRequest) -> HttpResponseBase:
    job = caller(request).submit(str(request.GET["kind"]), json.loads(request.body))
    return JsonResponse({"id": str(job.id), "pid": os.getpid()})


def progress(request: HttpRequest, job_id: str) -> HttpResponseBase:
    hw = caller(request)

    def lines() -> Iterator[str]:
        for update in hw.watch(job_id, after_seq=0):
            yield json.dumps({"seq": update.seq, "status": update.status, "percent": update.percent}) + "\n"

    return StreamingHttpResponse(lines(), content_type="application/x-ndjson")


urlpatterns = [path("jobs", submit), path("jobs/<str:job_id>", progress)]
app = get_wsgi_application()

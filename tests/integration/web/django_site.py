"""A Django project in one file, served by wsgiref on a free port; says which on standard output."""

from __future__ import annotations

import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from headway import Headway
from headway.errors import HeadwayError
from headway.web import bearer_token, open_blocking_stream, problem, read_status_blocking

hw = Headway(url=os.environ["SUPABASE_URL"], key=os.environ["SUPABASE_PUBLISHABLE_KEY"])


def failed(error: HeadwayError) -> HttpResponseBase:
    status, headers, body = problem(error)
    return JsonResponse(body, status=status, headers=headers)


def events(request: HttpRequest, job_id: str) -> HttpResponseBase:
    try:
        user = hw.as_user(bearer_token(request.headers))
        stream = open_blocking_stream(user, job_id, request.headers.get("Last-Event-ID"), owned=True)
    except HeadwayError as error:
        return failed(error)
    return StreamingHttpResponse(stream, status=stream.status, headers=stream.headers)


def status(request: HttpRequest, job_id: str) -> HttpResponseBase:
    try:
        with hw.as_user(bearer_token(request.headers)) as user:
            document = read_status_blocking(user, job_id)
    except HeadwayError as error:
        return failed(error)
    return JsonResponse(document.body, headers=document.headers)


urlpatterns = [path("jobs/<str:job_id>/events", events), path("jobs/<str:job_id>", status)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="test", USE_TZ=True)
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Quiet) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()

"""A Flask app with one client for the process, used before a prefork server forks it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request

from headway.client import Headway

app = Flask(__name__)
headway = Headway(url=os.environ["SUPABASE_URL"], key=os.environ["SUPABASE_PUBLISHABLE_KEY"])
# In the parent: a thread, a socket and a Realtime connection that no child may use.
_parent = headway.as_user(os.environ["TEST_TOKEN"])
_parents_watch = _parent.watch(os.environ["TEST_JOB"])
next(_parents_watch)


def caller() -> Headway:
    return headway.as_user(request.headers["Authorization"].removeprefix("Bearer "))


@app.post("/jobs")
def submit() -> Response:
    job = caller().submit(str(request.args["kind"]), request.get_json())
    return jsonify(id=str(job.id), pid=os.getpid())


@app.get("/jobs/<job_id>")
def progress(job_id: str) -> Response:
    hw = caller()

    def lines() -> Iterator[str]:
        for update in hw.watch(job_id, after_seq=0):
            yield json.dumps({"seq": update.seq, "status": update.status, "percent": update.percent}) + "\n"

    return Response(lines(), mimetype="application/x-ndjson")

"""Watches a job that does not end, until it is interrupted."""

from __future__ import annotations

import os

from headway.client import Headway

hw = Headway(
    url=os.environ["SUPABASE_URL"],
    key=os.environ["SUPABASE_PUBLISHABLE_KEY"],
    access_token=os.environ["TEST_TOKEN"],
)
try:
    for update in hw.watch(os.environ["TEST_JOB"]):
        print(update.status, flush=True)
except KeyboardInterrupt:
    print("interrupted", hw.get(os.environ["TEST_JOB"]).status, flush=True)

# A worker: the package, what it needs, and the pipelines in workers/. What it serves is said by SUPABASE_URL and
# SUPABASE_SECRET_KEY. It runs as nobody in particular, with a read-only file system and a /tmp.
#
#   docker build -t headway-worker .
#   docker run --read-only --tmpfs /tmp -e SUPABASE_URL -e SUPABASE_SECRET_KEY headway-worker workers.cv
#
# With jobs of your own: FROM headway-worker, COPY jobs /opt/headway/app/jobs, CMD ["jobs"].

FROM python:3.13-slim-bookworm AS build
WORKDIR /source
# What changes seldom goes first.
COPY docker docker
RUN docker/install.sh environment /opt/headway
COPY pyproject.toml README.md LICENSE ./
COPY supabase supabase
COPY workers workers
COPY src src
RUN docker/install.sh package /opt/headway && docker/install.sh app /opt/headway

FROM python:3.13-slim-bookworm
COPY --from=build /opt/headway /opt/headway
ENV PATH=/opt/headway/bin:$PATH \
    PYTHONPATH=/opt/headway/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HEADWAY_HTTP_HOST=0.0.0.0 \
    HEADWAY_HTTP_PORT=8080
WORKDIR /opt/headway/app
USER 65532:65532
EXPOSE 8080
# It drains: it claims no more, lets jobs finish, and hands back the rest. Give it more than HEADWAY_GRACE_SECONDS.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "headway.worker.healthcheck"]
# As process 1, without a shell and without an init: it handles signals itself, and reaps what its jobs leave.
ENTRYPOINT ["headway", "worker"]
CMD ["workers.cv", "workers.talk_track", "workers.document", "workers.video", "workers.discovery"]

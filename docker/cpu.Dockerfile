# Translates on a CPU. From the repository's root:
#   docker build -f docker/cpu.Dockerfile -t unit-edge .
#   docker run --rm -v "$PWD:/work" unit-edge translate drive.mp4 --to night
# With --build-arg PACKAGES="openvino>=2024.4" it has these packages too.
FROM python:3.13-slim-trixie AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/*
ARG PACKAGES=""
WORKDIR /src
COPY . .
# opencv-python's wheels need libraries of a desktop, the headless ones none
# wheels of av 19 carry X11's libraries, padded to 27 MB, that this never calls
# pip makes /app/bin but once: what comes first has its commands in it
# hadolint ignore=DL3013,SC2086
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && pip install --no-cache-dir --no-compile --no-deps --target /app /wheels/*.whl \
    && pip install --no-cache-dir --no-compile --target /app \
        "numpy>=1.26" "opencv-python-headless>=4.8" "av>=17.1,<19" "typer>=0.12" "onnxruntime>=1.18" $PACKAGES \
    && sh docker/slim.sh /app \
    && python3 docker/root.py /app /root-of-image && mkdir /empty

# of Debian only what these load: no package manager, no pip, no tools
FROM scratch
COPY --from=build /root-of-image /
COPY --from=build /app /app
COPY --from=build --chown=1000:1000 /empty /cache
COPY --from=build --chown=1000:1000 /empty /work
COPY --from=build --chown=1000:1000 /empty /home/user
ENV PYTHONPATH=/app PATH=/app/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 UNIT_EDGE_CONTAINER=cpu \
    XDG_CACHE_HOME=/cache PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /work
VOLUME /cache
HEALTHCHECK --interval=5m --timeout=60s CMD ["unit-edge", "models"]
ENTRYPOINT ["unit-edge"]
CMD ["--help"]

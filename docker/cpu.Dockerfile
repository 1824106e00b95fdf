# Translates on a CPU. From the repository's root:
#   docker build -f docker/cpu.Dockerfile -t unit-edge .
#   docker run --rm -v "$PWD:/work" unit-edge translate drive.mp4 --to night
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY . .
# opencv-python's wheels need libraries of a desktop, the headless ones none
# wheels of av 19 carry X11's libraries, padded to 27 MB, that this never calls
# pip makes /app/bin but once: what comes first has its commands in it
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && pip install --no-cache-dir --no-compile --no-deps --target /app /wheels/*.whl \
    && pip install --no-cache-dir --no-compile --target /app \
        "numpy>=1.26" "opencv-python-headless>=4.8" "av>=17.1,<19" "typer>=0.12" "onnxruntime>=1.18" \
    && sh docker/slim.sh /app

FROM python:3.13-slim-trixie
COPY --from=build /app /app
ENV PYTHONPATH=/app PATH=/app/bin:$PATH UNIT_EDGE_CONTAINER=cpu XDG_CACHE_HOME=/cache PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 1000 user && mkdir /cache /work && chown user /cache /work
USER 1000
WORKDIR /work
VOLUME /cache
HEALTHCHECK --interval=5m --timeout=60s CMD ["unit-edge", "models"]
ENTRYPOINT ["unit-edge"]
CMD ["--help"]

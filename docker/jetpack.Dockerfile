# Translates on a Jetson with TensorRT. Build it on the board:
#   docker build -f docker/jetpack.Dockerfile -t unit-edge:jetson .                                        # JetPack 6
#   docker build -f docker/jetpack.Dockerfile -t unit-edge:jetson \
#       --build-arg BASE=nvcr.io/nvidia/tensorrt:25.09-py3 .                                               # JetPack 7
#   docker run --rm --runtime nvidia -v "$PWD:/work" -v unit-edge-cache:/cache unit-edge:jetson \
#       build /work/my-night.onnx --backend tensorrt
# Never run on a board by the project: it was written without one.
ARG BASE=nvcr.io/nvidia/l4t-tensorrt:r10.3.0-runtime
FROM ${BASE}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv python3-pip python3-libnvinfer \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
# numpy below 2, since Python packages of JetPack 6 were built for it; TensorRT is the image's
RUN python3 -m venv --system-site-packages /app \
    && /app/bin/pip install --no-cache-dir "numpy<2" "opencv-python-headless>=4.8,<5" "av>=17.1,<20" "typer>=0.12" \
        "cuda-bindings<12.9,>=12.8; python_version=='3.10'" "cuda-bindings<13.1,>=13.0; python_version=='3.12'" \
    && /app/bin/pip install --no-cache-dir --no-deps /src \
    && rm -rf /src
ENV PATH=/app/bin:$PATH UNIT_EDGE_CONTAINER=jetson XDG_CACHE_HOME=/cache \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all
RUN useradd --create-home --uid 1001 user && mkdir /cache /work && chown user /cache /work
USER 1001
WORKDIR /work
VOLUME /cache
HEALTHCHECK --interval=5m --timeout=60s CMD ["unit-edge", "models"]
ENTRYPOINT ["unit-edge"]
CMD ["--help"]

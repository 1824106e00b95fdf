# Translates, trains and exports on an NVIDIA GPU. The host needs the driver and the NVIDIA Container Toolkit.
#   docker build -f docker/cuda.Dockerfile -t unit-edge:cuda .
#   docker run --rm --gpus all -v "$PWD:/work" -v unit-edge-cache:/cache unit-edge:cuda \
#       translate drive.mp4 --to night --backend onnxruntime-cuda
# Never run on a GPU by the project: it was written without one.
FROM python:3.12-slim-trixie AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-trixie
COPY --from=build /wheels /wheels
# torch brings CUDA and cuDNN, which onnxruntime-gpu uses too
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[train,export,imagenet]" \
        "onnxruntime-gpu[cuda,cudnn]>=1.18" \
    && pip uninstall -y opencv-python \
    && pip install --no-cache-dir "opencv-python-headless>=4.8" \
    && rm -rf /wheels
ENV UNIT_EDGE_CONTAINER=cuda XDG_CACHE_HOME=/cache NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
RUN useradd --create-home --uid 1000 user && mkdir /cache /work && chown user /cache /work
USER 1000
WORKDIR /work
VOLUME /cache
HEALTHCHECK --interval=5m --timeout=60s CMD ["unit-edge", "models"]
ENTRYPOINT ["unit-edge"]
CMD ["--help"]

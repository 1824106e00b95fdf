# What the head and the workers of a Ray cluster run for `unit-edge fleet`, on CPUs. From the repository's root:
#   docker build -f deploy/fleet.Dockerfile -t REGISTRY/unit-edge-fleet .
# Never built by the project: it was written where there are no containers. Versions of Ray and Python are those of
# the whole cluster, and of whoever gives --address.
ARG RAY=2.60.0-py312-cpu
FROM rayproject/ray:${RAY} AS build
COPY --chown=ray . /home/ray/src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /home/ray/wheels /home/ray/src

FROM rayproject/ray:${RAY}
COPY --from=build /home/ray/wheels /home/ray/wheels
# opencv-python's wheels need libraries of a desktop, the headless ones none
RUN pip install --no-cache-dir "$(echo /home/ray/wheels/*.whl)[cpu,fleet]" \
    && pip uninstall -y opencv-python \
    && pip install --no-cache-dir "opencv-python-headless>=4.8" \
    && rm -rf /home/ray/wheels \
    && unit-edge models
ENV UNIT_EDGE_CONTAINER=cpu RAY_USAGE_STATS_ENABLED=0

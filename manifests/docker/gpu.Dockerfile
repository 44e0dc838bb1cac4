# The image of GPU pools: what requirements/gpu.lock names (CUDA 13 comes with its wheels), and raytide.
#   docker build -f manifests/docker/gpu.Dockerfile -t raytide:0.1.0-gpu .
FROM python:3.11-slim-bookworm

# The driver is the node's; its libraries are put in by the container runtime for what these two ask for.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# gcc: Triton compiles its launcher where the kernels are first used. The rest as in cpu.Dockerfile.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash procps libnuma1 gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

COPY requirements/gpu.lock /src/requirements/gpu.lock
RUN pip install --no-cache-dir --no-deps --requirement /src/requirements/gpu.lock

COPY pyproject.toml README.md /src/
COPY platform/raytide /src/platform/raytide
COPY jobs/raytide /src/jobs/raytide
COPY services/raytide /src/services/raytide
COPY autoscaling/raytide /src/autoscaling/raytide
COPY manifests/raytide /src/manifests/raytide
# What builds raytide's wheel, in the versions that built it for every test.
COPY requirements/cpu.lock /src/requirements/cpu.lock
RUN pip install --no-cache-dir --no-deps \
        $(grep -E '^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==' /src/requirements/cpu.lock | cut -d ' ' -f 1) \
    && pip install --no-cache-dir --no-deps --no-build-isolation /src

RUN useradd --uid 1000 --create-home ray \
    && install --directory --owner ray --group ray /var/lib/raytide /var/cache/raytide /models
USER 1000:1000
WORKDIR /home/ray

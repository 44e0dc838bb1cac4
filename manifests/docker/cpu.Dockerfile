# The image of the head, of CPU pools and of the Jobs that apply services: what requirements/cpu.lock names, and raytide.
#   docker build -f manifests/docker/cpu.Dockerfile -t raytide:0.1.0-cpu .
FROM python:3.11-slim-bookworm

# procps: a pod that is to go waits until its raylet has ended (`pgrep`); bash starts Ray (KubeRay's command).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash procps libnuma1 \
    && rm -rf /var/lib/apt/lists/*

# The index of CPU builds is asked for torch alone: any other name found there would win over its own index.
ARG TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements/cpu.lock /src/requirements/cpu.lock
RUN torch="$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' /src/requirements/cpu.lock)" \
    && pip install --no-cache-dir --no-deps --index-url "$TORCH_CPU_INDEX" "$torch" \
    && pip install --no-cache-dir --no-deps --requirement /src/requirements/cpu.lock

# Code last: a change of it reuses the layers above, which are 3 GB.
COPY pyproject.toml README.md /src/
COPY platform/raytide /src/platform/raytide
COPY jobs/raytide /src/jobs/raytide
COPY services/raytide /src/services/raytide
COPY autoscaling/raytide /src/autoscaling/raytide
COPY manifests/raytide /src/manifests/raytide
RUN pip install --no-cache-dir --no-deps --no-build-isolation /src

# The user of every pod (`runAsUser: 1000`), with a home that libraries may write to.
RUN useradd --uid 1000 --create-home ray \
    && install --directory --owner ray --group ray /var/lib/raytide /var/cache/raytide /models
USER 1000:1000
WORKDIR /home/ray

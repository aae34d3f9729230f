# `docker build .` makes the product's image, which has every process of it: `docker run durable-checkout:0.1.0 worker`,
# `… api`, `… migrate`. `docker build --target lab .` makes the laboratory's, which has the sandbox provider as well.
FROM python:3.13.14-slim-bookworm AS build-product
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Every file is checked against the lock's hash, and what is installed below comes from these files alone.
COPY requirements.lock ./
RUN python -m pip download --require-hashes --only-binary=:all: --dest /wheels -r requirements.lock

COPY pyproject.toml README.md LICENSE worker.py ./
COPY checkout ./checkout
COPY workflows ./workflows
COPY activities ./activities
COPY api ./api
RUN python -m pip install --no-index --find-links=/wheels hatchling \
    && python -m hatchling build -t wheel -d /wheels \
    && python -m venv --without-pip /opt/checkout \
    && python -m pip --python /opt/checkout/bin/python install --no-index --find-links=/wheels durable-checkout


FROM build-product AS build-lab
COPY lab ./lab
RUN (cd lab && python -m hatchling build -t wheel -d /wheels) \
    && python -m pip --python /opt/checkout/bin/python install --no-index --find-links=/wheels durable-checkout-lab


FROM python:3.13.14-slim-bookworm AS base
LABEL org.opencontainers.image.licenses="MIT"
# The home is also where a volume for the sandbox's ledger is mounted, which takes over its owner.
RUN useradd --system --uid 10001 --home-dir /var/lib/checkout --create-home --shell /usr/sbin/nologin checkout
COPY docker/probe.py /opt/probe.py
ENV PATH=/opt/checkout/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/checkout
STOPSIGNAL SIGTERM
ENTRYPOINT ["checkout"]


FROM base AS lab
LABEL org.opencontainers.image.title="durable-checkout-lab"
COPY --from=build-lab /opt/checkout /opt/checkout


FROM base AS product
LABEL org.opencontainers.image.title="durable-checkout"
COPY --from=build-product /opt/checkout /opt/checkout

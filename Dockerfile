# syntax=docker/dockerfile:1

# The images: one static program in an otherwise empty root directory, for amd64 and arm64.
#
#   docker build --tag leapmotor2mqtt .

# It runs on the architecture of the machine that builds; the program is built for the one that was asked for.
FROM --platform=$BUILDPLATFORM rust:1.95.0-slim-bookworm AS build
ARG TARGETARCH
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.cache,sharing=locked \
    --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    program=$(scripts/build-static "$TARGETARCH") && scripts/image-root "$program" /image

# The program alone: docker build --target program --output DIR .
FROM scratch AS program
COPY --from=build /image/usr/local/bin/leapmotor2mqtt /

# What the two images have in common.
FROM scratch AS common
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="leapmotor2mqtt" \
      org.opencontainers.image.description="The honest, careful, light bridge between Leapmotor cars and Home Assistant, over MQTT" \
      org.opencontainers.image.source="https://github.com/leapmotor2mqtt/leapmotor2mqtt" \
      org.opencontainers.image.documentation="https://github.com/leapmotor2mqtt/leapmotor2mqtt/blob/main/docs/install/docker.md" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/ /
# config.yaml and certs/ are looked for in the working directory.
WORKDIR /config
ENV LEAPMOTOR2MQTT_DATA_DIR=/data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=15s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/leapmotor2mqtt", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/leapmotor2mqtt"]
CMD ["run"]

# The add-on: docker build --target add-on. It starts as root, because the Supervisor gives /data to root, and gives that up.
FROM common AS add-on
ARG VERSION=0.0.0
LABEL io.hass.type="app" \
      io.hass.arch="amd64|aarch64" \
      io.hass.version="$VERSION"

# The image for everybody else.
FROM common
VOLUME ["/data"]
USER 1000:1000

# docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD) -t seglog .
# docker run -p 7070:7070 -v seglog:/data seglog

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./
# Nothing that is needed here runs a script when it is installed.
RUN npm ci --ignore-scripts
COPY binary ./binary
COPY src ./src
# A part of what `seglog --version` prints; there is no repository in here to ask.
ARG COMMIT=unknown
# Of this command alone: the executable, which the next one runs, takes no variable SEGLOG_* that is no setting of its own.
RUN SEGLOG_COMMIT=$COMMIT npm run build:binary
RUN binary/image-root.sh "$(echo dist/seglog-linux-*)" /image

# The executable, the libraries that it links to, and its data directory: no shell, no package manager, no Node.
FROM scratch
LABEL org.opencontainers.image.title="seglog" \
      org.opencontainers.image.description="A durable, partitioned, append-only log in one program." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# Native code was unpacked when the image was made: the container's file system can be read-only.
ENV SEGLOG_CACHE_DIR=/usr/lib/seglog
USER 65532:65532
VOLUME /data
EXPOSE 7070
# SIGTERM finishes what is in flight, syncs and marks the log clean: give it time (docker stop -t 60).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/bin/seglog", "health"]
ENTRYPOINT ["/usr/bin/seglog"]
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:7070"]

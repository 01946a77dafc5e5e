# docker build -t seglog . && docker run -p 7070:7070 -v seglog:/data seglog

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Nothing that is needed here runs a script when it is installed.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
LABEL org.opencontainers.image.title="seglog" \
      org.opencontainers.image.description="A durable, partitioned, append-only log in one program." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY LICENSE package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN ln -s /app/dist/cli/main.js /usr/local/bin/seglog && install -d -o node -g node /data
USER node
VOLUME /data
EXPOSE 7070
# SIGTERM finishes what is in flight, syncs and marks the log clean: give it time (docker stop -t 60).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["seglog", "health"]
ENTRYPOINT ["seglog"]
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:7070"]

# One image for API servers, workers and migrations: docker build -t holdfast . && docker run holdfast api
# (worker, migrations). BASE is any image with Node.js 24.12 or newer and npm.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS dependencies
# Another registry than npm's own, where there is one.
ARG NPM_CONFIG_REGISTRY
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json ./
COPY shared/package.json shared/
COPY shared/client/package.json shared/client/
COPY migrations/package.json migrations/
COPY api/package.json api/
COPY worker/package.json worker/
COPY infra/package.json infra/
COPY infra/testing/package.json infra/testing/
# Without Node.js itself, which the base has, and without what only tests and npm start need.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  --workspace=api --workspace=worker --workspace=migrations
COPY shared shared
COPY migrations migrations
COPY api api
COPY worker worker
COPY infra/image infra/image
COPY LICENSE ./
# What is compiled here is not compiled at each start; the file system is read-only then.
RUN node infra/image/compile.ts

# The payment simulator, to try the whole without an account: docker build --target simulator .
FROM dependencies AS simulator
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  --workspace=infra --workspace=shared
COPY infra/stripe-simulator infra/stripe-simulator
USER 10001:10001
ENV HOST=0.0.0.0 PORT=12111
EXPOSE 12111
ENTRYPOINT ["node", "infra/stripe-simulator/main.ts"]

FROM ${BASE}
ENV NODE_ENV=production \
  HOST=0.0.0.0 \
  PORT=3000 \
  ADMIN_PORT=9400 \
  REQUIRE_DURABLE_REDIS=on
WORKDIR /app
COPY --from=dependencies /app /app
# Nobody in particular, with no right to write anywhere.
USER 10001:10001
EXPOSE 3000 9400
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "infra/image/health.ts"]
# Node.js itself is process 1: SIGTERM reaches it, and it ends within ten seconds.
ENTRYPOINT ["node", "--max-semi-space-size=32", "infra/image/start.ts"]
CMD ["api"]

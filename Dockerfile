# One image for every part; the subcommand chooses: `proxy sidecar`, `control-plane`, `injector`, `capture apply` …
# Built from the official Node 24, which is also what runs; another base: --build-arg NODE_IMAGE=…
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# koffi's native part and esbuild's program are optional dependencies: they must not be left out.
RUN npm ci --include=optional
COPY . .
RUN node scripts/bundle.ts

FROM ${NODE_IMAGE}
# iptables for the init container; the sidecar itself runs no program but Node.
RUN apt-get update \
 && apt-get install -y --no-install-recommends iptables iproute2 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1337 entente \
 && useradd --uid 1337 --gid 1337 --no-create-home --no-log-init --shell /usr/sbin/nologin entente
COPY --from=build --chown=root:root /src/dist /opt/entente
COPY --from=build --chown=root:root /src/LICENSE /opt/entente/
# The command by its name, for the hooks that run in a pod's proxy container and for kubectl exec.
RUN chmod 0755 /opt/entente/entente.mjs && ln -s /opt/entente/entente.mjs /usr/local/bin/entente
ENV NODE_ENV=production
# The root file system may be read-only: nothing is written but what is mounted. The init container asks for uid 0 and
# NET_ADMIN in its own security context.
USER 1337:1337
# --expose-gc: what a peak of connections left behind is collected when it is over.
ENTRYPOINT ["node", "--expose-gc", "--disable-warning=DEP0060", "/opt/entente/entente.mjs"]
CMD ["--help"]

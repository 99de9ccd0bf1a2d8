# One image for every part; the subcommand chooses: `proxy sidecar`, `control-plane`, `injector`, `capture apply` …
# The base is any image with Node 24 and apt-get or apk; another one: --build-arg NODE_IMAGE=…
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# koffi's native part and esbuild's program are optional dependencies: they must not be left out. Each request is shown,
# and one that stalls ends after a minute, so that a registry out of reach is seen.
RUN npm ci --include=optional --loglevel=http --fetch-timeout=60000 --fetch-retries=2
COPY . .
RUN node scripts/bundle.ts && chmod -R a+rX,go-w dist LICENSE

FROM ${NODE_IMAGE}
# iptables, and `ip` for one address of IPv6, are for the init container. The other parts run no program but Node.
# `entente` on the path is for the pods' hooks, which do not use the entry point.
RUN set -e; \
    if command -v apt-get >/dev/null; then \
      export DEBIAN_FRONTEND=noninteractive; \
      apt-get update; \
      apt-get install -y --no-install-recommends iptables iproute2; \
      apt-get clean; \
      rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
        /var/log/alternatives.log /var/cache/ldconfig/aux-cache; \
    else \
      apk add --no-cache iptables iproute2-minimal; \
    fi; \
    ln -s /opt/entente/entente.mjs /usr/local/bin/entente; \
    echo 'entente:x:1337:' >>/etc/group; \
    echo 'entente:x:1337:1337:Entente:/nonexistent:/sbin/nologin' >>/etc/passwd
COPY --from=build --chown=0:0 /src/dist /opt/entente
COPY --from=build --chown=0:0 /src/LICENSE /opt/entente/
ENV NODE_ENV=production
# The root file system may be read-only: nothing is written but what is mounted. The init container asks for uid 0 and
# NET_ADMIN in its own security context.
USER 1337:1337
# --expose-gc: what a peak of connections left behind is collected when it is over.
ENTRYPOINT ["node", "--expose-gc", "--disable-warning=DEP0060", "/opt/entente/entente.mjs"]
CMD ["--help"]

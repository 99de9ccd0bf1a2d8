import type { Registry } from "prom-client";
import { createIssuingMetrics } from "../../ca-agent/issuing-metrics.ts";
import type { IssuingServiceDeps } from "../../ca-agent/issuing-service.ts";
import type { ConfigSource } from "../../discovery/config-source.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import type { MeshSettingsSource } from "../settings/live-settings.ts";
import { findPodsAt } from "./known-pods.ts";
import type { Identity } from "./start-identity.ts";
import type { RevocationParts } from "./start-revocations.ts";

export interface IssuingOptions {
  readonly defaultLifetimeMs: number;
  readonly maxLifetimeMs: number;
  readonly settings: Pick<MeshSettingsSource, "current">;
}

export interface IssuingParts extends Identity {
  /** The pods that run, if they are known. */
  readonly pods: Pick<ConfigSource, "current"> | undefined;
  readonly revocations: RevocationParts;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

/** What the issuing service needs of a control plane. */
export function createIssuing(options: IssuingOptions, parts: IssuingParts): IssuingServiceDeps {
  const { authority, authenticator, tagPod, pods, revocations, registry, clock, log, limitLog } = parts;
  const { defaultLifetimeMs, maxLifetimeMs, settings } = options;
  return {
    authority,
    authenticator,
    trustDomain: settings.current().trustDomain,
    ...(pods && { findPods: (identity, address) => findPodsAt(pods.current(), identity, address) }),
    tagPod,
    findRevoked: revocations.findRevoked,
    clock,
    log,
    limitLog,
    metrics: createIssuingMetrics({ registry, authority, clock }),
    defaultLifetimeMs,
    maxLifetimeMs,
  };
}

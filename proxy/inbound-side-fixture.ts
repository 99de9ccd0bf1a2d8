/** For tests: the inbound side of a sidecar, on loopback without iptables. */
import { type Authorization, NO_AUTHORIZATION } from "../mesh/policy/authorization/authorization.ts";
import type { DeclaredProtocol, Inbound, ServerMode } from "../mesh/policy/types.ts";
import { type Clock, systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import type { ConnectionRegistry } from "./connections/connection-registry.ts";
import type { ConnectionLimits } from "./connections/limits/decide-connection-limits.ts";
import {
  createDraining,
  createPlane,
  type HttpSide,
  type HttpSideOptions,
  type Recorder,
  SHORT_LIMITS,
} from "./data-plane-fixture.ts";
import type { InboundLimits } from "./inbound/inbound-arrival.ts";
import type { OpeningCaps } from "./inbound/opening-limits.ts";
import { secureContextsOf, WORKLOAD, WORLD } from "./mesh-identities-fixture.ts";
import { listenCaptured } from "./raw-sockets-fixture.ts";
import type { SecureContextSource } from "./tls/secure-context-source.ts";

export interface InboundSide {
  /** Where a client connects, as if iptables had redirected it. */
  readonly port: number;
  readonly registry: ConnectionRegistry;
  readonly recorder: Recorder;
  readonly caps: OpeningCaps;
  readonly http: HttpSide;
  setMode(mode: ServerMode): void;
  /** Replaces the AuthorizationPolicies of the workload. */
  setPolicies(policies: Authorization["policies"]): void;
  /** Replaces the rules for tokens of the workload. */
  setTokenRules(rules: Inbound["tokenRules"]): void;
  /** Closes idle upstream connections. */
  closeIdle(): void;
}

export interface InboundSideOptions {
  readonly mode: ServerMode;
  readonly applicationPort: number;
  readonly secureContexts?: SecureContextSource;
  readonly limits?: Partial<InboundLimits>;
  /** For each cap on connections on which nothing has been delivered. @default 100 */
  readonly openingLimit?: number;
  /** Of all connections. @default 5000 */
  readonly maxConnections?: number;
  /** All of a sidecar's limits, instead of the two above. */
  readonly connectionLimits?: ConnectionLimits;
  /** The declared protocol of the application's port. */
  readonly protocol?: DeclaredProtocol;
  /** Where clients connect. @default any free port */
  readonly port?: number;
  readonly http?: HttpSideOptions;
  /** The AuthorizationPolicies of the workload. @default none */
  readonly authorization?: Partial<Authorization>;
  /** The rules for tokens of the workload. @default none */
  readonly tokenRules?: Inbound["tokenRules"];
  /** @default the system's */
  readonly clock?: Clock;
  /** Called each time the policy is read. */
  readonly onPolicyRead?: () => void;
}

/** An inbound side in front of an application on loopback. */
export async function startInboundSide(cleanup: Cleanup, options: InboundSideOptions): Promise<InboundSide> {
  const limit = options.openingLimit ?? 100;
  const { plane, recorder, ...telemetry } = createPlane(
    options.secureContexts ?? secureContextsOf(WORLD),
    {
      connectionLimits: options.connectionLimits ?? {
        ...{ maxUnproved: limit, maxSilentPlaintext: limit, maxSilentVerified: limit },
        maxPerDirection: options.maxConnections ?? 5000,
      },
      timeLimits: { ...SHORT_LIMITS, ...options.limits },
      clock: options.clock ?? systemClock,
    },
    options.http,
  );
  cleanup.add(() => plane.close());
  let mode = options.mode;
  let authorization: Authorization = { ...NO_AUTHORIZATION, ...options.authorization };
  let { tokenRules = [] } = options;
  const inbound = (): Inbound => {
    options.onPolicyRead?.();
    return {
      workload: WORKLOAD,
      defaultMode: { mode, rule: `PeerAuthentication/${mode.toLowerCase()}.ns2` },
      ports:
        options.protocol === undefined
          ? []
          : [
              {
                port: options.applicationPort,
                mode: { mode, rule: "PeerAuthentication/port.ns2" },
                protocol: options.protocol,
                service: undefined,
              },
            ],
      authorization,
      tokenRules,
    };
  };
  const draining = createDraining();
  const sidecar = { inbound, workload: () => WORKLOAD, inboundDrain: draining.signals };
  const { inbound: handle, http: context, closeIdle } = plane.createSidecar(sidecar);
  const port = await listenCaptured(cleanup, options.applicationPort, handle, options.port);
  const setMode = (next: ServerMode): void => {
    mode = next;
    plane.policyChanged();
  };
  const setPolicies = (policies: Authorization["policies"]): void => {
    authorization = { ...authorization, policies };
    plane.policyChanged();
  };
  const setTokenRules = (rules: Inbound["tokenRules"]): void => {
    tokenRules = rules;
    plane.policyChanged();
  };
  const { registry, caps } = plane;
  return {
    port,
    registry,
    recorder,
    caps,
    http: { context, ...telemetry, ...draining },
    setMode,
    setPolicies,
    setTokenRules,
    closeIdle,
  };
}

import type { ConnectRouter } from "@connectrpc/connect";
import { DiscoveryService } from "../mesh/api/gen/discovery_pb.ts";
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import type { TrustReadings } from "../mesh/policy/authentication/trust-readings.ts";
import type { Clock, Logger, LogLimiter } from "../mesh/runtime.ts";
import type { ConfigSource } from "./config-source.ts";
import { Evaluations, KEY_OF_SETTINGS, KEY_OF_TRUST, keyOfKeySet, type Trust } from "./decisions/evaluations.ts";
import { SharedDecisions } from "./decisions/shared-decisions.ts";
import { DiscoverStreams } from "./streams/discover-streams.ts";
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from "./streams/stream-limits.ts";
import type { ProxyStatus, ProxyTrust } from "./streams/stream-status.ts";

/** Who is trusted; the certificate authority knows it. */
export interface TrustSource {
  current(): Trust;
  /** From what the present one was made, and how long ago that was read. @default not known, and not sent */
  readings?(): TrustReadings | undefined;
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** The mesh's settings, which may change while the process runs. */
export interface SettingsSource {
  current(): MeshSettings;
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** The keys of issuers of tokens, which the control plane fetches. */
export interface KeySetSource {
  /** By `KeySource.key`; a source is absent until it was fetched once. */
  current(): ReadonlyMap<string, string>;
  /** Calls the listener after each change, with the keys of what differs. Returns the function that unsubscribes. */
  subscribe(listener: (keys: readonly string[]) => void): () => void;
}

export interface DiscoveryServiceOptions {
  readonly source: ConfigSource;
  readonly trust: TrustSource;
  readonly settings: SettingsSource;
  /** @default none: tokens of issuers whose keys would have to be fetched are refused */
  readonly keySets?: KeySetSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked before a line that a caller causes. */
  readonly limitLog: LogLimiter;
  /** @default DEFAULT_STREAM_LIMITS */
  readonly limits?: StreamLimits;
  /** Ends all streams, so that their clients connect to another control plane. */
  readonly shutdown: AbortSignal;
}

/** Decides what each proxy needs to know, and sends it to the proxies that are connected. */
export interface Discovery {
  /** Serves callers with a workload certificate. */
  register(router: ConnectRouter): void;
  /** The connected proxies and what they have acknowledged, for operators. */
  status(): readonly ProxyStatus[];
  /** The same proxies, and only which roots they have. */
  trust(): readonly ProxyTrust[];
}

/** Follows the mesh's configuration and roots until the shutdown. */
export function startDiscovery(options: DiscoveryServiceOptions): Discovery {
  const { source, trust, settings, keySets = NO_KEY_SETS, shutdown, limits = DEFAULT_STREAM_LIMITS } = options;
  const view = () => ({
    ...{ set: source.current(), trust: trust.current() },
    ...{ settings: settings.current(), keySets: keySets.current() },
  });
  const evaluations = new Evaluations({ ...options, view });
  const decisions = new SharedDecisions(evaluations);
  const streams = new DiscoverStreams({
    ...options,
    limits,
    evaluations,
    decisions,
    readings: () => trust.readings?.(),
  });
  const stops = [
    source.subscribe((_set, { keys }) => evaluations.changed(keys)),
    trust.subscribe(() => evaluations.changed([KEY_OF_TRUST])),
    settings.subscribe(() => evaluations.changed([KEY_OF_SETTINGS])),
    keySets.subscribe((keys) => evaluations.changed(keys.map(keyOfKeySet))),
  ];
  const stop = (): void => {
    for (const stopOne of stops) stopOne();
  };
  shutdown.addEventListener("abort", stop, { once: true });
  return {
    register: (router) =>
      router.service(DiscoveryService, { discover: (requests, context) => streams.discover(requests, context) }),
    status: () => streams.status(),
    trust: () => streams.trust(),
  };
}

const NONE: ReadonlyMap<string, string> = new Map();
const NO_KEY_SETS: KeySetSource = { current: () => NONE, subscribe: () => () => undefined };

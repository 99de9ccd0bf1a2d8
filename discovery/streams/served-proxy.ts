import { formatResource } from "../../mesh/api/convert-subscription.ts";
import type { Acknowledgement, Proxy as ProxyMessage } from "../../mesh/api/gen/discovery_pb.ts";
import { copyText } from "../../mesh/api/own-copy.ts";
import type { VerifiedPeer } from "../../mesh/api/peer-context.ts";
import type { MeshError } from "../../mesh/mesh-error.ts";
import type { TrustReadings } from "../../mesh/policy/authentication/trust-readings.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import type { ResourceClient } from "../decisions/decide-resource.ts";
import type { Evaluations } from "../decisions/evaluations.ts";
import type { SharedDecisions } from "../decisions/shared-decisions.ts";
import { admitWorkload } from "./admit-caller.ts";
import type { BundleRoots } from "./bundle-record.ts";
import type { NamedStream, OpenStreams } from "./open-streams.ts";
import type { Outbox } from "./outbox.ts";
import { PodWatch } from "./pod-watch.ts";
import { type Batch, ProxyStream } from "./proxy-stream.ts";
import type { StreamLimits } from "./stream-limits.ts";
import { type ProxyStatus, type ProxyTrust, StreamRecord } from "./stream-status.ts";

export interface ServedProxyOptions {
  readonly caller: VerifiedPeer;
  readonly outbox: Outbox;
  readonly open: OpenStreams<ServedProxy>;
  readonly evaluations: Evaluations;
  readonly decisions: SharedDecisions;
  /** Of the trust bundle, at this moment. @default none */
  readonly readings?: () => TrustReadings | undefined;
  readonly bundleRoots: BundleRoots;
  readonly limits: StreamLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

/** The longest version that is kept. */
const MAX_VERSION = 64;

/** One proxy at the other end of a stream: its pod, its subscriptions and what it has acknowledged. */
export class ServedProxy implements NamedStream {
  readonly caller: VerifiedPeer;
  readonly outbox: Outbox;
  readonly subscriptions: ProxyStream;
  readonly #options: ServedProxyOptions;
  readonly #record = new StreamRecord();
  readonly #sinceMs: number;
  #name: { readonly namespace: string; readonly pod: string; readonly version: string } | undefined;
  #watch: PodWatch | undefined;
  #isPodKnown = false;
  #leave: (() => void) | undefined;
  /** Releases the slot of a stream whose pod is unknown. */
  #stopWaiting: (() => void) | undefined;

  constructor(options: ServedProxyOptions) {
    const { caller, outbox, open, decisions, readings, limits, clock } = options;
    this.#options = options;
    this.caller = caller;
    this.outbox = outbox;
    this.#sinceMs = clock.now();
    this.subscriptions = new ProxyStream({
      decisions,
      ...(readings && { readings }),
      maxSubscriptions: limits.subscriptionsPerStream,
      quota: open.quotaOf(caller),
      notify: () => outbox.notify(),
      onFailure: (error) => this.#reportFailure(error),
    });
  }

  get isNamed(): boolean {
    return this.#name !== undefined;
  }

  get pod(): string {
    return formatResourceKey(this.#name?.namespace ?? "", this.#name?.pod ?? "");
  }

  /**
   * The first request: the pod, which must have the caller's identity. While the pod is unknown the stream waits: a
   * sidecar may connect before its pod's address has reached the configuration. The sidecar of a deleted pod keeps its
   * last values. Throws if the caller may not name this pod.
   */
  identify(message: ProxyMessage | undefined): void {
    const { caller, outbox, open, evaluations } = this.#options;
    const { namespace, name } = admitWorkload(message?.workload, caller.identity);
    this.#name = { namespace, pod: name, version: copyText(message?.version ?? "", MAX_VERSION) };
    this.#leave = open.add(this);
    this.#watch = new PodWatch({
      evaluations,
      pod: this.pod,
      identity: caller.identity,
      onChange: (client) => this.#onPod(client),
      onDenied: (error) => outbox.end(error),
    });
    this.#watch.ensureCurrent();
    if (!this.#isPodKnown) this.#wait();
  }

  /** The next response; `undefined` if the proxy has everything, or may not receive it. */
  take(): Batch | undefined {
    this.#watch?.ensureCurrent();
    if (!this.outbox.isOpen) return undefined;
    const batch = this.subscriptions.take();
    if (batch !== undefined) this.#record.sent(batch.response.nonce, batch.values, this.#options.clock.now());
    return batch;
  }

  unsubscribe(id: number): void {
    this.subscriptions.unsubscribe(id);
    this.#record.forget(id);
  }

  acknowledge(message: Acknowledgement): void {
    const { clock, log, limitLog } = this.#options;
    const find = (id: number) => {
      const resource = this.subscriptions.find(id);
      return resource && { kind: resource.kind, resource: formatResource(resource) };
    };
    for (const { resource, reason } of this.#record.acknowledged(message, find, clock.now())) {
      const { isGranted, heldBack } = limitLog("rejected");
      if (isGranted) log.warn({ pod: this.pod, resource, reason, heldBack }, "a proxy has rejected a value");
    }
  }

  status(): ProxyStatus {
    const { identity, address, notAfterMs } = this.caller;
    const { serialNumber, rootFingerprint } = this.caller.certificate;
    const { sentMs, acknowledgedMs } = this.#record.times;
    const counts = Map.groupBy(this.subscriptions.subscriptions, ({ resource }) => resource.kind);
    return {
      namespace: this.#name?.namespace ?? "",
      pod: this.#name?.pod ?? "",
      identity,
      address,
      version: this.#name?.version ?? "",
      isPodKnown: this.#isPodKnown,
      connectedSince: formatTime(this.#sinceMs) ?? "",
      lastSent: formatTime(sentMs),
      lastAcknowledged: formatTime(acknowledgedMs),
      resources: [...counts].map(([kind, { length }]) => ({ kind, count: length, state: this.#record.stateOf(kind) })),
      rejections: this.#record.rejections.map(({ resource, reason }) => ({ resource, reason })),
      certificate: { serialNumber, rootFingerprint, notAfter: new Date(notAfterMs).toISOString() },
      trustedRoots: this.#trustedRoots(),
    };
  }

  /** For counting: there may be ten thousand, and the whole status costs ten times as much. */
  trust(): ProxyTrust {
    const { identity, address, certificate } = this.caller;
    return {
      ...{ identity, address, certificateRoot: certificate.rootFingerprint },
      trustedRoots: this.#trustedRoots(),
      rejectedRoot: this.#rejectedRoot(),
    };
  }

  close(): void {
    this.#watch?.stop();
    this.subscriptions.close();
    this.#stopWaiting?.();
    this.#leave?.();
  }

  #trustedRoots(): readonly string[] | null {
    const { trustBundle } = this.#record;
    return trustBundle === undefined ? null : this.#options.bundleRoots.fingerprintsOf(trustBundle);
  }

  /** What a proxy claims counts only for a root that the rejected bundle contains. */
  #rejectedRoot(): string | null {
    const { rejectedBundle } = this.#record;
    if (rejectedBundle === undefined) return null;
    const { encoded, root } = rejectedBundle;
    return this.#options.bundleRoots.fingerprintsOf(encoded).includes(root) ? root : null;
  }

  #onPod(client: ResourceClient | undefined): void {
    this.#isPodKnown = client !== undefined;
    this.#stopWaiting?.();
    this.subscriptions.setClient(client);
  }

  /** Until the pod is known, or the stream ends. */
  #wait(): void {
    const { open, caller, log, limitLog } = this.#options;
    this.#stopWaiting = open.admitWaiting(caller);
    const { isGranted, heldBack } = limitLog("waiting");
    if (isGranted)
      log.info({ pod: this.pod, peer: caller.identity, heldBack }, "waiting for a pod that is still unknown");
  }

  #reportFailure({ code, message }: MeshError): void {
    const { log, limitLog } = this.#options;
    const { isGranted, heldBack } = limitLog("decision");
    if (isGranted) log.error({ code, reason: message, pod: this.pod, heldBack }, "a decision failed; it is refused");
  }
}

function formatTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

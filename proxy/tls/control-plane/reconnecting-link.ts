import { createClient } from "@connectrpc/connect";
import { DiscoveryService } from "../../../mesh/api/gen/discovery_pb.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../../mesh/runtime.ts";
import { type Backoff, createBackoff } from "../../../net/backoff.ts";
import type { SecureMaterial, WritableSecureContextSource } from "../secure-context-source.ts";
import { readRootFile } from "./control-plane-client.ts";
import {
  type ControlPlaneAddress,
  connectControlPlane,
  findRevocation,
  parseControlPlaneAddress,
} from "./control-plane-connection.ts";
import type { DiscoveryLink } from "./discovery-stream.ts";

export interface ReconnectingLinkOptions {
  /** `host:port`. */
  readonly address: string;
  readonly rootCertificateFile: string;
  /** Provides the client certificate; without one there is no connection. */
  readonly source: Pick<WritableSecureContextSource, "current" | "trust" | "subscribe" | "contextTrusting">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** @default 5000; a dead control plane is noticed within twice this time */
  readonly pingIntervalMs?: number;
  /** Whether the control plane accepts the certificate in use, each time it is known. @default ignored */
  readonly onCertificate?: (isAccepted: boolean) => void;
  /** Moves to a new connection. Resolves when the old one is no longer needed. */
  readonly onLink: (link: DiscoveryLink) => Promise<unknown>;
}

/** The reconnection's state, while a connection is missing or has an old certificate. */
type Attempt =
  | { readonly kind: "none" }
  | { readonly kind: "connecting" }
  | { readonly kind: "backing-off"; readonly timer: Timer };

/** The connection in use. */
interface Current {
  readonly link: DiscoveryLink;
  /** The generation of its certificate. */
  readonly fingerprint: string;
}

/** After this time the old connection is closed, even if streams have no response on the new one. */
const MOVE_TIMEOUT_MS = 10_000;

/**
 * Keeps one connection to the control plane, with the current certificate. A new certificate causes a new connection,
 * and the old one is closed when all streams have moved (make before break). A lost connection is re-established after
 * a delay.
 */
export class ReconnectingLink {
  readonly #options: ReconnectingLinkOptions;
  readonly #address: ControlPlaneAddress;
  readonly #backoff: Backoff;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #closing = new AbortController();
  readonly #unsubscribe: () => void;
  #attempt: Attempt = { kind: "none" };
  #current: Current | undefined;

  constructor(options: ReconnectingLinkOptions) {
    this.#options = options;
    this.#address = parseControlPlaneAddress(options.address);
    this.#backoff = createBackoff({ random: options.random });
    this.#unsubscribe = options.source.subscribe(() => this.#onMaterial());
  }

  current(): DiscoveryLink | undefined {
    return this.#current?.link;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Connects if that is needed and possible now. */
  ensure(): void {
    const material = this.#options.source.current();
    if (this.#closing.signal.aborted || this.#attempt.kind !== "none" || material === undefined) return;
    if (this.#current?.fingerprint === fingerprintOf(material)) return;
    this.#attempt = { kind: "connecting" };
    void this.#connect(material);
  }

  /** The connection works: resets the backoff. */
  markHealthy(): void {
    this.#backoff.reset();
    this.#options.onCertificate?.(true);
  }

  /** Moves to a new connection, to whichever control plane that leads. Until then this one stays in use. */
  leave(): void {
    if (this.#current === undefined) return;
    this.#current = { link: this.#current.link, fingerprint: "" };
    this.ensure();
  }

  /** The control plane refuses the certificate of this connection; one that was replaced meanwhile does not matter. */
  refuse(link: DiscoveryLink, reason: string): void {
    const { source, onCertificate } = this.#options;
    const material = source.current();
    const isInUse = material !== undefined && this.#current?.fingerprint === fingerprintOf(material);
    if (this.#current?.link === link && isInUse) onCertificate?.(false);
    this.giveUp(link, reason);
  }

  /** The connection is unusable; another one follows after a delay. */
  giveUp(link: DiscoveryLink, reason: string): void {
    if (this.#current?.link !== link) return;
    this.#current = undefined;
    link.connection.close();
    this.#options.log.warn({ reason }, "the connection to the control plane is lost; its last data stays in force");
    for (const listener of [...this.#listeners]) listener(false);
    if (this.#attempt.kind === "none") this.#ensureLater();
  }

  close(): void {
    const current = this.#current;
    this.#current = undefined;
    this.#closing.abort();
    this.#unsubscribe();
    if (this.#attempt.kind === "backing-off") this.#attempt.timer.cancel();
    current?.link.connection.close();
  }

  #onMaterial(): void {
    const link = this.#current?.link;
    const revoked = findRevocation(link?.connection.certificate, this.#options.source.trust().revocations);
    if (link !== undefined && revoked !== undefined) this.giveUp(link, revoked);
    // A new certificate may be exactly what was missing.
    if (this.#attempt.kind === "backing-off") {
      this.#attempt.timer.cancel();
      this.#attempt = { kind: "none" };
    }
    this.ensure();
  }

  #ensureLater(): void {
    const timer = this.#options.clock.setTimeout(() => {
      this.#attempt = { kind: "none" };
      this.ensure();
    }, this.#backoff.next());
    this.#attempt = { kind: "backing-off", timer };
  }

  async #connect(material: SecureMaterial): Promise<void> {
    const { source, clock, rootCertificateFile, log, pingIntervalMs = 5000 } = this.#options;
    const { signal } = this.#closing;
    try {
      const rootsPem = await readRootFile(rootCertificateFile);
      const context = source.contextTrusting(rootsPem);
      if (context === undefined) throw new Error("the own certificate has expired");
      // Of the certificate in the context: it may be replaced until the connection is there.
      const fingerprint = fingerprintOf(source.current() ?? material);
      const address = this.#address;
      const { revocations } = source.trust();
      const limits = { clock, pingIntervalMs, signal };
      const connection = await connectControlPlane({ address, rootsPem, context, revocations, ...limits });
      this.#adopt({
        link: { connection, client: createClient(DiscoveryService, connection.transport) },
        fingerprint,
      });
    } catch (caught) {
      if (signal.aborted) return;
      const { code, message } = MeshError.from(caught);
      log.warn({ code }, `no connection to the control plane: ${message}`);
      this.#ensureLater();
    }
  }

  #adopt(next: Current): void {
    if (this.#closing.signal.aborted) {
      next.link.connection.close();
      return;
    }
    const before = this.#current;
    this.#current = next;
    this.#attempt = { kind: "none" };
    if (before === undefined) {
      this.#options.log.info({ address: this.#address.url }, "connected to the control plane");
      for (const listener of [...this.#listeners]) listener(true);
    }
    this.#watch(next);
    const moved = this.#options.onLink(next.link);
    if (before !== undefined) void this.#retire(before, moved);
    // The certificate may have been replaced again meanwhile.
    this.ensure();
  }

  #watch({ link }: Current): void {
    void link.connection.closed.then((reason) => this.giveUp(link, reason));
    // A control plane announces its shutdown; the streams move while the old connection still works.
    void link.connection.draining.then(() => {
      if (this.#current?.link === link) this.leave();
    });
  }

  async #retire({ link }: Current, moved: Promise<unknown>): Promise<void> {
    const late = new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimeout(resolve, MOVE_TIMEOUT_MS);
      void moved.then(() => timer.cancel());
    });
    await Promise.race([moved, late]);
    link.connection.close();
  }
}

function fingerprintOf(material: SecureMaterial): string {
  return material.certificates[0]?.fingerprint256 ?? "";
}

/** For tests: the client sides of real sidecars, which must trust each other at every moment. */
import { once } from "node:events";
import { duplexPair } from "node:stream";
import { connect, TLSSocket } from "node:tls";
import { fingerprintOf } from "../../ca-agent/rotation/rotation-state.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import type { SecureMaterial } from "../../proxy/tls/secure-context-source.ts";
import { startWorkloadTls, type WorkloadTls, type WorkloadTlsOptions } from "../../proxy/tls/workload-tls.ts";

const LOOK_MS = 20;

export type SidecarFiles = Pick<
  WorkloadTlsOptions,
  "address" | "rootCertificateFile" | "tokenFile" | "identity" | "workload" | "lifetimeMs"
>;

export class TrustingSidecars {
  readonly all: WorkloadTls[] = [];
  /** Why one did not trust another, at any moment. */
  readonly faults = new Set<string>();
  /** Who has been tried with whom: a verdict is about two values, and what looks must not take the processor from what it looks at. */
  readonly #tried = new WeakMap<SecureMaterial, WeakSet<SecureMaterial>>();
  readonly #cleanup: Cleanup;
  readonly #clock: Clock;

  constructor(cleanup: Cleanup, clock: Clock) {
    this.#cleanup = cleanup;
    this.#clock = clock;
  }

  async start(files: SidecarFiles): Promise<WorkloadTls> {
    const deps = { version: "test", clock: this.#clock, random: Math.random, log: new RecordingLogger() };
    const sidecar = await startWorkloadTls({ ...files, ...deps });
    this.#cleanup.add(() => sidecar.close());
    this.all.push(sidecar);
    return sidecar;
  }

  /** As SIGKILL. */
  kill(sidecar: WorkloadTls): void {
    this.all.splice(this.all.indexOf(sidecar), 1);
    sidecar.close();
  }

  /** Waits for a condition, and looks at all of them meanwhile. */
  async until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isTrue())) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Whether all of them have certificates of these roots alone, and trust them alone. */
  haveOnly(roots: readonly string[]): boolean {
    const wanted = roots.map(fingerprintOf).sort().join();
    return this.all.every(({ source }) => {
      const { trust } = source.current() ?? { trust: { roots: [] } };
      return (
        trust.roots
          .map(({ fingerprint256 }) => fingerprint256)
          .sort()
          .join() === wanted
      );
    });
  }

  /** A handshake of each of them with each, by OpenSSL. */
  async shakeHands(): Promise<void> {
    for (const [client, server] of this.#pairs()) await this.#shake(client, server);
  }

  /** Both verdicts on each pair that has not met yet. */
  async #look(): Promise<void> {
    const met = this.#pairs().filter(([one, other]) => this.#tried.get(one)?.has(other) !== true);
    for (const [one, other] of met) {
      const others = this.#tried.get(one) ?? new WeakSet();
      this.#tried.set(one, others.add(other));
      this.#note(findFault(one, other, this.#clock.now()));
    }
    for (const [client, server] of met) await this.#shake(client, server);
  }

  /** Without those whose certificate has expired: on a busy machine one of seconds does, and that is no lack of trust. */
  #pairs(): readonly (readonly [SecureMaterial, SecureMaterial])[] {
    const materials = this.all.flatMap(({ source }) => source.current() ?? []);
    return materials.flatMap((one) => materials.map((other) => [one, other] as const));
  }

  async #shake(client: SecureMaterial, server: SecureMaterial): Promise<void> {
    const fault = await shakeHands(client, server);
    const isExpired = this.#clock.now() > Math.min(client.notAfterMs, server.notAfterMs);
    if (!isExpired) this.#note(fault);
  }

  #note(fault: string | undefined): void {
    if (fault !== undefined) this.faults.add(fault);
  }
}

/** Our own verdict. */
function findFault(own: SecureMaterial, theirs: SecureMaterial, atMs: number): string | undefined {
  const nowMs = Math.min(atMs, own.notAfterMs, theirs.notAfterMs);
  const verdict = verifyPeer({ certificates: theirs.certificates, sessionReused: false, ...own.trust, nowMs });
  return verdict.kind === "trusted" ? undefined : verdict.message;
}

/** OpenSSL's, of the client on the server. */
async function shakeHands(client: SecureMaterial, server: SecureMaterial): Promise<string | undefined> {
  const [near, far] = duplexPair();
  const accepted = new TLSSocket(far, { isServer: true, secureContext: server.context });
  const dialled = connect({ socket: near, secureContext: client.context, checkServerIdentity: () => undefined });
  // Either side may notice first.
  const failed = new Promise<string>((resolve) => {
    for (const socket of [accepted, dialled])
      socket.on("error", (error) => resolve(`a handshake failed: ${error.message}`));
  });
  const done = once(dialled, "secureConnect").then(
    () => undefined,
    () => failed,
  );
  const fault = await Promise.race([done, failed]);
  for (const socket of [accepted, dialled]) socket.destroy();
  return fault;
}

/** For tests: a mesh on loopback, with a control plane of its own and sidecars that get everything from it. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { filesOf, type MintedAuthority } from "../../ca-agent/authority/authority-fixture.ts";
import { createLiveAuthority, type LiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { parseSigningMaterial } from "../../ca-agent/authority/signing-material.ts";
import { registerIssuingService } from "../../ca-agent/issuing-service.ts";
import { tagPodByUid } from "../../ca-agent/revocation/pod-name.ts";
import { Changing, ChangingSource, settings } from "../../discovery/discovery-fixture.ts";
import { startDiscovery } from "../../discovery/discovery-service.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities, MeshSettings } from "../../mesh/mesh-settings.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { startWorkloadTls, type WorkloadTls } from "../../proxy/tls/workload-tls.ts";
import { type ControlPlaneServer, startControlPlaneServer } from "../serving/control-plane-server.ts";
import { createTrustSource } from "../trust-source.ts";
import { startFederation } from "./start-federation.ts";

const NOTHING_REVOKED = {
  current: () => ({ certificates: [], identities: [] }),
  subscribe: () => () => undefined,
};

export interface TestSidecar extends WorkloadTls {
  readonly identity: SpiffeId;
}

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: app-1, namespace: ns1 }
spec: { serviceAccountName: app, containers: [{ name: app }] }
status: { podIP: 10.0.0.7, phase: Running }
`;

/** Half of it is the longest time until a certificate of a replaced root is replaced. */
const CERTIFICATE_LIFETIME_MS = 60_000;

/** A mesh with one pod, `app-1` in `ns1`, which may have any number of sidecars. */
export class TestMesh {
  /** Of the bundle endpoints that it follows. */
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  readonly authority: LiveAuthority;
  readonly #settings: Changing<MeshSettings>;
  readonly #folder = mkdtempSync(join(tmpdir(), "entente-mesh-"));
  readonly #cleanup: Cleanup;
  #server: ControlPlaneServer | undefined;
  #shutdown = new AbortController();

  private constructor(cleanup: Cleanup, trustDomain: string, minted: MintedAuthority) {
    this.#cleanup = cleanup;
    this.#settings = new Changing<MeshSettings>({
      ...{ ...settings, trustDomain: parseTrustDomain(trustDomain), trustDomainAliases: [], caCertificates: [] },
    });
    const material = parseSigningMaterial(filesOf(minted), Date.now());
    this.authority = createLiveAuthority(material, { clock: systemClock, log: this.log, randomBytes, publishMs: 0 });
    cleanup.add(() => rmSync(this.#folder, { recursive: true, force: true }));
    cleanup.add(async () => {
      this.authority.stop();
      await this.#close();
    });
  }

  static async start(cleanup: Cleanup, trustDomain: string, minted: MintedAuthority): Promise<TestMesh> {
    const mesh = new TestMesh(cleanup, trustDomain, minted);
    await mesh.#listen(await findFreePort());
    return mesh;
  }

  get address(): string {
    return `localhost:${this.#server?.port}`;
  }

  /** Of its pod. */
  get #identity(): SpiffeId {
    return parseSpiffeId(`spiffe://${this.#settings.current().trustDomain}/ns/ns1/sa/app`);
  }

  /** Replaces the authority's files, and those in which its pods have its roots. */
  adopt(minted: MintedAuthority): void {
    const { kind } = this.authority.adopt(parseSigningMaterial(filesOf(minted), Date.now()));
    if (kind !== "adopted") throw new Error(`the authority is ${kind}`);
    this.#writeRoots();
  }

  /** Replaces the control plane by a new one on the same port, which knows no bundle yet. */
  async restart(): Promise<void> {
    const port = this.#server?.port ?? 0;
    await this.#close();
    await this.#listen(port);
  }

  /** Replaces Istio's `caCertificates`. */
  federate(...caCertificates: readonly ForeignAuthorities[]): void {
    this.#settings.change({ ...this.#settings.current(), caCertificates });
  }

  /** Resolves when it has a certificate. */
  async startSidecar(): Promise<TestSidecar> {
    const identity = this.#identity;
    const tokenFile = join(this.#folder, "token");
    writeFileSync(tokenFile, "token");
    const rootCertificateFile = this.#writeRoots();
    const sidecar = await startWorkloadTls({
      ...{ address: this.address, rootCertificateFile, tokenFile, identity },
      ...{ workload: { namespace: "ns1", name: "app-1" }, version: "test", lifetimeMs: CERTIFICATE_LIFETIME_MS },
      // Replaces a certificate at once when its root is.
      ...{ clock: systemClock, random: () => 0.01, log: this.log },
    });
    this.#cleanup.add(() => sidecar.close());
    return { ...sidecar, identity };
  }

  #writeRoots(): string {
    const file = join(this.#folder, "root.pem");
    writeFileSync(file, this.authority.roots().join(""));
    return file;
  }

  async #close(): Promise<void> {
    this.#shutdown.abort();
    await this.#server?.close();
  }

  async #listen(port: number): Promise<void> {
    const shutdown = new AbortController();
    this.#shutdown = shutdown;
    const { authority, log } = this;
    const shared = { clock: systemClock, log, limitLog: unlimitedLog };
    const meshSettings = this.#settings;
    const { trustDomain } = meshSettings.current();
    const federation = startFederation({
      ...{ settings: meshSettings, allowsLocal: true, registry: new Registry() },
      ...{ clock: this.clock, log, random: () => 0.5, signal: shutdown.signal },
    });
    const trust = createTrustSource({ authority, federation, revocations: NOTHING_REVOKED });
    const source = new ChangingSource(POD);
    const discovery = startDiscovery({ source, trust, settings: meshSettings, ...shared, shutdown: shutdown.signal });
    const identity = this.#identity;
    const authenticator = { authenticate: async () => ({ kind: "authenticated", identity }) as const };
    const lifetimes = { defaultLifetimeMs: CERTIFICATE_LIFETIME_MS, maxLifetimeMs: CERTIFICATE_LIFETIME_MS };
    const server = await startControlPlaneServer({
      ...{ host: "127.0.0.1", port, authority, trustDomains: [trustDomain], dnsNames: ["localhost"] },
      routes: (router) => {
        registerIssuingService(router, {
          authority,
          authenticator,
          tagPod: tagPodByUid,
          trustDomain,
          ...lifetimes,
          ...shared,
        });
        discovery.register(router);
      },
      ...shared,
      limits: { closeGraceMs: 200, closeSpreadMs: 0 },
    });
    this.#server = server;
  }
}

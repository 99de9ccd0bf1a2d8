import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, SignJWT } from "jose";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import { createDirectoryStore } from "../../ca-agent/rotation/storage/directory-store.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../../mesh/resources/resource-set-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { fixedSettings } from "../settings/live-settings.ts";
import { type StopControlPlane, startControlPlane } from "../start-control-plane.ts";
import { findFreePort } from "../whole-control-plane-fixture.ts";
import { startTestService } from "./test-service-fixture.ts";
import { TrustingSidecars } from "./trusting-sidecars-fixture.ts";

const ISSUER = "https://kubernetes.default.svc";
const LEAF_MS = 6000;
const TUNING = { limits: { publishMs: 800, clockErrorMs: 500, settleMs: 300 } };
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** One control plane without Kubernetes, and sidecars at it. */
class StandaloneMesh {
  readonly folder = mkdtempSync(join(tmpdir(), "entente-standalone-"));
  readonly caDirectory = join(this.folder, "ca");
  readonly sidecars = new TrustingSidecars(cleanup);
  readonly log = new RecordingLogger();
  #port = 0;
  #running: { readonly port: number; readonly stop: StopControlPlane } | undefined;

  async start(): Promise<void> {
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = await exportJWK(key.publicKey);
    writeFileSync(join(this.folder, "jwks.json"), JSON.stringify({ keys: [{ ...jwk, kid: "k" }] }));
    mkdirSync(join(this.folder, "configuration"));
    this.#port = await startTestService(cleanup, () => (this.#running === undefined ? [] : [this.#running.port]));
    cleanup.add(async () => await this.#running?.stop());
    await this.replaceControlPlane();
    await this.mount();
    for (const account of ["hello", "world"]) await this.#addSidecar(account, key.privateKey);
    await this.untilSettled();
  }

  /** As an update does: the new one serves before the old one ends. */
  async replaceControlPlane(): Promise<void> {
    const old = this.#running;
    const { caDirectory, folder, log } = this;
    const [port, metricsPort] = [await findFreePort(), await findFreePort()];
    const stop = await startControlPlane(
      {
        source: { kind: "folders", folders: [join(folder, "configuration")] },
        identity: { kind: "files", caDirectory, jwksFile: join(folder, "jwks.json"), tokenIssuer: ISSUER },
        ...{ defaultLifetimeMs: LEAF_MS, maxLifetimeMs: LEAF_MS, port, metricsPort },
        ...{ version: "test", settings: fixedSettings(TEST_SETTINGS), dnsNames: ["localhost"], rotation: TUNING },
      },
      { clock: systemClock, random: Math.random, log, signal: new AbortController().signal },
    );
    this.#running = { port, stop };
    await old?.stop();
  }

  async state(): Promise<RotationState> {
    const store = createDirectoryStore({ directory: this.caDirectory, clock: systemClock, log: this.log });
    const stored = await store.read();
    if (stored.kind !== "root") throw new TypeError(`the stored authority is ${stored.kind}`);
    return stored.state;
  }

  /** As `entente ca rotate-root`. */
  async ask(requestId: string): Promise<void> {
    const requestedAt = new Date().toISOString();
    await createFileControlStore(this.caDirectory).update((state) => ({
      ...state,
      rotation: { requestId, requestedAt },
    }));
  }

  /** The sidecars' root files, as whoever runs them keeps them. */
  async mount(): Promise<void> {
    writeFileSync(join(this.folder, "root-cert.pem"), trustedRoots(await this.state()).join(""));
  }

  async until(phase: RotationState["kind"]): Promise<RotationState> {
    await this.sidecars.until(async () => (await this.state()).kind === phase);
    await this.sidecars.shakeHands();
    return await this.state();
  }

  async untilSettled(): Promise<void> {
    const roots = trustedRoots(await this.state());
    await this.sidecars.until(() => this.sidecars.haveOnly(roots));
  }

  async #addSidecar(account: string, key: Parameters<SignJWT["sign"]>[0]): Promise<void> {
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .setIssuer(ISSUER)
      .setAudience("istio-ca")
      .setSubject(`system:serviceaccount:ns1:${account}`)
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(key);
    const tokenFile = join(this.folder, `${account}-token`);
    writeFileSync(tokenFile, token);
    await this.sidecars.start({
      ...{ address: `localhost:${this.#port}`, rootCertificateFile: join(this.folder, "root-cert.pem"), tokenFile },
      ...{ identity: parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${account}`), lifetimeMs: LEAF_MS },
      workload: { namespace: "ns1", name: `${account}-1` },
    });
  }
}

let mesh: StandaloneMesh;

beforeEach(async () => {
  mesh = new StandaloneMesh();
  cleanup.add(() => rmSync(mesh.folder, { recursive: true, force: true }));
  await mesh.start();
}, 30_000);

it("one control plane replaces its root by request, and goes on after a restart in the middle", async () => {
  const before = fingerprintOf((await mesh.state()).current.certificatePem);
  await mesh.ask("first");
  await mesh.until("published");
  await mesh.mount();
  await mesh.until("signing");
  await mesh.replaceControlPlane();
  const after = await mesh.until("steady");
  await mesh.mount();
  await mesh.untilSettled();
  expect([...mesh.sidecars.faults]).toEqual([]);
  expect(after).toMatchObject({ requestId: "first", last: { outcome: "completed", dropped: before } });
  // Nothing of the old root's key is left.
  expect(readdirSync(mesh.caDirectory).filter((name) => name.startsWith("self-signed."))).toEqual(["self-signed.4"]);
  expect(readdirSync(join(mesh.caDirectory, "self-signed"))).not.toContain("ca-key.pem");
}, 40_000);

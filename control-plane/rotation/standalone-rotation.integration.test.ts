import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, SignJWT } from "jose";
import { request } from "undici";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import { createDirectoryStore } from "../../ca-agent/rotation/storage/directory-store.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../../mesh/resources/resource-set-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { fixedSettings } from "../settings/live-settings.ts";
import { type StopControlPlane, startControlPlane } from "../start-control-plane.ts";
import { startTestService } from "./test-service-fixture.ts";
import { TrustingSidecars } from "./trusting-sidecars-fixture.ts";

const ISSUER = "https://kubernetes.default.svc";
const LEAF_MS = 90_000;
const TUNING = { limits: { publishMs: 12_000, clockErrorMs: 7500, settleMs: 4500 } };
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** One control plane without Kubernetes, and sidecars at it. */
class StandaloneMesh {
  readonly folder = mkdtempSync(join(tmpdir(), "entente-standalone-"));
  readonly caDirectory = join(this.folder, "ca");
  readonly clock = startFastClock(cleanup, 60);
  readonly sidecars = new TrustingSidecars(cleanup, this.clock);
  readonly log = new RecordingLogger();
  /** The lines of every private key that a root has had. */
  readonly keyLines = new Set<string>();
  /** What the control plane has shown to operators. */
  readonly pages: string[] = [];
  #port = 0;
  #running: { readonly port: number; readonly metricsPort: number; readonly stop: StopControlPlane } | undefined;

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
      { clock: this.clock, random: Math.random, log, signal: new AbortController().signal },
    );
    this.#running = { port, metricsPort, stop };
    await old?.stop();
  }

  async state(): Promise<RotationState> {
    const store = createDirectoryStore({ directory: this.caDirectory, clock: this.clock, log: this.log });
    const stored = await store.read();
    if (stored.kind !== "root") throw new TypeError(`the stored authority is ${stored.kind}`);
    return stored.state;
  }

  /** As `entente ca rotate-root`. */
  async ask(requestId: string): Promise<void> {
    const requestedAt = new Date(this.clock.now()).toISOString();
    await createFileControlStore(this.caDirectory, { clock: this.clock, random: Math.random }).update((state) => ({
      ...state,
      rotation: { requestId, requestedAt },
    }));
  }

  /** The sidecars' root files, as their operator keeps them. */
  async mount(): Promise<void> {
    writeFileSync(join(this.folder, "root-cert.pem"), trustedRoots(await this.state()).join(""));
  }

  async until(phase: RotationState["kind"]): Promise<RotationState> {
    await this.sidecars.until(async () => (await this.state()).kind === phase);
    await this.sidecars.shakeHands();
    await this.#look();
    return await this.state();
  }

  /** The keys as they are stored, and every page of the status port. */
  async #look(): Promise<void> {
    for (const { text } of this.files()) {
      if (!text.includes("PRIVATE KEY")) continue;
      for (const line of text.split("\n")) if (/^[A-Za-z0-9+/=]{32,}$/.test(line)) this.keyLines.add(line);
    }
    for (const path of ["metrics", "ready", "debug/syncz", "debug/ca", "debug/heap"]) {
      const { body } = await request(`http://127.0.0.1:${this.#running?.metricsPort}/${path}`);
      this.pages.push(await body.text());
    }
  }

  /** Of the authority's directory. */
  files(): readonly { readonly path: string; readonly text: string; readonly mode: number }[] {
    return readdirSync(this.caDirectory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({ path, text: readFileSync(path, "utf8"), mode: statSync(path).mode & 0o777 }));
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
});

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
  expect(after).toMatchObject({ requestId: "first", last: { outcome: "completed" }, dropped: [before] });
  // Nothing of the old root's key is left, once the step is over and a control plane that was overtaken has noticed it.
  const generations = () => readdirSync(mesh.caDirectory).filter((name) => name.startsWith("self-signed."));
  await expect.poll(generations, { timeout: 20_000 }).toEqual(["self-signed.4"]);
  expect(readdirSync(join(mesh.caDirectory, "self-signed"))).not.toContain("ca-key.pem");
  // No key has been anywhere but in files that their owner alone may read.
  const said = [...mesh.pages, JSON.stringify(mesh.log.records)].join("\n");
  expect(mesh.keyLines.size).toBeGreaterThan(3);
  expect(said).toContain("entente_root_rotation_phase");
  expect([...mesh.keyLines, "PRIVATE KEY"].filter((line) => said.includes(line))).toEqual([]);
  const open = mesh.files().filter(({ text, mode }) => text.includes("PRIVATE KEY") && (mode & 0o177) !== 0);
  expect(open.map(({ path }) => path)).toEqual([]);
}, 300_000);

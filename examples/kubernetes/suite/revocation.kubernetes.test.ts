import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { mintLeaf } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { formatListPem, mintRevocationList } from "../../../mesh/identity/mint-revocation-list-fixture.ts";
import { ownRoot, plugIn, unplug } from "./authority-edits-fixture.ts";
import { readAuthorityStatus, readCertificates, requireOwnAuthority } from "./authority-fixture.ts";
import { HELD_PORTS, heldServer } from "./authorization-fixture.ts";
import { type ClientPod, createClient, type HeldExchange, type HoldJob } from "./client-pod-fixture.ts";
import { entente, usesInstalledMesh } from "./installation.ts";
import {
  apply,
  awaitRollout,
  createNamespace,
  INJECTED,
  kubectl,
  podNames,
  SYSTEM,
  type TestNamespace,
} from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider, createWorld, WORLD_REPLY, type World } from "./world-fixture.ts";

/** What a revocation may take until everybody refuses; the cluster may be a slow one. */
const IN_FORCE_MS = 10_000;
/** A sidecar that was refused asks for a certificate again after at most a minute. */
const HEALED = { timeout: 120_000, interval: 1000 };
const SOON = { timeout: 30_000, interval: 500 };

let mesh: World;
let revoked: TestNamespace;
let victim: ClientPod;

beforeAll(async () => {
  mesh = await createWorld("revocation", { mode: "STRICT" });
  revoked = await createNamespace("revoked", INJECTED);
  await apply(heldServer(mesh.namespace, "held"));
  victim = await createClient(revoked.name, "client");
  await awaitRollout(mesh.namespace, "held");
});

afterAll(async () => {
  await Promise.all([mesh?.remove(), revoked?.remove()]);
});

const lifted: (() => Promise<unknown>)[] = [];
const opened: HeldExchange[] = [];

afterEach(async () => {
  for (const { stop } of opened) stop();
  await Promise.all(opened.splice(0).map(({ ended }) => ended));
  await Promise.all(lifted.splice(0).map((lift) => lift()));
});

async function hold(client: ClientPod, kind: HoldJob["kind"]): Promise<HeldExchange> {
  const held = await client.hold({ kind, host: `held.${mesh.namespace}`, port: HELD_PORTS[kind] });
  opened.push(held);
  expect(held.isOpen).toBe(true);
  return held;
}

const send = () => victim.send({ url: mesh.url });
const REFUSED = { status: 503 };

async function victimPod(): Promise<string> {
  const [pod = "none"] = await podNames(revoked.name, "app=client");
  return pod;
}

async function podUid(): Promise<string> {
  return await kubectl(["get", "pod", await victimPod(), "-n", revoked.name, "-o", "jsonpath={.metadata.uid}"]);
}

async function victimSerial(): Promise<string> {
  const { chain } = await readCertificates(revoked.name, await victimPod());
  return chain[0]?.serialNumber ?? "none";
}

async function revoke(...target: readonly string[]): Promise<void> {
  await entente("ca", "revoke", ...target, "--reason", "test of the suite");
  lifted.push(() => entente("ca", "unrevoke", ...target));
}

async function unrevoke(): Promise<void> {
  await Promise.all(lifted.splice(0).map((lift) => lift()));
}

/** Revokes while both clients hold something open: the victim's ends soon, and that of the other one does not. */
async function revokeAndWatch(kind: HoldJob["kind"], target: readonly string[]): Promise<void> {
  const [held, other] = [await hold(victim, kind), await hold(mesh.client, kind)];
  await revoke(...target);
  const changedMs = performance.now();
  expect(await held.ended).toMatch(CUT[kind]);
  const tookMs = performance.now() - changedMs;
  process.stdout.write(`${target.join(" ")}: its ${kind} ended after ${Math.round(tookMs)} ms\n`);
  expect(tookMs).toBeLessThan(IN_FORCE_MS);
  other.stop();
  expect(await other.ended).toBe("stopped");
}

const CUT: Readonly<Record<HoldJob["kind"], RegExp>> = {
  request: /^(aborted|ECONNRESET)$/,
  grpc: /^(grpc-status 14|ERR_HTTP2_STREAM_ERROR|RST_STREAM \d+)$/,
  tcp: /^(ECONNRESET|end of stream)$/,
};

describe("what is revoked", () => {
  it("as an identity is refused, through restarts of the control plane, until it is lifted; no other client's request fails", async () => {
    await expect.poll(send, SOON).toMatchObject(WORLD_REPLY);
    const { failures, succeeded } = await mesh.client.loadWhile({ url: mesh.url, pauseMs: 50 }, async () => {
      await revokeAndWatch("request", ["--identity", `spiffe://cluster.local/ns/${revoked.name}/sa/default`]);
      await expect.poll(send, SOON).toMatchObject(REFUSED);
      await kubectl(["rollout", "restart", "deployment/istiod", "-n", SYSTEM]);
      await awaitRollout(SYSTEM, "istiod");
      expect((await readAuthorityStatus()).revocations).toMatchObject({ identities: 1 });
      expect(await send()).toMatchObject(REFUSED);
      await unrevoke();
      await expect.poll(send, HEALED).toMatchObject(WORLD_REPLY);
    });
    expect(failures).toEqual({});
    expect(succeeded).toBeGreaterThan(100);
  });

  it("as a pod is refused, and its token too, until it is lifted or another pod takes its place", async () => {
    await expect.poll(send, SOON).toMatchObject(WORLD_REPLY);
    // Its certificate names it: no control plane has to have issued that, or to remember it.
    await kubectl(["rollout", "restart", "deployment/istiod", "-n", SYSTEM]);
    await awaitRollout(SYSTEM, "istiod");
    const name = `${revoked.name}/${await victimPod()}`;
    const uid = await podUid();
    await revokeAndWatch("tcp", ["--pod", name]);
    await expect.poll(send, SOON).toMatchObject(REFUSED);
    // The sidecar asks with its token as soon as its certificate is refused, and gets none.
    const log = () => kubectl(["logs", "-n", SYSTEM, "-l", "app=istiod", "--tail=-1", "--since=2m"]);
    await expect.poll(log, SOON).toMatch(/revoked/);
    expect(await send()).toMatchObject(REFUSED);
    await kubectl(["rollout", "restart", "deployment/client", "-n", revoked.name]);
    await awaitRollout(revoked.name, "client");
    await expect.poll(send, HEALED).toMatchObject(WORLD_REPLY);
    await unrevoke();
    // It is deleted now: its name alone would not find its certificates.
    await expect(revoke("--pod", name)).rejects.toThrow("--uid");
    await revoke("--pod", name, "--uid", uid);
    expect((await readAuthorityStatus()).revocations).toMatchObject({ pods: 1 });
    expect(await send()).toMatchObject(WORLD_REPLY);
  });

  it("as a certificate is refused, and its pod has another one at once", async () => {
    await expect.poll(send, SOON).toMatchObject(WORLD_REPLY);
    const serial = await victimSerial();
    await revokeAndWatch("grpc", ["--serial", serial]);
    const changedMs = performance.now();
    await expect.poll(send, HEALED).toMatchObject(WORLD_REPLY);
    process.stdout.write(`its pod is served again ${Math.round(performance.now() - changedMs)} ms later\n`);
    expect(await victimSerial()).not.toBe(serial);
  });
});

describe.skipIf(usesInstalledMesh())("what the operator's ca-crl.pem revokes", () => {
  let outside: ClientNamespace;

  beforeAll(async () => {
    await requireOwnAuthority();
    outside = await createOutsider();
  });

  afterAll(async () => {
    await unplug();
    await outside?.remove();
  });

  /** Plugs in the mesh's own root, with a list of revoked certificates. @param ageMs how old the list is */
  async function publishList(ageMs: number, ...serialNumbers: readonly string[]): Promise<void> {
    const root = await ownRoot();
    const entries = serialNumbers.map((serialNumber) => ({ serialNumber: serialNumber.padStart(32, "0") }));
    const list = mintRevocationList({ issuer: root, entries, thisUpdate: new Date(Date.now() - ageMs) });
    await plugIn({ certificate: root.pem, key: root.keyPem, roots: [root.pem], lists: formatListPem(list) });
  }

  /** A client that has stolen the victim's name: with a certificate of the mesh, and without a sidecar. */
  async function mintThief() {
    const issuer = await ownRoot();
    const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const uriSans = [`spiffe://cluster.local/ns/${revoked.name}/sa/default`];
    const { pem, keyPem, certificate } = mintLeaf({ issuer, uriSans, ...times });
    const job = {
      kind: "tcp",
      host: `held.${mesh.namespace}`,
      port: HELD_PORTS.tcp,
      certificate: pem,
      key: keyPem,
    } as const;
    return { serialNumber: certificate.serialNumber, connect: () => outside.client.hold(job) };
  }

  it("is refused, its open connections end, and a newer list lifts it", async () => {
    await expect.poll(send, SOON).toMatchObject(WORLD_REPLY);
    const thief = await mintThief();
    const stolen = await thief.connect();
    opened.push(stolen);
    expect(stolen.isOpen).toBe(true);
    const [held, other] = [await hold(victim, "request"), await hold(mesh.client, "request")];
    const serial = await victimSerial();
    await publishList(120_000, serial, thief.serialNumber);
    const changedMs = performance.now();
    expect(await held.ended).toMatch(CUT.request);
    expect(await stolen.ended).toMatch(CUT.tcp);
    process.stdout.write(`by ca-crl.pem: both ended after ${Math.round(performance.now() - changedMs)} ms\n`);
    // A pod gets another certificate with its token; who has nothing but the certificate stays out.
    await expect.poll(send, HEALED).toMatchObject(WORLD_REPLY);
    expect(await victimSerial()).not.toBe(serial);
    expect(await thief.connect()).toMatchObject({ isOpen: false });
    await publishList(60_000, serial);
    const reconnect = async () => {
      const again = await thief.connect();
      opened.push(again);
      return again.isOpen;
    };
    await expect.poll(reconnect, SOON).toBe(true);
    other.stop();
    expect(await other.ended).toBe("stopped");
  });
});

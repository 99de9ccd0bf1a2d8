import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readAuthorityStatus, readCertificates } from "./authority-fixture.ts";
import { HELD_PORTS, heldServer } from "./authorization-fixture.ts";
import { type ClientPod, createClient, type HeldExchange, type HoldJob } from "./client-pod-fixture.ts";
import { entente } from "./installation.ts";
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
import { createWorld, WORLD_REPLY, type World } from "./world-fixture.ts";

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
    await revokeAndWatch("tcp", ["--pod", `${revoked.name}/${await victimPod()}`]);
    await expect.poll(send, SOON).toMatchObject(REFUSED);
    // The sidecar asks with its token as soon as its certificate is refused, and gets none.
    const log = () => kubectl(["logs", "-n", SYSTEM, "-l", "app=istiod", "--tail=-1", "--since=2m"]);
    await expect.poll(log, SOON).toMatch(/revoked/);
    expect(await send()).toMatchObject(REFUSED);
    await kubectl(["rollout", "restart", "deployment/client", "-n", revoked.name]);
    await awaitRollout(revoked.name, "client");
    await expect.poll(send, HEALED).toMatchObject(WORLD_REPLY);
    await unrevoke();
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

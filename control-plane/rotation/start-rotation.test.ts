import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { textsOf } from "../../ca-agent/authority/authority-fixture.ts";
import { fingerprintOf } from "../../ca-agent/rotation/rotation-state.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { NAMESPACE, type RotatingReplica, SETTLE_MS, startTwo } from "./rotating-cluster-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const WHOLE = ["steady", "published", "signing", "steady"];
const ELECTION_MS = 4000;
const PAUSE_MS = 60_000;

describe("two control planes", () => {
  it("replace the root together, and their sidecars trust each other at every moment", async () => {
    const { cluster, first, second } = await startTwo(cleanup);
    const before = fingerprintOf(first.authority.signingRoot());
    cluster.ask("first");
    await cluster.until("signing");
    await cluster.pass(2000);
    expect(first.rotation.status()).toMatchObject({
      ...{ phase: "signing", cause: "request" },
      ...{ requestId: "first", rolledBack: null },
    });
    await cluster.until("steady");
    await cluster.pass(3000);
    expect(cluster.phases).toEqual(WHOLE);
    expect([...cluster.faults]).toEqual([]);
    for (const { authority, rotation } of [first, second]) {
      expect(authority.roots().map(fingerprintOf)).toEqual([fingerprintOf(authority.signingRoot())]);
      expect(authority.roots().map(fingerprintOf)).not.toContain(before);
      expect(rotation.status()).toMatchObject({ phase: "steady", cause: null, requestId: "first", rolledBack: null });
    }
  });

  it.each([1, 2, 3])("go on when the leader is killed before its write %d has a response", async (write) => {
    const { cluster, leader } = await startTwo(cleanup);
    let writes = 0;
    let killed: Promise<void> | undefined;
    leader.beforeCall = ({ verb, resource }) => {
      if (resource === "secrets" && verb === "replace") writes += 1;
      if (writes === write) killed ??= cluster.kill(leader);
    };
    cluster.ask("first");
    while (killed === undefined) await cluster.pass(1000);
    await killed;
    await cluster.start("istiod-3");
    const { kind, revision } = await cluster.state();
    if (kind !== "steady" || revision === 0) {
      await cluster.until("signing");
      await cluster.until("steady");
    }
    expect(cluster.phases).toEqual(WHOLE);
    expect([...cluster.faults]).toEqual([]);
  });

  it("wait for one that is cut off from the API, and go on when it is back", async () => {
    const { cluster, first, second, leader } = await startTwo(cleanup);
    const other = leader === first ? second : first;
    other.network = "away";
    cluster.ask("first");
    await cluster.pass(8000);
    expect(cluster.phases).toEqual(["steady", "published"]);
    other.network = "up";
    await cluster.until("signing");
    await cluster.until("steady");
    expect([...cluster.faults]).toEqual([]);
  });

  it("take each step once, though another program writes the Secret at the same moment", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    let edits = 0;
    leader.beforeCall = ({ verb, resource }) => {
      if (resource !== "secrets" || verb !== "replace" || edits === 3) return;
      edits += 1;
      const secret = cluster.cluster.get(KINDS.secrets, { namespace: NAMESPACE, name: "istio-ca-secret" });
      const metadata = { ...secret.metadata, labels: { edit: `${edits}` } };
      cluster.cluster.replace(KINDS.secrets, { ...secret, metadata });
    };
    cluster.ask("first");
    await cluster.until("signing");
    await cluster.until("steady");
    expect(cluster.phases).toEqual(WHOLE);
    expect(edits).toBe(3);
    expect((await cluster.state()).revision).toBe(4);
  });
});

describe("a leader whose clock is days ahead", () => {
  it("creates no root until it is right, and says so", async () => {
    const { cluster, first, second, leader } = await startTwo(cleanup);
    const other = leader === first ? second : first;
    leader.clockErrorMs = 3 * 86_400_000;
    cluster.ask("first");
    await cluster.pass(8000);
    expect(cluster.phases).toEqual(["steady"]);
    const fault = expect.stringContaining("the clock of this control plane is 3 days ahead of the API server's");
    expect([leader, other].map(({ rotation }) => rotation.status())).toEqual([
      expect.objectContaining({ phase: "steady", fault }),
      expect.objectContaining({ phase: "steady", fault: null }),
    ]);
    expect(leader.log.find("the rotation of the root cannot go on")).toHaveLength(1);
    leader.clockErrorMs = 1000;
    await cluster.until("signing");
    expect(leader.rotation.status()).toMatchObject({ fault: null });
    expect([...cluster.faults]).toEqual([]);
  });

  it("takes the later steps all the same: no certificate waits for a clock", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    cluster.ask("first");
    await cluster.pass(3000);
    expect(cluster.phases).toEqual(["steady", "published"]);
    leader.clockErrorMs = -3_600_000;
    await cluster.until("signing");
    await cluster.until("steady");
    expect([...cluster.faults]).toEqual([]);
  });
});

describe("an etcd that is restored from before the rotation", () => {
  it.each(["signing", "steady"] as const)(
    "in the phase %s gets the state back, and a control plane can start",
    async (phase) => {
      const { cluster, first, second } = await startTwo(cleanup);
      const backup = cluster.cluster.history.backup();
      cluster.ask("first");
      await cluster.until("signing");
      await cluster.until(phase);
      await cluster.pass(3000);
      const before = await cluster.state();
      cluster.cluster.history.restore(backup);
      cluster.forget();
      expect((await cluster.state()).revision).toBe(0);
      const isBehind = ({ authority }: RotatingReplica) => authority.revision() < before.revision;
      while ((await cluster.state()).revision < before.revision || [first, second].some(isBehind))
        await cluster.pass(1000);
      await cluster.start("istiod-3");
      expect([...cluster.faults]).toEqual([]);
    },
  );
});

describe("an operator's authority that is plugged in during a rotation", () => {
  it.each(["published", "signing"] as const)(
    "in the phase %s stops it, and it goes on when that is removed",
    async (phase) => {
      const { cluster, leader } = await startTwo(cleanup);
      cluster.ask("first");
      await cluster.until(phase);
      await cluster.pass(1000);
      const before = await cluster.state();
      const root = mintRoot({ commonName: "an operator's" });
      const texts = textsOf({ signer: root, roots: [root] });
      const bundle = [root.pem, ...leader.authority.roots()].join("");
      const data = Object.entries({ ...texts, "root-cert.pem": bundle }).map(([name, text]) => [name, btoa(text)]);
      const metadata = { namespace: NAMESPACE, name: "cacerts" };
      cluster.cluster.create(KINDS.secrets, {
        apiVersion: "v1",
        kind: "Secret",
        metadata,
        data: Object.fromEntries(data),
      });
      await cluster.pass(30_000);
      expect((await cluster.state()).revision).toBe(before.revision);
      expect(leader.rotation.status()).toBeUndefined();
      cluster.cluster.delete(KINDS.secrets, metadata);
      if (phase === "published") await cluster.until("signing");
      await cluster.until("steady");
      expect([...cluster.faults]).toEqual([]);
    },
  );
});

describe("a new root that an operator revokes", () => {
  it.each(["published", "signing"] as const)("in the phase %s is given up: no peer would accept it", async (phase) => {
    const { cluster, first, second } = await startTwo(cleanup);
    const before = fingerprintOf(first.authority.signingRoot());
    cluster.ask("first");
    await cluster.until(phase);
    const roots = first.authority.roots();
    const added = roots.find((root) => fingerprintOf(root) !== before) ?? "";
    cluster.revoke(normalizeSerialNumber(new X509Certificate(added).serialNumber));
    await cluster.until("steady");
    await cluster.pass(3000);
    expect(cluster.phases.includes("signing")).toBe(phase === "signing");
    expect([...cluster.faults]).toEqual([]);
    for (const { authority, rotation } of [first, second]) {
      expect(authority.roots().map(fingerprintOf)).toEqual([before]);
      expect(rotation.status()).toMatchObject({ phase: "steady", rolledBack: "the new root is revoked" });
    }
  });
});

describe("a control plane that is paused", () => {
  it("does not go on by what it knew before: its sidecars have left it", async () => {
    const { cluster, first, second, leader } = await startTwo(cleanup);
    await cluster.kill(leader === first ? second : first);
    await cluster.pass(15_000);
    cluster.ask("first");
    await cluster.until("published");
    const beganMs = cluster.clock.monotonicMs();
    cluster.clock.pause(PAUSE_MS);
    leader.sidecars.length = 0;
    await cluster.until("signing");
    // The root was published long enough, but sidecars had to have the time to come back.
    expect(cluster.clock.monotonicMs() - beganMs - PAUSE_MS).toBeGreaterThanOrEqual(SETTLE_MS);
  });
});

describe("a request to go back", () => {
  it.each(["published", "signing"] as const)("in the phase %s ends the rotation with the old root", async (phase) => {
    const { cluster, first, second } = await startTwo(cleanup);
    const before = fingerprintOf(first.authority.signingRoot());
    cluster.ask("first");
    await cluster.until(phase);
    cluster.ask("second", "roll_back");
    await cluster.until("steady");
    await cluster.pass(3000);
    expect([...cluster.faults]).toEqual([]);
    for (const { authority, rotation } of [first, second]) {
      expect(authority.roots().map(fingerprintOf)).toEqual([before]);
      expect(rotation.status()).toMatchObject({ phase: "steady", requestId: "second", rolledBack: "requested" });
    }
  });

  it("without a rotation begins none", async () => {
    const { cluster } = await startTwo(cleanup);
    cluster.ask("first", "roll_back");
    await cluster.pass(4000);
    expect(cluster.phases).toEqual(["steady"]);
  });
});

describe("a control plane", () => {
  it("that stops gives its lease back and is not waited for", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    cluster.replicas.splice(cluster.replicas.indexOf(leader), 1);
    await leader.stop();
    await leader.rotation.ended;
    const names = () =>
      cluster.cluster.list(KINDS.leases, { namespace: NAMESPACE }).items.map(({ metadata }) => metadata.name);
    expect(names()).not.toContain(`entente-istiod-${leader.instance}`);
    await cluster.pass(3000);
    await expect(cluster.leader()).resolves.not.toBe(leader);
  });

  it("that is killed is waited for until it is given up, and its Lease goes", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    await cluster.kill(leader);
    const lease = { namespace: NAMESPACE, name: `entente-istiod-${leader.instance}` };
    await cluster.pass(ELECTION_MS);
    await cluster.leader();
    expect(cluster.cluster.find(KINDS.leases, lease)).toBeDefined();
    await cluster.pass(10_000);
    expect(cluster.cluster.find(KINDS.leases, lease)).toBeUndefined();
  });

  it("that may not write the Secret says so, and does not lose its mind", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    leader.beforeCall = ({ verb, resource }) => {
      if (resource !== "secrets" || verb !== "replace") return;
      throw new KubernetesApiError("api_refused", "forbidden", { status: 403 });
    };
    cluster.ask("first");
    await cluster.pass(10_000);
    expect(cluster.phases).toEqual(["steady"]);
    expect(leader.log.find("cannot go on")).toHaveLength(1);
    expect(await leader.registry.metrics()).toMatch(/entente_root_rotation_failures_total [1-9]/);
  });
});

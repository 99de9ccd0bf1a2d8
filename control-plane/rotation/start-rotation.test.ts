import { afterEach, describe, expect, it } from "vitest";
import { fingerprintOf } from "../../ca-agent/rotation/rotation-state.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { LEAF_MS, NAMESPACE, RotatingCluster } from "./rotating-cluster-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const WHOLE = ["steady", "published", "signing", "steady"];
const ELECTION_MS = 4000;

async function startTwo() {
  const cluster = new RotatingCluster(cleanup);
  const [first, second] = [await cluster.start("istiod-1"), await cluster.start("istiod-2")];
  return { cluster, first, second, leader: await cluster.leader() };
}

describe("two control planes", () => {
  it("replace the root together, and their sidecars trust each other at every moment", async () => {
    const { cluster, first, second } = await startTwo();
    const before = fingerprintOf(first.authority.signingRoot());
    cluster.ask("first");
    await cluster.until("signing");
    await cluster.pass(2000);
    expect(first.rotation.status()).toMatchObject({ phase: "signing", requestId: "first", rolledBack: null });
    await cluster.until("steady");
    await cluster.pass(3000);
    expect(cluster.phases).toEqual(WHOLE);
    expect([...cluster.faults]).toEqual([]);
    for (const { authority, rotation } of [first, second]) {
      expect(authority.roots().map(fingerprintOf)).toEqual([fingerprintOf(authority.signingRoot())]);
      expect(authority.roots().map(fingerprintOf)).not.toContain(before);
      expect(rotation.status()).toMatchObject({ phase: "steady", requestId: "first", rolledBack: null });
    }
  });

  it.each([1, 2, 3])("go on when the leader is killed before its write %d has a response", async (write) => {
    const { cluster, leader } = await startTwo();
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
    const { cluster, first, second, leader } = await startTwo();
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
    const { cluster, leader } = await startTwo();
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

describe("an etcd that is restored from before the rotation", () => {
  it.each(["signing", "steady"] as const)(
    "in the phase %s gets the state back, and a control plane can start",
    async (phase) => {
      const { cluster, first, second } = await startTwo();
      const backup = cluster.cluster.history.backup();
      cluster.ask("first");
      await cluster.until("signing");
      await cluster.until(phase);
      await cluster.pass(3000);
      const before = await cluster.state();
      cluster.cluster.history.restore(backup);
      cluster.forget();
      expect((await cluster.state()).revision).toBe(0);
      while ((await cluster.state()).revision < before.revision) await cluster.pass(1000);
      await cluster.start("istiod-3");
      for (const { authority } of [first, second]) expect(authority.revision()).toBeGreaterThanOrEqual(before.revision);
      expect([...cluster.faults]).toEqual([]);
    },
  );
});

describe("a request to go back", () => {
  it.each(["published", "signing"] as const)("in the phase %s ends the rotation with the old root", async (phase) => {
    const { cluster, first, second } = await startTwo();
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
    const { cluster } = await startTwo();
    cluster.ask("first", "roll_back");
    await cluster.pass(4000);
    expect(cluster.phases).toEqual(["steady"]);
  });
});

describe("a control plane", () => {
  it("that stops gives its lease back and is not waited for", async () => {
    const { cluster, leader } = await startTwo();
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
    const { cluster, leader } = await startTwo();
    await cluster.kill(leader);
    const lease = { namespace: NAMESPACE, name: `entente-istiod-${leader.instance}` };
    await cluster.pass(ELECTION_MS);
    await cluster.leader();
    expect(cluster.cluster.find(KINDS.leases, lease)).toBeDefined();
    await cluster.pass(10_000);
    expect(cluster.cluster.find(KINDS.leases, lease)).toBeUndefined();
  });

  it("that may not write the Secret says so, and does not lose its mind", async () => {
    const { cluster, leader } = await startTwo();
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

  it("shows the phase and its sidecars in its metrics", async () => {
    const { cluster, leader } = await startTwo();
    cluster.ask("first");
    await cluster.until("signing");
    await cluster.pass(LEAF_MS / 2 + 2000);
    const text = await leader.registry.metrics();
    expect(text).toContain('entente_root_rotation_phase{phase="signing"} 1');
    expect(text).toContain('entente_root_rotation_phase{phase="steady"} 0');
    expect(text).toContain('entente_root_rotation_sidecars{signing_root="connected"} 2');
    expect(text).toContain('entente_root_rotation_sidecars{signing_root="in_certificate"} 2');
    expect(text).toContain("entente_root_rotation_leader 1");
    expect(text).toContain('entente_root_rotation_steps_total{phase="published"} 1');
  });
});

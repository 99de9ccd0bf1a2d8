import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import type { RevocationTarget } from "../ca-agent/control/control-state.ts";
import { mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { formatListPem, mintRevocationList } from "../mesh/identity/mint-revocation-list-fixture.ts";
import { normalizeSerialNumber } from "../mesh/identity/serial-number.ts";
import { parseSpiffeId } from "../mesh/identity/spiffe-id.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { ask } from "../net/http-fixture.ts";
import { until } from "../net/until-fixture.ts";
import { addMember, outcome, type Pair, REFUSED, SERVED, untilServed } from "./calling-workload-fixture.ts";
import {
  createClusterMesh,
  createFileMesh,
  type RevocationMesh,
  revoke,
  startReady,
  unrevoke,
} from "./revocation-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function serialNumberOf({ chain: [leaf = ""] }: Pair): string {
  return new X509Certificate(leaf).serialNumber;
}

interface Way {
  /** The pod, and its account. */
  readonly name: string;
  target(pair: Pair, mesh: RevocationMesh): RevocationTarget;
  /** What its token gets it. */
  readonly byToken: string;
}

const WAYS: readonly Way[] = [
  {
    name: "by-serial",
    target: (pair) => ({ kind: "serial", serialNumber: serialNumberOf(pair) }),
    byToken: SERVED,
  },
  {
    name: "by-identity",
    target: () => ({ kind: "identity", identity: parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/by-identity") }),
    byToken: REFUSED,
  },
  { name: "by-pod", target: (_, mesh) => mesh.podTarget("by-pod"), byToken: REFUSED },
];

describe.each([
  { home: "the authority's directory", create: createFileMesh },
  { home: "the ConfigMap", create: createClusterMesh },
])("what is revoked in $home", ({ create }) => {
  it("is refused and cut, also after a restart, until it is lifted; others are not", async () => {
    const mesh = await create(cleanup);
    const plane = await startReady(mesh);
    const kept = await addMember(mesh, "kept", plane.address);
    const revoked = await Promise.all(
      WAYS.map(async (way) => ({ ...way, ...(await addMember(mesh, way.name, plane.address)) })),
    );
    const streams = await Promise.all(revoked.map(({ workload, pair }) => workload.stream(plane.address, pair)));
    const other = await kept.workload.stream(plane.address, kept.pair);
    expect(other.bundle.revocations).toBeUndefined();
    for (const { target, pair } of revoked) await revoke(mesh.store, target(pair, mesh));

    await Promise.all(streams.map(({ closed }) => closed));
    // Every proxy receives all of it; each may come in a bundle of its own.
    for (let isComplete = false; !isComplete; ) {
      const { certificates = [], identities = [], pods = [] } = (await other.proxy.trustBundle()).revocations ?? {};
      isComplete = [certificates, identities, pods].every(({ length }) => length === 1);
    }
    const check = async (address: string): Promise<void> => {
      for (const { workload, pair, byToken } of revoked) {
        expect(await outcome(workload.renew(address, pair))).toBe(REFUSED);
        expect(await outcome(workload.stream(address, pair))).toContain("is revoked");
        expect(await outcome(workload.request(address, pair))).toBe(byToken);
      }
      expect(await outcome(kept.workload.renew(address, kept.pair))).toBe(SERVED);
    };
    await check(plane.address);
    for (const { workload } of [kept, ...revoked]) workload.hangUp();
    await plane.stop();
    const next = await startReady(mesh);
    await untilServed(() => kept.workload.renew(next.address, kept.pair));
    await check(next.address);

    for (const { target, pair } of revoked) await unrevoke(mesh.store, target(pair, mesh));
    for (const { workload, pair } of revoked) {
      await expect.poll(() => outcome(workload.renew(next.address, pair))).toBe(SERVED);
    }
    expect((await mesh.store.read()).revocations).toEqual([]);
  });

  it("stays refused after an earlier backup of the list was restored, and the list has it again", async () => {
    const mesh = await create(cleanup);
    const plane = await startReady(mesh);
    const { workload, pair } = await addMember(mesh, "hello", plane.address);
    const [before, revoked] = ["1A2B", serialNumberOf(pair)].map(
      (serialNumber) => ({ kind: "serial", serialNumber }) as const,
    );
    if (before === undefined || revoked === undefined) throw new TypeError();
    await revoke(mesh.store, before);
    const restore = mesh.backUp();
    await revoke(mesh.store, revoked);
    await expect.poll(() => outcome(workload.renew(plane.address, pair))).toBe(REFUSED);
    restore();
    await plane.log.seen("replaced by an earlier state, as from a backup; it stays in force and is stored again");
    expect(await outcome(workload.renew(plane.address, pair))).toBe(REFUSED);
    const stored = async () => (await mesh.store.read()).revocations.map(({ what }) => what);
    await expect.poll(stored).toEqual([before, revoked]);
    const next = await startReady(mesh);
    expect(await outcome(workload.renew(next.address, pair))).toBe(REFUSED);
  });

  it("stays refused while the list cannot be read, and no other control plane starts on it", async () => {
    const mesh = await create(cleanup);
    const plane = await startReady(mesh);
    const { workload, pair } = await addMember(mesh, "hello", plane.address);
    await revoke(mesh.store, { kind: "serial", serialNumber: serialNumberOf(pair) });
    await expect.poll(() => outcome(workload.renew(plane.address, pair))).toBe(REFUSED);
    await mesh.damage();
    await plane.log.seen("the last valid state stays in force");
    expect(await outcome(workload.renew(plane.address, pair))).toBe(REFUSED);
    const { body } = await ask(plane.metricsPort, { path: "/metrics" });
    expect(body).toContain('entente_ca_revocations_unusable{source="control"} 1');
    expect(body).toContain('entente_ca_revocations{kind="serial"} 1');
    const next = await mesh.start();
    const page = async (): Promise<string> => {
      const response = await ask(next.metricsPort, { path: "/ready" }).catch(() => undefined);
      return `${response?.status} ${response?.body}`;
    };
    await until(async () => (await page()).includes("is not JSON"));
    expect(await page()).toMatch(/^503 /);
  });
});

describe("an operator's revocation list", () => {
  const root = mintRoot({ commonName: "operator's root" });
  const signer = mintRoot({ commonName: "signer of the mesh", issuer: root });
  const listOf = (issuer: typeof root, serialNumber: string, thisUpdate = new Date("2026-01-01T00:00:00Z")): string =>
    formatListPem(mintRevocationList({ issuer, entries: [{ serialNumber }], thisUpdate }));

  it("is in force beside the cacerts files, for the leaf or the authority above it; one that cannot be verified starts nothing", async () => {
    const mesh = await createFileMesh(cleanup, { signer, roots: [root] });
    const plane = await startReady(mesh);
    const [kept, stolen] = [
      await addMember(mesh, "kept", plane.address),
      await addMember(mesh, "stolen", plane.address),
    ];
    const [stream, other] = await Promise.all(
      [stolen, kept].map(({ workload, pair }) => workload.stream(plane.address, pair)),
    );
    const leaf = serialNumberOf(stolen.pair);
    mesh.write("ca-crl.pem", listOf(signer, leaf));
    const { revocations } = (await other?.proxy.trustBundle()) ?? {};
    expect(revocations?.certificates).toEqual([
      { serialNumber: leaf, issuer: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
    await stream?.closed;
    expect(await outcome(stolen.workload.renew(plane.address, stolen.pair))).toBe(REFUSED);
    expect(await outcome(stolen.workload.request(plane.address, stolen.pair))).toBe(SERVED);
    expect(await outcome(kept.workload.renew(plane.address, kept.pair))).toBe(SERVED);

    mesh.write("ca-crl.pem", listOf(signer, leaf) + listOf(root, signer.certificate.serialNumber));
    await other?.closed;
    expect(await outcome(kept.workload.stream(plane.address, kept.pair))).toContain("is revoked");
    const page = await ask(plane.metricsPort, { path: "/debug/ca" });
    const [signing, above] = [signer, root].map(({ certificate }) => normalizeSerialNumber(certificate.serialNumber));
    expect(JSON.parse(page.body).signer).toEqual({ serialNumbers: [signing, above], revoked: signing });

    mesh.write("ca-crl.pem", listOf(mintRoot(), leaf));
    await plane.log.seen("the revocation lists are refused; the last ones stay in force");
    expect(await outcome(stolen.workload.renew(plane.address, stolen.pair))).toBe(REFUSED);
    const next = await mesh.start();
    await next.log.seen("the control plane waits for usable ones");
    expect((await ask(next.metricsPort, { path: "/ready" })).status).toBe(503);
  });
});

it("a control plane whose own certificate is revoked has another one at once, so that proxies can come back", async () => {
  const mesh = await createFileMesh(cleanup);
  const { address } = await startReady(mesh);
  const serving = async (): Promise<string> => {
    const [host, port] = address.split(":");
    const client = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    cleanup.addSocket(client);
    await once(client, "secureConnect");
    return normalizeSerialNumber(client.getPeerX509Certificate()?.serialNumber ?? "");
  };
  const serialNumber = await serving();
  await revoke(mesh.store, { kind: "serial", serialNumber });
  await expect.poll(serving).not.toBe(serialNumber);
});

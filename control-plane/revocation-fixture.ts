/** For tests: whole control planes whose revocations are in a directory or in a ConfigMap. */
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, SignJWT } from "jose";
import { type MintedAuthority, textsOf } from "../ca-agent/authority/authority-fixture.ts";
import { createConfigMapControlStore } from "../ca-agent/control/config-map-control-store.ts";
import type { RevocationTarget } from "../ca-agent/control/control-state.ts";
import type { ControlStore } from "../ca-agent/control/control-store.ts";
import { createFileControlStore } from "../ca-agent/control/file-control-store.ts";
import { addRevocations, liftRevocation } from "../ca-agent/revocation/revocation-entries.ts";
import { KINDS } from "../kubernetes/kinds.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { startFastClock } from "../net/fast-clock-fixture.ts";
import { IdentityCluster, ROOT_NAMESPACE } from "./identity/cluster-identity-fixture.ts";
import { type AssembledControlPlane, startAssembled, startWholeControlPlane } from "./whole-control-plane-fixture.ts";

/** A mesh of which pods exist, and a control plane that can be started again on the same state. */
export interface RevocationMesh {
  readonly store: ControlStore;
  /** Replaces what is stored by something that nobody can read. */
  damage(): Promise<void>;
  /** Keeps what is stored. The function that it returns restores that. */
  backUp(): () => void;
  /** A pod of an account of its own, in ns1, with its address. @param account another one's, that exists */
  addPod(name: string, account?: string): void;
  deletePod(name: string): void;
  /** The pod as an operator revokes it. */
  podTarget(name: string): RevocationTarget;
  tokenOf(pod: string): Promise<string>;
  /** What a pod mounts, PEM. */
  roots(): Promise<string>;
  start(): Promise<AssembledControlPlane>;
  /** Aborts at the end of the test. */
  readonly ended: AbortSignal;
}

interface FileMesh extends RevocationMesh {
  /** A file of the authority's directory. */
  write(name: string, text: string): void;
}

const ISSUER = "https://kubernetes.default.svc";

/**
 * Without Kubernetes: files alone.
 * @param authority an operator's own. @default a root that the control plane creates
 */
export async function createFileMesh(cleanup: Cleanup, authority?: MintedAuthority): Promise<FileMesh> {
  const clock = startFastClock(cleanup);
  const folder = mkdtempSync(join(tmpdir(), "entente-revocation-"));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const [caDirectory, manifests, jwksFile] = ["ca", "manifests", "jwks.json"].map((name) => join(folder, name));
  if (caDirectory === undefined || manifests === undefined || jwksFile === undefined) throw new TypeError();
  for (const directory of [caDirectory, manifests]) mkdirSync(directory, { mode: 0o700 });
  const write = (name: string, text: string): void => writeFileSync(join(caDirectory, name), text, { mode: 0o600 });
  for (const [name, text] of Object.entries(authority === undefined ? {} : textsOf(authority))) write(name, text);
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k" }] }));
  const accounts = new Map<string, string>();
  const options = {
    source: { kind: "folders", folders: [manifests] },
    identity: { kind: "files", caDirectory, jwksFile, tokenIssuer: ISSUER },
  } as const;
  return {
    store: createFileControlStore(caDirectory, { clock: systemClock, random: Math.random }),
    damage: async () => write("entente-ca.900.json", '{"revocations":['),
    write,
    backUp: () => {
      const listed = (): readonly string[] => readdirSync(caDirectory).filter((name) => name.startsWith("entente-ca."));
      const kept = listed().map((name) => [name, readFileSync(join(caDirectory, name), "utf8")] as const);
      return () => {
        for (const name of listed()) rmSync(join(caDirectory, name));
        for (const [name, text] of kept) write(name, text);
      };
    },
    addPod: (name, account = name) => {
      accounts.set(name, account);
      const metadata = { name: `${name}-1`, namespace: "ns1" };
      const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: { serviceAccountName: account } };
      writeFileSync(join(manifests, `${name}.yaml`), JSON.stringify(pod));
    },
    deletePod: (name) => rmSync(join(manifests, `${name}.yaml`)),
    podTarget: (name) => ({ kind: "pod", namespace: "ns1", name: `${name}-1` }),
    // The uid is of no use: nobody could look it up.
    tokenOf: async (name) => {
      const serviceaccount = { name: accounts.get(name), uid: "s" };
      return await new SignJWT({
        "kubernetes.io": { namespace: "ns1", serviceaccount, pod: { name: `${name}-1`, uid: randomUUID() } },
      })
        .setProtectedHeader({ alg: "ES256", kid: "k" })
        .setIssuer(ISSUER)
        .setAudience("istio-ca")
        .setSubject(`system:serviceaccount:ns1:${serviceaccount.name}`)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey);
    },
    roots: async () =>
      authority?.roots.map(({ pem }) => pem).join("") ??
      readFileSync(join(caDirectory, "self-signed", "ca-cert.pem"), "utf8"),
    start: async () => await startAssembled({ ...options, clock }, cleanup),
    ended: endOf(cleanup),
  };
}

/** With a test API server. */
export async function createClusterMesh(cleanup: Cleanup): Promise<RevocationMesh> {
  const clock = startFastClock(cleanup);
  const cluster = await IdentityCluster.start(cleanup);
  const pods = new Map<string, ReturnType<IdentityCluster["createPod"]>>();
  const api = cluster.server.client();
  const { signal } = new AbortController();
  const store = createConfigMapControlStore({
    ...{ api, namespace: ROOT_NAMESPACE, clock: systemClock, random: Math.random, randomBytes, signal },
  });
  return {
    store,
    damage: async () => {
      const metadata = { name: "entente-ca", namespace: ROOT_NAMESPACE };
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "revocations.json": "[" } };
      cluster.server.cluster.apply(KINDS.configMaps, object, { force: true });
    },
    backUp: () => {
      const name = { name: "entente-ca", namespace: ROOT_NAMESPACE };
      const { data } = cluster.server.cluster.get(KINDS.configMaps, name);
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: name, data };
      return () => void cluster.server.cluster.replace(KINDS.configMaps, object);
    },
    addPod: (name, account) => {
      const pod = cluster.createPod(name, account);
      pods.set(name, pod);
      const { resourceVersion: _, ...metadata } = pod.object.metadata;
      const running = { ...pod.object, metadata, status: { phase: "Running", podIP: "127.0.0.1" } };
      cluster.server.cluster.replace(KINDS.pods, running, { subresource: "status" });
    },
    deletePod: (name) => cluster.server.cluster.delete(KINDS.pods, { namespace: "ns1", name: `${name}-1` }),
    podTarget: (name) => {
      const { uid } = pods.get(name)?.object.metadata ?? {};
      return { kind: "pod", namespace: "ns1", name: `${name}-1`, ...(uid !== undefined && { uid }) };
    },
    tokenOf: async (name) => pods.get(name)?.requestToken() ?? "",
    roots: async () => await cluster.publishedRoots("ns1"),
    start: async () => await startWholeControlPlane(cluster, cleanup, { clock }),
    ended: endOf(cleanup),
  };
}

function endOf(cleanup: Cleanup): AbortSignal {
  const end = new AbortController();
  cleanup.add(() => end.abort());
  return end.signal;
}

/** A control plane of the mesh that serves its callers. */
export async function startReady(mesh: RevocationMesh): Promise<AssembledControlPlane> {
  const plane = await mesh.start();
  await plane.ready;
  return plane;
}

export async function revoke(store: ControlStore, what: RevocationTarget): Promise<void> {
  const revocation = { what, revokedAt: new Date().toISOString(), reason: "a test" };
  await store.update((state) => addRevocations(state, [revocation], Date.now()));
}

export async function unrevoke(store: ControlStore, what: RevocationTarget): Promise<void> {
  await store.update((state) => liftRevocation(state, what));
}

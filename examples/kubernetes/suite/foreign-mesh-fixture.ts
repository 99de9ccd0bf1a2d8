/**
 * For the suite: a second mesh in the same cluster, with a trust domain and a root of its own. Its control plane reads files
 * instead of the API, because the ConfigMap with the roots, which every namespace has, can have those of one mesh alone.
 */
import { isIPv6 } from "node:net";
import { vi } from "vitest";
import type { KubernetesObject, NewKubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { type MintedCertificate, mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { echoApplication, peerAuthentication } from "./applications-fixture.ts";
import { ClientPod, clientDeployment } from "./client-pod-fixture.ts";
import { inject } from "./installation.ts";
import { apply, awaitRollout, createNamespace, getObjects, kubectl } from "./kubectl-fixture.ts";

const CONTROL_PLANE = "control-plane";
const FILES = "mesh-files";
const AUTHORITY = "foreign-cacerts";
const ROOTS = "foreign-roots";
const PORT = 15_012;
const STARTED = { timeout: 60_000, interval: 500 };

export interface ForeignMesh {
  readonly namespace: string;
  readonly root: MintedCertificate;
  /** With a sidecar of the mesh. */
  readonly client: ClientPod;
  /** Gives the sidecars more of the mesh's configuration, beside its pods and STRICT. */
  configure(objects: readonly KubernetesObject[]): Promise<void>;
  /** Deletes the namespace, and waits until it is gone. */
  remove(): Promise<void>;
}

export interface ForeignMeshOptions {
  readonly trustDomain: string;
  /** Trusted beside its own: the roots, PEM, of the other mesh. */
  readonly peer: { readonly trustDomains: readonly string[]; readonly pem: string };
}

/** Starts a control plane, a client and the application `shop`, which responds with its name. */
export async function startForeignMesh({ trustDomain, peer }: ForeignMeshOptions): Promise<ForeignMesh> {
  const root = mintRoot({ commonName: trustDomain });
  const { name: namespace, remove } = await createNamespace("foreign");
  const address = `${CONTROL_PLANE}.${namespace}.svc:${PORT}`;
  const settings = { trustDomain, rootNamespace: namespace, caCertificates: [peer] };
  const mesh = JSON.stringify({ ...settings, defaultConfig: { discoveryAddress: address } });
  const jwks = await kubectl(["get", "--raw", "/openid/v1/jwks"]);
  await apply([
    configMap(namespace, FILES, { mesh, "jwks.json": jwks }),
    configMap(namespace, ROOTS, { "root-cert.pem": root.pem }),
    authoritySecret(namespace, root),
    ...controlPlane(namespace, await tokenIssuer()),
  ]);
  await awaitRollout(namespace, CONTROL_PLANE);
  const plain = [clientDeployment(namespace, "client"), ...echoApplication(namespace, "shop", { text: "shop" })];
  const options = ["--image", String(process.env["ENTENTE_IMAGE"]), "--ca-address", address, "--revision", "foreign"];
  const injected = await inject(plain, ...options, "--trust-domain", trustDomain);
  // An agent of Istio's expects the installed mesh's roots under this name.
  await apply(JSON.parse(JSON.stringify(injected).replaceAll('"istio-ca-root-cert"', `"${ROOTS}"`)));
  const own = [peerAuthentication(namespace, "STRICT"), ...(await addressedPods(namespace, "app in (client,shop)", 2))];
  const configure = (more: readonly KubernetesObject[]) => writeConfiguration(namespace, [...own, ...more]);
  await configure([]);
  await Promise.all(["client", "shop"].map((app) => awaitRollout(namespace, app)));
  return { namespace, root, client: new ClientPod(namespace, "client"), configure, remove };
}

/** The issuer of the cluster's tokens. */
async function tokenIssuer(): Promise<string> {
  const { issuer }: { readonly issuer: string } = JSON.parse(
    await kubectl(["get", "--raw", "/.well-known/openid-configuration"]),
  );
  return issuer;
}

function configMap(namespace: string, name: string, data: object): NewKubernetesObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

function authoritySecret(namespace: string, { pem, keyPem }: MintedCertificate): NewKubernetesObject {
  const stringData = { "ca-cert.pem": pem, "ca-key.pem": keyPem, "root-cert.pem": pem, "cert-chain.pem": pem };
  return { apiVersion: "v1", kind: "Secret", metadata: { name: AUTHORITY, namespace }, stringData };
}

function controlPlane(namespace: string, issuer: string): readonly NewKubernetesObject[] {
  const labels = { app: CONTROL_PLANE };
  const files = ["--config", "/config", "--ca-directory", "/etc/cacerts", "--mesh-config", "/etc/mesh/mesh"];
  const container = {
    name: CONTROL_PLANE,
    image: process.env["ENTENTE_IMAGE"],
    args: ["control-plane", ...files, "--jwks", "/etc/mesh/jwks.json", "--token-issuer", issuer],
    readinessProbe: { httpGet: { path: "/ready", port: 15_014 }, periodSeconds: 1 },
    volumeMounts: [
      { name: "config", mountPath: "/config" },
      { name: "files", mountPath: "/etc/mesh" },
      { name: "authority", mountPath: "/etc/cacerts" },
    ],
  };
  const volumes = [
    { name: "config", emptyDir: {} },
    { name: "files", configMap: { name: FILES } },
    { name: "authority", secret: { secretName: AUTHORITY, defaultMode: 0o400 } },
  ];
  const spec = { securityContext: { fsGroup: 1337 }, containers: [container], volumes };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: CONTROL_PLANE, namespace },
      spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: CONTROL_PLANE, namespace },
      spec: { selector: labels, ports: [{ port: PORT }] },
    },
  ];
}

const WRITE =
  'const { writeFileSync, renameSync, readFileSync } = require("fs"); writeFileSync("/config/.new", readFileSync(0)); renameSync("/config/.new", "/config/mesh.yaml")';

async function writeConfiguration(namespace: string, objects: readonly KubernetesObject[]): Promise<void> {
  const input = objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");
  await kubectl(["exec", "-i", "-n", namespace, `deployment/${CONTROL_PLANE}`, "--", "node", "-e", WRITE], { input });
}

/** The pods with these labels, once so many have an address. */
async function addressedPods(namespace: string, selector: string, count: number): Promise<readonly KubernetesObject[]> {
  return await vi.waitUntil(async () => {
    const pods = await getObjects("pods", "-n", namespace, "-l", selector);
    const addressed = pods.filter((pod) => addressOf(pod) !== undefined);
    return addressed.length === count && addressed;
  }, STARTED);
}

function addressOf({ status }: KubernetesObject): string | undefined {
  const { podIP }: { readonly podIP?: string } = JSON.parse(JSON.stringify(status ?? {}));
  return podIP;
}

/** An application of one mesh, as a namespace of the other one may reach it. */
export interface ForeignService {
  readonly namespace: string;
  readonly name: string;
  /** Where the application's pod is. */
  readonly of: { readonly namespace: string; readonly app: string };
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  /** Its SPIFFE ID. */
  readonly identity: string;
}

/** The Service with its EndpointSlice, applied and as the API server has them, and the rule for TLS, which is not applied. */
export async function applyForeignService(service: ForeignService) {
  const { namespace, name, of, ports, identity } = service;
  const [pod] = await addressedPods(of.namespace, `app=${of.app}`, 1);
  const address = (pod && addressOf(pod)) ?? "none";
  const slice = { name: `${name}-there`, namespace, labels: { "kubernetes.io/service-name": name } };
  await apply([
    { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { ports } },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: slice,
      ...{ addressType: isIPv6(address) ? "IPv6" : "IPv4", ports, endpoints: [{ addresses: [address] }] },
    },
  ]);
  const rule: KubernetesObject = {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name, namespace },
    spec: {
      host: `${name}.${namespace}.svc.cluster.local`,
      trafficPolicy: { tls: { mode: "ISTIO_MUTUAL", subjectAltNames: [identity] } },
    },
  };
  const stored = await Promise.all([
    getObjects("service", name, "-n", namespace),
    getObjects("endpointslice", slice.name, "-n", namespace),
  ]);
  return { objects: stored.flat(), rule };
}

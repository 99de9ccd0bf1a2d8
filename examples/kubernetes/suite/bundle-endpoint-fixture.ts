/** For the suite: the bundle endpoint of another mesh, and a control plane that trusts its certificate. */
import { readFileSync } from "node:fs";
import { bundleOf } from "../../../control-plane/federation/bundle-fixture.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { APPLICATION_USER } from "./client-pod-fixture.ts";
import { apply, awaitRollout, kubectl, remove, SYSTEM } from "./kubectl-fixture.ts";

const NAME = "bundles";
const PORT = 8443;
const WEB_ROOT = "web-root";

/** Resolves with the endpoint's URL, whose certificate is one of this root. */
export async function startBundleEndpoint(
  namespace: string,
  roots: readonly MintedCertificate[],
  web: MintedCertificate,
) {
  const host = `${NAME}.${namespace}.svc`;
  const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const { pem: certificate, keyPem: key } = mintLeaf({ issuer: web, uriSans: [], dnsSans: [host], ...times });
  const source = readFileSync(new URL("in-pod-serve-bundle.ts", import.meta.url), "utf8");
  const node = ["node", "--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", source];
  const labels = { app: NAME };
  const container = {
    name: "server",
    image: process.env["ENTENTE_IMAGE"],
    command: [...node, JSON.stringify({ certificate, key, bundle: bundleOf(roots) })],
    securityContext: APPLICATION_USER,
    readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
  };
  const template = { metadata: { labels }, spec: { containers: [container] } };
  await apply([
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: NAME, namespace },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: NAME, namespace },
      spec: { selector: labels, ports: [{ port: PORT }] },
    },
  ]);
  await awaitRollout(namespace, NAME);
  return `https://${host}:${PORT}/`;
}

/** An authority of the web that the control planes do not know yet. */
export function mintWebRoot(): MintedCertificate {
  return mintRoot({ commonName: "web root" });
}

const configMap = (data: object) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: WEB_ROOT, namespace: SYSTEM },
  data,
});

/** Lets the control planes trust an authority of the web, by NODE_EXTRA_CA_CERTS; their pods are replaced. */
export async function trustWebRoot({ pem }: MintedCertificate): Promise<void> {
  await apply([configMap({ "ca.pem": pem })]);
  await own({
    containers: [
      {
        name: "control-plane",
        env: [{ name: "NODE_EXTRA_CA_CERTS", value: `/etc/${WEB_ROOT}/ca.pem` }],
        volumeMounts: [{ name: WEB_ROOT, mountPath: `/etc/${WEB_ROOT}` }],
      },
    ],
    volumes: [{ name: WEB_ROOT, configMap: { name: WEB_ROOT } }],
  });
}

/** Takes it back. */
export async function distrustWebRoot(): Promise<void> {
  await own({});
  await remove([configMap({})]);
}

/** Of the pods of the control plane, these fields are the suite's, and none else: an installation leaves them alone. */
async function own(spec: object): Promise<void> {
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "istiod", namespace: SYSTEM },
    spec: { template: { spec } },
  };
  await kubectl(["apply", "--server-side", "--field-manager=entente-suite", "-f", "-"], {
    input: JSON.stringify(deployment),
  });
}

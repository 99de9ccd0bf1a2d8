/** For the suite: the demo's manifests, with images that the cluster's nodes need not pull. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { ECHO_IMAGE } from "./applications-fixture.ts";
import { APPLICATION_USER } from "./client-pod-fixture.ts";
import { apply, awaitRollout, requireNoNamespace } from "./kubectl-fixture.ts";

const EXAMPLES = fileURLToPath(new URL("../..", import.meta.url));

/** In the order of `kubectl apply -f`. */
function demoManifests(): readonly KubernetesObject[] {
  const image = { image: ECHO_IMAGE, imagePullPolicy: "IfNotPresent" };
  return readFolder("hello-tls").map((object) => replaceImage(object, "wardviaene/http-echo", image));
}

/** The demo's manifests, for a cluster without its namespaces. Throws if there is one: they would change what is there. */
export async function prepareDemo(): Promise<readonly KubernetesObject[]> {
  await requireNoNamespace("ns1", "ns2", "legacy");
  return demoManifests();
}

/** Applies the demo's manifests, and waits until its applications are available. */
export async function startDemo(manifests: readonly KubernetesObject[]): Promise<void> {
  await apply(manifests);
  await awaitRollout("ns1", "hello-tls");
  await awaitRollout("ns2", "world-tls");
  await awaitRollout("legacy", "end-tls");
}

/** The folder of examples/hello-grpc, with its program in a ConfigMap and the image under test, which contains Node. */
export async function grpcManifests(): Promise<readonly KubernetesObject[]> {
  const [namespace, ...others] = readFolder("hello-grpc");
  if (namespace === undefined) throw new Error("hello-grpc has no manifests");
  const container = {
    image: process.env["ENTENTE_IMAGE"],
    imagePullPolicy: "IfNotPresent",
    command: ["node", "/program/main.mjs"],
    securityContext: APPLICATION_USER,
    volumeMounts: [{ name: "program", mountPath: "/program" }],
  };
  return [
    namespace,
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: PROGRAM, namespace: namespace.metadata.name },
      data: { "main.mjs": await bundleProgram() },
    },
    ...others.map((object) => replaceImage(withVolume(object), "hello-grpc:0.1.0", container)),
  ];
}

const PROGRAM = "hello-grpc-program";

async function bundleProgram(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${EXAMPLES}/hello-grpc/main.ts`],
    ...{ bundle: true, platform: "node", target: "node24", format: "esm" },
    // kubectl apply keeps a copy in an annotation, which may have 256 KB.
    ...{ minify: true, legalComments: "none", write: false, logLevel: "error" },
  });
  return outputFiles[0]?.text ?? "";
}

function readFolder(name: string): readonly KubernetesObject[] {
  const folder = `${EXAMPLES}/${name}`;
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return files
    .sort()
    .flatMap((file) => parseAllDocuments(readFileSync(`${folder}/${file}`, "utf8")).map((document) => document.toJS()));
}

/** @param container fields that take the image's place */
function replaceImage(object: KubernetesObject, image: string, container: object): KubernetesObject {
  return JSON.parse(JSON.stringify(object).replaceAll(`"image":"${image}"`, JSON.stringify(container).slice(1, -1)));
}

function withVolume(object: KubernetesObject): KubernetesObject {
  const volumes = JSON.stringify([{ name: "program", configMap: { name: PROGRAM } }]);
  return JSON.parse(JSON.stringify(object).replace('"containers":', `"volumes":${volumes},"containers":`));
}

/** For the suite: the demo's manifests, with an image that the cluster's nodes need not pull. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { ECHO_IMAGE } from "./applications-fixture.ts";

const FOLDER = fileURLToPath(new URL("../../hello-tls", import.meta.url));

/** In the order of `kubectl apply -f`. */
export function demoManifests(): readonly KubernetesObject[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
  return files
    .sort()
    .flatMap((name) =>
      parseAllDocuments(readFileSync(`${FOLDER}/${name}`, "utf8")).map((document) => withImage(document.toJS())),
    );
}

function withImage(object: KubernetesObject): KubernetesObject {
  const text = JSON.stringify(object);
  const image = JSON.stringify({ image: ECHO_IMAGE, imagePullPolicy: "IfNotPresent" }).slice(1, -1);
  return JSON.parse(text.replaceAll('"image":"wardviaene/http-echo"', image));
}

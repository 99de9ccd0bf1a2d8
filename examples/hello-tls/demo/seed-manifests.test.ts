import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatResourceName } from "../../../mesh/resources/fields/resource-names.ts";
import { parseResources } from "../../../mesh/resources/parsing/parse-resources.ts";
import { collectFindings } from "../../../operator/analysis/collect-findings.ts";
import { configurationFromFiles } from "../../../operator/configuration/read-files.ts";

const FILES = ["10-mesh-mtls.yaml", "20-applications.yaml", "30-routing.yaml"] as const;
const OWN_FILES = ["50-legacy.yaml"] as const;
const ALL_FILES = [...FILES, ...OWN_FILES];

/** What the document leaves to `kubectl label` and the files say themselves. */
const LABEL = "  labels:\n    istio-injection: enabled\n";

function readManifest(name: string): string {
  return readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
}

/** Of every cluster. */
const DNS = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: coredns, namespace: kube-system }
spec:
  selector: { matchLabels: { k8s-app: kube-dns } }
  template:
    metadata: { labels: { k8s-app: kube-dns } }
    spec: { containers: [{ name: coredns, image: coredns, ports: [{ name: dns-tcp, containerPort: 53 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: kube-dns, namespace: kube-system }
spec: { selector: { k8s-app: kube-dns }, ports: [{ name: dns-tcp, port: 53, targetPort: 53 }] }
`;

const SEED = readFileSync(new URL("seed-manifests.fixture.md", import.meta.url), "utf8");

/** The fenced blocks of the document, in its order. */
const SEED_BLOCKS = [...SEED.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");

describe("the manifests of hello-tls", () => {
  it.each(FILES.map((file, index) => ({ file, index })))(
    "$file is the document's block $index, word for word but for the label",
    ({ file, index }) => {
      expect(SEED_BLOCKS).toHaveLength(FILES.length);
      expect(readManifest(file).replaceAll(LABEL, "")).toBe(SEED_BLOCKS[index]);
    },
  );

  it.each(ALL_FILES)("%s is understood without an error", (file) => {
    const { resources, problems } = parseResources({ text: readManifest(file), file });
    expect(problems.filter((problem) => problem.severity === "error")).toEqual([]);
    expect(resources.length).toBeGreaterThan(1);
  });

  it("labels both application namespaces for injection, and the legacy one not", () => {
    const text = ALL_FILES.map(readManifest).join("---\n");
    const { resources } = parseResources({ text, file: "all files" });
    const labels = resources.flatMap((resource) =>
      resource.kind === "Namespace" ? [[resource.metadata.name, resource.metadata.labels["istio-injection"]]] : [],
    );
    expect(labels).toEqual([
      ["ns1", "enabled"],
      ["ns2", "enabled"],
      ["legacy", undefined],
    ]);
  });

  it("name each object once, so that applying them again changes nothing", () => {
    const { resources } = parseResources({ text: ALL_FILES.map(readManifest).join("---\n"), file: "all files" });
    const names = resources.map(formatResourceName);
    expect(new Set(names).size).toBe(names.length);
  });

  it("label each namespace before its first pod, in the order in which kubectl applies the files", () => {
    const { resources } = parseResources({
      text: ALL_FILES.toSorted().map(readManifest).join("---\n"),
      file: "all files",
    });
    for (const [index, { kind, metadata }] of resources.entries()) {
      if (kind !== "Deployment") continue;
      const before = resources
        .slice(0, index)
        .find((other) => other.kind === "Namespace" && other.metadata.name === metadata.namespace);
      expect(before?.metadata.labels["istio-injection"]).toBe(metadata.namespace === "legacy" ? undefined : "enabled");
      expect(before).toBeDefined();
    }
  });

  it("leave nothing to warn of in a cluster, whose DNS has no sidecar", () => {
    const files = ALL_FILES.map((file) => ({ file, text: readManifest(file) }));
    const findings = collectFindings(configurationFromFiles([...files, { file: "dns.yaml", text: DNS }]));
    const warnings = findings.filter(({ severity }) => severity !== "info");
    expect(warnings.map(({ code, resource }) => `${code} ${resource}`)).toEqual([]);
  });

  it("are the only files that kubectl reads in this folder", () => {
    const read = readdirSync(new URL("..", import.meta.url)).filter((name) => /\.(?:json|ya?ml)$/.test(name));
    expect(read.sort()).toEqual([...ALL_FILES].sort());
  });
});

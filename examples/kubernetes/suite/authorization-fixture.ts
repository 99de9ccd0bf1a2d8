/** For the suite: policies, what `entente authz` prints about them, and servers whose responses do not end. */
import { readFileSync } from "node:fs";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { APPLICATION_USER, type HoldJob } from "./client-pod-fixture.ts";
import { runEntente } from "./installation.ts";
import { kubectl, podNames } from "./kubectl-fixture.ts";

export interface PolicyOptions {
  /** @default v1 */
  readonly version?: "v1" | "v1beta1";
  readonly annotations?: Readonly<Record<string, string>>;
}

export function authorizationPolicy(
  namespace: string,
  name: string,
  spec: object,
  { version = "v1", annotations = {} }: PolicyOptions = {},
): KubernetesObject {
  const apiVersion = `security.istio.io/${version}`;
  return { apiVersion, kind: "AuthorizationPolicy", metadata: { name, namespace, annotations }, spec };
}

/**
 * What `entente authz explain` says: `allowed` or `denied`, and by which rule (`AuthorizationPolicy/NAME.NAMESPACE rule
 * INDEX`) or for which kind of reason. Throws where workloads differ, or the exit status is not that of the verdict.
 */
export async function explain(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runEntente("authz", "explain", ...args, "-o", "json");
  const fail = (why: string) => new Error(`entente authz explain ${args.join(" ")} ended with ${status}: ${why}`);
  if (status > 1 || stderr !== "") throw fail(stderr);
  const { workloads }: { readonly workloads: readonly { readonly verdict: Verdict }[] } = JSON.parse(stdout);
  const [verdict = "none", ...others] = new Set(workloads.map((one) => formatVerdict(one.verdict)));
  if (others.length > 0 || verdict.startsWith("allowed") !== (status === 0))
    throw fail([verdict, ...others].join(", "));
  return verdict;
}

function formatVerdict({ kind, by, rule }: Verdict): string {
  return `${kind} by ${rule === undefined ? by : `${rule.policy} rule ${rule.rule}`}`;
}

interface Verdict {
  readonly kind: string;
  readonly by: string;
  readonly rule?: { readonly policy: string; readonly rule: number };
}

/** Sums the samples of a counter in the pages of these pods' proxies, which the API server reads. */
export async function sumCounter(namespace: string, selector: string, line: RegExp): Promise<number> {
  const pods = await podNames(namespace, selector);
  const pages = await Promise.all(
    pods.map((pod) =>
      kubectl(["get", "--raw", `/api/v1/namespaces/${namespace}/pods/${pod}:15020/proxy/stats/prometheus`]),
    ),
  );
  const samples = pages.flatMap((page) => page.split("\n")).filter((text) => line.test(text));
  return samples.reduce((sum, sample) => sum + Number(sample.split("} ")[1]), 0);
}

/** Servers of HTTP/1.1 on 8080, gRPC on 50051 and TCP on 9000 that begin a response and do not end it. */
export function heldServer(namespace: string, name: string): readonly KubernetesObject[] {
  const labels = { app: name };
  const source = readFileSync(new URL("in-pod-serve-held.ts", import.meta.url), "utf8");
  const container = {
    name: "server",
    image: process.env["ENTENTE_IMAGE"],
    command: ["node", "--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", source],
    securityContext: APPLICATION_USER,
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  };
  const template = { metadata: { labels }, spec: { containers: [container] } };
  const ports = Object.entries(HELD_PORTS).map(([kind, port]) => ({ name: kind === "request" ? "http" : kind, port }));
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    },
    { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { selector: labels, ports } },
  ];
}

export const HELD_PORTS: Readonly<Record<HoldJob["kind"], number>> = { request: 8080, grpc: 50_051, tcp: 9000 };

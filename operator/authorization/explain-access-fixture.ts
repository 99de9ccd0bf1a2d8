/** For tests: the client ns1/hello, one without a sidecar, and the service world.ns2. */
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../mesh/resources/resource-set-fixture.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { PLAIN } from "../text/palette.ts";
import type { AccessQuestion } from "./access.ts";
import type { ExplainedClient } from "./arrivals.ts";
import { explainAccess, isDenied } from "./explain-access.ts";
import type { ExplainedRequest } from "./explained-request.ts";
import { findTarget } from "./explained-target.ts";
import { formatAccess } from "./format-access.ts";

const GET: ExplainedRequest = {
  isGiven: false,
  method: "GET",
  path: "/",
  authority: undefined,
  headers: [],
  claims: undefined,
};

const PODS = [
  testPod({ name: "hello", ip: "10.0.0.1", serviceAccount: "hello" }),
  testPod({ name: "plain", ip: "10.0.0.2", meshed: false }),
];
export const world = (version: string, ip: string, more = {}) =>
  testPod({ name: `world-${version}`, namespace: "ns2", ip, labels: { app: "world", version }, ...more });
const WORLD = testService({
  name: "world",
  namespace: "ns2",
  ports: [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "tcp-db", port: 5432 },
    { name: "any", port: 9000 },
  ],
});
export const V1 = world("v1", "10.0.0.3");

export const policy = (name: string, spec: object, metadata = {}) =>
  testResource("AuthorizationPolicy", name, spec, { namespace: "ns2", ...metadata });
export const strict = testResource("PeerAuthentication", "default", { mtls: { mode: "STRICT" } }, { namespace: "ns2" });
export const clientTls = (mode: string) => {
  const host = "world.ns2.svc.cluster.local";
  return testResource("DestinationRule", "world", { host, trafficPolicy: { tls: { mode } } }, { namespace: "ns2" });
};

export function configurationOf(
  resources: readonly string[],
  origin: Configuration["origin"] = "cluster",
): Configuration {
  const set = createTestSet(...PODS, WORLD, ...resources);
  return { origin, set, problems: [], settings: TEST_SETTINGS, injections: new Map() };
}

export interface Asked {
  readonly from?: string | Exclude<ExplainedClient, { kind: "pod" }>;
  readonly to?: string;
  readonly port?: string;
  readonly request?: Partial<ExplainedRequest>;
  readonly sourceIp?: string;
}

export function explain(configuration: Configuration, asked: Asked = {}) {
  const { from = "ns1/hello", to = "world.ns2", port = "80", request = {}, sourceIp } = asked;
  const question: AccessQuestion = {
    client: typeof from === "string" ? { kind: "pod", pod: findTestPod(configuration.set, from) } : from,
    target: findTarget(configuration, { kind: undefined, name: to, port }, undefined),
    request: { ...GET, isGiven: Object.keys(request).length > 0, ...request },
    sourceIp,
  };
  const explanation = explainAccess(configuration, question);
  return { ...explanation, isDenied: isDenied(explanation), text: formatAccess(explanation, PLAIN) };
}

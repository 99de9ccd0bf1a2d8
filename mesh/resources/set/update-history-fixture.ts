/** Random changes of a ResourceSet, with few names and addresses, so that they meet. For tests only. */
import fc from "fast-check";
import { parseResources } from "../parsing/parse-resources.ts";
import { type ResourceUpdate, resourceKey } from "../resource-set.ts";
import { testPod, testResource, testService, testSlice } from "../resource-set-fixture.ts";

const name = fc.constantFrom("a", "b", "c");
const namespace = fc.constantFrom("ns1", "ns2");
const ip = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3");

const pod = fc
  .record({
    name,
    namespace,
    ip,
    meshed: fc.boolean(),
    labels: fc.record({ app: name }),
    status: fc.record({ phase: fc.constantFrom("Running", "Running", "Failed") }),
    spec: fc.record({ hostNetwork: fc.boolean() }),
    metadata: fc.constantFrom({}, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
  })
  .map(testPod);

const service = fc
  .record({
    name,
    namespace,
    clusterIP: fc.constantFrom("10.96.0.1", "10.96.0.2", "None"),
    spec: fc.record({ selector: fc.constantFrom({ app: "a" }, { app: "b" }, {}) }),
  })
  .map(testService);

const slice = fc
  .record({ name, namespace, service: name, ip, ready: fc.boolean(), pod: name })
  .map(({ ip: address, ready, pod: target, ...rest }) =>
    testSlice({
      ...rest,
      endpoints: [{ addresses: [address], conditions: { ready }, targetRef: { kind: "Pod", name: target } }],
    }),
  );

const endpoints = fc.record({ name, namespace, ip }).map(({ ip: address, ...metadata }) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Endpoints",
    metadata,
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: "http", port: 8080 }] }],
  }),
);

const rule = fc
  .record({ name, namespace, mode: fc.constantFrom("STRICT", "PERMISSIVE", "DISABLE") })
  .map(({ mode, ...metadata }) => testResource("PeerAuthentication", metadata.name, { mtls: { mode } }, metadata));

const selector = fc.constantFrom({}, { app: "a" }, { app: "b" });

const authorization = fc
  .record({ name, namespace, matchLabels: selector, action: fc.constantFrom("ALLOW", "DENY"), methods: fc.string() })
  .map(({ matchLabels, action, methods, ...metadata }) => {
    const rules = [{ to: [{ operation: { methods: [`m${methods}`] } }] }];
    return testResource("AuthorizationPolicy", metadata.name, { selector: { matchLabels }, action, rules }, metadata);
  });

const requestAuthentication = fc
  .record({ name, namespace, matchLabels: selector, issuer: name })
  .map(({ matchLabels, issuer, ...metadata }) =>
    testResource(
      "RequestAuthentication",
      metadata.name,
      { selector: { matchLabels }, jwtRules: [{ issuer }] },
      metadata,
    ),
  );

const host = fc.constantFrom("a.ns1.svc.cluster.local", "b.ns1.svc.cluster.local", "*.ns2.svc.cluster.local");

const destinationRule = fc
  .record({ name, namespace, host, matchLabels: selector, mode: fc.constantFrom("ISTIO_MUTUAL", "DISABLE") })
  .map(({ host: of, matchLabels, mode, ...metadata }) =>
    testResource(
      "DestinationRule",
      metadata.name,
      { host: of, workloadSelector: { matchLabels }, trafficPolicy: { tls: { mode } } },
      metadata,
    ),
  );

const virtualService = fc
  .record({ name, namespace, host, sourceLabels: selector, gateway: fc.constantFrom("mesh", "ns1/a") })
  .map(({ host: of, sourceLabels, gateway, ...metadata }) => {
    const http = [{ match: [{ sourceLabels }], route: [{ destination: { host: "b.ns1.svc.cluster.local" } }] }];
    return testResource("VirtualService", metadata.name, { hosts: [of], gateways: [gateway], http }, metadata);
  });

const gateway = fc.record({ name, namespace, selector }).map(({ selector: selected, ...metadata }) => {
  const servers = [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }];
  return testResource("Gateway", metadata.name, { selector: selected, servers }, metadata);
});

const legacy = fc
  .record({ kind: fc.constantFrom("Policy", "MeshPolicy"), namespace, target: name, isMutual: fc.boolean() })
  .map(({ kind, namespace: of, target, isMutual }) => {
    const peers = isMutual ? [{ mtls: {} }] : [];
    return kind === "Policy"
      ? testResource(kind, target, { targets: [{ name: target }], peers }, { namespace: of })
      : testResource(kind, "default", { peers }, { namespace: "" });
  });

const policy = fc.oneof(rule, authorization, requestAuthentication);

const update = fc
  .tuple(
    fc.oneof(pod, service, slice, endpoints, policy, destinationRule, virtualService, gateway, legacy),
    fc.boolean(),
  )
  .map(([text, isDeleted]): ResourceUpdate => {
    const [resource] = parseResources({ text, file: "test.yaml" }).resources;
    if (resource === undefined) throw new Error(`not a resource: ${text}`);
    return { kind: resource.kind, key: resourceKey(resource), resource: isDeleted ? undefined : resource };
  });

/** Some changes after each other, each of a few resources. */
export const updateHistory = fc.array(fc.array(update, { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 25,
});

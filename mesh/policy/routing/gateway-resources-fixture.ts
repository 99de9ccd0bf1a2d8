/** For tests: a gateway's pod, services, Gateways and VirtualServices. */
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../resources/resource-set-fixture.ts";
import { decideGateway } from "./gateway.ts";

export const POD = testPod({ name: "ingress", namespace: "istio-system", labels: { istio: "ingressgateway" } });
export const HELLO = testService({ name: "hello", namespace: "ns1" });
export const TWO_PORTS = testService({
  name: "two",
  namespace: "ns1",
  ports: [
    { name: "a", port: 81 },
    { name: "b", port: 82 },
  ],
});

export function gateway(spec: object, metadata: object = {}): string {
  return testResource(
    "Gateway",
    "gw",
    { selector: { istio: "ingressgateway" }, servers: [server()], ...spec },
    metadata,
  );
}

export function server(hosts: readonly string[] = ["*"], port: object = {}): object {
  return { port: { number: 80, name: "http", protocol: "HTTP", ...port }, hosts };
}

export function routes(
  spec: object,
  metadata: { name?: string; namespace?: string; creationTimestamp?: string } = {},
): string {
  const { name = "vs", ...rest } = metadata;
  return testResource(
    "VirtualService",
    name,
    { hosts: ["hello.example"], gateways: ["gw"], http: [toHello()], ...spec },
    rest,
  );
}

export function toHello(more: object = {}): object {
  return { route: [{ destination: { host: "hello.ns1.svc.cluster.local" } }], ...more };
}

export function decide(...resources: readonly string[]) {
  const set = createTestSet(POD, HELLO, TWO_PORTS, ...resources);
  return decideGateway({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "istio-system/ingress") });
}

/** For tests: the mode of a port of one pod, behind one service, with the given policies. */
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../resources/resource-set-fixture.ts";
import { decideServerMode } from "./server-mode.ts";

export const POD = testPod({ name: "world", namespace: "ns1", ports: [{ name: "web", containerPort: 8080 }] });
export const SERVICE = testService({ name: "world", ports: [{ name: "http", port: 80, targetPort: "web" }] });

export function decide(resources: readonly string[], port = 8080) {
  const set = createTestSet(POD, SERVICE, ...resources);
  return decideServerMode({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/world"), port });
}

export function peer(name: string, namespace: string, spec: object, creationTimestamp?: string): string {
  return testResource("PeerAuthentication", name, spec, { namespace, creationTimestamp });
}

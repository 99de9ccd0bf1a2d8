import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import type { Destination } from "../../mesh/policy/types.ts";
import {
  codeOf,
  DiscoveryFixture,
  gateway,
  pod,
  policy,
  secondPod,
  service,
  virtualService,
} from "../discovery-fixture.ts";

let mesh: DiscoveryFixture;

beforeEach(() => {
  mesh = new DiscoveryFixture();
});

afterEach(() => {
  mesh.calls.abort();
});

const BUNDLE = { kind: "trust bundle" } as const;
const INBOUND = { kind: "inbound" } as const;
const HELLO_ADDRESS = { kind: "destination", target: { kind: "address", ip: "10.1.0.1", port: 80 } } as const;
const OUTSIDE = { kind: "destination", target: { kind: "address", ip: "192.0.2.1", port: 80 } } as const;
const NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: { name: other }\n";

function endpointsOf(destination: Destination): readonly string[] {
  return destination.kind === "mesh" ? destination.endpoints.map(({ ip }) => ip) : [];
}

function routesOf(destination: Destination): readonly (readonly [string, number | undefined])[] {
  return destination.kind === "mesh" ? destination.routes.map(({ name, timeoutMs }) => [name, timeoutMs]) : [];
}

describe("a subscription", () => {
  it("of inbound policy receives the current state, then each change that affects the pod", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    const first = await proxy.inbound();
    expect(first.defaultMode).toMatchObject({ mode: "STRICT", rule: "PeerAuthentication/default.istio-system" });
    expect(first.ports.map(({ port }) => port)).toEqual([8080]);
    mesh.source.change(pod, service, policy("STRICT"), NAMESPACE);
    await settlePromises();
    mesh.source.change(pod, service, policy("PERMISSIVE"));
    expect((await proxy.inbound()).defaultMode.mode).toBe("PERMISSIVE");
  });

  it("of the trust bundle receives roots and trust domains, and each change of the roots", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, BUNDLE);
    expect(await proxy.trustBundle()).toMatchObject({
      roots: ["root one"],
      trustDomains: ["cluster.local", "old.local"],
      signingRoot: "root one",
    });
    mesh.roots.change(["root one", "root two"]);
    expect((await proxy.trustBundle()).roots).toEqual(["root one", "root two"]);
    mesh.signingRoot = "root two";
    mesh.roots.change(["root one", "root two"]);
    expect((await proxy.trustBundle()).signingRoot).toBe("root two");
  });

  it("of an address receives its destination, and changes of its endpoints", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, HELLO_ADDRESS);
    expect(endpointsOf(await proxy.destination())).toEqual(["10.0.0.7"]);
    mesh.source.change(pod, secondPod, service);
    expect(endpointsOf(await proxy.destination())).toEqual(["10.0.0.7", "10.0.0.8"]);
  });

  it("of an address outside the mesh follows the mesh's settings", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, OUTSIDE);
    expect((await proxy.destination()).kind).toBe("passthrough");
    mesh.settings.change({ ...mesh.settings.current(), outboundTrafficPolicy: "REGISTRY_ONLY" });
    expect((await proxy.destination()).kind).toBe("refused");
  });

  it("of an address receives the routes for its own pod alone", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, HELLO_ADDRESS);
    expect(routesOf(await proxy.destination())).toEqual([]);
    mesh.source.change(pod, service, virtualService("5s", "hello"));
    expect(routesOf(await proxy.destination())).toEqual([["VirtualService/hello.ns1[0]", 5000]]);
    mesh.source.change(pod, service, virtualService("6s", "hello"));
    expect(routesOf(await proxy.destination())).toEqual([["VirtualService/hello.ns1[0]", 6000]]);
    mesh.source.change(pod, service, virtualService("6s", "another"));
    expect(routesOf(await proxy.destination())).toEqual([]);
  });

  it("of a host receives no routes: it is a route's own destination", async () => {
    mesh.source.change(pod, service, virtualService("5s", "hello"));
    const target = { kind: "host", host: "hello.ns1.svc.cluster.local", port: 80, subset: "" } as const;
    const proxy = mesh.proxy().identify().subscribe(1, { kind: "destination", target });
    expect(routesOf(await proxy.destination())).toEqual([]);
  });

  it("of a gateway receives its listeners", async () => {
    mesh.source.change(pod, gateway);
    const proxy = mesh.proxy().identify().subscribe(1, { kind: "gateway" });
    expect((await proxy.gateway()).listeners.map(({ port }) => port)).toEqual([80]);
  });

  it("follows the labels of its pod", async () => {
    mesh.source.change(pod, service, virtualService("5s", "moved"));
    const proxy = mesh.proxy().identify().subscribe(1, HELLO_ADDRESS);
    expect(routesOf(await proxy.destination())).toEqual([]);
    mesh.source.change(pod.replace("app: hello", "app: moved"), secondPod, service, virtualService("5s", "moved"));
    expect(routesOf(await proxy.destination())).toEqual([["VirtualService/hello.ns1[0]", 5000]]);
  });

  it("is over when its id is unsubscribed, and another one may take the id", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    await proxy.inbound();
    proxy.send({ unsubscribe: [1] }).subscribe(2, OUTSIDE);
    expect((await proxy.destination()).kind).toBe("passthrough");
    mesh.source.change(pod, service, policy("DISABLE"));
    await settlePromises();
    proxy.subscribe(1, OUTSIDE);
    expect(await proxy.update()).toMatchObject({ id: 1, result: { case: "value" } });
  });

  it.each([
    { name: "names no resource", request: { id: 1 } },
    { name: "has no port", request: { id: 1, resource: { case: "address", value: { ip: "10.1.0.1" } } as const } },
  ])("that $name has a fault, and the others go on", async ({ request }) => {
    const proxy = mesh
      .proxy()
      .identify()
      .send({ subscribe: [request] })
      .subscribe(2, INBOUND);
    expect((await proxy.update()).result.case).toBe("fault");
    expect((await proxy.inbound()).defaultMode.mode).toBe("STRICT");
  });
});

describe("a proxy that still has a value", () => {
  it("learns that it has not changed, without receiving it again", async () => {
    const { digest } = await mesh.proxy().identify().subscribe(1, INBOUND).value();
    const again = mesh.proxy().identify().subscribe(1, INBOUND, digest);
    expect(await again.update()).toMatchObject({ id: 1, result: { case: "unchanged" } });
    mesh.source.change(pod, service, policy("DISABLE"));
    expect((await again.inbound()).defaultMode.mode).toBe("DISABLE");
  });

  it("receives the new one if it has changed", async () => {
    const { digest } = await mesh.proxy().identify().subscribe(1, INBOUND).value();
    mesh.source.change(pod, service, policy("DISABLE"));
    const again = mesh.proxy().identify().subscribe(1, INBOUND, digest);
    expect((await again.inbound()).defaultMode.mode).toBe("DISABLE");
  });
});

describe("a proxy that does not read", () => {
  it("receives only the newest value of each subscription", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    await proxy.inbound();
    for (const mode of ["DISABLE", "STRICT", "DISABLE", "PERMISSIVE"]) {
      mesh.source.change(pod, service, policy(mode));
      await settlePromises();
    }
    expect((await proxy.inbound()).defaultMode.mode).toBe("PERMISSIVE");
  });

  it("receives nothing if the newest value is the one that it has", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND).subscribe(2, BUNDLE);
    await proxy.inbound();
    await proxy.trustBundle();
    for (const mode of ["DISABLE", "STRICT"]) mesh.source.change(pod, service, policy(mode));
    await settlePromises();
    mesh.roots.change(["root two"]);
    expect((await proxy.trustBundle()).roots).toEqual(["root two"]);
  });
});

describe("a stream whose pod is unknown", () => {
  it("waits for the pod", async () => {
    mesh.source.change(policy("STRICT"));
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    const first = proxy.inbound();
    await mesh.log.seen("waiting for a pod");
    mesh.source.change(pod, policy("STRICT"));
    expect((await first).workload.pod).toBe("hello-1");
  });

  it("receives the trust bundle meanwhile", async () => {
    mesh.source.change(policy("STRICT"));
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND).subscribe(2, BUNDLE);
    expect((await proxy.trustBundle()).roots).toEqual(["root one"]);
  });

  it("keeps its last values when the pod is deleted, and goes on when it is back", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    await proxy.inbound();
    mesh.source.change(policy("DISABLE"));
    await settlePromises();
    mesh.source.change(pod, policy("PERMISSIVE"));
    expect((await proxy.inbound()).defaultMode.mode).toBe("PERMISSIVE");
  });

  it("ends when the pod's service account is no longer the caller's, before anything else is sent", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    await proxy.inbound();
    mesh.source.change(pod.replace("serviceAccountName: hello", "serviceAccountName: other"), policy("DISABLE"));
    expect(await codeOf(proxy.response())).toBe(Code.PermissionDenied);
  });
});

import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WatchDestinationRequestSchema } from "../mesh/api/gen/discovery_pb.ts";
import { settlePromises } from "../mesh/fake-clock-fixture.ts";
import {
  codeOf,
  DiscoveryFixture,
  gateway,
  pod,
  policy,
  read,
  secondPod,
  service,
  virtualService,
  workload,
} from "./discovery-fixture.ts";

let mesh: DiscoveryFixture;

beforeEach(() => {
  mesh = new DiscoveryFixture();
});

afterEach(() => {
  mesh.calls.abort();
});

describe("WatchInbound", () => {
  it("sends the current state, then each change that affects this pod", async () => {
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    const first = await next();
    expect(first.defaultMode).toMatchObject({ mode: "STRICT", rule: "PeerAuthentication/default.istio-system" });
    expect(first.ports.map(({ port }) => port)).toEqual([8080]);
    mesh.source.change(pod, service, policy("STRICT"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: other }\n");
    await settlePromises();
    mesh.source.change(pod, service, policy("PERMISSIVE"));
    expect((await next()).defaultMode?.mode).toBe("PERMISSIVE");
  });

  it("sends a slow reader only the newest state", async () => {
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    await next();
    for (const mode of ["DISABLE", "STRICT", "DISABLE", "PERMISSIVE"]) {
      mesh.source.change(pod, service, policy(mode));
      await settlePromises();
    }
    expect((await next()).defaultMode?.mode).toBe("PERMISSIVE");
  });

  it("waits for a pod that is still unknown", async () => {
    mesh.source.change(policy("STRICT"));
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    const first = next();
    await mesh.log.seen("waiting for a pod");
    mesh.source.change(pod, policy("STRICT"));
    expect((await first).workload?.pod).toBe("hello-1");
  });

  it("keeps the last response for the sidecar of a deleted pod", async () => {
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    await next();
    mesh.source.change(policy("DISABLE"));
    await settlePromises();
    mesh.source.change(pod, policy("PERMISSIVE"));
    expect((await next()).defaultMode?.mode).toBe("PERMISSIVE");
  });

  it("ends when the pod's service account is no longer the caller's", async () => {
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    await next();
    mesh.source.change(pod.replace("serviceAccountName: hello", "serviceAccountName: other"));
    expect(await codeOf(next())).toBe(Code.PermissionDenied);
  });
});

describe("WatchTrustBundle", () => {
  it("sends roots and trust domains, and each change of the roots", async () => {
    const next = read(mesh.client().watchTrustBundle({}, { signal: mesh.calls.signal }));
    expect(await next()).toMatchObject({ roots: ["root one"], trustDomains: ["cluster.local", "old.local"] });
    mesh.roots.change(["root one", "root two"]);
    expect((await next()).roots).toEqual(["root one", "root two"]);
  });
});

describe("WatchDestination", () => {
  it("resolves an address and sends changes of its endpoints", async () => {
    const target = { case: "address", value: { ip: "10.1.0.1", port: 80 } } as const;
    const next = read(mesh.client().watchDestination({ workload, target }, { signal: mesh.calls.signal }));
    const first = (await next()).destination;
    expect(first.case === "mesh" && first.value.endpoints.map(({ ip }) => ip)).toEqual(["10.0.0.7"]);
    mesh.source.change(pod, secondPod, service);
    const second = (await next()).destination;
    expect(second.case === "mesh" && second.value.endpoints.map(({ ip }) => ip)).toEqual(["10.0.0.7", "10.0.0.8"]);
  });

  it("applies the VirtualServices of an address only for the requesting pod", async () => {
    const target = { case: "address", value: { ip: "10.1.0.1", port: 80 } } as const;
    const next = read(mesh.client().watchDestination({ workload, target }, { signal: mesh.calls.signal }));
    const routesOf = async () => {
      const { destination } = await next();
      return destination.case === "mesh"
        ? destination.value.routes.map(({ name, timeoutMs }) => [name, timeoutMs])
        : [];
    };
    expect(await routesOf()).toEqual([]);
    mesh.source.change(pod, service, virtualService("5s", "hello"));
    expect(await routesOf()).toEqual([["VirtualService/hello.ns1[0]", 5000]]);
    mesh.source.change(pod, service, virtualService("6s", "hello"));
    expect(await routesOf()).toEqual([["VirtualService/hello.ns1[0]", 6000]]);
    mesh.source.change(pod, service, virtualService("6s", "another"));
    expect(await routesOf()).toEqual([]);
  });

  it("does not apply routes to a route's destination", async () => {
    mesh.source.change(pod, service, virtualService("5s", "hello"));
    const target = { case: "host", value: { host: "hello.ns1.svc.cluster.local", port: 80 } } as const;
    const next = read(mesh.client().watchDestination({ workload, target }, { signal: mesh.calls.signal }));
    const { destination } = await next();
    expect(destination.case === "mesh" && destination.value.routes).toEqual([]);
  });

  it.each([
    { name: "no target", target: { case: undefined } as const },
    { name: "no port", target: { case: "address", value: { ip: "10.1.0.1" } } as const },
    {
      name: "a host longer than DNS allows",
      target: { case: "host", value: { host: "a".repeat(300), port: 80 } } as const,
    },
  ])("refuses a request with $name", async ({ target }) => {
    const request = create(WatchDestinationRequestSchema, { workload, target });
    expect(await codeOf(read(mesh.client().watchDestination(request))())).toBe(Code.InvalidArgument);
  });
});

describe("WatchGateway", () => {
  it("sends the listeners of a gateway's pod", async () => {
    mesh.source.change(pod, gateway);
    const next = read(mesh.client().watchGateway({ workload }, { signal: mesh.calls.signal }));
    expect((await next()).listeners.map(({ port }) => port)).toEqual([80]);
  });
});

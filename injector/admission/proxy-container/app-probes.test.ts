import { describe, expect, it } from "vitest";
import { injectPod } from "../inject-pod.ts";
import { createPod, env, inject, type Json, TEST_DEPS } from "../pod-fixture.ts";

function injectWith(container: Json, annotations: Json = {}) {
  const pod = createPod(
    { annotations },
    { containers: [{ name: "web", ports: [{ name: "http", containerPort: 8080 }], ...container }] },
  );
  const outcome = injectPod(pod, { ...TEST_DEPS, namespace: "ns1" });
  if (outcome.kind === "refused") throw new Error(outcome.message);
  const proxy = outcome.pod.spec.containers.find(({ name }) => name === "istio-proxy");
  const text = proxy?.env?.find(({ name }) => name === "ISTIO_KUBE_APP_PROBERS")?.value;
  const probers: unknown = text === undefined || text === null ? undefined : JSON.parse(text);
  return { ...outcome, app: outcome.pod.spec.containers.find(({ name }) => name === "web"), proxy, probers };
}

describe("an application's probe", () => {
  it.each([
    {
      name: "HTTP",
      field: "readinessProbe",
      path: "/app-health/web/readyz",
      probe: {
        httpGet: { path: "/up", port: 8080, scheme: "HTTPS", httpHeaders: [{ name: "a", value: "b" }] },
        timeoutSeconds: 2,
      },
      prober: {
        httpGet: { path: "/up", port: 8080, scheme: "HTTPS", httpHeaders: [{ name: "a", value: "b" }] },
        timeoutSeconds: 2,
      },
    },
    {
      name: "HTTP on a named port",
      field: "livenessProbe",
      path: "/app-health/web/livez",
      probe: { httpGet: { path: "/", port: "http" }, periodSeconds: 7 },
      prober: { httpGet: { path: "/", port: 8080 } },
    },
    {
      name: "TCP",
      field: "startupProbe",
      path: "/app-health/web/startupz",
      probe: { tcpSocket: { port: "http" }, failureThreshold: 9 },
      prober: { tcpSocket: { port: 8080 } },
    },
    {
      name: "gRPC",
      field: "livenessProbe",
      path: "/app-health/web/livez",
      probe: { grpc: { port: 9090, service: "x" } },
      prober: { grpc: { port: 9090, service: "x" } },
    },
  ])("over $name goes to the proxy, which receives the original probe", ({ field, path, probe, prober }) => {
    const { app, probers } = injectWith({ [field]: probe });
    const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...timing } = { httpGet: 0, tcpSocket: 0, grpc: 0, ...probe };
    expect(app?.[field]).toEqual({ ...timing, httpGet: { path, port: 15020, scheme: "HTTP" } });
    expect(probers).toEqual({ [path]: prober });
  });

  it.each([
    { name: "exec", probe: { exec: { command: ["true"] } } },
    { name: "HTTP to another host", probe: { httpGet: { host: "192.0.2.1", port: 80 } } },
    { name: "HTTP to the proxy itself", probe: { httpGet: { path: "/app-health/web/livez", port: 15020 } } },
    { name: "no probe at all", probe: null },
  ])("for $name is not changed", ({ probe }) => {
    const { app, probers } = injectWith({ livenessProbe: probe });
    expect(app?.livenessProbe).toEqual(probe);
    expect(probers).toBeUndefined();
  });

  it("for a port name that the container does not have is kept, with a warning", () => {
    const { app, warnings } = injectWith({ readinessProbe: { httpGet: { port: "metrics" } } });
    expect(app?.readinessProbe).toEqual({ httpGet: { port: "metrics" } });
    expect(warnings.join()).toContain("names the port metrics");
  });

  it.each([{ "sidecar.istio.io/rewriteAppHTTPProbers": "false" }, { "status.sidecar.istio.io/port": "0" }])(
    "is not changed with %j",
    (annotations) => {
      expect(injectWith({ readinessProbe: { tcpSocket: { port: 1 } } }, annotations).probers).toBeUndefined();
    },
  );

  it("of a restartable init container goes to the proxy too", () => {
    const pod = createPod(
      {},
      { initContainers: [{ name: "log", restartPolicy: "Always", startupProbe: { tcpSocket: { port: 1 } } }] },
    );
    const outcome = injectPod(pod, { ...TEST_DEPS, namespace: "ns1" });
    expect(outcome).toMatchObject({
      pod: {
        spec: {
          initContainers: [{ startupProbe: { httpGet: { path: "/app-health/log/startupz", port: 15020 } } }, {}],
        },
      },
    });
  });

  it("is kept, and the proxy has no probes of its own, if the status port is 0", () => {
    const { proxy } = injectWith({}, { "status.sidecar.istio.io/port": "0" });
    expect(proxy).not.toHaveProperty("readinessProbe");
  });
});

describe("an application's lifecycle hook", () => {
  const TOKEN = TEST_DEPS.createToken();
  it.each([
    {
      name: "preStop over HTTP",
      field: "preStop",
      path: `/app-lifecycle/web/prestopz/${TOKEN}`,
      hook: { httpGet: { path: "/bye", port: "http" } },
      prober: { httpGet: { path: "/bye", port: 8080 }, timeoutSeconds: 30 },
    },
    {
      name: "postStart over TCP",
      field: "postStart",
      path: `/app-lifecycle/web/poststartz/${TOKEN}`,
      hook: { tcpSocket: { port: 8080 } },
      prober: { tcpSocket: { port: 8080 }, timeoutSeconds: 30 },
    },
  ])("$name goes to the proxy, at a path that cannot be guessed", ({ field, path, hook, prober }) => {
    const { app, probers } = injectWith({ lifecycle: { [field]: hook, stopSignal: "SIGQUIT" } });
    expect(app?.lifecycle).toEqual({
      [field]: { httpGet: { path, port: 15020, scheme: "HTTP" } },
      stopSignal: "SIGQUIT",
    });
    expect(probers).toEqual({ [path]: prober });
  });

  it("may take as long as the pod's grace period", () => {
    const pod = createPod(
      {},
      {
        terminationGracePeriodSeconds: 90,
        containers: [{ name: "web", lifecycle: { preStop: { httpGet: { port: 80 } } } }],
      },
    );
    const probers = JSON.parse(String(env(inject(pod).pod)["ISTIO_KUBE_APP_PROBERS"]));
    expect(probers).toEqual({
      [`/app-lifecycle/web/prestopz/${TOKEN}`]: { httpGet: { port: 80 }, timeoutSeconds: 90 },
    });
  });

  it.each([
    { name: "exec", hook: { exec: { command: ["true"] } } },
    { name: "sleep", hook: { sleep: { seconds: 3 } } },
    { name: "HTTP to another host", hook: { httpGet: { host: "192.0.2.1", port: 80 } } },
  ])("$name is not changed", ({ hook }) => {
    const { app, probers } = injectWith({ lifecycle: { preStop: hook } });
    expect(app?.lifecycle).toEqual({ preStop: hook });
    expect(probers).toBeUndefined();
  });

  it("postStart makes the proxy start first, because the kubelet runs it before it starts the next container", () => {
    const { pod } = inject(
      createPod({}, { containers: [{ name: "web", lifecycle: { postStart: { httpGet: { port: 80 } } } }] }),
    );
    expect(pod.spec.containers.map(({ name }) => name)).toEqual(["istio-proxy", "web"]);
    expect(pod.spec.containers[0]?.lifecycle).toEqual({
      postStart: { exec: { command: ["entente", "proxy", "wait"] } },
    });
    expect(inject(pod).pod).toEqual(pod);
  });
});

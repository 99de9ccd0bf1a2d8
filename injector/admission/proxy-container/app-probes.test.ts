import { describe, expect, it } from "vitest";
import { injectPod } from "../inject-pod.ts";
import { DEFAULT_INJECTION_SETTINGS } from "../injection-settings.ts";
import { createPod, type Json } from "../pod-fixture.ts";

function injectWith(container: Json, annotations: Json = {}) {
  const pod = createPod(
    { annotations },
    { containers: [{ name: "web", ports: [{ name: "http", containerPort: 8080 }], ...container }] },
  );
  const outcome = injectPod(pod, { settings: DEFAULT_INJECTION_SETTINGS, namespace: "ns1" });
  if (outcome.kind === "refused") throw new Error(outcome.message);
  const proxy = outcome.pod.spec.containers.find(({ name }) => name === "istio-proxy");
  const text = proxy?.env?.find(({ name }) => name === "ISTIO_KUBE_APP_PROBERS")?.value;
  const probers: unknown = text === undefined || text === null ? undefined : JSON.parse(text);
  return { ...outcome, app: outcome.pod.spec.containers[0], proxy, probers };
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
    const outcome = injectPod(pod, { settings: DEFAULT_INJECTION_SETTINGS, namespace: "ns1" });
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

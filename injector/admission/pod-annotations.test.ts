import { describe, expect, it } from "vitest";
import { parseCaptureArgs } from "../capture/capture-args.ts";
import { annotated, container, createPod, env, inject, refusal } from "./pod-fixture.ts";

describe("the proxy's resources", () => {
  it.each([
    {
      name: "are Istio's defaults without annotations",
      annotations: {},
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2000m", memory: "1024Mi" } },
    },
    {
      name: "have no defaults if one annotation is set",
      annotations: { "sidecar.istio.io/proxyCPU": "50m" },
      resources: { requests: { cpu: "50m" } },
    },
    {
      name: "are those of the annotations",
      annotations: { "sidecar.istio.io/proxyMemory": "64Mi", "sidecar.istio.io/proxyMemoryLimit": "1e9" },
      resources: { requests: { memory: "64Mi" }, limits: { memory: "1e9" } },
    },
  ])("$name", ({ annotations, resources }) => {
    expect(container(inject(annotated(annotations)).pod, "istio-proxy")["resources"]).toEqual(resources);
  });
});

it("the proxy's readiness probe has the annotations' times", () => {
  const readiness = "readiness.status.sidecar.istio.io";
  const { pod, warnings } = inject(
    annotated({
      [`${readiness}/initialDelaySeconds`]: "2",
      [`${readiness}/periodSeconds`]: "3",
      [`${readiness}/failureThreshold`]: "30",
    }),
  );
  expect(container(pod, "istio-proxy").readinessProbe).toMatchObject({
    initialDelaySeconds: 2,
    periodSeconds: 3,
    failureThreshold: 30,
  });
  expect(warnings).toEqual([]);
});

describe("the capture annotations", () => {
  it("become the init container's arguments; the proxy's own ports are always excluded", () => {
    const traffic = (name: string) => `traffic.sidecar.istio.io/${name}`;
    const { pod } = inject(
      annotated({
        [traffic("includeOutboundIPRanges")]: "10.0.0.0/8, fd00::/8",
        [traffic("excludeOutboundIPRanges")]: "10.9.0.0/16",
        [traffic("excludeInboundPorts")]: "22",
        [traffic("includeOutboundPorts")]: "443",
        [traffic("excludeOutboundPorts")]: "3306,5432",
        [traffic("excludeInterfaces")]: "eth1",
      }),
    );
    const args = container(pod, "istio-init")["args"];
    if (!Array.isArray(args)) throw new Error("no arguments");
    const { options } = parseCaptureArgs(args.slice(2).map(String));
    expect(options).toMatchObject({
      includeOutboundIpRanges: [{ text: "10.0.0.0/8" }, { text: "fd00::/8" }],
      excludeOutboundIpRanges: [{ text: "10.9.0.0/16" }],
      excludeInboundPorts: [15090, 15021, 15020, 22],
      includeOutboundPorts: [443],
      excludeOutboundPorts: [3306, 5432],
      excludeInterfaces: ["eth1"],
    });
  });

  it("can turn capture off: then there is no init container", () => {
    const { pod } = inject(annotated({ "sidecar.istio.io/interceptionMode": "NONE" }));
    expect(pod.spec.initContainers ?? []).toEqual([]);
    expect(env(pod)["ISTIO_META_INTERCEPTION_MODE"]).toBe("NONE");
  });
});

describe("the application's metrics", () => {
  it("are passed to the proxy with the pod's scrape settings", () => {
    const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": "9102", "prometheus.io/path": "/m" };
    const { pod } = inject(annotated(annotations));
    expect(JSON.parse(String(env(pod)["ISTIO_PROMETHEUS_ANNOTATIONS"]))).toEqual({
      scrape: "true",
      port: "9102",
      path: "/m",
    });
    expect(pod.metadata?.annotations?.["prometheus.io/port"]).toBe("15020");
  });

  it.each([
    { name: "prometheus.io/port", value: "metrics" },
    { name: "prometheus.io/port", value: "99999" },
    { name: "prometheus.io/path", value: "/a b" },
  ])("are left alone, with a warning, if the proxy could not request them: $name is $value", ({ name, value }) => {
    const { pod, warnings } = inject(annotated({ "prometheus.io/scrape": "true", [name]: value }));
    expect(env(pod)).not.toHaveProperty("ISTIO_PROMETHEUS_ANNOTATIONS");
    expect(pod.metadata?.annotations?.[name]).toBe(value);
    expect(warnings).toEqual([expect.stringContaining(name)]);
  });

  it("are not merged if the mesh's setting is off, unless the pod's annotation turns it on", () => {
    const port = (annotations: Record<string, string>) =>
      inject(annotated(annotations), { mergesMetrics: false }).pod.metadata?.annotations?.["prometheus.io/port"];
    expect(port({})).toBeUndefined();
    expect(port({ "prometheus.istio.io/merge-metrics": "true" })).toBe("15020");
  });

  it.each([{ "prometheus.io/scrape": "false" }, { "prometheus.istio.io/merge-metrics": "false" }])(
    "are left alone with %j",
    (annotations) => {
      const { pod } = inject(annotated(annotations));
      expect(pod.metadata?.annotations).not.toHaveProperty("prometheus.io/port");
    },
  );
});

describe("a pod is refused", () => {
  it("if an application container uses the init container's name", () => {
    const spec = { containers: [{ name: "istio-init", securityContext: { runAsUser: 1337 } }] };
    expect(refusal(createPod({}, spec)).message).toContain("the container istio-init has runAsUser: 1337");
  });

  it.each([
    { name: "traffic.sidecar.istio.io/excludeOutboundPorts", value: "http", expected: '"http" is not a port' },
    { name: "traffic.sidecar.istio.io/excludeInboundPorts", value: "0", expected: '"0" is not a port' },
    { name: "traffic.sidecar.istio.io/includeInboundPorts", value: "80;81", expected: '"80;81" is not a port' },
    { name: "traffic.sidecar.istio.io/includeOutboundIPRanges", value: "10.0.0.0/40", expected: "is not an IP range" },
    { name: "traffic.sidecar.istio.io/excludeOutboundIPRanges", value: "*", expected: '"*" is not an IP range' },
    {
      name: "traffic.sidecar.istio.io/excludeInterfaces",
      value: "eth0\nCOMMIT",
      expected: "is not the name of a network interface",
    },
    { name: "sidecar.istio.io/interceptionMode", value: "TPROXY", expected: "supported are REDIRECT and NONE" },
    { name: "sidecar.istio.io/nativeSidecar", value: "yes", expected: '"yes" is neither true nor false' },
    { name: "sidecar.istio.io/rewriteAppHTTPProbers", value: "", expected: '"" is neither true nor false' },
    { name: "sidecar.istio.io/proxyCPU", value: "lots", expected: '"lots" is not a quantity' },
    { name: "sidecar.istio.io/proxyMemoryLimit", value: "1 GB", expected: '"1 GB" is not a quantity' },
    { name: "sidecar.istio.io/proxyImage", value: "a b", expected: '"a b" is not an image reference' },
    { name: "readiness.status.sidecar.istio.io/periodSeconds", value: "0", expected: "a whole number from 1" },
    { name: "inject.istio.io/templates", value: "gateway", expected: '"gateway" names a template' },
    { name: "inject.istio.io/templates", value: "sidecar,custom", expected: '"sidecar,custom" names a template' },
    { name: "sidecar.istio.io/logLevel", value: "loud", expected: '"loud" is not a log level' },
    { name: "status.sidecar.istio.io/port", value: "9000", expected: "15020" },
  ])("if $name is $value", ({ name, value, expected }) => {
    const { reason, message } = refusal(annotated({ [name]: value }));
    expect(reason).toBe("invalid_annotation");
    expect(message).toContain(name);
    expect(message).toContain(expected);
  });
});

describe("a pod is injected with a warning", () => {
  it.each([
    {
      name: "an application that can change the capture rules",
      pod: createPod(
        {},
        { containers: [{ name: "vpn", securityContext: { capabilities: { add: ["NET_ADMIN", "CHOWN"] } } }] },
      ),
      expected: "vpn has NET_ADMIN and can remove the capture rules",
    },
    {
      name: "a privileged application",
      pod: createPod({}, { containers: [{ name: "vpn", securityContext: { privileged: true } }] }),
      expected: "vpn has privileged",
    },
    { name: "another DNS policy", pod: createPod({}, { dnsPolicy: "Default" }), expected: "dnsPolicy is Default" },
    {
      name: "an unknown annotation",
      pod: annotated({ "sidecar.istio.io/bootstrapOverride": "x" }),
      expected: "sidecar.istio.io/bootstrapOverride is not supported",
    },
    {
      name: "an unknown annotation of another part of Istio",
      pod: annotated({ "istio.io/reroute-virtual-interfaces": "net1" }),
      expected: "istio.io/reroute-virtual-interfaces is not supported",
    },
    {
      name: "a lifecycle hook over HTTP that is not redirected",
      pod: annotated(
        { "sidecar.istio.io/rewriteAppHTTPProbers": "false" },
        { containers: [{ name: "web", lifecycle: { preStop: { httpGet: { port: 80 } } } }] },
      ),
      expected: "web's preStop hook arrives in plaintext",
    },
    {
      name: "an application on one of the proxy's ports",
      pod: createPod({}, { containers: [{ name: "web", ports: [{ containerPort: 15020 }] }] }),
      expected: "web has the port 15020, on which the proxy listens",
    },
    {
      name: "a Job, which a regular container would keep from ending",
      pod: createPod({ ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: "once", controller: true }] }),
      expected: "POST http://127.0.0.1:15020/quitquitquit",
    },
  ])("for $name", ({ pod, expected }) => {
    expect(inject(pod).warnings.join("\n")).toContain(expected);
  });

  it("or without a warning if nothing is unusual", () => {
    expect(inject(createPod()).warnings).toEqual([]);
  });

  it("or without a warning for a Job whose sidecar is native", () => {
    const job = { ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: "once", controller: true }] };
    expect(inject(createPod(job), { nativeSidecar: true }).warnings).toEqual([]);
  });

  it("and annotations of others are none of its business", () => {
    expect(inject(annotated({ "example.com/notistio.io/x": "1", "notistio.io/x": "1" })).warnings).toEqual([]);
  });
});

describe("what other pods can reach around the proxy is named in a warning", () => {
  const traffic = "traffic.sidecar.istio.io";
  it.each([
    { annotations: { "sidecar.istio.io/interceptionMode": "NONE" }, expected: "all connections to and from the pod" },
    {
      annotations: { [`${traffic}/excludeInboundPorts`]: "22,80" },
      expected: "inbound connections to the ports 22, 80 go",
    },
    { annotations: { [`${traffic}/includeInboundPorts`]: "" }, expected: "inbound connections to all ports go" },
    {
      annotations: { [`${traffic}/includeInboundPorts`]: "80" },
      expected: "inbound connections to all ports but 80 go",
    },
    { annotations: { [`${traffic}/excludeInterfaces`]: "eth1" }, expected: "connections of the interfaces eth1 go" },
  ])("with $annotations", ({ annotations, expected }) => {
    const { warnings } = inject(annotated(annotations));
    expect(warnings).toEqual([expect.stringContaining(expected)]);
    expect(warnings[0]).toContain("STRICT");
    expect(warnings[0]?.length).toBeLessThan(256);
  });

  it.each([
    { annotations: { [`${traffic}/excludeInboundPorts`]: "15020" } },
    { annotations: { [`${traffic}/includeInboundPorts`]: "*" } },
    { annotations: { [`${traffic}/excludeOutboundPorts`]: "3306" } },
  ])("and nothing is with $annotations", ({ annotations }) => {
    expect(inject(annotated(annotations)).warnings).toEqual([]);
  });
});

it("a container that can trace the proxy's process is named in a warning", () => {
  const containers = [{ name: "app", image: "x", securityContext: { capabilities: { add: ["CAP_SYS_PTRACE"] } } }];
  expect(inject(createPod({}, { containers })).warnings).toEqual([]);
  expect(inject(createPod({}, { containers, shareProcessNamespace: true })).warnings).toEqual([
    "the container app has SYS_PTRACE and sees the proxy's process: it can read the proxy's key",
  ]);
});

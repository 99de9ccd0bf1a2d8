import { describe, expect, it } from "vitest";
import { parseCaptureArgs } from "../capture/capture-args.ts";
import { annotated, container, createPod, env, inject, refusal } from "./pod-fixture.ts";

describe("the proxy's resources", () => {
  it.each([
    {
      name: "are Istio's without annotations",
      annotations: {},
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2000m", memory: "1024Mi" } },
    },
    {
      name: "lose every default where one annotation is set",
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

describe("the capture annotations", () => {
  it("become the init container's arguments, the proxy's own ports always excluded", () => {
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

  it("can switch capture off: then there is no init container", () => {
    const { pod } = inject(annotated({ "sidecar.istio.io/interceptionMode": "NONE" }));
    expect(pod.spec.initContainers ?? []).toEqual([]);
    expect(env(pod)["ISTIO_META_INTERCEPTION_MODE"]).toBe("NONE");
  });
});

describe("the application's metrics", () => {
  it("are found again by the proxy where the pod said to scrape them", () => {
    const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": "9102", "prometheus.io/path": "/m" };
    const { pod } = inject(annotated(annotations));
    expect(JSON.parse(String(env(pod)["ISTIO_PROMETHEUS_ANNOTATIONS"]))).toEqual({
      scrape: "true",
      port: "9102",
      path: "/m",
    });
    expect(pod.metadata?.annotations?.["prometheus.io/port"]).toBe("15020");
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
  it("where a container hides under the init container's name", () => {
    const spec = { containers: [{ name: "istio-init", securityContext: { runAsUser: 1337 } }] };
    expect(refusal(createPod({}, spec)).message).toContain("the container istio-init has runAsUser: 1337");
  });

  it.each([
    { name: "traffic.sidecar.istio.io/excludeOutboundPorts", value: "http", said: '"http" is not a port' },
    { name: "traffic.sidecar.istio.io/excludeInboundPorts", value: "0", said: '"0" is not a port' },
    { name: "traffic.sidecar.istio.io/includeInboundPorts", value: "80;81", said: '"80;81" is not a port' },
    { name: "traffic.sidecar.istio.io/includeOutboundIPRanges", value: "10.0.0.0/40", said: "is not an IP range" },
    { name: "traffic.sidecar.istio.io/excludeOutboundIPRanges", value: "*", said: '"*" is not an IP range' },
    {
      name: "traffic.sidecar.istio.io/excludeInterfaces",
      value: "eth0\nCOMMIT",
      said: "is not the name of a network interface",
    },
    { name: "sidecar.istio.io/interceptionMode", value: "TPROXY", said: "supported are REDIRECT and NONE" },
    { name: "sidecar.istio.io/nativeSidecar", value: "yes", said: '"yes" is neither true nor false' },
    { name: "sidecar.istio.io/rewriteAppHTTPProbers", value: "", said: '"" is neither true nor false' },
    { name: "sidecar.istio.io/proxyCPU", value: "lots", said: '"lots" is not a quantity' },
    { name: "sidecar.istio.io/logLevel", value: "loud", said: '"loud" is not a level' },
    { name: "status.sidecar.istio.io/port", value: "9000", said: "15020" },
  ])("where $name is $value", ({ name, value, said }) => {
    const { reason, message } = refusal(annotated({ [name]: value }));
    expect(reason).toBe("invalid_annotation");
    expect(message).toContain(name);
    expect(message).toContain(said);
  });
});

describe("a pod is injected with a warning", () => {
  it.each([
    {
      name: "an application that can change the rules",
      pod: createPod(
        {},
        { containers: [{ name: "vpn", securityContext: { capabilities: { add: ["NET_ADMIN", "CHOWN"] } } }] },
      ),
      said: "vpn has NET_ADMIN and can take itself out",
    },
    {
      name: "a privileged application",
      pod: createPod({}, { containers: [{ name: "vpn", securityContext: { privileged: true } }] }),
      said: "vpn has privileged",
    },
    { name: "another DNS policy", pod: createPod({}, { dnsPolicy: "Default" }), said: "dnsPolicy is Default" },
    {
      name: "an annotation we do not know",
      pod: annotated({ "sidecar.istio.io/proxyImage": "x" }),
      said: "sidecar.istio.io/proxyImage is not supported",
    },
    {
      name: "proxy configuration",
      pod: annotated({ "proxy.istio.io/config": "{}" }),
      said: "proxy.istio.io/config is not supported",
    },
    {
      name: "a lifecycle hook over HTTP",
      pod: createPod({}, { containers: [{ name: "web", lifecycle: { preStop: { httpGet: { port: 80 } } } }] }),
      said: "web's preStop hook comes in clear",
    },
  ])("for $name", ({ pod, said }) => {
    expect(inject(pod).warnings.join("\n")).toContain(said);
  });

  it("or without any, where nothing is odd", () => {
    expect(inject(createPod()).warnings).toEqual([]);
  });
});

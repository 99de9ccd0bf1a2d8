import { describe, expect, it } from "vitest";
import { annotated, container, createPod, env, inject, type Json, refusal } from "./pod-fixture.ts";

const configured = (config: string, spec: Json = {}) => annotated({ "proxy.istio.io/config": config }, spec);
const mesh = { holdApplication: true, drainS: 20, environment: { ENTENTE_ACCESS_LOG: "/dev/stdout" } };

describe("holdApplicationUntilProxyStarts", () => {
  it.each([
    { name: "the pod's annotation", pod: configured("holdApplicationUntilProxyStarts: true"), proxy: undefined },
    { name: "the annotation in JSON", pod: configured('{"holdApplicationUntilProxyStarts":true}'), proxy: undefined },
    { name: "the mesh's setting", pod: createPod(), proxy: mesh },
  ])("of $name puts the proxy first, with a hook that waits until it is ready", ({ pod, proxy }) => {
    const { pod: injected, warnings } = inject(pod, proxy && { proxy });
    expect(injected.spec.containers.map(({ name }) => name)).toEqual(["istio-proxy", "hello"]);
    expect(container(injected, "istio-proxy").lifecycle).toEqual({
      postStart: { exec: { command: ["entente", "proxy", "wait"] } },
    });
    expect(warnings).toEqual([]);
  });

  it("of the mesh is overridden by the pod's annotation", () => {
    const { pod } = inject(configured("holdApplicationUntilProxyStarts: false"), { proxy: mesh });
    expect(pod.spec.containers.map(({ name }) => name)).toEqual(["hello", "istio-proxy"]);
  });

  it("needs no hook in a native sidecar, which starts first in any case", () => {
    const { pod } = inject(createPod(), { proxy: mesh, nativeSidecar: true });
    expect(container(pod, "istio-proxy").lifecycle).not.toHaveProperty("postStart");
  });
});

describe("terminationDrainDuration", () => {
  const drain = (pod: ReturnType<typeof createPod>, proxy?: typeof mesh) =>
    env(inject(pod, proxy && { proxy }).pod)["TERMINATION_DRAIN_DURATION_SECONDS"];

  it.each([
    { name: "of the annotation", pod: configured("terminationDrainDuration: 12s"), proxy: mesh, value: "12" },
    { name: "of the mesh", pod: createPod(), proxy: mesh, value: "20" },
    { name: "by its other name in Istio", pod: configured("proxyMetadata: {MINIMUM_DRAIN_DURATION: 8s}"), value: "8" },
    { name: "is the proxy's own default otherwise", pod: createPod(), value: undefined },
  ])("$name", ({ pod, proxy, value }) => {
    expect(drain(pod, proxy)).toBe(value);
  });

  it.each([
    { graceS: undefined, value: undefined },
    { graceS: 30, value: "25" },
    { graceS: 3, value: "1" },
  ])("has its deadline before the end of a grace period of $graceS s", ({ graceS, value }) => {
    const pod = createPod({}, graceS === undefined ? {} : { terminationGracePeriodSeconds: graceS });
    expect(env(inject(pod).pod)["ENTENTE_DRAIN_DEADLINE_SECONDS"]).toBe(value);
  });

  it("that the pod's grace period cuts gets a warning", () => {
    const { warnings } = inject(configured("terminationDrainDuration: 60s"));
    expect(warnings).toEqual([
      "terminationDrainDuration is 60s, but the pod is killed after its terminationGracePeriodSeconds, 30",
    ]);
  });
});

describe("proxyMetadata", () => {
  it("sets the proxy's own variables; the pod's values override the mesh's by name", () => {
    const config = "proxyMetadata:\n  ENTENTE_METRICS_MAX_MB: '4'\n  MINIMUM_DRAIN_DURATION: 7s\n";
    expect(env(inject(configured(config), { proxy: mesh }).pod)).toMatchObject({
      ENTENTE_METRICS_MAX_MB: "4",
      TERMINATION_DRAIN_DURATION_SECONDS: "7",
      ENTENTE_ACCESS_LOG: "/dev/stdout",
    });
  });

  it.each(["LD_PRELOAD", "NODE_OPTIONS", "CA_ADDR", "ENTENTE_ROOT_CERT_FILE", "ENTENTE_TOKEN_FILE", "PATH"])(
    "cannot set %s, and a warning says so",
    (name) => {
      const { pod, warnings } = inject(configured(`proxyMetadata: {${name}: /tmp/x}`));
      expect(env(pod)[name]).not.toBe("/tmp/x");
      expect(warnings).toEqual([
        `the annotation proxy.istio.io/config: proxyMetadata.${name} is not supported and has no effect`,
      ]);
    },
  );
});

describe("proxy.istio.io/config", () => {
  it("names each field that has no effect", () => {
    const { warnings } = inject(configured("concurrency: 2\ntracing: {}\ndiscoveryAddress: other.ns:15012\n"));
    expect(warnings).toEqual(
      ["discoveryAddress", "concurrency", "tracing"].map(
        (field) => `the annotation proxy.istio.io/config: ${field} is not supported and has no effect`,
      ),
    );
  });

  it("cannot choose another control plane; the mesh's defaultConfig can", () => {
    expect(env(inject(configured("discoveryAddress: evil.ns:15012")).pod)["CA_ADDR"]).toBe(
      "istiod.istio-system.svc:15012",
    );
    const proxy = { controlPlaneAddress: "istiod-canary.istio-system.svc:15012", environment: {} };
    expect(env(inject(createPod(), { proxy }).pod)["CA_ADDR"]).toBe("istiod-canary.istio-system.svc:15012");
  });

  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghi".replace(/./g, (c, i) => `${c}: &${c} [${`*${"abcdefghi"[i]},`.repeat(9)}]\n`)}`;
  it.each([
    { name: "text that is not YAML", config: "{", expected: "it is not YAML" },
    { name: "a list", config: "[]", expected: "it must be a mapping" },
    { name: "two documents", config: "a: 1\n---\nb: 1\n", expected: "more than one YAML document" },
    { name: "a field of another type", config: "holdApplicationUntilProxyStarts: 'yes'", expected: "holdApplication" },
    { name: "a duration without a unit", config: "terminationDrainDuration: 5", expected: "terminationDrainDuration" },
    { name: "a duration in minutes", config: "terminationDrainDuration: 1m", expected: "such as 30s" },
    { name: "a number as metadata", config: "proxyMetadata: {ENTENTE_X: 1}", expected: "proxyMetadata.ENTENTE_X" },
    { name: "a bad drain duration", config: "proxyMetadata: {MINIMUM_DRAIN_DURATION: '5'}", expected: "such as 5s" },
    { name: "aliases that expand to gigabytes", config: bomb, expected: "it is not YAML" },
    { name: "too much text", config: "#".repeat(70_000), expected: "the limit is 65536" },
  ])("with $name refuses the pod", ({ config, expected }) => {
    const { reason, message } = refusal(configured(config));
    expect(reason).toBe("invalid_annotation");
    expect(message).toContain("the annotation proxy.istio.io/config: ");
    expect(message).toContain(expected);
  });
});

describe("sidecar.istio.io/proxyImage", () => {
  const using = (image: string) => inject(annotated({ "sidecar.istio.io/proxyImage": image }));

  it.each(["registry.test/entente:2", `registry.test/entente@sha256:${"a".repeat(64)}`, "registry.test/entente"])(
    "may be another version of the mesh's image: %s",
    (image) => {
      const { pod, warnings } = using(image);
      expect(container(pod, "istio-proxy").image).toBe(image);
      expect(container(pod, "istio-init").image).toBe(image);
      expect(warnings).toEqual([]);
    },
  );

  it.each(["docker.io/istio/proxyv2:1.29.0", "registry.test/other/entente:1", "registry.test:5000/entente:1"])(
    "cannot be another program, and a warning says so: %s",
    (image) => {
      const { pod, warnings } = using(image);
      expect(container(pod, "istio-proxy").image).toBe("registry.test/entente:1");
      expect(warnings.join()).toContain(`names ${image}, which is not a version of registry.test/entente`);
    },
  );
});

it("inject.istio.io/templates may name the one template that exists", () => {
  expect(inject(annotated({ "inject.istio.io/templates": "sidecar" })).warnings).toEqual([]);
});

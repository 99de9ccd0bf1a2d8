import fc from "fast-check";
import { applyPatch, type Operation } from "rfc6902";
import { describe, expect, it } from "vitest";
import { admitPod } from "./admit-pod.ts";
import { buildPatch } from "./build-patch.ts";
import { DEFAULT_INJECTION_SETTINGS } from "./injection-settings.ts";
import { type Pod, validatePod } from "./pod.ts";
import { TEST_DEPS } from "./pod-fixture.ts";

const key = fc.constantFrom(
  "app",
  "version",
  "a/b~c",
  "prometheus.io/scrape",
  "prometheus.io/port",
  "service.istio.io/canonical-name",
);
const text = fc.constantFrom("", "hello", "true", "false", "8080", "15020", "ü");
const port = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.constantFrom("http", "nosuch", 15020));
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: null });

const probe = fc.oneof(
  fc.record({ httpGet: fc.record({ path: text, port }), periodSeconds: fc.integer() }, { requiredKeys: ["httpGet"] }),
  fc.record({ tcpSocket: fc.record({ port }) }),
  fc.record({ grpc: fc.record({ port: fc.integer({ min: 1, max: 65535 }) }) }),
);
const hooks = fc.record({ postStart: maybe(probe), preStop: maybe(probe) }, { requiredKeys: [] });
const execProbe = fc.record({ exec: fc.record({ command: fc.array(text) }) });

/** The patch library of these tests drops a key of this name. No Kubernetes object has it. */
const plainJson = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__"'));

/** A pod that runs a program in the proxy's container is refused; application containers may run programs. */
const container = (name: fc.Arbitrary<string>) =>
  name.chain((one) => containerOf(one, one === "istio-proxy" ? probe : fc.oneof(probe, execProbe)));

const containerOf = (name: string, anyProbe: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      name: fc.constant(name),
      image: text,
      env: maybe(
        fc.array(fc.record({ name: fc.constantFrom("A", "B", "CA_ADDR", "ISTIO_KUBE_APP_PROBERS"), value: text })),
      ),
      ports: maybe(fc.array(fc.record({ name: text, containerPort: fc.integer({ min: 1, max: 65535 }) }))),
      readinessProbe: maybe(anyProbe),
      livenessProbe: anyProbe,
      volumeMounts: fc.array(fc.record({ name: text, mountPath: fc.constantFrom("/a", "/var/run/secrets/istio") })),
      command: fc.array(text),
      lifecycle: maybe(hooks),
      unknown: plainJson,
    },
    { requiredKeys: ["name"] },
  );

const containers = fc.uniqueArray(container(fc.constantFrom("one", "two", "three", "istio-proxy")), {
  minLength: 1,
  selector: ({ name }) => name,
});
const initContainers = fc.uniqueArray(container(fc.constantFrom("four", "five", "istio-init", "istio-proxy")), {
  selector: ({ name }) => name,
});

const anyPod = fc.record(
  {
    metadata: fc.record(
      {
        name: text,
        labels: maybe(fc.dictionary(key, text)),
        annotations: maybe(fc.dictionary(key, text)),
        unknown: plainJson,
      },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        containers,
        initContainers: maybe(initContainers),
        volumes: maybe(
          fc.uniqueArray(fc.record({ name: fc.constantFrom("x", "y", "istio-token") }), {
            selector: ({ name }) => name,
          }),
        ),
        imagePullSecrets: maybe(fc.array(fc.record({ name: text }))),
        unknown: plainJson,
      },
      { requiredKeys: ["containers"] },
    ),
  },
  { requiredKeys: ["spec"] },
);

const settingsOf = (nativeSidecar: boolean) => ({
  ...DEFAULT_INJECTION_SETTINGS,
  nativeSidecar,
  proxy: { holdApplication: true, drainS: 9, environment: { ENTENTE_ACCESS_LOG: "/dev/stdout" } },
  imagePullSecrets: ["pull"],
});

function podOf(value: unknown): Pod {
  const validation = validatePod(value);
  if (validation.kind === "invalid") throw new TypeError(validation.message);
  return validation.pod;
}

/** The pod as the API server builds it from the patch. */
function patched(pod: Pod, patch: readonly Operation[]): Pod {
  const copy: unknown = JSON.parse(JSON.stringify(pod));
  const faults = applyPatch(copy, JSON.parse(JSON.stringify(patch))).filter((fault) => fault !== null);
  expect(faults).toEqual([]);
  return podOf(copy);
}

function inject(pod: Pod, nativeSidecar: boolean): Pod {
  const admission = admitPod({ pod, ...TEST_DEPS, namespace: "ns1", settings: settingsOf(nativeSidecar) });
  if (admission.kind !== "injected") throw new TypeError(admission.message);
  return patched(pod, admission.patch);
}

describe("injection", () => {
  it("is idempotent", () => {
    fc.assert(
      fc.property(anyPod, fc.boolean(), (value, isNative) => {
        const once = inject(podOf(JSON.parse(JSON.stringify(value))), isNative);
        expect(admitPod({ pod: once, ...TEST_DEPS, namespace: "ns1", settings: settingsOf(isNative) })).toMatchObject({
          patch: [],
        });
      }),
    );
  });

  it("builds a patch that produces exactly the injected pod, and does not change its input", () => {
    fc.assert(
      fc.property(anyPod, fc.boolean(), (value, isNative) => {
        const pod = podOf(JSON.parse(JSON.stringify(value)));
        const before = JSON.stringify(pod);
        const admission = admitPod({ pod, ...TEST_DEPS, namespace: "ns1", settings: settingsOf(isNative) });
        if (admission.kind !== "injected") throw new TypeError(admission.message);
        expect(patched(pod, admission.patch)).toEqual(JSON.parse(JSON.stringify(admission.pod)));
        expect(JSON.stringify(pod)).toBe(before);
      }),
    );
  });

  it("keeps every application container and every unknown field", () => {
    fc.assert(
      fc.property(anyPod, fc.boolean(), (value, isNative) => {
        const pod = podOf(JSON.parse(JSON.stringify(value)));
        const after = inject(pod, isNative);
        expect(after.spec["unknown"]).toEqual(pod.spec["unknown"]);
        for (const one of pod.spec.containers.filter(({ name }) => name !== "istio-proxy")) {
          const same = after.spec.containers.find(({ name }) => name === one.name);
          const { readinessProbe: _before, livenessProbe: _live, lifecycle: _hooks, ...rest } = one;
          expect(same).toMatchObject(rest);
        }
      }),
    );
  });
});

describe("a patch", () => {
  it("turns any list of named items into any other", () => {
    const items = fc.array(
      fc.record({ name: fc.constantFrom("a", "b", "c", "d"), value: fc.integer({ max: 2, min: 0 }) }),
    );
    const wrap = (list: unknown) => podOf({ spec: { containers: [{ name: "x" }], list } });
    fc.assert(
      fc.property(
        fc.oneof(items, fc.array(fc.integer({ min: 0, max: 2 }))),
        fc.oneof(items, fc.array(fc.integer({ min: 0, max: 2 }))),
        (before, after) => {
          expect(patched(wrap(before), buildPatch(wrap(before), wrap(after)))).toEqual(wrap(after));
        },
      ),
    );
  });

  it("for a pod with 100,000 containers is built in linear time", () => {
    const many = Array.from({ length: 100_000 }, (_, i) => ({ name: `c${i}` }));
    const pod = podOf({ spec: { containers: many } });
    const admission = admitPod({ pod, ...TEST_DEPS, namespace: "ns1", settings: DEFAULT_INJECTION_SETTINGS });
    expect(admission).toMatchObject({ kind: "injected" });
  });
});

/** Pods for the injector's tests. */
import { injectPod } from "./inject-pod.ts";
import { DEFAULT_INJECTION_SETTINGS, type InjectionSettings } from "./injection-settings.ts";
import { type Container, type Pod, validatePod } from "./pod.ts";

export type Json = Readonly<Record<string, unknown>>;

/** The demo's pod, with additional metadata and spec fields merged in. */
export function createPod(metadata: Json = {}, spec: Json = {}): Pod {
  const validation = validatePod({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: "hello-tls-6d4cf56db6-",
      namespace: "ns1",
      ...metadata,
      labels: { app: "hello", version: "v1-tls", "pod-template-hash": "6d4cf56db6", ...jsonOf(metadata["labels"]) },
      ownerReferences: metadata["ownerReferences"] ?? [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "hello-tls-6d4cf56db6", controller: true, uid: "1" },
      ],
    },
    spec: {
      containers: [{ name: "hello", image: "wardviaene/http-echo", ports: [{ name: "http", containerPort: 8080 }] }],
      serviceAccountName: "default",
      ...spec,
    },
  });
  if (validation.kind === "invalid") throw new TypeError(validation.message);
  return validation.pod;
}

function jsonOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

export const TEST_SETTINGS: InjectionSettings = { ...DEFAULT_INJECTION_SETTINGS, image: "registry.test/entente:1" };

/** What injection needs in tests; the tokens of hooks are all the same. */
export const TEST_DEPS = { settings: TEST_SETTINGS, createToken: () => "0123456789abcdef0123456789abcdef" };

/** Injects the sidecar; throws if the pod is refused. */
export function inject(pod: Pod, more: Partial<InjectionSettings> = {}): { pod: Pod; warnings: readonly string[] } {
  const outcome = injectPod(pod, { ...TEST_DEPS, settings: { ...TEST_SETTINGS, ...more }, namespace: "ns1" });
  if (outcome.kind === "refused") throw new Error(outcome.message);
  return outcome;
}

/** Why the pod is refused; throws if it is injected. */
export function refusal(pod: Pod): { reason: string; message: string } {
  const outcome = injectPod(pod, { ...TEST_DEPS, namespace: "ns1" });
  if (outcome.kind !== "refused") throw new Error("the pod was injected");
  return outcome;
}

/** A container or init container by its name. */
export function container(pod: Pod, name: string): Container {
  const found = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((one) => one.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

/** The proxy's environment, by name. */
export function env(pod: Pod): Record<string, unknown> {
  const variables = container(pod, "istio-proxy").env ?? [];
  return Object.fromEntries(variables.map(({ name, value, ...rest }) => [name, value ?? rest["valueFrom"]]));
}

/** The pod with annotations. */
export function annotated(annotations: Json, spec: Json = {}): Pod {
  return createPod({ annotations }, spec);
}

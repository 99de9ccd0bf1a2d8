import { describe, expect, it } from "vitest";
import { reviewAdmission } from "../admission-review.ts";
import { injectPod } from "../inject-pod.ts";
import { createPod, inject, type Json, refusal, TEST_DEPS, TEST_SETTINGS } from "../pod-fixture.ts";

function withContext(securityContext: Json): Json {
  return { containers: [{ name: "app", image: "app", securityContext }] };
}

describe("a pod that could send traffic as the proxy", () => {
  it.each([
    { name: "runs as the proxy's user", spec: { securityContext: { runAsUser: 1337 } }, expected: "runAsUser" },
    { name: "runs as the proxy's group", spec: { securityContext: { runAsGroup: 1337 } }, expected: "runAsGroup" },
    {
      name: "has volumes owned by the proxy's group",
      spec: { securityContext: { fsGroup: 1337 } },
      expected: "fsGroup",
    },
    {
      name: "has the proxy's group as a supplementary group",
      spec: { securityContext: { supplementalGroups: [5, 1337] } },
      expected: "supplementalGroups",
    },
  ])("is refused if it $name", ({ spec, expected }) => {
    expect(refusal(createPod({}, spec))).toEqual({
      kind: "refused",
      reason: "proxy_id_in_use",
      message: expect.stringMatching(new RegExp(`the pod's securityContext has ${expected}: 1337.*IST0144`)),
    });
  });

  it.each([
    ["containers", "runAsUser"],
    ["containers", "runAsGroup"],
    ["containers", "fsGroup"],
    ["initContainers", "runAsUser"],
    ["initContainers", "runAsGroup"],
    ["ephemeralContainers", "runAsUser"],
    ["ephemeralContainers", "runAsGroup"],
  ])("is refused if one of its %s has %s 1337", (list, field) => {
    const pod = createPod({}, { [list]: [{ name: "evil", securityContext: { [field]: 1337 } }] });
    expect(refusal(pod).message).toContain(`the container evil has ${field}: 1337`);
  });

  it("is refused if an ephemeral container uses the proxy's name and user", () => {
    const spec = { ephemeralContainers: [{ name: "istio-proxy", securityContext: { runAsUser: 1337 } }] };
    expect(refusal(createPod({}, spec)).message).toContain("istio-proxy has runAsUser: 1337");
  });

  it.each([
    ["entente:0.1.0", "docker.io/library/entente:0.1.0"],
    ["docker.io/library/entente:0.1.0", "entente"],
    ["entente:0.1.0", "index.docker.io/library/entente@sha256:00"],
    ["docker.io/mesh/entente:1", "mesh/entente:2"],
  ])("is refused if a container runs our own image %s by another spelling, %s", (image, spelling) => {
    const pod = createPod({}, { containers: [{ name: "evil", image: spelling }] });
    const outcome = injectPod(pod, { ...TEST_DEPS, settings: { ...TEST_SETTINGS, image }, namespace: "ns1" });
    expect(outcome).toMatchObject({ kind: "refused", message: expect.stringContaining("declares the user 1337") });
  });

  it("is refused if a container without a user runs an image by its ID, which may be our own", () => {
    const containers = [{ name: "evil", image: `sha256:${"4f".repeat(32)}` }];
    expect(refusal(createPod({}, { containers })).message).toMatch(/image is an ID.*set runAsUser/);
    expect(inject(createPod({}, { containers, securityContext: { runAsUser: 1000 } })).warnings).toEqual([]);
  });

  it.each([TEST_SETTINGS.image, "registry.test/entente", "registry.test/entente:2@sha256:00"])(
    "is refused if a container runs our own image %s without another user",
    (image) => {
      const containers = [{ name: "evil", image }];
      expect(refusal(createPod({}, { containers })).message).toContain("declares the user 1337");
      expect(inject(createPod({}, { containers, securityContext: { runAsUser: 1000 } })).warnings).toEqual([]);
    },
  );

  it.each([
    { name: "other numbers", spec: { securityContext: { runAsUser: 1000, fsGroup: 13, supplementalGroups: [1338] } } },
    { name: "a Windows user's name", spec: { securityContext: { windowsOptions: { runAsUserName: "1337" } } } },
  ])("is admitted with $name", ({ spec }) => {
    expect(inject(createPod({}, spec)).warnings).toEqual([]);
  });
});

describe("a container that can become the proxy's user or group gets a warning", () => {
  it.each([
    {
      name: "may escalate",
      spec: withContext({ allowPrivilegeEscalation: true }),
      expected: "allowPrivilegeEscalation: true",
    },
    { name: "has SETUID", spec: withContext({ capabilities: { add: ["SETUID"] } }), expected: "has SETUID" },
    { name: "has CAP_SETGID", spec: withContext({ capabilities: { add: ["CAP_SETGID"] } }), expected: "has SETGID" },
    { name: "is root", spec: withContext({ runAsUser: 0, allowPrivilegeEscalation: false }), expected: "runs as root" },
    {
      name: "is root by the pod's securityContext",
      spec: { ...withContext({}), securityContext: { runAsUser: 0 } },
      expected: "runs as root",
    },
    {
      name: "is an init container that may escalate",
      spec: { initContainers: [{ name: "app", securityContext: { allowPrivilegeEscalation: true } }] },
      expected: "allowPrivilegeEscalation: true",
    },
    {
      name: "uses an Istio image that declares the user",
      spec: { containers: [{ name: "app", image: "docker.io/istio/proxyv2:1.27.0" }] },
      expected: "proxyv2:1.27.0 declares the user 1337",
    },
  ])("if it $name", ({ spec, expected }) => {
    const { warnings } = inject(createPod({}, spec));
    expect(warnings).toEqual([expect.stringContaining(expected)]);
    expect(warnings[0]).toContain("the container app");
  });

  it.each(["ALL", "all", "net_admin", "cap_net_admin", "CAP_SYS_ADMIN"])(
    "if it may change rules by %s",
    (capability) => {
      const { warnings } = inject(createPod({}, withContext({ capabilities: { add: [capability] } })));
      expect(warnings).toEqual([expect.stringContaining("can remove the capture rules")]);
    },
  );

  it.each([
    { name: "may not escalate", spec: withContext({ allowPrivilegeEscalation: false, runAsNonRoot: true }) },
    { name: "is root without capabilities", spec: withContext({ runAsUser: 0, capabilities: { drop: ["ALL"] } }) },
    { name: "overrides a root pod", spec: { ...withContext({ runAsUser: 9 }), securityContext: { runAsUser: 0 } } },
  ])("and none if it $name", ({ spec }) => {
    expect(inject(createPod({}, spec)).warnings).toEqual([]);
  });
});

describe("an ephemeral container that is added to a running pod", () => {
  const debug = (securityContext: Json) => ({
    ephemeralContainers: [{ name: "debugger", image: "x", securityContext }],
  });
  const review = (object: unknown) => {
    const request = {
      uid: "1",
      kind: { kind: "Pod" },
      operation: "UPDATE",
      subResource: "ephemeralcontainers",
      object,
    };
    const text = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
    const result = reviewAdmission(text, TEST_DEPS);
    return result.kind === "reviewed" ? result.review.response : result;
  };
  const injected = inject(createPod({ name: "a" })).pod;

  it("is refused if it runs as the proxy", () => {
    const object = { ...injected, spec: { ...injected.spec, ...debug({ runAsUser: 1337 }) } };
    expect(review(object)).toMatchObject({
      allowed: false,
      status: { message: expect.stringContaining("the container debugger has runAsUser: 1337") },
    });
  });

  it("is allowed, and the pod is not changed, if it runs as another user or the pod has no sidecar", () => {
    const harmless = { ...injected, spec: { ...injected.spec, ...debug({ runAsUser: 0 }) } };
    expect(review(harmless)).toEqual({ uid: "1", allowed: true });
    expect(review(createPod({ name: "a" }, debug({ runAsUser: 1337 })))).toEqual({ uid: "1", allowed: true });
  });
});

describe("an update that gives a running pod other images", () => {
  const injected = inject(createPod({ name: "a" })).pod;
  const withImage = (name: string, image: string, list: "containers" | "initContainers" = "containers") => ({
    ...injected,
    spec: {
      ...injected.spec,
      [list]: (injected.spec[list] ?? []).map((one) => (one.name === name ? { ...one, image } : one)),
    },
  });
  const review = (object: unknown, oldObject: unknown = injected) => {
    const request = { uid: "1", kind: { kind: "Pod" }, operation: "UPDATE", namespace: "ns1", object, oldObject };
    const text = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
    const result = reviewAdmission(text, TEST_DEPS);
    return result.kind === "reviewed" ? result.review.response : result;
  };

  it.each([
    {
      name: "the proxy another program",
      object: withImage("istio-proxy", "evil/entente:1"),
      expected: "the container istio-proxy would run the image evil/entente:1 instead of registry.test/entente:1",
    },
    {
      name: "the init container another program",
      object: withImage("istio-init", "evil", "initContainers"),
      expected: "the container istio-init would run the image evil",
    },
    {
      name: "the application the proxy's image, and so its user",
      object: withImage("hello", "registry.test/entente:2"),
      expected: "the container hello has no runAsUser, and its image registry.test/entente:2 declares the user 1337",
    },
  ])("is refused if it gives $name", ({ object, expected }) => {
    expect(review(object)).toMatchObject({ allowed: false, status: { message: expect.stringContaining(expected) } });
  });

  it.each([
    { name: "the application another image", object: withImage("hello", "wardviaene/http-echo:2") },
    { name: "the proxy another version", object: withImage("istio-proxy", "registry.test/entente:2") },
    { name: "nothing new", object: injected },
  ])("is allowed if it gives $name", ({ object }) => {
    expect(review(object)).toEqual({ uid: "1", allowed: true });
  });

  it("is not judged by what the pod had before", () => {
    const old = withImage("hello", "registry.test/entente:2");
    expect(review(old, old)).toEqual({ uid: "1", allowed: true });
  });
});

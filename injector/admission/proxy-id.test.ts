import { describe, expect, it } from "vitest";
import { answerReview } from "./answer-review.ts";
import { createPod, inject, type Json, refusal, TEST_SETTINGS } from "./pod-fixture.ts";

function withContext(securityContext: Json): Json {
  return { containers: [{ name: "app", image: "app", securityContext }] };
}

describe("a pod that could send as the proxy", () => {
  it.each([
    { name: "runs as its user", spec: { securityContext: { runAsUser: 1337 } }, said: "runAsUser" },
    { name: "runs as its group", spec: { securityContext: { runAsGroup: 1337 } }, said: "runAsGroup" },
    { name: "owns its volumes as its group", spec: { securityContext: { fsGroup: 1337 } }, said: "fsGroup" },
    {
      name: "has its group among the supplementary ones",
      spec: { securityContext: { supplementalGroups: [5, 1337] } },
      said: "supplementalGroups",
    },
  ])("is refused where it $name", ({ spec, said }) => {
    expect(refusal(createPod({}, spec))).toEqual({
      kind: "refused",
      reason: "proxy_id_in_use",
      message: expect.stringMatching(new RegExp(`the pod's securityContext has ${said}: 1337.*IST0144`)),
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
  ])("is refused where one of its %s has %s 1337", (list, field) => {
    const pod = createPod({}, { [list]: [{ name: "evil", securityContext: { [field]: 1337 } }] });
    expect(refusal(pod).message).toContain(`the container evil has ${field}: 1337`);
  });

  it("is refused where a container for debugging takes the proxy's name", () => {
    const spec = { ephemeralContainers: [{ name: "istio-proxy", securityContext: { runAsUser: 1337 } }] };
    expect(refusal(createPod({}, spec)).message).toContain("istio-proxy has runAsUser: 1337");
  });

  it.each([TEST_SETTINGS.image, "registry.test/entente", "registry.test/entente:2@sha256:00"])(
    "is refused where a container runs our own image %s as its declared user",
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

describe("a container that can become the proxy's user or group is named in a warning", () => {
  it.each([
    {
      name: "may escalate",
      spec: withContext({ allowPrivilegeEscalation: true }),
      said: "allowPrivilegeEscalation: true",
    },
    { name: "has SETUID", spec: withContext({ capabilities: { add: ["SETUID"] } }), said: "has SETUID" },
    { name: "has CAP_SETGID", spec: withContext({ capabilities: { add: ["CAP_SETGID"] } }), said: "has SETGID" },
    { name: "is root", spec: withContext({ runAsUser: 0, allowPrivilegeEscalation: false }), said: "runs as root" },
    {
      name: "is root by the pod",
      spec: { ...withContext({}), securityContext: { runAsUser: 0 } },
      said: "runs as root",
    },
    {
      name: "is an init container that may escalate",
      spec: { initContainers: [{ name: "app", securityContext: { allowPrivilegeEscalation: true } }] },
      said: "allowPrivilegeEscalation: true",
    },
    {
      name: "uses an image of Istio's that declares the user",
      spec: { containers: [{ name: "app", image: "docker.io/istio/proxyv2:1.27.0" }] },
      said: "proxyv2:1.27.0 declares the user 1337",
    },
  ])("where it $name", ({ spec, said }) => {
    const { warnings } = inject(createPod({}, spec));
    expect(warnings).toEqual([expect.stringContaining(said)]);
    expect(warnings[0]).toContain("the container app");
  });

  it.each([
    { name: "may not escalate", spec: withContext({ allowPrivilegeEscalation: false, runAsNonRoot: true }) },
    { name: "is root without capabilities", spec: withContext({ runAsUser: 0, capabilities: { drop: ["ALL"] } }) },
    { name: "overrides a root pod", spec: { ...withContext({ runAsUser: 9 }), securityContext: { runAsUser: 0 } } },
  ])("and not where it $name", ({ spec }) => {
    expect(inject(createPod({}, spec)).warnings).toEqual([]);
  });
});

describe("a container for debugging that is added to a running pod", () => {
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
    const answered = answerReview(text, TEST_SETTINGS);
    return answered.kind === "answered" ? answered.review.response : answered;
  };
  const injected = inject(createPod({ name: "a" })).pod;

  it("is refused where it runs as the proxy", () => {
    const object = { ...injected, spec: { ...injected.spec, ...debug({ runAsUser: 1337 }) } };
    expect(review(object)).toMatchObject({
      allowed: false,
      status: { message: expect.stringContaining("the container debugger has runAsUser: 1337") },
    });
  });

  it("is allowed, and the pod is not changed, where it does not, or the pod has no sidecar", () => {
    const harmless = { ...injected, spec: { ...injected.spec, ...debug({ runAsUser: 0 }) } };
    expect(review(harmless)).toEqual({ uid: "1", allowed: true });
    expect(review(createPod({ name: "a" }, debug({ runAsUser: 1337 })))).toEqual({ uid: "1", allowed: true });
  });
});

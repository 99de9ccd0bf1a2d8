import { describe, expect, it } from "vitest";
import { createPod, env, inject } from "../pod-fixture.ts";

describe("the access log", () => {
  const own = createPod(
    {},
    {
      containers: [
        { name: "hello" },
        { name: "istio-proxy", env: [{ name: "ENTENTE_ACCESS_LOG", value: "/dev/stderr" }] },
      ],
    },
  );

  it.each([
    { name: "is off by default", pod: createPod(), accessLogFile: "", value: undefined },
    { name: "is the mesh's setting", pod: createPod(), accessLogFile: "/dev/stdout", value: "/dev/stdout" },
    { name: "is the pod's setting if the mesh has none", pod: own, accessLogFile: "", value: "/dev/stderr" },
    { name: "is the mesh's setting even if the pod has another", pod: own, accessLogFile: "/a", value: "/a" },
  ])("$name", ({ pod, accessLogFile, value }) => {
    const once = inject(pod, { accessLogFile }).pod;
    expect(env(once)["ENTENTE_ACCESS_LOG"]).toBe(value);
    expect(inject(once, { accessLogFile }).pod).toEqual(once);
  });
});

describe("Node's memory", () => {
  it.each([
    { name: "no sidecar yet", containers: [{ name: "hello" }] },
    {
      name: "its own Node options",
      containers: [
        { name: "hello" },
        { name: "istio-proxy", env: [{ name: "NODE_OPTIONS", value: "--inspect=0.0.0.0" }] },
      ],
    },
  ])("is limited in a pod that has $name", ({ containers }) => {
    const injected = env(inject(createPod({}, { containers })).pod);
    expect(injected["NODE_OPTIONS"]).toBe("--max-semi-space-size=1 --expose-gc");
    expect(injected["MALLOC_ARENA_MAX"]).toBe("1");
  });
});

import type { V1PodSpec } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { createPod, inject } from "../injector/admission/pod-fixture.ts";
import { findPodSecurityFaults } from "./objects/pod-security-fixture.ts";

/** An application that the level `restricted` admits. */
const APPLICATION = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  containers: [
    {
      name: "web",
      image: "web:1",
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    },
  ],
};

function faultsOfInjected(annotations: Readonly<Record<string, string>>, nativeSidecar: boolean): readonly string[] {
  const { pod } = inject(createPod({ annotations }, APPLICATION), { nativeSidecar });
  const spec: V1PodSpec = JSON.parse(JSON.stringify(pod.spec));
  return findPodSecurityFaults(spec);
}

describe("the Pod Security level restricted", () => {
  it.each([true, false])("refuses of an injected pod only istio-init (native sidecar: %s)", (isNative) => {
    expect(faultsOfInjected({}, isNative)).toEqual([
      "istio-init: adds NET_ADMIN,NET_RAW",
      "istio-init: runAsNonRoot is not true",
      "istio-init: runs as user 0",
    ]);
  });

  it.each([true, false])("admits an injected pod without capture (native sidecar: %s)", (isNative) => {
    expect(faultsOfInjected({ "sidecar.istio.io/interceptionMode": "NONE" }, isNative)).toEqual([]);
  });
});

import { expect, it } from "vitest";
import { validatePodManifest } from "../pod-manifest.ts";
import { containerMounts } from "./pod-volumes.ts";

it.each([
  { name: "a Secret", volume: { secret: { secretName: "s" } }, isReadOnly: true },
  { name: "a ConfigMap", volume: { configMap: { name: "c" } }, isReadOnly: true },
  {
    name: "a token",
    volume: { projected: { sources: [{ serviceAccountToken: { path: "t" } }] } },
    isReadOnly: true,
  },
  { name: "an emptyDir", volume: { emptyDir: {} }, isReadOnly: false },
  { name: "a folder of the machine", volume: { hostPath: { path: "/tmp" } }, isReadOnly: false },
  { name: "an emptyDir that is mounted so", volume: { emptyDir: {} }, readOnly: true, isReadOnly: true },
])("$name is read-only in a container: $isReadOnly, whatever its user", ({ volume, readOnly, isReadOnly }) => {
  const volumeMounts = [{ name: "v", mountPath: "/run/v", ...(readOnly && { readOnly }) }];
  const container = { name: "c", image: "x", securityContext: { runAsUser: 0 }, volumeMounts };
  const pod = validatePodManifest(
    { metadata: { name: "p", namespace: "n" }, spec: { containers: [container], volumes: [{ name: "v", ...volume }] } },
    "the pod",
  );
  const volumes = { sources: new Map([["v", "/tmp"]]), stop: () => undefined };
  const mounts = pod.spec.containers.flatMap((one) => containerMounts(one, pod, volumes));
  expect(mounts).toEqual([{ source: "/tmp", target: "/run/v", isFile: false, isReadOnly }]);
});

import { type CaptureArgs, formatCaptureArgs } from "../../capture/capture-args.ts";
import type { InjectionSettings } from "../injection-settings.ts";
import { annotationsOf, type Container, INIT_NAME, type Pod } from "../pod.ts";
import { proxyResources } from "./proxy-resources.ts";

type InitSettings = Pick<InjectionSettings, "image" | "imagePullPolicy" | "proxyResources">;

/**
 * The container that applies the capture rules before the application starts. Only this one has network capabilities.
 */
export function initContainer(pod: Pod, settings: InitSettings, capture: CaptureArgs): Container {
  return {
    name: INIT_NAME,
    image: settings.image,
    ...(settings.imagePullPolicy && { imagePullPolicy: settings.imagePullPolicy }),
    args: ["capture", "apply", ...formatCaptureArgs(capture)],
    resources: proxyResources(annotationsOf(pod), settings.proxyResources),
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      // iptables keeps its lock in /run.
      readOnlyRootFilesystem: false,
      allowPrivilegeEscalation: false,
      privileged: false,
      capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

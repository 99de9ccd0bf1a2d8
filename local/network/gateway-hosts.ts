import { type Manifest, recordOf } from "../read-manifests.ts";

/** The host names that the manifests' VirtualServices serve at a gateway, for display to the user. */
export function gatewayHosts(manifests: readonly Manifest[]): readonly string[] {
  const hosts = manifests
    .filter(({ kind }) => kind === "VirtualService")
    .map(({ object }) => recordOf(object["spec"]))
    .filter(({ gateways }) => textsOf(gateways).some((gateway) => gateway !== "mesh"))
    .flatMap((spec) => textsOf(spec["hosts"]));
  return [...new Set(hosts.filter((host) => !host.includes("*")))];
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

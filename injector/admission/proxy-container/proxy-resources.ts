import { InjectorError } from "../../injector-error.ts";
import { readAnnotation } from "../capture-annotations.ts";
import type { ProxyResources } from "../injection-settings.ts";

/**
 * Reads the annotations sidecar.istio.io/proxyCPU, proxyMemory, proxyCPULimit and proxyMemoryLimit. If one is set, none of
 * the mesh's resources applies, as in Istio.
 * @throws InjectorError `invalid_annotation`
 */
export function proxyResources(annotations: Readonly<Record<string, string>>, mesh: ProxyResources): ProxyResources {
  const read = (name: string) =>
    readAnnotation({ annotations, name: `sidecar.istio.io/${name}`, parse: parseQuantity, otherwise: undefined });
  const requests = withoutGaps({ cpu: read("proxyCPU"), memory: read("proxyMemory") });
  const limits = withoutGaps({ cpu: read("proxyCPULimit"), memory: read("proxyMemoryLimit") });
  if (requests === undefined && limits === undefined) return mesh;
  return { ...(requests && { requests }), ...(limits && { limits }) };
}

/** Kubernetes' resource.Quantity: a number, then a binary or decimal suffix or an exponent. */
export function isQuantity(text: string): boolean {
  return /^\+?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.test(text);
}

function parseQuantity(text: string): string {
  if (isQuantity(text)) return text;
  throw new InjectorError("invalid_annotation", `"${text}" is not a quantity; use for example 100m or 128Mi`);
}

function withoutGaps(
  values: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> | undefined {
  const given = Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

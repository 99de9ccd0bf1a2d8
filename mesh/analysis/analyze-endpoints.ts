import type { ConfigProblem } from "../resources/config-problem.ts";
import { formatResourceKey } from "../resources/fields/resource-names.ts";
import { SERVICE_NAME_LABEL } from "../resources/fields/slice-labels.ts";
import type { EndpointSlice } from "../resources/kinds/endpoint-slice.ts";
import type { Service } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Endpoints that belong to no Service or cannot be used, and Services with unknown endpoints. */
export function findEndpointProblems(set: ResourceSet): readonly ConfigProblem[] {
  return [
    ...[...set.endpointSlices.values()].flatMap((slice) => findSliceProblems(set, slice)),
    ...[...set.services.values()].filter((service) => isWithoutEndpoints(set, service)).map(warnOfUnknownEndpoints),
  ];
}

function findSliceProblems(set: ResourceSet, slice: EndpointSlice): readonly ConfigProblem[] {
  const { namespace, labels } = slice.metadata;
  const service = labels[SERVICE_NAME_LABEL] ?? "";
  const field = `metadata.labels["${SERVICE_NAME_LABEL}"]`;
  if (service === "") {
    const message = "is missing: the slice belongs to no Service; set it to the Service's name";
    return [createResourceWarning({ resource: slice, finding: "UnusedEndpointSlice", field: field }, message)];
  }
  if (!set.services.has(formatResourceKey(namespace, service))) {
    const message = `names ${service}.${namespace}, but that Service does not exist`;
    return [createResourceWarning({ resource: slice, finding: "ReferencedResourceNotFound", field: field }, message)];
  }
  if (slice.addressType !== "FQDN") return [];
  const message = "FQDN is not supported: the slice's endpoints are ignored; use IP addresses";
  return [createResourceWarning({ resource: slice, finding: "UnsupportedSetting", field: "addressType" }, message)];
}

function isWithoutEndpoints(set: ResourceSet, { metadata, spec }: Service): boolean {
  if (spec.type === "ExternalName" || Object.keys(spec.selector ?? {}).length > 0) return false;
  return !set.index.slicesByService.has(formatResourceKey(metadata.namespace, metadata.name));
}

function warnOfUnknownEndpoints(service: Service): ConfigProblem {
  const message =
    "is missing, and no EndpointSlice has the Service's name as its label " +
    `${SERVICE_NAME_LABEL}: requests go to the Service's own address, in plaintext unless that is a pod's`;
  return createResourceWarning({ resource: service, finding: "UnknownEndpoints", field: "spec.selector" }, message);
}

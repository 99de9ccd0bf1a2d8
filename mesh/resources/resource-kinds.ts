import type { z } from "zod";
import { authorizationPolicySchema } from "./kinds/authorization-policy.ts";
import { deploymentSchema } from "./kinds/deployment.ts";
import { destinationRuleSchema } from "./kinds/destination-rule.ts";
import { endpointSliceSchema } from "./kinds/endpoint-slice.ts";
import { endpointsSchema } from "./kinds/endpoints.ts";
import { gatewaySchema } from "./kinds/gateway.ts";
import { meshPolicySchema } from "./kinds/mesh-policy.ts";
import { namespaceSchema } from "./kinds/namespace.ts";
import { peerAuthenticationSchema } from "./kinds/peer-authentication.ts";
import { podSchema } from "./kinds/pod.ts";
import { policySchema } from "./kinds/policy.ts";
import { requestAuthenticationSchema } from "./kinds/request-authentication.ts";
import { serviceSchema } from "./kinds/service.ts";
import { virtualServiceSchema } from "./kinds/virtual-service.ts";
import type { Resource, ResourceKind } from "./resource.ts";

/** How a kind is parsed. */
export interface KindDescription {
  readonly kind: ResourceKind;
  readonly group: string;
  readonly versions: readonly string[];
  readonly clusterWide: boolean;
  /**
   * For Istio's kinds: unknown fields get a warning. Kubernetes' own kinds have many fields that do not concern the
   * mesh.
   */
  readonly reportsUnsupported: boolean;
  /** Whether a document without `spec` is accepted: as a change of labels, or with default values. */
  readonly specOptional: boolean;
  /** Validates, and returns the resource; `header` contains the parts outside the schema. */
  parse(document: unknown, header: ResourceHeader): ParsedDocument;
}

export type ResourceHeader = Pick<Resource, "apiVersion" | "absent">;

export type ParsedDocument =
  | { readonly kind: "resource"; readonly resource: Resource }
  | { readonly kind: "invalid"; readonly issues: readonly z.core.$ZodIssue[] };

const KUBERNETES = { clusterWide: false, reportsUnsupported: false, specOptional: true } as const;
const ISTIO = { clusterWide: false, reportsUnsupported: true, specOptional: false } as const;
const SECURITY = { ...ISTIO, group: "security.istio.io", versions: ["v1", "v1beta1"], specOptional: true } as const;
const NETWORKING = { ...ISTIO, group: "networking.istio.io", versions: ["v1", "v1beta1", "v1alpha3"] } as const;

/** Every kind that configures the mesh. */
export const RESOURCE_KINDS: readonly KindDescription[] = [
  {
    kind: "Namespace",
    group: "",
    versions: ["v1"],
    ...KUBERNETES,
    clusterWide: true,
    parse: parserOf(namespaceSchema, (value, header) => ({ kind: "Namespace", ...value, ...header })),
  },
  {
    kind: "Pod",
    group: "",
    versions: ["v1"],
    ...KUBERNETES,
    parse: parserOf(podSchema, (value, header) => ({ kind: "Pod", ...value, ...header })),
  },
  {
    kind: "Service",
    group: "",
    versions: ["v1"],
    ...KUBERNETES,
    parse: parserOf(serviceSchema, (value, header) => ({ kind: "Service", ...value, ...header })),
  },
  {
    kind: "EndpointSlice",
    group: "discovery.k8s.io",
    versions: ["v1"],
    ...KUBERNETES,
    parse: parserOf(endpointSliceSchema, (value, header) => ({ kind: "EndpointSlice", ...value, ...header })),
  },
  {
    kind: "Endpoints",
    group: "",
    versions: ["v1"],
    ...KUBERNETES,
    parse: parserOf(endpointsSchema, (value, header) => ({ kind: "Endpoints", ...value, ...header })),
  },
  {
    kind: "Deployment",
    group: "apps",
    versions: ["v1"],
    ...KUBERNETES,
    parse: parserOf(deploymentSchema, (value, header) => ({ kind: "Deployment", ...value, ...header })),
  },
  {
    kind: "MeshPolicy",
    group: "authentication.istio.io",
    versions: ["v1alpha1"],
    ...ISTIO,
    clusterWide: true,
    parse: parserOf(meshPolicySchema, (value, header) => ({ kind: "MeshPolicy", ...value, ...header })),
  },
  {
    kind: "Policy",
    group: "authentication.istio.io",
    versions: ["v1alpha1"],
    ...ISTIO,
    parse: parserOf(policySchema, (value, header) => ({ kind: "Policy", ...value, ...header })),
  },
  {
    kind: "PeerAuthentication",
    ...SECURITY,
    parse: parserOf(peerAuthenticationSchema, (value, header) => ({ kind: "PeerAuthentication", ...value, ...header })),
  },
  {
    kind: "RequestAuthentication",
    ...SECURITY,
    parse: parserOf(requestAuthenticationSchema, (value, header) => ({
      kind: "RequestAuthentication",
      ...value,
      ...header,
    })),
  },
  {
    kind: "AuthorizationPolicy",
    ...SECURITY,
    parse: parserOf(authorizationPolicySchema, (value, header) => ({
      kind: "AuthorizationPolicy",
      ...value,
      ...header,
    })),
  },
  {
    kind: "DestinationRule",
    ...NETWORKING,
    parse: parserOf(destinationRuleSchema, (value, header) => ({ kind: "DestinationRule", ...value, ...header })),
  },
  {
    kind: "VirtualService",
    ...NETWORKING,
    parse: parserOf(virtualServiceSchema, (value, header) => ({ kind: "VirtualService", ...value, ...header })),
  },
  {
    kind: "Gateway",
    ...NETWORKING,
    parse: parserOf(gatewaySchema, (value, header) => ({ kind: "Gateway", ...value, ...header })),
  },
];

function parserOf<Schema extends z.ZodType>(
  schema: Schema,
  build: (value: z.output<Schema>, header: ResourceHeader) => Resource,
): KindDescription["parse"] {
  return (document, header) => {
    const parsed = schema.safeParse(document, { reportInput: true });
    if (!parsed.success) return { kind: "invalid", issues: parsed.error.issues };
    const resource = build(parsed.data, header);
    return {
      kind: "resource",
      resource: { ...resource, absent: (header.absent ?? []).filter((part) => part in resource) },
    };
  };
}

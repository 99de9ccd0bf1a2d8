import { z } from "zod";
import { authorizationPolicySchema } from "../../mesh/resources/kinds/authorization-policy.ts";
import { destinationRuleSchema } from "../../mesh/resources/kinds/destination-rule.ts";
import { gatewaySchema } from "../../mesh/resources/kinds/gateway.ts";
import { meshPolicySchema } from "../../mesh/resources/kinds/mesh-policy.ts";
import { peerAuthenticationSchema } from "../../mesh/resources/kinds/peer-authentication.ts";
import { policySchema } from "../../mesh/resources/kinds/policy.ts";
import { requestAuthenticationSchema } from "../../mesh/resources/kinds/request-authentication.ts";
import { virtualServiceSchema } from "../../mesh/resources/kinds/virtual-service.ts";
import type { ResourceKind } from "../../mesh/resources/resource.ts";
import { describeKind } from "./kind-description.ts";
import { convertToStructural, type StructuralSchema } from "./structural-schema.ts";

/** What a CRD says beyond the kind's description in `mesh/resources`: the names and columns of Istio's own. */
export interface CustomResource {
  readonly kind: ResourceKind;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly columns: readonly PrinterColumn[];
  readonly spec: z.ZodType;
  /** Properties in which a null has a meaning. */
  readonly nullable?: readonly string[];
}

export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "date";
  readonly jsonPath: string;
  readonly description: string;
}

const AGE: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "The time since the object was created",
};

function column(name: string, jsonPath: string, description: string): PrinterColumn {
  return { name, type: "string", jsonPath, description };
}

/** Every kind of Istio's that Entente reads. */
export const CUSTOM_RESOURCES: readonly CustomResource[] = [
  {
    kind: "MeshPolicy",
    plural: "meshpolicies",
    shortNames: [],
    columns: [],
    spec: meshPolicySchema.shape.spec,
    // `mtls:` without a value is STRICT. If it were dropped, the policy would turn mutual TLS off.
    nullable: ["mtls"],
  },
  {
    kind: "Policy",
    plural: "policies",
    shortNames: [],
    columns: [],
    spec: policySchema.shape.spec,
    nullable: ["mtls"],
  },
  {
    kind: "PeerAuthentication",
    plural: "peerauthentications",
    shortNames: ["pa"],
    columns: [column("Mode", ".spec.mtls.mode", "Which clients are accepted"), AGE],
    spec: peerAuthenticationSchema.shape.spec,
  },
  {
    kind: "RequestAuthentication",
    plural: "requestauthentications",
    shortNames: ["ra"],
    columns: [AGE],
    spec: requestAuthenticationSchema.shape.spec,
  },
  {
    kind: "AuthorizationPolicy",
    plural: "authorizationpolicies",
    shortNames: ["ap"],
    columns: [column("Action", ".spec.action", "What happens to a request that matches; ALLOW if absent"), AGE],
    spec: authorizationPolicySchema.shape.spec,
  },
  {
    kind: "DestinationRule",
    plural: "destinationrules",
    shortNames: ["dr"],
    columns: [column("Host", ".spec.host", "The service that the rule is for"), AGE],
    spec: destinationRuleSchema.shape.spec,
  },
  {
    kind: "VirtualService",
    plural: "virtualservices",
    shortNames: ["vs"],
    columns: [
      column("Gateways", ".spec.gateways", "The gateways, and `mesh` for sidecars, that apply these routes"),
      column("Hosts", ".spec.hosts", "The hosts that are routed"),
      AGE,
    ],
    spec: virtualServiceSchema.shape.spec,
  },
  {
    kind: "Gateway",
    plural: "gateways",
    shortNames: ["gw"],
    columns: [],
    spec: gatewaySchema.shape.spec,
  },
];

export type Labels = Readonly<Record<string, string>>;

/** A CustomResourceDefinition as Istio has it: names, categories, versions, of which the first is stored, columns. */
export function customResourceDefinition(resource: CustomResource, labels: Labels) {
  const { group, versions, clusterWide } = describeKind(resource.kind);
  const singular = resource.kind.toLowerCase();
  const schema = { openAPIV3Schema: rootSchema(resource) };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${resource.plural}.${group}`, labels },
    spec: {
      group,
      scope: clusterWide ? "Cluster" : "Namespaced",
      names: {
        kind: resource.kind,
        listKind: `${resource.kind}List`,
        plural: resource.plural,
        singular,
        ...(resource.shortNames.length > 0 && { shortNames: resource.shortNames }),
        categories: ["istio-io", group.replaceAll(".", "-")],
      },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        subresources: { status: {} },
        ...(resource.columns.length > 0 && { additionalPrinterColumns: resource.columns }),
        schema,
      })),
    },
  } as const;
}

function rootSchema({ spec, nullable = [] }: CustomResource): StructuralSchema {
  const json = z.toJSONSchema(spec, { io: "input", unrepresentable: "any" });
  return {
    type: "object",
    properties: { spec: convertToStructural(json, new Set(nullable)), status: STATUS },
  };
}

/** Several controllers may each keep a condition of their own type. */
const STATUS: StructuralSchema = {
  type: "object",
  properties: {
    conditions: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
      items: {
        type: "object",
        required: ["type"],
        properties: {
          type: { type: "string" },
          status: { type: "string" },
          reason: { type: "string" },
          message: { type: "string" },
          lastTransitionTime: { type: "string", format: "date-time" },
          lastProbeTime: { type: "string", format: "date-time" },
          observedGeneration: { "x-kubernetes-int-or-string": true },
        },
        "x-kubernetes-preserve-unknown-fields": true,
      },
    },
    observedGeneration: { "x-kubernetes-int-or-string": true },
  },
  "x-kubernetes-preserve-unknown-fields": true,
};

import type { AuthorizationPolicy } from "./kinds/authorization-policy.ts";
import type { Deployment } from "./kinds/deployment.ts";
import type { DestinationRule } from "./kinds/destination-rule.ts";
import type { EndpointSlice } from "./kinds/endpoint-slice.ts";
import type { Endpoints } from "./kinds/endpoints.ts";
import type { Gateway } from "./kinds/gateway.ts";
import type { MeshPolicy } from "./kinds/mesh-policy.ts";
import type { Namespace } from "./kinds/namespace.ts";
import type { PeerAuthentication } from "./kinds/peer-authentication.ts";
import type { Pod } from "./kinds/pod.ts";
import type { Policy } from "./kinds/policy.ts";
import type { RequestAuthentication } from "./kinds/request-authentication.ts";
import type { Service } from "./kinds/service.ts";
import type { VirtualService } from "./kinds/virtual-service.ts";

/** Any resource that configures the mesh, distinguished by `kind`. */
export type Resource =
  | Namespace
  | Pod
  | Service
  | EndpointSlice
  | Endpoints
  | Deployment
  | MeshPolicy
  | Policy
  | PeerAuthentication
  | RequestAuthentication
  | AuthorizationPolicy
  | DestinationRule
  | VirtualService
  | Gateway;

export type ResourceKind = Resource["kind"];

/** The resource type of a kind. */
export type ResourceOf<Kind extends ResourceKind> = Extract<Resource, { kind: Kind }>;

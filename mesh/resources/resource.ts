import type { Deployment } from "./deployment.ts";
import type { DestinationRule } from "./destination-rule.ts";
import type { Gateway } from "./gateway.ts";
import type { MeshPolicy } from "./mesh-policy.ts";
import type { Namespace } from "./namespace.ts";
import type { PeerAuthentication } from "./peer-authentication.ts";
import type { Pod } from "./pod.ts";
import type { Policy } from "./policy.ts";
import type { Service } from "./service.ts";
import type { ServiceAccount } from "./service-account.ts";
import type { VirtualService } from "./virtual-service.ts";

/** Everything that configures the mesh, by `kind`. */
export type Resource =
  | Namespace
  | Pod
  | Service
  | Deployment
  | ServiceAccount
  | MeshPolicy
  | Policy
  | PeerAuthentication
  | DestinationRule
  | VirtualService
  | Gateway;

export type ResourceKind = Resource["kind"];

/** The resource type of a kind. */
export type ResourceOf<Kind extends ResourceKind> = Extract<Resource, { kind: Kind }>;

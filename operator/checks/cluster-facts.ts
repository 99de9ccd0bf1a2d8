import type { ReviewedRights } from "../../kubernetes/access-review.ts";
import type { KubernetesObject, ServerVersion } from "../../kubernetes/kubernetes-api.ts";
import type { FindingSeverity } from "../analysis/finding.ts";
import type { ControlPlaneReplica } from "../proxies/sync-page.ts";
import type { Fact } from "./fact.ts";

/** Everything that the checks judge, read once. */
export interface ClusterFacts {
  readonly nowMs: number;
  /** The API server's address. */
  readonly server: string;
  readonly rootNamespace: string;
  readonly version: Fact<ServerVersion>;
  /** How far the server's clock is ahead of this machine's. */
  readonly clockAheadMs: Fact<number>;
  /** What an installation must be allowed to do. */
  readonly rights: Fact<ReviewedRights>;
  readonly definitions: Fact<readonly KubernetesObject[]>;
  readonly namespaces: Fact<readonly KubernetesObject[]>;
  readonly nodes: Fact<readonly KubernetesObject[]>;
  readonly pods: Fact<readonly KubernetesObject[]>;
  readonly deployments: Fact<readonly KubernetesObject[]>;
  /** In the control plane's namespace. */
  readonly endpointSlices: Fact<readonly KubernetesObject[]>;
  readonly mutatingWebhooks: Fact<readonly KubernetesObject[]>;
  readonly validatingWebhooks: Fact<readonly KubernetesObject[]>;
  /** The ConfigMaps `istio-ca-root-cert`. */
  readonly rootConfigMaps: Fact<readonly KubernetesObject[]>;
  /** What the injector's webhook presents, and whether `caBundle` trusts it. */
  readonly webhookCertificate: Fact<WebhookCertificate>;
  /** A pod that was created in a dry run. */
  readonly probe: Fact<ProbeResult>;
  readonly replicas: Fact<readonly ControlPlaneReplica[]>;
  /** The analysis of the configuration. */
  readonly findings: Fact<Readonly<Record<FindingSeverity, number>>>;
}

export interface WebhookCertificate {
  readonly notAfter: string;
  readonly names: string;
  /** Why the API server would not trust it. */
  readonly fault?: string;
}

export interface ProbeResult {
  readonly namespace: string;
  readonly containers: readonly string[];
}

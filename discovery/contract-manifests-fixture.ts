/** The objects of the contract of sources. For tests only. */

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly [field: string]: unknown;
}

/** Objects of the tests are in this namespace. It is part of what `create` gets. */
export const CONTRACT_NAMESPACE = "entente-contract";

export const contractNamespace: Manifest = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: CONTRACT_NAMESPACE },
};

function manifest(apiVersion: string, kind: string, name: string, fields: object): Manifest {
  return { apiVersion, kind, metadata: { name, namespace: CONTRACT_NAMESPACE }, ...fields };
}

/** No validating webhook is responsible for this revision: a real cluster stores invalid policies, too. */
const UNVALIDATED = { "istio.io/rev": "entente-contract" };

export function policy(mode: string): Manifest {
  return policyWith({ mtls: { mode } });
}

function policyWith(spec: object, kind = "PeerAuthentication"): Manifest {
  return {
    apiVersion: "security.istio.io/v1",
    kind,
    metadata: { name: "default", namespace: CONTRACT_NAMESPACE, labels: UNVALIDATED },
    spec,
  };
}

export function authorization(spec: object): Manifest {
  return policyWith(spec, "AuthorizationPolicy");
}

export function tokens(rule: object): Manifest {
  return policyWith({ jwtRules: [rule] }, "RequestAuthentication");
}

/** Accepted by a CRD, and invalid: ports need a selector. */
export const INVALID = policyWith({ mtls: { mode: "DISABLE" }, portLevelMtls: { "8080": { mode: "DISABLE" } } });

export function rule(host: string, name = "rule"): Manifest {
  return manifest("networking.istio.io/v1", "DestinationRule", name, { spec: { host } });
}

/** Without a selector, so that no controller makes slices of its own. */
export function service(name: string, port = 80): Manifest {
  const spec = { clusterIP: "None", ports: [{ name: "http", port }] };
  return manifest("v1", "Service", name, { spec });
}

export function slice(name: string, addresses: readonly string[]): Manifest {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: CONTRACT_NAMESPACE, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: [{ addresses, conditions: { ready: true } }],
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  };
}

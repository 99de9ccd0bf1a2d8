/** The labels of EndpointSlices that decide what they mean. */

/** Joins a slice to the Service of that name in its namespace. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** Says who keeps a slice. */
export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";

/** Kubernetes' own controller: it keeps slices of all pods that a Service's selector picks. */
export const SELECTOR_CONTROLLER = "endpointslice-controller.k8s.io";

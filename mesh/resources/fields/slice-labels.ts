/** The labels of EndpointSlices that the mesh uses. */

/** Assigns a slice to the Service of that name in its namespace. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** Names the controller that manages a slice. */
export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";

/** Kubernetes' own controller: it manages slices of all pods that a Service's selector selects. */
export const SELECTOR_CONTROLLER = "endpointslice-controller.k8s.io";

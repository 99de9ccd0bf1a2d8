/** For tests: the manifests of a mesh of one pod, `hello-1`. */

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: hello-1, namespace: ns1, labels: { app: hello } }
spec: { serviceAccountName: hello, containers: [{ name: hello, ports: [{ containerPort: 8080 }] }] }
status: { podIP: 10.0.0.7, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;

/** The mesh of one pod, with a mesh-wide mode. */
export function meshOf(mode: string, pod: string = POD): string {
  const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: ${mode} } }
`;
  return `${pod}---${policy}`;
}

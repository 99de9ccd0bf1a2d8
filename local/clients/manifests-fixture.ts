/** For tests: a mesh with a client pod and a server pod, each with a sidecar, under STRICT mutual TLS. */
import { PORTS, type Port } from "./ports-fixture.ts";

export const CLIENT_ID = "spiffe://cluster.local/ns/ns1/sa/caller";
export const SERVER_ID = "spiffe://cluster.local/ns/ns2/sa/callee";

export const MANIFESTS = `
apiVersion: v1
kind: Namespace
metadata: { name: ns1, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: Namespace
metadata: { name: ns2, labels: { istio-injection: enabled } }
---
apiVersion: authentication.istio.io/v1alpha1
kind: MeshPolicy
metadata: { name: default }
spec: { peers: [{ mtls: {} }] }
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: { name: mutual, namespace: default }
spec: { host: "*.local", trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ns1, labels: { app: client } }
spec:
  serviceAccountName: caller
  containers: [{ name: app, image: test/clients, command: [sleep, infinity] }]
---
apiVersion: v1
kind: Pod
metadata: { name: server, namespace: ns2, labels: { app: server } }
spec:
  serviceAccountName: callee
  containers: [{ name: app, image: test/clients, ports: ${formatFlow(listPorts(), ({ number }) => ({ containerPort: number }))} }]
---
${formatService("server")}
---
${formatService("lone")}
`;

function listPorts(): readonly Port[] {
  return Object.values(PORTS);
}

function formatFlow(ports: readonly Port[], describe: (port: Port) => object): string {
  return JSON.stringify(ports.map(describe));
}

function formatService(service: Port["service"]): string {
  const ports = formatFlow(
    listPorts().filter((port) => port.service === service),
    ({ name, number }) => ({ port: number, ...(name === "" ? {} : { name }) }),
  );
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${service}, namespace: ns2 }\nspec: { selector: { app: server }, ports: ${ports} }`;
}

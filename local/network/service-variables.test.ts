import { expect, it } from "vitest";
import { parseManifests } from "../read-manifests.ts";
import { createAddressPlan } from "./addresses.ts";
import { serviceVariables } from "./service-variables.ts";
import { createServices } from "./services.ts";

const SERVICES = createServices(
  parseManifests(
    `
kind: Service
metadata: { name: kubernetes, namespace: default }
spec: { ports: [{ name: https, port: 443 }] }
---
kind: Service
metadata: { name: my-db, namespace: bank }
spec: { ports: [{ name: sql, port: 5432 }, { name: my-admin, port: 80 }] }
---
kind: Service
metadata: { name: headless, namespace: bank }
spec: { clusterIP: None, ports: [{ port: 80 }] }
---
kind: Service
metadata: { name: alias, namespace: bank }
spec: { type: ExternalName, externalName: my-db.bank.svc.cluster.local, ports: [{ port: 80 }] }
---
kind: Service
metadata: { name: elsewhere, namespace: ns2 }
spec: { ports: [{ port: 80 }] }
`,
    "test.yaml",
  ),
  createAddressPlan(),
);

it("a pod has variables of its namespace's Services and of the API server", () => {
  const variables = serviceVariables(SERVICES, { namespace: "bank", hasServiceLinks: true });
  expect(variables).toMatchObject({
    KUBERNETES_SERVICE_HOST: "10.96.0.10",
    KUBERNETES_SERVICE_PORT: "443",
    KUBERNETES_SERVICE_PORT_HTTPS: "443",
    MY_DB_SERVICE_HOST: "10.96.0.11",
    MY_DB_SERVICE_PORT: "5432",
    MY_DB_SERVICE_PORT_SQL: "5432",
    MY_DB_SERVICE_PORT_MY_ADMIN: "80",
    MY_DB_PORT: "tcp://10.96.0.11:5432",
    MY_DB_PORT_80_TCP: "tcp://10.96.0.11:80",
    MY_DB_PORT_80_TCP_PROTO: "tcp",
    MY_DB_PORT_80_TCP_PORT: "80",
    MY_DB_PORT_80_TCP_ADDR: "10.96.0.11",
  });
  expect(Object.keys(variables).filter((name) => !/^(KUBERNETES|MY_DB)_/.test(name))).toEqual([]);
});

it("without service links it has only the API server's variables", () => {
  const variables = serviceVariables(SERVICES, { namespace: "bank", hasServiceLinks: false });
  expect(Object.keys(variables).filter((name) => !name.startsWith("KUBERNETES_"))).toEqual([]);
  expect(variables).toHaveProperty("KUBERNETES_SERVICE_HOST");
});

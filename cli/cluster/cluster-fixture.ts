/** For tests: a cluster with a mesh behind a real API server, and the command line that asks it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forwardPods } from "../../kubernetes/pod-port/kubelet-fixture.ts";
import {
  startTestApiServer,
  type TestApiServer,
  type TestApiServerOptions,
} from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { testPod } from "../../mesh/resources/resource-set-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen } from "../../net/listen.ts";
import { type ClusterHarness, createInstalledCluster } from "../../operator/installed-cluster-fixture.ts";
import { runForTest } from "../run-cli-fixture.ts";

export interface CliCluster {
  readonly server: TestApiServer;
  readonly harness: ClusterHarness;
  /** Runs a command against the cluster, as its administrator or with another token. */
  run(args: readonly string[], token?: string): ReturnType<typeof runForTest>;
  /** Serves what `NAMESPACE/NAME:PORT` of a pod serves, under every path; absent: nothing listens there. */
  serve(target: string, page: unknown): Promise<void>;
  /** The same, with the page of the moment. */
  serveLive(target: string, page: () => unknown): Promise<void>;
}

export async function startCliCluster(cleanup: Cleanup, options: TestApiServerOptions = {}): Promise<CliCluster> {
  const ports = new Map<string, number>();
  const onUpgrade = forwardPods((target) => ports.get(target) ?? 0);
  const server = await startTestApiServer(cleanup, { onUpgrade, ...options });
  const folder = mkdtempSync(join(tmpdir(), "entente-cli-"));
  cleanup.add(() => rmSync(folder, { recursive: true }));
  return {
    server,
    harness: createInstalledCluster(server.cluster),
    run: (args, token) => {
      const kubeconfig = join(folder, "kubeconfig");
      writeFileSync(kubeconfig, server.kubeconfig(token), { mode: 0o600 });
      return runForTest(...args, "--kubeconfig", kubeconfig);
    },
    serve: async (target, page) => void ports.set(target, await servePages(cleanup, () => page)),
    serveLive: async (target, page) => void ports.set(target, await servePages(cleanup, page)),
  };
}

/** Serves a page under every path on loopback. Returns the port. */
export async function servePages(cleanup: Cleanup, page: () => unknown): Promise<number> {
  const server = createServer((_request, response) => response.end(JSON.stringify(page())));
  return await listenUntilEnd(cleanup, server);
}

/** Listens on loopback until the end of the test. Returns the port. */
export async function listenUntilEnd(cleanup: Cleanup, server: Server): Promise<number> {
  cleanup.add(() => {
    server.close();
    server.closeAllConnections();
  });
  const onError = (error: Error): void => {
    throw error;
  };
  return await listen(server, { port: 0, host: "127.0.0.1", onError });
}

/** A pod of an installation. */
export function componentPod(name: string, component: string, image = "entente:0.1.0"): object {
  return JSON.parse(
    testPod({
      name,
      namespace: "istio-system",
      meshed: false,
      labels: { "app.kubernetes.io/name": component, "app.kubernetes.io/managed-by": "entente" },
      spec: { containers: [{ name: "main", image }] },
    }),
  );
}

/** A pod of namespace ns1 with a sidecar. */
export function meshedPod(name: string): object {
  return JSON.parse(
    testPod({ name, spec: { containers: [{ name: "app" }, { name: "istio-proxy", image: "entente:0.1.0" }] } }),
  );
}

/** A namespace whose pods are injected. */
export function meshedNamespace(name: string): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { "istio-injection": "enabled" } } };
}

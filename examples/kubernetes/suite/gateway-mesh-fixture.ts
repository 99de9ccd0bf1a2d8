/** For the suite: two applications, one behind the other, under load from the mesh and through the gateway. */
import { expect, vi } from "vitest";
import { echoApplication, gatewayTo } from "./applications-fixture.ts";
import type { LoadResult } from "./client-pod-fixture.ts";
import { installMesh } from "./installation.ts";
import { apply, awaitRollout, kubectl, SYSTEM } from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider, createWorld } from "./world-fixture.ts";

const SOON = { timeout: 60_000, interval: 500 };

export interface GatewayMesh {
  /** With the applications hello and world, and a client. */
  readonly namespace: string;
  readonly outside: ClientNamespace;
  /** Sends requests from hello to world, for a client in the mesh and for one behind the gateway, while `work` runs. */
  loadWhile(work: () => Promise<void>): Promise<readonly LoadResult[]>;
  /** Deletes the namespaces, and waits until they are gone. */
  remove(): Promise<void>;
}

/** Gives all certificates from now on this lifetime, those of the gateway included. */
export async function installShortCertificates(lifetime: string): Promise<void> {
  await installMesh(`certificates.lifetime=${lifetime}`, `certificates.maxLifetime=${lifetime}`);
  await kubectl(["rollout", "restart", "deployment/istio-ingressgateway", "-n", SYSTEM]);
  await awaitRollout(SYSTEM, "istio-ingressgateway");
}

/** Resolves when hello is served through the gateway. @param purpose part of the namespace's name */
export async function createGatewayMesh(purpose: string): Promise<GatewayMesh> {
  const [world, outside] = await Promise.all([createWorld(purpose, { mode: "STRICT" }), createOutsider()]);
  const { namespace, client } = world;
  await apply([
    ...echoApplication(namespace, "hello", { text: "hello", next: `world.${namespace}:8080` }),
    ...gatewayTo(namespace, "hello"),
  ]);
  await awaitRollout(namespace, "hello");
  const inside = { url: `http://hello.${namespace}:8080/`, pauseMs: 50 };
  const throughGateway = {
    url: `http://istio-ingressgateway.${SYSTEM}/`,
    headers: { host: `${namespace}.example.com` },
    pauseMs: 50,
  };
  const isServed = async () => (await outside.client.send(throughGateway)).status === 200;
  await vi.waitUntil(isServed, SOON);
  return {
    ...{ namespace, outside },
    loadWhile: async (work) => {
      const results: LoadResult[] = [];
      const fromOutside = async () => void results.push(await outside.client.loadWhile(throughGateway, work));
      results.push(await client.loadWhile(inside, fromOutside));
      return results;
    },
    remove: async () => void (await Promise.all([world.remove(), outside.remove()])),
  };
}

/** Fails if a request failed, or hardly any was sent. */
export function expectNoFailure(results: readonly LoadResult[]): void {
  process.stdout.write(`${results.map(({ succeeded }) => succeeded).join(" and ")} requests succeeded\n`);
  expect(results.map(({ failures }) => failures)).toEqual(results.map(() => ({})));
  for (const { succeeded } of results) expect(succeeded).toBeGreaterThan(100);
}

/** For tests: the whole control plane of a cluster, assembled as it ships. */
import { createServer } from "node:net";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../mesh/resources/resource-set-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { listen } from "../net/listen.ts";
import { type IdentityCluster, ROOT_NAMESPACE } from "./identity/cluster-identity-fixture.ts";
import { servingNames } from "./identity/serving-names.ts";
import { fixedSettings } from "./settings/live-settings.ts";
import { startControlPlane } from "./start-control-plane.ts";

const HOUR_MS = 3_600_000;

async function findFreePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface StartedControlPlane {
  readonly address: string;
  readonly metricsPort: number;
  readonly log: RecordingLogger;
  /** Resolves when it is ready; its status page responds before. */
  readonly ready: Promise<void>;
}

/** The whole control plane of a cluster, assembled as it ships. */
export async function startWholeControlPlane(
  cluster: IdentityCluster,
  cleanup: Cleanup,
  publishMs?: number,
): Promise<StartedControlPlane> {
  const stop = new AbortController();
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  const api = cluster.server.client();
  const log = new RecordingLogger();
  const started = startControlPlane(
    {
      ...{
        source: { kind: "kubernetes", api, instance: "istiod-1" },
        identity: { kind: "kubernetes", api, ...(publishMs !== undefined && { publishMs }) },
      },
      ...{
        defaultLifetimeMs: HOUR_MS,
        maxLifetimeMs: HOUR_MS,
        port,
        metricsPort,
        version: "test",
        settings: fixedSettings(TEST_SETTINGS),
      },
      dnsNames: servingNames(ROOT_NAMESPACE, undefined),
    },
    { clock: systemClock, random: Math.random, log, signal: stop.signal },
  );
  cleanup.add(async () => {
    stop.abort(new Error("the test is over"));
    await (await started.catch(() => undefined))?.();
  });
  const ready = started.then(() => undefined);
  // A test that ends before is no failure.
  ready.catch(() => undefined);
  return { address: `localhost:${port}`, metricsPort, ready, log };
}

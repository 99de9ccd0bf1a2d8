import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { ask } from "../net/http-fixture.ts";
import { addWorkload, type Workload } from "./calling-workload-fixture.ts";
import { createClusterMesh } from "./revocation-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** One caller may have 64. */
const CONNECTIONS_OF_EACH = 33;

it("two replicas of one account at one address together have more connections than one caller may have", async () => {
  const mesh = await createClusterMesh(cleanup);
  const plane = await mesh.start();
  await plane.ready;
  const connectAll = async (workload: Workload): Promise<void> => {
    const pair = await workload.request(plane.address);
    // A pod's fifth stream ends its first one, and the connections stay.
    const streams = Array.from({ length: CONNECTIONS_OF_EACH }, () => workload.stream(plane.address, pair));
    await Promise.allSettled(streams);
  };
  const first = await addWorkload(mesh, "hello", plane.address);
  const second = await addWorkload(mesh, "hello-b", plane.address, "hello");
  await Promise.all([first, second].map(connectAll));
  const { body } = await ask(plane.metricsPort, { path: "/metrics" });
  expect(body).not.toMatch(/connections_refused_total\{reason="too_many_of_caller"\} [1-9]/);
});

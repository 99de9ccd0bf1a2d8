import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireOwnAuthority } from "./authority-fixture.ts";
import { sumCounter } from "./authorization-fixture.ts";
import {
  createGatewayMesh,
  expectNoFailure,
  type GatewayMesh,
  installShortCertificates,
} from "./gateway-mesh-fixture.ts";
import { installMesh, usesInstalledMesh } from "./installation.ts";

const LIFETIME_S = 5;
/** `ENTENTE_SHORT_CERTIFICATES=300` is five minutes. */
const LOAD_S = Number(process.env["ENTENTE_SHORT_CERTIFICATES"] ?? 20);

let mesh: GatewayMesh;

beforeAll(async () => {
  if (usesInstalledMesh()) return;
  await requireOwnAuthority();
  await installShortCertificates(`${LIFETIME_S}s`);
  mesh = await createGatewayMesh("short");
});

afterAll(async () => {
  await mesh?.remove();
  if (!usesInstalledMesh()) await installMesh();
});

/** Requests for certificates of the sidecars of client, hello and world, up to now. @param which `outgoing` or `failed_outgoing` */
function countRequests(which: string): Promise<number> {
  const line = new RegExp(`^istio_agent_num_${which}_requests{request_type="csr"} `);
  return sumCounter(mesh.namespace, "app in (client,hello,world)", line);
}

describe.skipIf(usesInstalledMesh())("certificates of five seconds", () => {
  it("fail no request under load, through sidecars and the gateway", { timeout: (LOAD_S + 180) * 1000 }, async () => {
    let renewals = 0;
    const results = await mesh.loadWhile(async () => {
      const before = await countRequests("outgoing");
      await sleep(LOAD_S * 1000);
      renewals = (await countRequests("outgoing")) - before;
    });
    const failed = await countRequests("failed_outgoing");
    process.stdout.write(`${LOAD_S} s: ${renewals} renewals in 3 sidecars, ${failed} failed\n`);
    expectNoFailure(results);
    expect(failed).toBe(0);
    // Each at half of its life, or a little later.
    expect(renewals).toBeGreaterThan((3 * LOAD_S) / LIFETIME_S);
  });
});

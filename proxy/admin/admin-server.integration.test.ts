import { afterEach, describe, expect, it } from "vitest";
import { NO_AUTHORIZATION } from "../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../mesh/policy/authorization/authorization-fixture.ts";
import { ask, createRecordedLog } from "../../net/http-fixture.ts";
import type { LocalHttpServer } from "../../net/local-http-server.ts";
import { HELLO, revoke, secureContextsOf } from "../mesh-identities-fixture.ts";
import { startAdminServer } from "./admin-server.ts";
import { describeCertificates } from "./certificates-view.ts";
import { describePolicies } from "./policies-view.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function started(starting: Promise<LocalHttpServer>): Promise<number> {
  const server = await starting;
  cleanups.push(() => server.stop());
  return server.port;
}

const log = createRecordedLog();

describe("the administration server", () => {
  const source = secureContextsOf(HELLO);
  revoke(source, { certificates: [{ serialNumber: "A" }] });
  const material = source.current();
  const POLICIES = { authorization: { ...NO_AUTHORIZATION, policies: [policyOf("DENY", [{}])] }, tokenRules: [] };
  const start = (hasCertificate = true) =>
    started(
      startAdminServer({
        port: 0,
        log,
        views: {
          certificates: () =>
            material !== undefined && hasCertificate
              ? describeCertificates(material, material.notAfterMs - 5000)
              : undefined,
          destinations: () => [{ target: "10.0.0.1:80", connections: 2, state: "passthrough" }],
          connections: () => [],
          policies: () => (hasCertificate ? describePolicies(POLICIES, () => []) : undefined),
        },
      }),
    );

  it("shows the certificate and the roots, and no key", async () => {
    const { status, body } = await ask(await start(), { path: "/certs" });
    expect(status).toBe(200);
    const shown: unknown = JSON.parse(body);
    expect(shown).toMatchObject({
      state: "active",
      identity: HELLO,
      seconds_left: 5,
      chain: [{ subject_ids: [HELLO], serial_number: material?.certificates[0]?.serialNumber, key: "EC prime256v1" }],
      roots: [{ sha256: material?.trust.roots[0]?.fingerprint256 }],
      revocations: 1,
    });
    expect(body).not.toContain("PRIVATE");
    expect(body).not.toContain("BEGIN");
  });

  it("reports that there is no certificate", async () => {
    const { body } = await ask(await start(false), { path: "/certs" });
    expect(JSON.parse(body)).toEqual({ state: "none" });
  });

  it("shows destinations and connections, alone and together", async () => {
    const port = await start();
    const { body } = await ask(port, { path: "/config_dump" });
    expect(JSON.parse(body)).toMatchObject({
      certificates: { state: "active" },
      total_destinations: 1,
      connections: [],
      authorization: { state: "active" },
    });
    expect(JSON.parse((await ask(port, { path: "/destinations" })).body)).toMatchObject({
      destinations: [{ target: "10.0.0.1:80" }],
    });
  });

  it("shows the policies in force, or that they have not arrived", async () => {
    const { body } = await ask(await start(), { path: "/authorization" });
    expect(JSON.parse(body)).toMatchObject({
      path_normalization: "BASE",
      policies: [{ policy: "foo/deny", action: "DENY", dry_run: false, rules: 1, denied: 0 }],
    });
    const early = await ask(await start(false), { path: "/authorization" });
    expect(JSON.parse(early.body)).toEqual({ state: "none" });
  });

  it.each([
    { name: "another name (DNS rebinding)", headers: { host: "attacker.example" } },
    { name: "a name that starts like localhost", headers: { host: "localhost.attacker.example" } },
    { name: "the pod's address", headers: { host: "10.0.0.7:15000" } },
  ])("refuses a Host of $name", async ({ headers }) => {
    expect((await ask(await start(), { path: "/certs", headers })).status).toBe(403);
  });

  it.each(["localhost", "localhost:15000", "127.0.0.1:15000", "[::1]:15000", "[::1]"])(
    "serves the Host %s",
    async (name) => {
      expect((await ask(await start(), { path: "/certs", headers: { host: name } })).status).toBe(200);
    },
  );

  it.each(["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])("refuses %s", async (method) => {
    expect((await ask(await start(), { method, path: "/certs" })).status).toBe(405);
  });
});

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { authority, proxy } from "../../operator/ca/replica-fixture.ts";
import { servePages } from "../cluster/cluster-fixture.ts";
import { runForTest } from "../run-cli-fixture.ts";

const cleanup = new Cleanup();
let parent: string;
let directory: string;
let port: number;
let trustDomains: readonly string[];

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), "entente-ca-cli-"));
  directory = join(parent, "ca");
  cleanup.add(() => rmSync(parent, { recursive: true }));
  const trustDomain = parseTrustDomain("cluster.local");
  const opened = await openAuthority({ directory, trustDomain, clock: systemClock, log: new RecordingLogger() });
  cleanup.add(() => opened.stop());
  trustDomains = ["cluster.local"];
  port = await servePages(cleanup, () => ({ ...authority({ trustDomains }), proxies: [proxy("web")] }));
});
afterEach(() => cleanup.run());

const ca = (...args: readonly string[]) =>
  runForTest("ca", ...args, "--ca-directory", directory, "--metrics-port", String(port));
const store = () => createFileControlStore(directory, { clock: systemClock, random: Math.random });
const stored = () => store().read();

describe("a control plane without Kubernetes", () => {
  it("is asked at its port, and its authority's folder has what is revoked", async () => {
    const { status, stdout } = await ca("revoke", "--pod", "ns1/web");
    expect([status, stdout]).toEqual([0, expect.stringContaining("affected now: 1 connected proxy: web.ns1")]);
    expect((await stored()).revocations).toMatchObject([{ what: { kind: "pod", namespace: "ns1", name: "web" } }]);
    expect((await ca("revocations")).stdout).toMatch(/^pod +ns1\/web +\d+s ago +when lifted +1 +-$/m);
    const other = await ca("revoke", "--pod", "ns1/web", "--uid", "u1");
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("a pod is its name: leave out --uid")]);
    expect((await ca("unrevoke", "--pod", "ns1/web")).status).toBe(0);
    expect((await stored()).revocations).toEqual([]);
    expect((await ca("status")).stdout).toMatch(/^0A:0B:0C +yes /m);
  });

  it("warns of an authority that strict verifiers refuse, and nothing needs attention", async () => {
    const warnings = ["the authority's certificate C1 has no subject"];
    port = await servePages(cleanup, () => ({ ...authority({ warnings }), proxies: [proxy("web")] }));
    const { status, stdout } = await ca("status");
    expect([status, stdout]).toEqual([0, expect.stringContaining("\nwarning: the authority's certificate C1 has no")]);
  });

  it("has a rotation that has not begun cancelled by --roll-back", async () => {
    await ca("rotate-root");
    const { status, stdout } = await ca("rotate-root", "--roll-back");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^cancelled: the rotation that was requested/)]);
    expect((await stored()).rotation?.kind).toBe("roll_back");
  });

  it("is not asked to revoke more than its proxies can receive in all trust domains of the mesh", async () => {
    const revocations = Array.from({ length: 9000 }, (_, index) => ({
      what: { kind: "identity", identity: parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/a${index}`) } as const,
      revokedAt: "2026-11-26T18:44:32Z",
    }));
    await store().update((state) => ({ ...state, revocations }));
    const one = ["revoke", "--identity", "spiffe://cluster.local/ns/ns1/sa/web"];
    trustDomains = ["cluster.local", ...Array.from({ length: 11 }, (_, index) => `d${index}.example`)];
    const refused = { status: 1, stderr: expect.stringMatching(/12 trust domains.* 108012 with .* are too many/) };
    expect([await ca(...one), await ca(...one, "--dry-run")]).toMatchObject([refused, refused]);
    expect((await stored()).revocations).toHaveLength(9000);
    expect((await ca("unrevoke", "--identity", "spiffe://cluster.local/ns/ns1/sa/a1")).status).toBe(0);
    trustDomains = trustDomains.slice(0, 4);
    expect((await ca(...one)).status).toBe(0);
  });

  it("that does not run is told to all the same, and the message names its port", async () => {
    port = 1;
    const { status, stdout } = await ca("revoke", "--serial", "AA");
    expect(status).toBe(0);
    expect(stdout).toContain("nothing listens on 127.0.0.1:1: start entente control-plane, or give its --metrics-port");
    expect((await stored()).revocations).toHaveLength(1);
    expect(await ca("status")).toMatchObject({ status: 1, stdout: expect.stringContaining("127.0.0.1:1") });
    expect(await ca("rotate-root")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /nothing was requested: .*: nothing listens on 127\.0\.0\.1:1: start entente control-plane/,
      ),
    });
  });

  it("keeps what has expired by the clock of the command's machine, which may be days ahead", async () => {
    const expiresAt = new Date(systemClock.now() - 3 * 3_600_000).toISOString();
    const what = { kind: "serial", serialNumber: "A1" } as const;
    const store = createFileControlStore(directory, { clock: systemClock, random: Math.random });
    await store.update((state) => ({ ...state, revocations: [{ what, revokedAt: expiresAt, expiresAt }] }));
    await ca("revoke", "--serial", "A2");
    expect((await stored()).revocations.map((entry) => entry.what)).toEqual([what, { ...what, serialNumber: "A2" }]);
  });

  it("says of a certificate on the operator's list who lifts that", async () => {
    const revoked = { certificates: 2, identities: 0, pods: 0 };
    port = await servePages(cleanup, () => ({ ...authority({ revoked }), proxies: [] }));
    const message =
      "certificate A1 is not revoked; nothing is; 2 certificates are revoked by ca-crl.pem: provide a newer";
    expect(await ca("unrevoke", "--serial", "A1")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(message),
    });
    expect((await ca("unrevoke", "--pod", "a/b")).stderr).not.toContain("ca-crl.pem");
  });

  it("loses nothing of what two users change at once", async () => {
    await Promise.all(["A1", "A2", "A3", "A4"].map((serial) => ca("revoke", "--serial", serial)));
    expect((await stored()).revocations).toHaveLength(4);
  });

  it("is not looked for in a folder without an authority: nobody would read what is stored there", async () => {
    mkdirSync(join(parent, "other"));
    directory = join(parent, "other");
    const { status, stderr } = await ca("revoke", "--serial", "AA");
    expect([status, stderr]).toEqual([1, expect.stringContaining("contains no certificate authority")]);
    expect(readdirSync(directory)).toEqual([]);
    directory = join(parent, "ca", "self-signed");
    const own = await ca("revoke", "--serial", "AA");
    expect([own.status, own.stderr]).toEqual([1, expect.stringContaining(`within its directory: give ${parent}/ca`)]);
    expect(readdirSync(directory).sort()).toEqual(["ca-cert.pem", "ca-key.pem"]);
    directory = join(parent, "nowhere");
    expect((await ca("status")).stderr).toContain("cannot be read (ENOENT): give the control plane's --ca-directory");
  });

  it.skipIf(process.getuid?.() === 0)("is named with the fix if another user owns its folder", async () => {
    chmodSync(directory, 0);
    cleanup.add(() => chmodSync(directory, 0o700));
    expect((await ca("status")).stderr).toContain("run as its owner, or as root");
  });
});

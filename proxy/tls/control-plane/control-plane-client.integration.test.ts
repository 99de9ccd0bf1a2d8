import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { createSvidKey, formatCertificateRequest } from "../csr.ts";
import { svidFromIssued } from "../issued-certificate.ts";
import type { CertificateResponse } from "../request-svid.ts";
import { createCertificateClient } from "./control-plane-client.ts";
import { ControlPlaneFixture, HELLO, openTestAuthority } from "./control-plane-fixture.ts";

let plane: ControlPlaneFixture;
const signal = AbortSignal.timeout(120_000);

beforeEach(async () => {
  plane = await ControlPlaneFixture.start();
});

afterEach(async () => {
  await plane.dispose();
});

const key = createSvidKey();

function ask(overrides: { readonly address?: string; readonly timeoutMs?: number } = {}): Promise<CertificateResponse> {
  const request = createCertificateClient({
    address: plane.address,
    rootCertificateFile: plane.rootFile,
    tokenFile: plane.tokenFile,
    clock: systemClock,
    ...overrides,
  });
  return request(formatCertificateRequest(key, HELLO), signal);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("createCertificateClient", () => {
  it("gets a certificate that is usable at once", async () => {
    const { chain, controlPlaneRoots } = await ask();
    const trust = { roots: controlPlaneRoots, trustDomains: [parseTrustDomain("cluster.local")] };
    const svid = svidFromIssued({ chain, privateKey: key, identity: HELLO, trust, nowMs: Date.now() });
    expect(svid.certificates).toHaveLength(1);
    expect(controlPlaneRoots.map(String)).toEqual(plane.authority.roots());
  });

  it.each([
    {
      name: "without a line break between its certificates",
      format: (other: string, own: string) => other.trim() + own,
    },
    {
      name: "with the line breaks of Windows",
      format: (other: string, own: string) => (other + own).replaceAll("\n", "\r\n"),
    },
  ])("trusts all roots of a root file $name", async ({ format }) => {
    const other = await openTestAuthority(join(plane.directory, "other"));
    const pems = [...other.roots(), ...plane.authority.roots()];
    await writeFile(plane.rootFile, format(other.roots().join(""), plane.authority.roots().join("")));
    expect((await ask()).controlPlaneRoots.map(String)).toEqual(pems);
  });

  it("reads the token again for every call", async () => {
    await ask();
    await writeFile(plane.tokenFile, "good-token-2");
    await ask();
    expect(plane.tokens).toEqual(["good-token-1", "good-token-2"]);
  });

  it("works again with a fresh token after an expired one was refused", async () => {
    await writeFile(plane.tokenFile, "expired-token");
    await expect(ask()).rejects.toThrow(/unauthenticated/i);
    await writeFile(plane.tokenFile, "good-token-3");
    expect((await ask()).chain.length).toBeGreaterThan(0);
  });

  it("sends nothing to a control plane of another root, until the root file contains that root", async () => {
    const other = await openTestAuthority(join(plane.directory, "other"));
    await writeFile(plane.rootFile, other.roots().join(""));
    await expect(ask()).rejects.toThrow(/control_plane_unreachable.*(self.signed|unable to)/i);
    expect(plane.tokens).toEqual([]);
    await writeFile(plane.rootFile, [...other.roots(), ...plane.authority.roots()].join(""));
    await ask();
    expect(plane.tokens).toHaveLength(1);
  });

  it("sends nothing to a control plane whose certificate has another name", async () => {
    await plane.dispose();
    plane = await ControlPlaneFixture.start({ dnsNames: ["istiod.istio-system.svc"] });
    await expect(ask()).rejects.toThrow(/control_plane_unreachable.*(altnames|localhost)/i);
    await expect(ask({ address: plane.address.replace("localhost", "127.0.0.1") })).rejects.toThrow(/127\.0\.0\.1|::1/);
    expect(plane.tokens).toEqual([]);
  });

  it.each([
    { name: "no token file", damage: () => rm(plane.tokenFile), said: /token_file: .*istio-token does not exist/ },
    { name: "an empty token file", damage: () => writeFile(plane.tokenFile, "\n"), said: /holds no token/ },
    {
      name: "two lines in the token file",
      damage: () => writeFile(plane.tokenFile, "a\r\nx: b"),
      said: /holds no token/,
    },
    { name: "no root file", damage: () => rm(plane.rootFile), said: /root_file: .*root-cert\.pem does not exist/ },
    {
      name: "a root file without certificates",
      damage: () => writeFile(plane.rootFile, "soon"),
      said: /no PEM certificate/,
    },
  ])("reports what is wrong with $name", async ({ damage, said }) => {
    await damage();
    await expect(ask()).rejects.toThrow(said);
  });

  it("names the reason when nothing listens", async () => {
    await plane.stop();
    await expect(ask()).rejects.toThrow(/control_plane_unreachable.*ECONNREFUSED/);
  });

  it("gives up on a control plane that accepts connections and sends nothing", async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
    });
    silent.listen(0, "localhost");
    await once(silent, "listening");
    const address = `localhost:${portOf(silent)}`;
    await expect(ask({ address, timeoutMs: 100 })).rejects.toThrow(/did not respond within 100 ms/);
    for (const socket of sockets) await once(socket.resume(), "close");
    silent.close();
  });

  it.each(["localhost", "localhost:", "https://localhost:1", "a:1/b", "user@host:1", ":15012", "host:99999"])(
    "refuses %s as an address",
    (address) => {
      const options = { address, rootCertificateFile: "", tokenFile: "", clock: systemClock };
      expect(() => createCertificateClient(options)).toThrow(/control_plane_address.*HOST:PORT/);
    },
  );
});

import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { exportJWK, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Authority } from "../ca-agent/authority/authority.ts";
import { openAuthority } from "../ca-agent/authority/open-authority.ts";
import { registerIssuingService } from "../ca-agent/issuing-service.ts";
import { createJwtAuthenticator } from "../ca-agent/workload-auth/jwt-authenticator.ts";
import { IstioCertificateService } from "../mesh/api/gen/ca_pb.ts";
import { parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { readUriSans } from "../mesh/identity/x509-san.ts";
import { RecordingLogger } from "../mesh/recording-logger.ts";
import { systemClock } from "../mesh/runtime.ts";
import { type ControlPlaneServer, startControlPlaneServer } from "./control-plane-server.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "entente-control-plane-"));
const ISSUER = "https://kubernetes.default.svc";
const TRUST_DOMAIN = parseTrustDomain("cluster.local");
const HOUR_MS = 3_600_000;
const tokenKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
const log = new RecordingLogger();
let authority: Authority;
let server: ControlPlaneServer;

beforeAll(async () => {
  authority = await openAuthority({
    directory: join(FOLDER, "ca"),
    trustDomain: TRUST_DOMAIN,
    clock: systemClock,
    log,
  });
  const jwksFile = join(FOLDER, "jwks.json");
  writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...(await exportJWK(tokenKey.publicKey)), kid: "k" }] }));
  const authenticator = createJwtAuthenticator({
    jwksFile,
    issuer: ISSUER,
    trustDomain: TRUST_DOMAIN,
    clock: systemClock,
    log,
  });
  server = await startControlPlaneServer({
    host: "127.0.0.1",
    port: 0,
    authority,
    dnsNames: ["istiod.istio-system.svc", "localhost"],
    trustDomains: [TRUST_DOMAIN],
    routes: (router) =>
      registerIssuingService(router, {
        authority,
        authenticator,
        clock: systemClock,
        log,
        defaultLifetimeMs: HOUR_MS,
        maxLifetimeMs: 2 * HOUR_MS,
      }),
    clock: systemClock,
    log,
    limits: { maxUnverifiedConnections: 200, handshakeTimeoutMs: 2000, closeGraceMs: 200 },
  });
});

afterAll(async () => {
  await server.close();
  rmSync(FOLDER, { recursive: true, force: true });
});

async function token(expires = "1h"): Promise<string> {
  return await new SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid: "k" })
    .setIssuer(ISSUER)
    .setAudience("istio-ca")
    .setSubject("system:serviceaccount:ns1:default")
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(tokenKey.privateKey);
}

function createCsr(): string {
  const args = ["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=x"];
  const options = [...args, "-keyout", join(FOLDER, "key.pem")];
  return execFileSync("openssl", options, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

interface Ask {
  readonly bearer?: string;
  readonly csr?: string;
  readonly seconds?: bigint;
}

/** A client that knows no more than Istio's protocol and the root. */
async function ask({ bearer, csr = createCsr(), seconds = 0n }: Ask): Promise<readonly string[]> {
  const transport = createGrpcTransport({
    baseUrl: `https://localhost:${server.port}`,
    nodeOptions: {
      ca: authority.roots().join(""),
      lookup: (_host, _options, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]),
    },
  });
  const client = createClient(IstioCertificateService, transport);
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const { certChain } = await client.createCertificate(
    { csr, validityDuration: seconds },
    { headers, timeoutMs: 5000 },
  );
  return certChain;
}

describe("CreateCertificate", () => {
  it("gives the caller's certificate first and the root last, each with a newline", async () => {
    const chain = await ask({ bearer: await token() });
    expect(chain.length).toBeGreaterThan(1);
    expect(chain.every((pem) => pem.endsWith("\n"))).toBe(true);
    expect(readUriSans(new X509Certificate(chain[0] ?? "").raw)).toEqual(["spiffe://cluster.local/ns/ns1/sa/default"]);
    expect(new X509Certificate(chain.at(-1) ?? "").fingerprint256).toBe(
      new X509Certificate(authority.roots()[0] ?? "").fingerprint256,
    );
  });

  it.each([
    { name: "no token", bearer: () => undefined, reason: "" },
    { name: "an expired token", bearer: () => token("-1 minute"), reason: "expired" },
    { name: "garbage for a token", bearer: () => "garbage", reason: "malformed" },
  ])("with $name is refused without saying why, and the log says it", async ({ bearer, reason }) => {
    const given = await bearer();
    const error = ConnectError.from(
      await ask(given === undefined ? {} : { bearer: given }).catch((caught: unknown) => caught),
    );
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.rawMessage).toBe("request authenticate failure");
    if (reason !== "") expect(log.find(reason).length).toBeGreaterThan(0);
  });

  it.each([
    { name: "a life that is too long", request: { seconds: 3n * 3600n } },
    { name: "a request that is none", request: { csr: "garbage" } },
  ])("for $name is an invalid argument", async ({ request }) => {
    const error = ConnectError.from(
      await ask({ bearer: await token(), ...request }).catch((caught: unknown) => caught),
    );
    expect(error.code).toBe(Code.InvalidArgument);
  });
});

describe("strangers on the port", () => {
  async function dial(): Promise<Socket> {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  it.each([
    { name: "garbage", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") },
    {
      name: "a ClientHello of 64 KB",
      bytes: Buffer.concat([Buffer.from("1603014000", "hex"), Buffer.alloc(65_536, 1)]),
    },
  ])("$name is cut, and others are served", async ({ bytes }) => {
    const socket = await dial();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(bytes);
    socket.resume();
    await closed;
    expect((await ask({ bearer: await token() })).length).toBeGreaterThan(1);
  });

  it("2,000 idle connections displace each other, and others are served", async () => {
    const idle: Socket[] = [];
    for (let batch = 0; batch < 20; batch += 1) idle.push(...(await Promise.all(Array.from({ length: 100 }, dial))));
    expect((await ask({ bearer: await token() })).length).toBeGreaterThan(1);
    for (const socket of idle) socket.destroy();
  });

  it("a port that is in use is named, with the mend", async () => {
    const second = startControlPlaneServer({
      host: "127.0.0.1",
      port: server.port,
      authority,
      dnsNames: ["localhost"],
      trustDomains: [TRUST_DOMAIN],
      routes: () => undefined,
      clock: systemClock,
      log,
    });
    await expect(second).rejects.toThrow(`port ${server.port} is in use`);
  });
});

import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Socket } from "node:net";
import { type ConnectionOptions, connect, createSecureContext, type Server, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { MAX_CHAIN_BYTES } from "../../mesh/identity/chain-limits.ts";
import {
  ecKey,
  formatChainPem,
  type HostileChain,
  hostileDsaKey,
  hostileRsaKey,
  mintCrossIssued,
  mintLadder,
} from "../../mesh/identity/hostile-chain-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../cleanup-fixture.ts";
import { listen } from "../listen.ts";
import { createTlsContext, setServerContext } from "./tls-contexts.ts";
import { MATERIAL } from "./tls-material-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const ignore = (): void => undefined;

/** How a handshake ended at the server: `done`, or the error's code. */
type ServerEnd = (end: string) => void;

/** A listener as the sidecar's inbound side creates it. */
async function startSocketServer(onEnd: ServerEnd): Promise<number> {
  const server = createServer((socket) => {
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: createTlsContext(MATERIAL),
      requestCert: true,
      rejectUnauthorized: true,
    });
    watchServerSide(secured, onEnd);
  });
  return await start(server);
}

/** A listener of `node:https` or `node:http2`. */
async function startHttpsServer(onEnd: ServerEnd): Promise<number> {
  const server = createHttpsServer({ requestCert: true, rejectUnauthorized: false }, (_request, response) =>
    response.end("served"),
  );
  setServerContext(server, MATERIAL);
  server.on("secureConnection", () => onEnd("done"));
  server.on("tlsClientError", (error) => onEnd("code" in error ? String(error.code) : error.message));
  return await start(server);
}

async function start(server: ReturnType<typeof createServer> | Server): Promise<number> {
  server.on("connection", (socket: Socket) => cleanup.addSocket(socket));
  cleanup.add(() => server.close());
  return await listen(server, { port: 0, host: "127.0.0.1", onError: ignore });
}

function watchServerSide(socket: TLSSocket, onEnd: ServerEnd): void {
  cleanup.addSocket(socket);
  socket.on("error", (error) => onEnd("code" in error ? String(error.code) : error.message));
  socket.on("secure", () => {
    onEnd("done");
    socket.write("greeting");
  });
  socket.resume();
}

function dial(port: number, options: ConnectionOptions): TLSSocket {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  cleanup.addSocket(socket);
  return socket;
}

function dialWithChain(port: number, chain: HostileChain, version: "TLSv1.2" | "TLSv1.3"): TLSSocket {
  const secureContext = createSecureContext({
    cert: formatChainPem(chain),
    key: chain.key.export({ type: "pkcs8", format: "pem" }).toString(),
    ciphers: "DEFAULT@SECLEVEL=0",
    maxVersion: version,
  });
  const socket = dial(port, { secureContext });
  socket.on("error", ignore);
  return socket;
}

const LISTENERS = [
  { listener: "a socket of its own", open: startSocketServer },
  { listener: "a server of node:https", open: startHttpsServer },
] as const;

const F4 = Uint8Array.of(1, 0, 1);
/** OpenSSL's error for a Certificate message that was overwritten. */
const OVERWRITTEN = { "TLSv1.2": "ERR_SSL_LENGTH_MISMATCH", "TLSv1.3": "ERR_SSL_INVALID_CONTEXT" } as const;
const HOSTILE: readonly { name: string; chain: () => HostileChain; code?: string }[] = [
  {
    name: "ten cross-issued DSA authorities",
    chain: () => mintCrossIssued(hostileDsaKey(), 9),
  },
  {
    name: "one DSA authority",
    chain: () => mintLadder([hostileDsaKey()]),
  },
  {
    name: "RSA exponents of 3,000 bits",
    chain: () => mintLadder([hostileRsaKey(3072, Buffer.alloc(375, 0x7f))]),
  },
  {
    name: "six certificates",
    chain: () => mintLadder(Array.from({ length: 5 }, ecKey)),
  },
  {
    name: "more than 16 KB",
    chain: () => mintLadder(Array.from({ length: 6 }, () => hostileRsaKey(16_384, F4))),
    code: "ERR_SSL_EXCESSIVE_MESSAGE_SIZE",
  },
];

describe.each(LISTENERS)("a client's chain at $listener", ({ open }) => {
  const versions = ["TLSv1.2", "TLSv1.3"] as const;
  it.each(HOSTILE.flatMap((row) => versions.map((version) => ({ ...row, version }))))(
    "is not verified with $name, by $version",
    async ({ chain, code, version }) => {
      let finish: ServerEnd = ignore;
      const ended = new Promise<string>((resolve) => {
        finish = resolve;
      });
      const port = await open(finish);
      dialWithChain(port, chain(), version);
      expect(await ended).toBe(code ?? OVERWRITTEN[version]);
    },
  );

  it("of the mesh is verified", async () => {
    const port = await open(ignore);
    const client = dial(port, { secureContext: createTlsContext(MATERIAL) });
    await once(client, "secureConnect");
  });
});

describe("a server that trusts roots with long names", () => {
  it("names none of them, so that clients of the mesh complete their handshakes", async () => {
    const foreign = mintRoot({ commonName: "x".repeat(MAX_CHAIN_BYTES + 1000) });
    const secureContext = createTlsContext({ ...MATERIAL, ca: `${MATERIAL.ca}${foreign.pem}` });
    const end = Promise.withResolvers<string>();
    const server = createServer((socket) => {
      const options = { isServer: true, requestCert: true, rejectUnauthorized: true, secureContext };
      // Later, because this runs inside OpenSSL's call, and the end of the test destroys the socket.
      watchServerSide(new TLSSocket(socket, options), (how) => setImmediate(end.resolve, how));
    });
    const client = dial(await start(server), { secureContext: createTlsContext(MATERIAL) });
    await once(client, "secureConnect");
    expect(await end.promise).toBe("done");
  });
});

describe("a server's chain at a client", () => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)("is not verified if it exceeds the limits, by %s", async (version) => {
    const chain = mintLadder([hostileDsaKey()]);
    const secureContext = createSecureContext({
      cert: formatChainPem(chain),
      key: chain.key.export({ type: "pkcs8", format: "pem" }).toString(),
      ciphers: "DEFAULT@SECLEVEL=0",
      maxVersion: version,
    });
    const server = createServer((socket) => {
      watchServerSide(new TLSSocket(socket, { isServer: true, secureContext }), ignore);
    });
    const client = dial(await start(server), { secureContext: createTlsContext(MATERIAL) });
    const [error] = await once(client, "error");
    expect(error).toMatchObject({ code: "ERR_SSL_LENGTH_MISMATCH" });
  });
});

describe.each(LISTENERS)("the settings of $listener", ({ open }) => {
  it("refuse renegotiation", async () => {
    const port = await open(ignore);
    const client = dial(port, { ...MATERIAL, maxVersion: "TLSv1.2" });
    await once(client, "secureConnect");
    client.resume();
    const error = await new Promise<Error | null>((resolve) => {
      client.on("error", resolve);
      client.renegotiate({ rejectUnauthorized: false }, resolve);
    });
    expect(error).toBeInstanceOf(Error);
  });

  it.each([
    { version: "TLSv1.3", first: "TLS_AES_128_GCM_SHA256", second: "TLS_AES_256_GCM_SHA384" },
    { version: "TLSv1.2", first: "ECDHE-ECDSA-AES128-GCM-SHA256", second: "ECDHE-ECDSA-AES256-GCM-SHA384" },
  ] as const)("choose the suite by the server's order, by $version", async ({ version, first, second }) => {
    const port = await open(ignore);
    const client = dial(port, { ...MATERIAL, maxVersion: version, ciphers: `${first}:${second}` });
    await once(client, "secureConnect");
    expect(client.getCipher().name).toBe(second);
  });

  it("send no session tickets", async () => {
    let done: ServerEnd = ignore;
    const secured = new Promise<string>((resolve) => {
      done = resolve;
    });
    const port = await open(done);
    const client = dial(port, MATERIAL);
    let sessions = 0;
    client.on("session", () => {
      sessions += 1;
    });
    await once(client, "secureConnect");
    await secured;
    // Tickets are sent before the first data.
    client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    await once(client, "data");
    expect(sessions).toBe(0);
  });
});

describe("a client without a certificate", () => {
  it.each([
    { version: "TLSv1.3", alert: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED" },
    { version: "TLSv1.2", alert: "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" },
  ] as const)("gets the alert $alert", async ({ version, alert }) => {
    const client = dial(await startSocketServer(ignore), { maxVersion: version });
    client.resume();
    const [error] = await once(client, "error");
    expect(error).toMatchObject({ code: alert });
  });
});

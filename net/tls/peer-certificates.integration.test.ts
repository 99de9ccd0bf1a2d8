import { once } from "node:events";
import { createSecureServer } from "node:http2";
import { createServer, Socket } from "node:net";
import { connect, createSecureContext, createServer as createTlsServer, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../cleanup-fixture.ts";
import { listen } from "../listen.ts";
import { keepHandshake, keepPeerCertificates, readPeerCertificates } from "./peer-certificates.ts";
import { createTlsContext, setServerContext } from "./tls-contexts.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const DATES = { notBefore: new Date("2020-01-01"), notAfter: new Date("2045-01-01") };
const ROOT = mintRoot();
const INTERMEDIATE = mintRoot({ issuer: ROOT, commonName: "intermediate" });
const LEAF = mintLeaf({ issuer: INTERMEDIATE, uriSans: ["spiffe://a/ns/b/sa/c"], ...DATES });

/** Both ends of a handshake, as inbound terminates TLS and outbound originates it. */
async function shakeHands(
  clientChain: readonly MintedCertificate[],
): Promise<{ server: TLSSocket; client: TLSSocket }> {
  const material = (chain: readonly MintedCertificate[]) =>
    createTlsContext({
      ca: ROOT.pem,
      ...(chain[0] !== undefined && { cert: chain.map(({ pem }) => pem).join(""), key: chain[0].keyPem }),
    });
  const secured = new Promise<TLSSocket>((resolve) => {
    const listener = createServer((socket) => {
      const secureContext = material([LEAF, INTERMEDIATE]);
      const tls = new TLSSocket(socket, {
        isServer: true,
        secureContext,
        requestCert: true,
        rejectUnauthorized: false,
      });
      tls.on("error", () => undefined);
      tls.once("secure", () => {
        keepHandshake(tls);
        resolve(tls);
      });
    });
    listener.listen(0, "127.0.0.1", () => {
      const address = listener.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      const options = { secureContext: material(clientChain), rejectUnauthorized: false, servername: "a" };
      const client = connect({ port, host: "127.0.0.1", ...options });
      client.on("error", () => undefined);
      client.once("secureConnect", () => keepHandshake(client));
      cleanup.addSocket(client);
      resolveClient(client);
    });
    cleanup.add(() => listener.close());
  });
  let resolveClient: (client: TLSSocket) => void = () => undefined;
  const connecting = new Promise<TLSSocket>((resolve) => {
    resolveClient = resolve;
  });
  const client = await connecting;
  await once(client, "secureConnect");
  return { server: await secured, client };
}

describe("a peer's certificates", () => {
  it("are its chain, leaf first, without the root, on both sides", async () => {
    const { server, client } = await shakeHands([LEAF, INTERMEDIATE]);
    for (const socket of [server, client]) {
      const chain = readPeerCertificates(socket).map(({ fingerprint256 }) => fingerprint256);
      expect(chain).toEqual([LEAF, INTERMEDIATE].map(({ certificate }) => certificate.fingerprint256));
    }
  });

  it("can be read again, with the same outcome", async () => {
    const { server, client } = await shakeHands([LEAF, INTERMEDIATE]);
    for (const socket of [server, client]) {
      const first = readPeerCertificates(socket).map(({ raw }) => raw);
      expect(readPeerCertificates(socket).map(({ raw }) => raw)).toEqual(first);
      expect(readPeerCertificates(socket).map(({ raw }) => raw)).toEqual(first);
    }
  });

  it("are each client's own, of many whose handshakes overlap", async () => {
    const leaves = Array.from({ length: 24 }, (_, index) =>
      mintLeaf({ issuer: ROOT, uriSans: [`spiffe://a/ns/b/sa/c${index}`], ...DATES }),
    );
    const pairs = await Promise.all(leaves.map((leaf) => shakeHands([leaf])));
    const seen = pairs.map(({ server }) => readPeerCertificates(server).map(({ raw }) => raw.toString("base64")));
    expect(seen).toEqual(leaves.map(({ certificate }) => [certificate.raw.toString("base64")]));
  });

  it("are none of another connection's if OpenSSL did not report this one's handshake", async () => {
    await shakeHands([LEAF, INTERMEDIATE]);
    const [server, client] = [createServer(), new Socket()];
    const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
    cleanup.add(() => server.close());
    cleanup.addSocket(client);
    const accepted = once(server, "connection");
    client.connect(port, "127.0.0.1");
    const [raw] = await accepted;
    const context = createSecureContext({ ca: ROOT.pem, cert: LEAF.pem, key: LEAF.keyPem });
    const secured = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const kept = new Promise<string>((resolve) => void secured.once("secure", () => resolve(keepHandshake(secured))));
    connect({ socket: client, secureContext: context, rejectUnauthorized: false }).on("error", () => undefined);
    expect(await kept).toBe("");
    expect(readPeerCertificates(secured)).toEqual([]);
  });

  it("are none if the peer has presented none", async () => {
    const { server } = await shakeHands([]);
    expect(readPeerCertificates(server)).toEqual([]);
  });
});

describe("the certificates of a client of a server", () => {
  const material = { cert: [LEAF, INTERMEDIATE].map(({ pem }) => pem).join(""), key: LEAF.keyPem, ca: ROOT.pem };
  const options = {
    ...material,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNCallback: keepPeerCertificates("h2"),
  };
  const expected = [LEAF, INTERMEDIATE].map(({ certificate }) => certificate.fingerprint256);

  async function dial(server: Parameters<typeof listen>[0], protocols = ["h2"]): Promise<TLSSocket> {
    const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
    cleanup.add(() => server.close());
    const client = connect({
      port,
      host: "127.0.0.1",
      ...material,
      ALPNProtocols: protocols,
      rejectUnauthorized: false,
    });
    client.on("error", () => undefined);
    cleanup.addSocket(client);
    return client;
  }

  it("are its chain too, at a server of node:tls", async () => {
    const server = createTlsServer(options);
    setServerContext(server, material);
    await dial(server);
    const [socket] = await once(server, "secureConnection");
    expect(readPeerCertificates(socket).map(({ fingerprint256 }) => fingerprint256)).toEqual(expected);
  });

  it("are its chain too, at a session of node:http2", async () => {
    const server = createSecureServer(options);
    setServerContext(server, material);
    await dial(server);
    const [{ socket }] = await once(server, "session");
    expect(readPeerCertificates(socket).map(({ fingerprint256 }) => fingerprint256)).toEqual(expected);
    expect(readPeerCertificates(socket)).toHaveLength(2);
  });

  it("are not asked for if it offers another protocol", async () => {
    const client = await dial(createTlsServer(options), ["http/1.1"]);
    const [error] = await once(client, "error");
    expect(error).toMatchObject({ message: expect.stringContaining("no application protocol") });
  });
});

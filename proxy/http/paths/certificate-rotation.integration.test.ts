import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { mintLeaf } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain, type SpiffeId } from "../../../mesh/identity/spiffe-id.ts";
import type { UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import type { ConnectionRegistry } from "../../connections/connection-registry.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, MESH_ROOT, meshDestination, WORLD } from "../../mesh-identities-fixture.ts";
import { type OutboundSide, startOutboundSide } from "../../outbound-side-fixture.ts";
import { createSecureContextSource, type SecureContextSource } from "../../tls/secure-context-source.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOUR_MS = 3_600_000;

/** A workload whose certificate is renewed by the test. */
interface Workload {
  readonly secureContexts: SecureContextSource;
  /** SHA-256 of the current certificate, as in XFCC. */
  hash(): string;
  /** All so far, oldest first. */
  readonly hashes: readonly string[];
  rotate(): void;
}

function createWorkload(identity: SpiffeId): Workload {
  const trust = { roots: [MESH_ROOT.certificate], trustDomains: [parseTrustDomain("cluster.local")] };
  const secureContexts = createSecureContextSource({ trust, clock: systemClock });
  const hashes: string[] = [];
  const rotate = (): void => {
    const notAfterMs = Date.now() + HOUR_MS;
    const times = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(notAfterMs) };
    const leaf = mintLeaf({ issuer: MESH_ROOT, uriSans: [identity], ...times });
    hashes.push(hashOf(leaf.certificate.raw));
    secureContexts.setSvid({ identity, certificates: [leaf.certificate], privateKeyPem: leaf.keyPem, notAfterMs });
  };
  rotate();
  return { secureContexts, hashes, hash: () => hashes.at(-1) ?? "", rotate };
}

function hashOf(certificate: Buffer): string {
  return createHash("sha256").update(certificate).digest("hex");
}

/** The certificates that the peers of a side's open connections have presented. */
function peersOf(registry: ConnectionRegistry): ReadonlySet<string> {
  const certificates = registry.list().flatMap(({ peer }) => peer?.certificates.slice(0, 1) ?? []);
  return new Set(certificates.map(({ raw }) => hashOf(raw)));
}

interface Path {
  readonly hello: Workload;
  readonly world: Workload;
  readonly inbound: InboundSide;
  readonly outbound: OutboundSide;
  readonly url: string;
}

type Application = (request: IncomingMessage, response: ServerResponse) => void;

async function startPath(application: Application, httpVersion: UpstreamHttpVersion): Promise<Path> {
  // It closes no connection by itself: a request that meets that cannot be sent again, and is no matter of certificates.
  const server = createServer({ keepAliveTimeout: 0 }, application).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
  cleanup.add(() => server.closeAllConnections());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const [hello, world] = [createWorkload(HELLO), createWorkload(WORLD)];
  const applicationPort = address.port;
  const { secureContexts } = world;
  const inbound = await startInboundSide(cleanup, {
    mode: "STRICT",
    applicationPort,
    protocol: "http",
    secureContexts,
  });
  const destination = meshDestination([inbound.port], {
    overrides: { protocol: "http", connectionPool: { httpVersion } },
  });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts: hello.secureContexts });
  return { hello, world, inbound, outbound, url: `http://127.0.0.1:${outbound.port}` };
}

/** Responds with the request's body and the hash of its client certificate. */
function respondWithPeer(incoming: IncomingMessage, response: ServerResponse): void {
  const xfcc = String(incoming.headers["x-forwarded-client-cert"]);
  incoming.on("data", (chunk) => response.write(chunk));
  incoming.on("end", () => response.end(/Hash=([0-9a-f]+)/.exec(xfcc)?.[1]));
}

/** So many that an adaptive hop has connections of both versions. */
const CLIENTS = 20;

/** Clients that send one non-idempotent request after another until they are stopped. */
class Traffic {
  readonly failures: string[] = [];
  completed = 0;
  readonly #path: Path;
  readonly #agent: Agent;
  readonly #clients: readonly Promise<void>[];
  #isStopped = false;

  constructor(path: Path, clients: number) {
    this.#path = path;
    this.#agent = new Agent({ connections: clients });
    cleanup.add(() => this.#agent.destroy());
    // A failed test must not leave clients behind that ask for ever.
    cleanup.add(() => {
      this.#isStopped = true;
    });
    this.#clients = Array.from({ length: clients }, () => this.#run());
  }

  async completes(more: number): Promise<void> {
    const wanted = this.completed + more;
    await expect.poll(() => this.completed, { interval: 2 }).toBeGreaterThanOrEqual(wanted);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#ask().catch((error: unknown) => this.failures.push(String(error)));
      this.completed += 1;
    }
  }

  async #ask(): Promise<void> {
    const { url, hello } = this.#path;
    const current = hello.hashes.length - 1;
    const body = randomBytes(512).toString("hex");
    const response = await request(url, { dispatcher: this.#agent, method: "POST", body });
    const text = await response.body.text();
    // It may wait while several renewals pass.
    const allowed = hello.hashes.slice(current);
    if (response.statusCode !== 200) this.failures.push(`${response.statusCode} ${text}`);
    else if (!allowed.some((hash) => text === body + hash)) this.failures.push("an older certificate, or another body");
  }
}

describe.each<UpstreamHttpVersion>(["1.1", "2", "adaptive"])(
  "while certificates are renewed, over HTTP/%s",
  (version) => {
    it("no request fails, requests after a renewal use the new certificate, and no old connection stays", async () => {
      const path = await startPath(respondWithPeer, version);
      const { hello, world, inbound, outbound } = path;
      const traffic = new Traffic(path, CLIENTS);
      await traffic.completes(40);
      for (let renewal = 0; renewal < 6; renewal += 1) {
        const before = [hello.hash(), world.hash()];
        // The client's renewal makes it dial again; then it receives the server's new certificate.
        world.rotate();
        hello.rotate();
        expect([hello.hash(), world.hash()]).not.toEqual(before);
        await traffic.completes(40);
        await expect.poll(() => peersOf(inbound.registry)).toEqual(new Set([hello.hash()]));
        expect(peersOf(outbound.registry)).toEqual(new Set([world.hash()]));
      }
      await traffic.stop();
      expect(traffic.failures).toEqual([]);
      expect(inbound.registry.size).toBeLessThanOrEqual(version === "2" ? 1 : CLIENTS);
      expect([inbound.recorder.refusals, inbound.recorder.cuts, outbound.recorder.cuts]).toEqual([[], [], []]);
      expect(outbound.http.counted.every(({ status, flags }) => status === 200 && flags === "-")).toBe(true);
    });

    it("a renewal on one side alone fails no request", async () => {
      const path = await startPath(respondWithPeer, version);
      const traffic = new Traffic(path, 4);
      for (const { rotate } of [path.world, path.world, path.hello, path.hello, path.world]) {
        await traffic.completes(12);
        rotate();
      }
      await traffic.completes(12);
      await traffic.stop();
      expect(traffic.failures).toEqual([]);
      expect([path.inbound.recorder.refusals, path.inbound.recorder.cuts]).toEqual([[], []]);
    });

    it("a long response completes on its own connection, which is then closed", async () => {
      const answers: ServerResponse[] = [];
      const path = await startPath((incoming, response) => {
        incoming.resume();
        response.write("begun,");
        answers.push(response);
      }, version);
      const { hello, inbound } = path;
      const oldHash = hello.hash();
      const dispatcher = new Agent();
      cleanup.add(() => dispatcher.destroy());
      const { body } = await request(path.url, { dispatcher });
      for (let renewal = 0; renewal < 3; renewal += 1) hello.rotate();
      expect(peersOf(inbound.registry)).toEqual(new Set([oldHash]));
      answers[0]?.end("ended");
      expect(await body.text()).toBe("begun,ended");
      await expect.poll(() => inbound.registry.size).toBe(0);
      const next = request(path.url, { dispatcher });
      await expect.poll(() => answers.length).toBe(2);
      expect(peersOf(inbound.registry)).toEqual(new Set([hello.hash()]));
      answers[1]?.end();
      expect(await (await next).body.text()).toBe("begun,");
    });
  },
);

/**
 * What one unverified handshake costs the event loop, for hostile chains of every kind: CPU time of the sidecar's thread
 * from accept to verdict, on the inbound side and on the outbound side. See ../README.md.
 */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { listen } from "../../net/listen.ts";
import type { HandshakeResult } from "../../proxy/connections/handshake.ts";
import { terminateTls } from "../../proxy/inbound/terminate-tls.ts";
import { originateTls } from "../../proxy/outbound/originate-tls.ts";
import { createSecureContextSource, type SecureMaterial } from "../../proxy/tls/secure-context-source.ts";
import type { Attack } from "./attacker-worker.ts";
import { KINDS } from "./random-chain.ts";

const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
const { values } = parseArgs({ options: { count: { type: "string", default: "1000" } } });

interface Cost {
  readonly name: string;
  readonly side: "inbound" | "outbound";
  readonly cpuMs: number;
}

/** Both sides of a sidecar, and an attacker. */
class Bench {
  readonly #material = createMaterial();
  readonly #worker = new Worker(new URL("attacker-worker.ts", import.meta.url));
  readonly #server = createServer({ pauseOnConnect: true });

  async run(count: number): Promise<readonly Cost[]> {
    const port = await listen(this.#server, { port: 0, host: "127.0.0.1", onError: () => undefined });
    this.#worker.on("error", (error) => {
      throw error;
    });
    const costs: Cost[] = [];
    for (let index = 0; index < count + WARM_UP; index += 1) {
      const kind = KINDS[index % KINDS.length]?.name ?? "";
      const version = index % 3 === 0 ? "TLSv1.2" : "TLSv1.3";
      const isInbound = Math.floor(index / KINDS.length) % 2 === 0;
      const side = isInbound ? "inbound" : "outbound";
      const attack = { kind, version, port: isInbound ? port : undefined } as const;
      const cpuMs = isInbound ? await this.#inbound(attack) : await this.#outbound(attack);
      if (index >= WARM_UP) costs.push({ name: kind, side, cpuMs });
    }
    this.#server.close();
    await this.#worker.terminate();
    return costs;
  }

  async #inbound(attack: Attack): Promise<number> {
    this.#worker.postMessage(attack);
    const [socket] = await once(this.#server, "connection");
    const options = { clock: systemClock, timeoutMs: 5000, protocol: undefined };
    return await measure(socket, () => terminateTls(socket, { ...options, ...this.#trusting }));
  }

  async #outbound(attack: Attack): Promise<number> {
    this.#worker.postMessage(attack);
    const [port] = await once(this.#worker, "message");
    const socket = connect({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    const dial = { clock: systemClock, timeoutMs: 5000, sni: "outbound_.80_._.a.b", expected: [IDENTITY] };
    return await measure(socket, () => originateTls(socket, { ...dial, ...this.#trusting, alpnProtocols: ["istio"] }));
  }

  get #trusting() {
    return { material: this.#material, trust: () => this.#material.trust };
  }
}

/** The first handshakes compile code. */
const WARM_UP = 100;

async function measure(socket: Socket, shake: () => Promise<HandshakeResult>): Promise<number> {
  const before = process.threadCpuUsage();
  const result = await shake();
  const { user, system } = process.threadCpuUsage(before);
  socket.destroy();
  if (result.kind === "verified") throw new Error("a hostile chain was accepted");
  return (user + system) / 1000;
}

function createMaterial(): SecureMaterial {
  const root = mintRoot();
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };
  const leaf = mintLeaf({ issuer: root, uriSans: [IDENTITY], ...validity });
  const trust = { roots: [root.certificate], trustDomains: [parseTrustDomain("cluster.local")] };
  const source = createSecureContextSource({ trust, clock: systemClock });
  const certificates = [new X509Certificate(leaf.pem)];
  source.setSvid({
    identity: IDENTITY,
    certificates,
    privateKeyPem: leaf.keyPem,
    notAfterMs: validity.notAfter.getTime(),
  });
  const material = source.current();
  if (material === undefined) throw new Error("the certificate is not valid now");
  return material;
}

function report(costs: readonly Cost[]): string {
  const rows = KINDS.map(({ name }) => {
    const own = costs.filter((cost) => cost.name === name).map(({ cpuMs }) => cpuMs);
    return `${name.padEnd(42)} ${String(own.length).padStart(6)} ${format(median(own))} ${format(Math.max(0, ...own))}`;
  });
  const all = costs.map(({ cpuMs }) => cpuMs);
  const head = `${"keys of the chain".padEnd(42)} ${"chains".padStart(6)} ${"median ms".padStart(10)} ${"worst ms".padStart(10)}`;
  const worst = `${"all".padEnd(42)} ${String(all.length).padStart(6)} ${format(median(all))} ${format(Math.max(0, ...all))}`;
  return [head, ...rows, worst, ""].join("\n");
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

function format(ms: number): string {
  return ms.toFixed(2).padStart(10);
}

process.stdout.write(report(await new Bench().run(Number(values.count))));

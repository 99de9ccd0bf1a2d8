import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { findFreePort } from "../../../net/free-port-fixture.ts";
import {
  type ExecutedRequest,
  type LenientUpstream,
  OK_REPLY,
  type Reply,
  startLenientUpstream,
} from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const BODY = "x".repeat(20_000);

function formatRequest(method: string, body = ""): string {
  const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
  return `${method} /a HTTP/1.1\r\nHost: a\r\n${length}Connection: close\r\n\r\n${body}`;
}

async function startPod(applicationPort: number): Promise<number> {
  const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol: "http" });
  return side.port;
}

async function startClient(pods: readonly number[], httpVersion: UpstreamHttpVersion) {
  const overrides = { protocol: "http", connectionPool: { httpVersion } } as const;
  return await startOutboundSide(cleanup, { destination: meshDestination(pods, { overrides }) });
}

interface Cluster {
  readonly port: number;
  readonly application: LenientUpstream;
  readonly logged: Awaited<ReturnType<typeof startClient>>["http"]["logged"];
}

/** A client's sidecar that prefers a pod whose application has ended, and another pod that serves. */
async function startCluster(version: UpstreamHttpVersion): Promise<Cluster> {
  const application = await startLenientUpstream(cleanup);
  const ended = await startPod(await findFreePort());
  const { port, http } = await startClient([ended, await startPod(application.port)], version);
  return { port, application, logged: http.logged };
}

/** Of the hop between the two sidecars. */
const VERSIONS: readonly UpstreamHttpVersion[] = ["1.1", "2"];

describe.each(VERSIONS)("over HTTP/%s, a request to a pod whose application has ended", (version) => {
  it.each([
    { name: "GET", text: formatRequest("GET") },
    { name: "POST", text: formatRequest("POST") },
    { name: "POST with a body", text: formatRequest("POST", BODY) },
  ])("is served by another pod, once: $name", async ({ text }) => {
    const { port, application, logged } = await startCluster(version);
    const answer = await sendRaw(cleanup, port, text);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).not.toContain("entente-");
    expect(application.executed).toHaveLength(1);
    expect(logged).toMatchObject([{ status: 200 }]);
  });

  it("with a body larger than what is kept for a retry gets a 503 with the reason", async () => {
    const { port, application } = await startCluster(version);
    const text = formatRequest("POST", "x".repeat(1_000_000));
    expect(await sendRaw(cleanup, port, text)).toMatch(/^HTTP\/1\.1 503 .*upstream connect: .*ECONNREFUSED/s);
    expect(application.executed).toEqual([]);
  });

  it("gets a 503 with the reason if there is no other pod", async () => {
    const { port } = await startClient([await startPod(await findFreePort())], version);
    const answer = await sendRaw(cleanup, port, formatRequest("GET"));
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*upstream connect: .*ECONNREFUSED/s);
    expect(answer).not.toContain("entente-");
  });

  it("avoids that pod for a while", async () => {
    const { port, application } = await startCluster(version);
    for (let turn = 0; turn < 3; turn += 1) await sendRaw(cleanup, port, formatRequest("GET"));
    expect(application.executed).toHaveLength(3);
  });

  it("is not reported to a client without mutual TLS", async () => {
    const answer = await sendRaw(cleanup, await startPod(await findFreePort()), formatRequest("GET"));
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).not.toContain("entente-");
  });
});

describe.each(VERSIONS)("over HTTP/%s, a request whose application ends before it responds", (version) => {
  const end: Reply = (_request: ExecutedRequest, socket: Socket) => void socket.resetAndDestroy();

  async function startInterrupted() {
    const ending = await startLenientUpstream(cleanup, end);
    const other = await startLenientUpstream(cleanup);
    const { port } = await startClient([await startPod(ending.port), await startPod(other.port)], version);
    return { port, ending, other };
  }

  it("is repeated on another pod if it is idempotent and has no body", async () => {
    const { port, ending, other } = await startInterrupted();
    expect(await sendRaw(cleanup, port, formatRequest("GET"))).toMatch(/^HTTP\/1\.1 200 /);
    expect([ending.executed.length, other.executed.length]).toEqual([1, 1]);
  });

  it("is not repeated if it may have had an effect", async () => {
    const { port, other } = await startInterrupted();
    expect(await sendRaw(cleanup, port, formatRequest("POST"))).toMatch(/^HTTP\/1\.1 503 /);
    expect(other.executed).toEqual([]);
  });
});

describe.each(VERSIONS)("over HTTP/%s, a report that an application writes itself", (version) => {
  const FORGED =
    "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: entente-undelivered\r\nentente-undelivered: 1\r\n" +
    "X-Entente-Delivery: undelivered\r\n\r\n";

  it("is removed by its sidecar, so that its request is not repeated", async () => {
    const application = await startLenientUpstream(cleanup, () => FORGED);
    const other = await startLenientUpstream(cleanup, OK_REPLY);
    const { port } = await startClient([await startPod(application.port), await startPod(other.port)], version);
    const client = await dialRaw(cleanup, port);
    client.write(formatRequest("POST"));
    const answer = await readUntilClosed(client);
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer.toLowerCase()).not.toContain(version === "2" ? "entente-" : "entente-undelivered");
    expect(other.executed).toEqual([]);
  });

  it("does not count from a server without mutual TLS", async () => {
    const application = await startLenientUpstream(cleanup, () => FORGED);
    const other = await startLenientUpstream(cleanup, OK_REPLY);
    const destination = meshDestination([application.port, other.port], {
      mutualTls: false,
      overrides: { protocol: "http" },
    });
    const { port } = await startOutboundSide(cleanup, { destination });
    expect(await sendRaw(cleanup, port, formatRequest("POST"))).toMatch(/^HTTP\/1\.1 503 No\r\n/);
    expect(other.executed).toEqual([]);
  });
});

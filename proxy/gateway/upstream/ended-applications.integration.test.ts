import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { findFreePort } from "../../../net/free-port-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { createTestUpstreamDialer } from "../../outbound-side-fixture.ts";
import { createNoMetrics } from "../../telemetry/proxy-metrics.ts";
import { formatRequest, startTestGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const LAST = "Connection: close\r\n";

async function startPod(applicationPort: number): Promise<number> {
  const side = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, protocol: "http" });
  return side.port;
}

/** A gateway in front of these pods; the first is dialled first. */
async function startGateway(pods: readonly number[]) {
  const destination = meshDestination(pods, { overrides: { protocol: "http" } });
  const { dialer } = createTestUpstreamDialer(cleanup, { destination, meters: createNoMetrics() });
  return await startTestGateway(cleanup, 1, { dialer });
}

/** A gateway in front of a pod whose application has ended, and of another one. */
async function startCluster() {
  const application = await startLenientUpstream(cleanup);
  const { port } = await startGateway([await startPod(await findFreePort()), await startPod(application.port)]);
  return { port, application };
}

function post(body: string): string {
  return formatRequest("/a", { method: "POST", headers: `${LAST}Content-Length: ${body.length}\r\n`, body });
}

describe("a request to a pod whose application has ended", () => {
  it.each([
    { name: "GET", text: formatRequest("/a", { headers: LAST }), body: "" },
    { name: "POST", text: post(""), body: "" },
    { name: "POST with a body", text: post("x".repeat(20_000)), body: "x".repeat(20_000) },
    {
      name: "POST with a chunked body",
      text: formatRequest("/a", {
        method: "POST",
        headers: `${LAST}Transfer-Encoding: chunked\r\n`,
        body: "5\r\nhello\r\n0\r\n\r\n",
      }),
      body: "5\r\nhello\r\n0\r\n\r\n",
    },
  ])("is served by another pod, once: $name", async ({ text, body }) => {
    const { port, application } = await startCluster();
    const answer = await sendRaw(cleanup, port, text);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).not.toContain("entente-");
    expect(application.executed.map((request) => request.body)).toEqual([body]);
  });

  it("whose body is larger than what is kept gets a 503", async () => {
    const { port, application } = await startCluster();
    const client = await dialRaw(cleanup, port);
    client.write(post("x".repeat(1_000_000)));
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 503 .*undelivered: /s);
    expect(application.executed).toEqual([]);
  });

  it("gets a 503 if there is no other pod", async () => {
    const { port } = await startGateway([await startPod(await findFreePort())]);
    const answer = await sendRaw(cleanup, port, formatRequest("/a", { headers: LAST }));
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*undelivered: the service's application does not accept connections/s);
  });
});

describe("a request whose application ends before it responds", () => {
  async function startInterrupted() {
    const ending = await startLenientUpstream(cleanup, (_request, socket) => void socket.resetAndDestroy());
    const other = await startLenientUpstream(cleanup);
    const { port } = await startGateway([await startPod(ending.port), await startPod(other.port)]);
    return { port, ending, other };
  }

  it("is repeated on another pod if it is idempotent and has no body", async () => {
    const { port, ending, other } = await startInterrupted();
    expect(await sendRaw(cleanup, port, formatRequest("/a", { headers: LAST }))).toMatch(/^HTTP\/1\.1 200 /);
    expect([ending.executed.length, other.executed.length]).toEqual([1, 1]);
  });

  it("is not repeated if it may have had an effect", async () => {
    const { port, other } = await startInterrupted();
    expect(await sendRaw(cleanup, port, post("x"))).toMatch(/^HTTP\/1\.1 503 .*interrupted: /s);
    expect(other.executed).toEqual([]);
  });
});

import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../../../mesh/identity/mint-certificate-fixture.ts";
import { mintNow, STOLEN_IDENTITY } from "../checks/attackers.ts";
import { isTurnedAway } from "../checks/check-ports.ts";
import type { ServedCertificate } from "../checks/impostors.ts";
import { parseJson } from "../checks/json-fields.ts";
import type { RequestBatch } from "../checks/traffic.ts";
import { pollUntil } from "../poll-until.ts";
import type { CommandResult, DemoPod } from "./demo-pod.ts";
import { inPodCommand, probeFromPod } from "./probe.ts";

const execute = promisify(execFile);

async function run(
  command: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<CommandResult> {
  const [program = "", ...args] = command;
  const { stdout, stderr } = await execute(program, args, options);
  return { status: 0, stdout, stderr };
}

/** A "pod" whose network is this process's own. */
const POD: DemoPod = {
  label: "here",
  name: "here",
  namespace: "default",
  ip: "127.0.0.1",
  hostInterface: "lo",
  exec: run,
  processIds: () => [],
  proxyLog: async () => "",
};

const servers: (Server | TcpServer)[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server | TcpServer): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return portOf(server.address());
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
}

function probePort(port: number, timeoutMs = 5000) {
  return probeFromPod(POD, [{ ip: "127.0.0.1", port, timeoutMs }]);
}

describe("the probe", () => {
  it("recognises an application that responds", async () => {
    const port = await listen(createServer((_, response) => response.end("hello")));
    const [result] = await probePort(port);
    expect(result).toMatchObject({ outcome: "answered" });
    expect(result?.text).toContain("hello");
    expect(result === undefined || isTurnedAway(result)).toBe(false);
  });

  it.each([
    { name: "reset", server: createTcpServer((socket) => socket.resetAndDestroy()), outcome: "reset", away: true },
    { name: "closed", server: createTcpServer((socket) => socket.end()), outcome: "closed", away: true },
    {
      name: "held in silence",
      server: createTcpServer((socket) => void socket.on("error", () => undefined).resume()),
      outcome: "silent",
      away: false,
    },
  ])("recognises a connection that is $name", async ({ server, outcome, away }) => {
    const [result] = await probePort(await listen(server), 1000);
    expect(result?.outcome).toBe(outcome);
    expect(result !== undefined && isTurnedAway(result)).toBe(away);
  });

  it("recognises a port without a listener", async () => {
    const server = createTcpServer();
    const port = await listen(server);
    server.close();
    await once(server, "close");
    expect((await probePort(port))[0]?.outcome).toBe("refused");
  });
});

describe("the server of the impostor", () => {
  it("presents the certificate that it was given and responds to a client that presents one", async () => {
    const port = await listen(createTcpServer());
    servers.pop()?.close();
    const minted = mintNow(mintRoot(), [STOLEN_IDENTITY], Date.now());
    const shown = { certificatePem: minted.pem, keyPem: minted.keyPem };
    const served: ServedCertificate = { port, lifetimeMs: 10_000, ...shown };
    const stop = new AbortController();
    const program = new URL("./in-pod-tls-server.ts", import.meta.url);
    const serving = run(inPodCommand(program, served), { signal: stop.signal }).catch(() => undefined);
    const target = { ip: "127.0.0.1", port, timeoutMs: 5000, tls: { serverName: "impostor", ...shown } };
    const { value } = await pollUntil(
      () => probeFromPod(POD, [target]),
      ([result]) => result?.outcome !== "refused",
      { everyMs: 50, timeoutMs: 5000, signal: stop.signal },
    );
    stop.abort();
    await serving;
    expect(value[0]).toMatchObject({ outcome: "answered" });
    expect(value[0]?.text).toContain("the attacker's server");
  });
});

describe("the requests from a pod", () => {
  async function ask(status: number, text: string): Promise<{ connections: Set<unknown>; tally: unknown }> {
    const connections = new Set<unknown>();
    const port = await listen(
      createServer((request, response) => {
        connections.add(request.socket);
        response.writeHead(status).end(text);
      }),
    );
    const url = `http://127.0.0.1:${port}/`;
    const batch: RequestBatch = { url, expected: "world !!!", durationMs: 300, pauseMs: 10 };
    const { stdout } = await run(inPodCommand(new URL("./in-pod-requests.ts", import.meta.url), batch));
    return { connections, tally: parseJson(stdout) };
  }

  it("take a new connection each", async () => {
    const { connections, tally } = await ask(200, "world !!!\n");
    expect(connections.size).toBeGreaterThan(1);
    expect(tally).toEqual({ requests: connections.size, failures: [] });
  });

  it.each([
    { name: "another status", status: 503, text: "world !!!" },
    { name: "another text", status: 200, text: "world Couldn't connect" },
  ])("count $name as a failure", async ({ status, text }) => {
    const { connections, tally } = await ask(status, text);
    const line = expect.stringContaining(text);
    expect(tally).toEqual({ requests: connections.size, failures: Array(connections.size).fill(line) });
  });
});

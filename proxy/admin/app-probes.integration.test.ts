import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { createRecordedLog } from "../../net/http-fixture.ts";
import { type AppProbes, createAppProbes } from "./app-probes.ts";
import { parseAppProbes } from "./parse-app-probes.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** @param declared with a minute for those that declare no time limit: the default is a second. */
function probesOf(declared: Readonly<Record<string, object>>): AppProbes {
  const patient = Object.entries(declared).map(([path, probe]) => [path, { timeoutSeconds: 60, ...probe }]);
  const probes = createAppProbes({
    probes: parseAppProbes(JSON.stringify(Object.fromEntries(patient))),
    podIp: "127.0.0.1",
    clock: systemClock,
    log: createRecordedLog(),
  });
  return probes;
}

const LIVE = "/app-health/web/livez";

async function probeHttp(respond: RequestListener, check: Record<string, unknown> = {}) {
  const port = await listen(createServer(respond));
  return await probesOf({ [LIVE]: { httpGet: { path: "/live", port, ...check } } }).run(LIVE);
}

describe("an HTTP probe", () => {
  it("calls the application as the pod declares it, from 127.0.0.6", async () => {
    let seen: { from: string | undefined; url: string | undefined; headers: IncomingHttpHeaders } | undefined;
    const answer = await probeHttp(
      (request, response) => {
        seen = { from: request.socket.remoteAddress, url: request.url, headers: request.headers };
        response.end("fine");
      },
      {
        path: "/live?deep=1",
        httpHeaders: [
          { name: "Host", value: "web.example" },
          { name: "X-Probe", value: "yes" },
        ],
      },
    );
    expect(answer?.status).toBe(200);
    expect(seen?.from).toBe("127.0.0.6");
    expect(seen?.url).toBe("/live?deep=1");
    expect(seen?.headers).toMatchObject({ host: "web.example", "x-probe": "yes", "user-agent": "kube-probe/entente" });
  });

  it.each([
    { name: "a failure is passed on", status: 503, expected: 503 },
    { name: "a missing page is passed on", status: 404, expected: 404 },
    { name: "a redirect counts as success", status: 302, expected: 200 },
  ])("$name", async ({ status, expected }) => {
    const answer = await probeHttp((_request, response) => response.writeHead(status).end());
    expect(answer?.status).toBe(expected);
  });

  it("does not verify HTTPS", async () => {
    const leaf = mintLeaf({ issuer: mintRoot(), uriSans: [], notBefore: new Date(0), notAfter: new Date(0) });
    const server = createHttpsServer({ key: leaf.keyPem, cert: leaf.certificate.toString() }, (_request, response) =>
      response.end("fine"),
    );
    const port = await listen(server);
    const probes = probesOf({ [LIVE]: { httpGet: { path: "/", port, scheme: "HTTPS" } } });
    expect((await probes.run(LIVE))?.status).toBe(200);
  });

  it("fails when there is no response in time", async () => {
    const port = await listen(
      createServer(() => undefined).on("connection", (socket) => cleanups.push(() => socket.destroy())),
    );
    const probes = probesOf({ [LIVE]: { httpGet: { port }, timeoutSeconds: 0.05 } });
    expect(await probes.run(LIVE)).toEqual({ status: 500, body: "no response within 50 ms\n" });
  });

  it("fails when nothing listens, with the reason", async () => {
    const port = await findFreePort();
    const answer = await probesOf({ [LIVE]: { httpGet: { port } } }).run(LIVE);
    expect(answer?.status).toBe(500);
    expect(answer?.body).toContain("ECONNREFUSED");
  });
});

describe("a TCP probe", () => {
  it("succeeds when the application accepts", async () => {
    const port = await listen(createServer());
    expect((await probesOf({ [LIVE]: { tcpSocket: { port } } }).run(LIVE))?.status).toBe(200);
  });

  it("fails when it does not", async () => {
    const port = await findFreePort();
    expect((await probesOf({ [LIVE]: { tcpSocket: { port } } }).run(LIVE))?.status).toBe(500);
  });
});

describe("a path that the pod did not declare", () => {
  it.each(["/app-health/web/readyz", "/app-health/other/livez", "/app-health/web/livez/", "/"])(
    "%s is not run",
    async (path) => {
      expect(await probesOf({ [LIVE]: { tcpSocket: { port: 1 } } }).run(path)).toBeUndefined();
    },
  );
});

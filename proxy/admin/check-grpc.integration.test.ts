import { once } from "node:events";
import { createServer, type Http2Server } from "node:http2";
import { createServer as createTcpServer, type Socket } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { Health } from "../../mesh/api/gen/health_pb.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { checkGrpc } from "./check-grpc.ts";
import { parseAppProbes } from "./parse-app-probes.ts";

const servers: Http2Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** An application with configurable health, which records its requests. */
async function startApplication(status: number) {
  const asked: string[] = [];
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(Health, {
        check: ({ service }) => {
          asked.push(service);
          return { status };
        },
      }),
  });
  const server = createServer(routes).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  return { asked, port: typeof address === "object" && address !== null ? address.port : 0 };
}

const TARGET = { ip: "127.0.0.1", sourceIp: "127.0.0.6", timeoutMs: 60_000, clock: systemClock } as const;

describe("a gRPC probe", () => {
  it("succeeds when the service that it names is serving", async () => {
    const application = await startApplication(1);
    expect(await checkGrpc({ ...TARGET, port: application.port, service: "liveness" })).toEqual({ kind: "serving" });
    expect(application.asked).toEqual(["liveness"]);
  });

  it("fails when it is not serving, and reports its status", async () => {
    const { port } = await startApplication(2);
    expect(await checkGrpc({ ...TARGET, port, service: "" })).toMatchObject({
      kind: "failed",
      message: "the application's status is 2",
    });
  });

  it("fails in time when the application accepts and sends nothing", async () => {
    const sockets: Socket[] = [];
    const silent = createTcpServer((socket) => void sockets.push(socket.on("error", () => undefined)));
    await once(silent.listen(0, "127.0.0.1"), "listening");
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const result = await checkGrpc({ ...TARGET, timeoutMs: 100, port, service: "" });
    expect(result.kind).toBe("failed");
    for (const socket of sockets) await once(socket.resume(), "close");
    silent.close();
  });

  it("fails when nothing listens", async () => {
    expect((await checkGrpc({ ...TARGET, port: 1, service: "" })).kind).toBe("failed");
  });

  it("is parsed from the injector's output", () => {
    const probes = parseAppProbes('{"/app-health/app/livez":{"grpc":{"port":9000,"service":"x"},"timeoutSeconds":2}}');
    expect(probes.get("/app-health/app/livez")).toEqual({
      timeoutMs: 2000,
      check: { kind: "grpc", port: 9000, service: "x" },
    });
  });
});

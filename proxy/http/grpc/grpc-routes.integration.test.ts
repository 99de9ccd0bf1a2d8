import { Metadata } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import type { HttpRoute } from "../../../mesh/policy/routing/http-route.ts";
import { type Clock, systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { findFreePort } from "../../../net/free-port-fixture.ts";
import { parseExposition, readPage } from "../../../net/metrics/exposition-fixture.ts";
import type { HttpSideOptions } from "../../data-plane-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { createProxyMetrics } from "../../telemetry/proxy-metrics.ts";
import { GrpcTestClient, metadataOf, readCall, startGrpcApplication } from "./grpc-application-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const WAIT = metadataOf({ "x-wait": "1" });
const HELLO = Buffer.from("hello");

function route(more: Partial<HttpRoute>): HttpRoute {
  const target = { kind: "host", host: "other.ns2.svc.cluster.local", port: 80, subset: "" } as const;
  return { name: "VirtualService/v.ns1[0]", matches: [], targets: [{ target, weight: 100 }], refusal: "", ...more };
}

/** A client behind its sidecar, whose route leads through the server's sidecar to this port. */
async function openTo(
  applicationPort: number,
  more: Partial<HttpRoute>,
  { http = {}, clock = systemClock }: { readonly http?: HttpSideOptions; readonly clock?: Clock } = {},
) {
  const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, protocol: "grpc", http });
  const destination = meshDestination([inbound.port], { overrides: { protocol: "grpc", routes: [route(more)] } });
  const outbound = await startOutboundSide(cleanup, { destination, http, clock });
  return { inbound, outbound, client: new GrpcTestClient(cleanup, outbound.port) };
}

/** A call whose server sends so many messages, and no end. Once they have arrived the time of the call's route is over. */
async function exceedTimeout(applicationPort: number, count: number, more: Partial<HttpRoute> = {}) {
  const clock = new FakeClock(Date.now());
  const { outbound, client } = await openTo(applicationPort, { ...more, timeoutMs: 60_000 }, { clock });
  const call = client.serverStream(count, WAIT);
  let arrived = 0;
  call.on("data", () => {
    arrived += 1;
  });
  const over = readCall(call);
  await expect.poll(() => arrived).toBe(count);
  await clock.advance(60_000);
  return { outbound, ...(await over) };
}

describe("a local reply to a call of gRPC", () => {
  it.each<{ name: string; more: Partial<HttpRoute>; code: number; details: RegExp; flags: string }>([
    {
      name: "an injected status of gRPC",
      more: { fault: { abort: { httpStatus: 429, grpcStatus: 8, percentage: 100 } } },
      ...{ code: 8, details: /fault injected/, flags: "FI" },
    },
    {
      name: "an injected status of HTTP",
      more: { fault: { abort: { httpStatus: 403, percentage: 100 } } },
      ...{ code: 7, details: /fault injected/, flags: "FI" },
    },
    {
      name: "a refused route",
      more: { refusal: "mirror is not supported" },
      ...{ code: 14, details: /mirror is not supported/, flags: "NR" },
    },
    {
      name: "a path that no route matches",
      more: {
        matches: [{ ...NO_MATCH, uri: { kind: "exact", value: "/x" } }],
      },
      ...{ code: 12, details: /no route/, flags: "NR" },
    },
  ])("for $name is a status that its client understands", async ({ more, code, details, flags }) => {
    const application = await startGrpcApplication(cleanup);
    const { outbound, client } = await openTo(application.port, more);
    const end = await client.unary(HELLO);
    expect(end.code).toBe(code);
    expect(end.details).toMatch(details);
    expect(application.calls).toEqual([]);
    await expect.poll(() => outbound.http.calls).toMatchObject([{ status: 200, flags, grpcStatus: code }]);
    expect(outbound.http.logged).toMatchObject([{ status: 200, flags, grpcStatus: code, protocol: "HTTP/2" }]);
  });

  it("for an application that does not accept connections is UNAVAILABLE", async () => {
    const { inbound, outbound, client } = await openTo(await findFreePort(), {});
    expect((await client.unary(HELLO)).code).toBe(14);
    await expect.poll(() => inbound.http.calls).toMatchObject([{ status: 200, flags: "UF", grpcStatus: 14 }]);
    expect(outbound.http.calls).toMatchObject([{ status: 200, grpcStatus: 14 }]);
  });
});

const NO_MATCH = { headers: [], withoutHeaders: [], queryParams: [], ignoreUriCase: false };

describe("the timeout of a route", () => {
  it("ends a call without a response with DEADLINE_EXCEEDED", async () => {
    const application = await startGrpcApplication(cleanup);
    const { outbound, client } = await openTo(application.port, { timeoutMs: 300 });
    expect((await client.unary(HELLO, WAIT)).code).toBe(4);
    await expect.poll(() => outbound.http.calls).toMatchObject([{ status: 200, grpcStatus: 4 }]);
  });

  it("ends a call whose response has begun with DEADLINE_EXCEEDED, behind what has arrived", async () => {
    const application = await startGrpcApplication(cleanup);
    const { outbound, messages, code } = await exceedTimeout(application.port, 2);
    expect([messages, code]).toEqual([["0", "1"], 4]);
    await expect.poll(() => outbound.http.calls).toMatchObject([{ status: 200, grpcStatus: 4 }]);
  });

  it("is the server's deadline, also if the client has none", async () => {
    const application = await startGrpcApplication(cleanup);
    const { client } = await openTo(application.port, { timeoutMs: 60_000 });
    expect((await client.unary(HELLO)).code).toBe(0);
    expect(application.deadlines[0]).not.toBe(Number.POSITIVE_INFINITY);
  });

  it("is the only one that is passed on: a call without a limit has none at its server", async () => {
    const application = await startGrpcApplication(cleanup);
    const { client } = await openTo(application.port, {});
    expect((await client.unary(HELLO)).code).toBe(0);
    expect(application.deadlines).toEqual([Number.POSITIVE_INFINITY]);
  });
});

describe("retries of a route", () => {
  const retryOn = { conditions: [], statuses: [], grpcStatuses: [14] } as const;

  it("send a call again that its server refuses with a status that the route names", async () => {
    const application = await startGrpcApplication(cleanup, 2);
    const { inbound, outbound, client } = await openTo(application.port, { retries: { attempts: 2, retryOn } });
    const { code, response } = await client.unary(HELLO);
    expect([code, response?.toString(), application.calls.length]).toEqual([0, "hello", 3]);
    await expect.poll(() => inbound.http.calls.map(({ grpcStatus }) => grpcStatus)).toEqual([14, 14, 0]);
    expect(outbound.http.calls).toMatchObject([{ status: 200, flags: "-", grpcStatus: 0 }]);
  });

  it("end with the server's status once they are used up", async () => {
    const application = await startGrpcApplication(cleanup, 9);
    const { outbound, client } = await openTo(application.port, { retries: { attempts: 1, retryOn } });
    expect((await client.unary(HELLO)).code).toBe(14);
    expect(application.calls).toHaveLength(2);
    await expect.poll(() => outbound.http.calls).toMatchObject([{ flags: "URX", grpcStatus: 14 }]);
  });

  it("do not repeat a call whose response has begun", async () => {
    const application = await startGrpcApplication(cleanup);
    expect((await exceedTimeout(application.port, 1, { retries: { attempts: 2, retryOn } })).code).toBe(4);
    expect(application.calls).toHaveLength(1);
  });
});

describe("a scrape", () => {
  it("shows calls by their status and messages in both directions, at the client's and the server's sidecar", async () => {
    const metrics = createProxyMetrics({ clock: systemClock });
    const application = await startGrpcApplication(cleanup);
    const { client } = await openTo(application.port, {}, { http: { meters: metrics } });
    await readCall(client.serverStream(3));
    await client.unary(HELLO, metadataOf({ "x-fail": "5" }));
    await client.unary(HELLO, new Metadata());
    const read = async (name: string, label: string): Promise<readonly string[]> => {
      const samples = parseExposition(await readPage(metrics)).filter((sample) => sample.name === name);
      return samples
        .map(({ labels, value }) => `${labels["reporter"]} ${labels["request_protocol"]} ${labels[label]} ${value}`)
        .toSorted();
    };
    await expect
      .poll(() => read("istio_requests_total", "grpc_response_status"))
      .toEqual(["destination grpc 0 2", "destination grpc 5 1", "source grpc 0 2", "source grpc 5 1"]);
    expect(await read("istio_request_messages_total", "source_workload")).toEqual([
      "destination grpc unknown 3",
      "source grpc unknown 3",
    ]);
    expect(await read("istio_response_messages_total", "source_workload")).toEqual([
      "destination grpc unknown 4",
      "source grpc unknown 4",
    ]);
  });
});

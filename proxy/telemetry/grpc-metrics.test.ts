import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { decideGrpcStatus } from "../../mesh/policy/grpc/grpc-status.ts";
import { GRPC_STATUS } from "../../mesh/resources/fields/grpc-status-names.ts";
import { type ExposedSample, parseExposition, readPage } from "../../net/metrics/exposition-fixture.ts";
import type { ConnectionFacts } from "./connection-labels.ts";
import { createProxyMetrics } from "./proxy-metrics.ts";
import type { CountedCall } from "./request-meter.ts";
import { MAX_CALL_STATUSES } from "./request-series.ts";

const FACTS: ConnectionFacts = { reporter: "destination", security: "mutual_tls" };
const CALL: CountedCall = {
  status: 200,
  flags: "-",
  durationMs: 3,
  requestBytes: 120,
  responseBytes: 400,
  grpcStatus: 0,
};

function createScraped() {
  const metrics = createProxyMetrics({ clock: new FakeClock() });
  const pick = async (name: string): Promise<readonly ExposedSample[]> =>
    parseExposition(await readPage(metrics)).filter((sample) => sample.name === name);
  return { metrics, calls: metrics.requestMeter(FACTS).calls, pick };
}

describe("calls of gRPC", () => {
  it("count as requests of their own protocol, by their status", async () => {
    const { calls, pick } = createScraped();
    for (const grpcStatus of [0, 14, 0, undefined] as const) calls.countCall({ ...CALL, grpcStatus });
    const samples = await pick("istio_requests_total");
    expect(samples.map(({ labels, value }) => [labels["grpc_response_status"], value])).toEqual([
      ["0", 2],
      ["14", 1],
      ["", 1],
    ]);
    for (const { labels } of samples) {
      expect(labels).toMatchObject({ request_protocol: "grpc", response_code: "200", reporter: "destination" });
    }
    const durations = await pick("istio_request_duration_milliseconds_count");
    expect(durations.map(({ labels, value }) => [labels["grpc_response_status"], value])).toEqual([
      ["0", 2],
      ["14", 1],
      ["", 1],
    ]);
  });

  it("do not mix with requests of HTTP, which have no status of gRPC", async () => {
    const { calls, metrics, pick } = createScraped();
    metrics.requestMeter(FACTS).count(CALL);
    calls.countCall(CALL);
    const samples = await pick("istio_requests_total");
    expect(samples.map(({ labels, value }) => [labels["request_protocol"], value])).toEqual([
      ["http", 1],
      ["grpc", 1],
    ]);
    expect(samples[0]?.labels).not.toHaveProperty("grpc_response_status");
  });

  it("have one of 17 statuses or none, whatever an upstream sends", async () => {
    const { calls, pick } = createScraped();
    for (const sent of ["0", "16", "17", "99999", "-1", "OK\n", "", "7", "x".repeat(500)]) {
      const grpcStatus = decideGrpcStatus({ inTrailers: sent, inHead: undefined, httpStatus: 200 });
      calls.countCall({ ...CALL, grpcStatus });
    }
    const statuses = (await pick("istio_requests_total")).map(({ labels }) => labels["grpc_response_status"]);
    expect(statuses.toSorted()).toEqual(["0", "16", "2", "7"]);
  });

  it("of a hostile upstream with every status fill a bounded number of series, in which failures stay failures", async () => {
    const { calls, pick } = createScraped();
    const every = Object.values(GRPC_STATUS);
    for (let status = 200; status < 600; status += 1) {
      for (const grpcStatus of every) calls.countCall({ ...CALL, status, grpcStatus });
    }
    const samples = await pick("istio_requests_total");
    expect(samples.length).toBeLessThanOrEqual(MAX_CALL_STATUSES + 3 * 6);
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(400 * 17);
    const succeeded = samples.filter(({ labels }) => labels["grpc_response_status"] === "0");
    expect(succeeded.reduce((sum, { value }) => sum + value, 0)).toBe(400);
  });
});

describe("messages of calls", () => {
  it("are counted in each direction, also while a call lasts", async () => {
    const { calls, pick } = createScraped();
    calls.addMessages(1, 0);
    calls.addMessages(0, 5);
    calls.addMessages(2, 5);
    const [sent] = await pick("istio_request_messages_total");
    const [received] = await pick("istio_response_messages_total");
    expect([sent?.value, received?.value]).toEqual([3, 10]);
    expect(sent?.labels).toMatchObject({ request_protocol: "grpc", reporter: "destination" });
    expect(sent?.labels).not.toHaveProperty("response_code");
    expect(await pick("istio_requests_total")).toEqual([]);
  });

  it("are absent for workloads without calls", async () => {
    const { metrics, pick } = createScraped();
    metrics.requestMeter(FACTS).count(CALL);
    expect(await pick("istio_request_messages_total")).toEqual([]);
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { readPage } from "../../../net/metrics/exposition-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { createProxyMetrics } from "../../telemetry/proxy-metrics.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(...policies: readonly ReturnType<typeof policyOf>[]) {
  const upstream = await startLenientUpstream(cleanup);
  const metrics = createProxyMetrics({ clock: new FakeClock() });
  const side = await startInboundSide(cleanup, {
    ...{ mode: "PERMISSIVE", applicationPort: upstream.port, protocol: "http" },
    ...{ authorization: { policies }, http: { meters: metrics } },
  });
  const get = async (path: string): Promise<string> =>
    (await sendRaw(cleanup, side.port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)).slice(9, 12);
  return { side, get, page: () => readPage(metrics) };
}

const PRIVATE = [{ to: [{ paths: ["/private"] }] }];
const PUBLIC = [{ to: [{ paths: ["/public"] }] }];

describe("policies in dry run", () => {
  it("change nothing, and are counted and logged", async () => {
    const { get, page, side } = await start(
      policyOf("DENY", PRIVATE, { isDryRun: true, name: "d" }),
      policyOf("ALLOW", PUBLIC, { isDryRun: true, name: "a" }),
    );
    expect([await get("/private"), await get("/public")]).toEqual(["200", "200"]);
    expect(side.http.logged.map(({ authorization }) => authorization)).toMatchObject([
      {
        kind: "allowed",
        dryRun: {
          deny: { result: "denied", ruleId: "ns[foo]-policy[d]-rule[0]" },
          allow: { result: "denied", ruleId: "none" },
        },
      },
      { kind: "allowed", dryRun: { deny: { result: "allowed" }, allow: { result: "allowed" } } },
    ]);
    const text = await page();
    expect(text).toContain(
      'entente_rbac_total{authz_enforce_result="allowed",request_protocol="http",rule="none"} 2\n',
    );
    expect(text).toContain('authz_dry_run_action="deny",authz_dry_run_result="denied",request_protocol="http"');
    expect(text).toContain('authz_dry_run_action="allow",authz_dry_run_result="denied",request_protocol="http"');
  });

  it("do not weaken those in force", async () => {
    const { get } = await start(
      policyOf("ALLOW", [{}], { isDryRun: true, name: "a" }),
      policyOf("ALLOW", PUBLIC, { name: "b" }),
    );
    expect([await get("/public"), await get("/private")]).toEqual(["200", "403"]);
  });
});

it("an audit marks the log's entry and is counted, whatever the verdict", async () => {
  const { get, page, side } = await start(policyOf("AUDIT", [{}]), policyOf("DENY", PRIVATE));
  expect([await get("/public"), await get("/private")]).toEqual(["200", "403"]);
  expect(side.http.logged.map(({ authorization }) => authorization?.isAudited)).toEqual([true, true]);
  expect(await page()).toMatch(/entente_rbac_audited_total\{authz_enforce_result="denied",.*policy\[deny\].*\} 1\n/);
});

it("a denied request counts as one with the status 403 and without a flag", async () => {
  const { get, page } = await start(policyOf("DENY", PRIVATE));
  expect(await get("/private")).toBe("403");
  expect(await page()).toMatch(/istio_requests_total\{.*response_code="403".*response_flags="-".*\} 1\n/);
});

it("a flood of denied requests writes a few lines a second, each with peer and rule", async () => {
  const { get, side } = await start(policyOf("DENY", PRIVATE));
  for (let index = 0; index < 20; index += 1) await get("/private");
  const { log } = side.http.context;
  if (!(log instanceof RecordingLogger)) throw new Error("the log records");
  const lines = log.find("authorization_denied");
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThan(20);
  expect(lines[0]?.fields).toMatchObject({ rule: "ns[foo]-policy[deny]-rule[0]", peer: "" });
  expect(JSON.stringify(lines)).not.toContain("/private");
});

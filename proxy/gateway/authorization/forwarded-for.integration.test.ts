import { afterEach, describe, expect, it } from "vitest";
import type { Authorization } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { formatRequest, startLenientGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A policy that allows the network 203.0.113.0/24 alone. */
function allowNetwork(numTrustedProxies: number, block = "203.0.113.0/24"): Partial<Authorization> {
  return { numTrustedProxies, policies: [policyOf("ALLOW", [{ from: [{ remoteIpBlocks: [block] }] }])] };
}

/** @returns the response's status, and the head that arrived. */
async function send(authorization: Partial<Authorization>, headers: string) {
  const { port, upstream } = await startLenientGateway(cleanup, { authorization });
  const answer = await sendRaw(cleanup, port, formatRequest("/", { headers: `${headers}Connection: close\r\n` }));
  return { status: answer.slice(9, 12), head: upstream.executed[0]?.head ?? "" };
}

describe("the client's address for policies", () => {
  it.each([
    { trusted: 0, lines: ["203.0.113.9"], status: "403" },
    { trusted: 1, lines: ["203.0.113.9"], status: "200" },
    { trusted: 1, lines: ["203.0.113.9, 198.51.100.7"], status: "403" },
    { trusted: 1, lines: ["203.0.113.9", "198.51.100.7"], status: "403" },
    { trusted: 2, lines: ["203.0.113.9,198.51.100.7,10.0.0.9"], status: "403" },
    { trusted: 2, lines: ["1.1.1.1,203.0.113.7,10.0.0.9"], status: "200" },
    { trusted: 2, lines: ["203.0.113.9"], status: "403" },
    { trusted: 1, lines: ["203.0.113.9, "], status: "403" },
    { trusted: 1, lines: ["203.0.113.9, nonsense"], status: "403" },
  ])("is that of $trusted trusted proxies, $lines: $status", async ({ trusted, lines, status }) => {
    const headers = lines.map((line) => `X-Forwarded-For: ${line}\r\n`).join("");
    expect(await send(allowNetwork(trusted), headers)).toMatchObject({ status });
  });

  it.each(["X_Forwarded_For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9"])(
    "is never taken from %s",
    async (line) => {
      expect(await send(allowNetwork(1), `${line}\r\n`)).toMatchObject({ status: "403" });
    },
  );

  it("is the TCP peer's without trusted proxies", async () => {
    expect(await send(allowNetwork(0, "127.0.0.1"), "X-Forwarded-For: 203.0.113.9\r\n")).toMatchObject({
      status: "200",
    });
  });
});

describe("what the application receives about the client", () => {
  it("agrees with what the policies have judged", async () => {
    const headers = "X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    const { head } = await send(allowNetwork(1), headers);
    expect(head).toMatch(/\r\nx-forwarded-for: 1\.1\.1\.1, 203\.0\.113\.7, 127\.0\.0\.1\r\n/i);
    expect(head).toMatch(/\r\nx-envoy-external-address: 203\.0\.113\.7\r\n/i);
    expect(head).toMatch(/\r\nx-forwarded-proto: https\r\n/i);
  });

  it("is the gateway's own without trusted proxies", async () => {
    const headers = "X-Forwarded-Proto: https\r\nX-Envoy-External-Address: 203.0.113.7\r\n";
    const { head } = await send({ numTrustedProxies: 0 }, headers);
    expect(head).toMatch(/\r\nx-envoy-external-address: 127\.0\.0\.1\r\n/i);
    expect(head).toMatch(/\r\nx-forwarded-proto: http\r\n/i);
  });

  it.each([
    { numTrustedProxies: 1, location: "https://shop.example/b" },
    { numTrustedProxies: 0, location: "http://shop.example/b" },
  ])("decides the scheme of a redirect behind $numTrustedProxies proxies", async ({ numTrustedProxies, location }) => {
    const route = { redirect: { code: 301 as const, uri: "/b" } };
    const { port } = await startLenientGateway(cleanup, { authorization: { numTrustedProxies }, route });
    const headers = "X-Forwarded-Proto: https\r\nConnection: close\r\n";
    const answer = await sendRaw(cleanup, port, formatRequest("/a", { headers }));
    expect(answer.toLowerCase()).toContain(`\r\nlocation: ${location}\r\n`);
  });

  it("is what a policy on such a field compares", async () => {
    const rule = { when: { "request.headers[x-envoy-external-address]": ["203.0.113.7"] } };
    const authorization = { numTrustedProxies: 1, policies: [policyOf("ALLOW", [rule])] };
    const forged = "X-Forwarded-For: 198.51.100.1\r\nX-Envoy-External-Address: 203.0.113.7\r\n";
    expect(await send(authorization, forged)).toMatchObject({ status: "403" });
    expect(await send(authorization, "X-Forwarded-For: 203.0.113.7\r\n")).toMatchObject({ status: "200" });
  });
});

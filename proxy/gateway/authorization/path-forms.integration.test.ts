import { afterEach, describe, expect, it } from "vitest";
import type { Authorization, PathNormalization } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { formatRequest, listenerOf, ROUTE_ALL, startLenientGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const CLOSE = "Connection: close\r\n";
const BASE: PathNormalization = "BASE";
const MERGE: PathNormalization = "MERGE_SLASHES";
const DECODE: PathNormalization = "DECODE_AND_MERGE_SLASHES";

/** A policy that denies `/admin` and everything below it. */
function denyAdmin(pathNormalization: PathNormalization): Partial<Authorization> {
  const rule = { to: [{ paths: ["/admin", "/admin/*"] }] };
  return { pathNormalization, policies: [policyOf("DENY", [rule])] };
}

/** Forms of a path that some server reads as `/admin/x`. */
const FORMS: readonly { readonly target: string; readonly mode: PathNormalization }[] = [
  { target: "/admin/x", mode: BASE },
  { target: "/public/../admin/x", mode: BASE },
  { target: "/public/%2e%2e/admin/x", mode: BASE },
  { target: "/public/.%2E/admin/x", mode: BASE },
  { target: "/../../admin/x", mode: BASE },
  { target: "/./admin/x", mode: BASE },
  { target: "/admin/./x", mode: BASE },
  { target: "/admin/y/../x", mode: BASE },
  { target: "/%61dmin/x", mode: BASE },
  { target: "/%61%64%6D%69%6e/x", mode: BASE },
  { target: "/admin\\x", mode: BASE },
  { target: "/public\\..\\admin/x", mode: BASE },
  { target: "/admin/x?a=/public", mode: BASE },
  { target: "http://shop.example/admin/x", mode: BASE },
  { target: "http://shop.example/public/../admin/x", mode: BASE },
  { target: "//admin/x", mode: MERGE },
  { target: "/.//admin/x", mode: MERGE },
  { target: "/public/..//admin//x", mode: MERGE },
  { target: "/%2Fadmin/x", mode: DECODE },
  { target: "/public/..%2fadmin%2Fx", mode: DECODE },
  { target: "/%5cadmin%5Cx", mode: DECODE },
  { target: "/public%2f%2e%2e%2fadmin/x", mode: DECODE },
];

describe("a path that is denied", () => {
  it.each(FORMS)("is denied in the form $target under $mode, and nothing arrives", async ({ target, mode }) => {
    const { port, upstream } = await startLenientGateway(cleanup, { authorization: denyAdmin(mode) });
    const answer = await sendRaw(cleanup, port, formatRequest(target, { headers: CLOSE }));
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(upstream.executed).toEqual([]);
  });

  it.each(FORMS)("is denied in an upgrade, in the form $target under $mode", async ({ target, mode }) => {
    const { port, upstream } = await startLenientGateway(cleanup, { authorization: denyAdmin(mode) });
    const headers = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    expect(await sendRaw(cleanup, port, formatRequest(target, { headers }))).toMatch(/^HTTP\/1\.1 403 /);
    expect(upstream.executed).toEqual([]);
  });
});

describe("a path that a policy allows", () => {
  it.each([
    { target: "/public/%2e%2e/secret", mode: BASE, arrives: "/secret" },
    { target: "//a/./b//c?x=/../%2e", mode: BASE, arrives: "//a/b//c?x=/../%2e" },
    { target: "/a%2Fb", mode: BASE, arrives: "/a%2Fb" },
    { target: "/a/%7Eb/%zz", mode: BASE, arrives: "/a/~b/%zz" },
    { target: "//a///b", mode: MERGE, arrives: "/a/b" },
    { target: "/a%2fb%5Cc", mode: DECODE, arrives: "/a/b/c" },
    { target: "/public/../secret", mode: "NONE" as const, arrives: "/public/../secret" },
  ])("is judged, routed and forwarded as $arrives: $target under $mode", async ({ target, mode, arrives }) => {
    const [path = ""] = arrives.split("?");
    const matches = [
      {
        uri: { kind: "exact", value: path } as const,
        ignoreUriCase: false,
        headers: [],
        withoutHeaders: [],
        queryParams: [],
      },
    ];
    const authorization = { pathNormalization: mode, policies: [policyOf("ALLOW", [{ to: [{ paths: [path] }] }])] };
    const { port, upstream } = await startLenientGateway(cleanup, { authorization, route: { matches } });
    await sendRaw(cleanup, port, formatRequest(target, { headers: CLOSE }));
    expect(upstream.executed.map(({ line }) => line)).toEqual([`GET ${arrives} HTTP/1.1`]);
  });
});

describe("a route by its prefix", () => {
  const prefix = (value: string) => ({
    uri: { kind: "prefix", value } as const,
    headers: [],
    withoutHeaders: [],
    queryParams: [],
    ignoreUriCase: false,
  });

  it.each(["/public/../admin", "/public/%2e%2e/admin", "/public\\..\\admin", "/public/x/../../admin"])(
    "is not reached by a path that leaves it: %s",
    async (target) => {
      const listeners = [listenerOf(0, [{ ...ROUTE_ALL, matches: [prefix("/public/")] }])];
      const { port, upstream } = await startLenientGateway(cleanup, { listeners });
      expect(await sendRaw(cleanup, port, formatRequest(target, { headers: CLOSE }))).toMatch(/^HTTP\/1\.1 404 /);
      expect(upstream.executed).toEqual([]);
    },
  );
});

describe("a path with an escaped NUL", () => {
  it.each(["/x%00", "/admin%00.png", "/%00"])("is refused before any policy and route: %s", async (target) => {
    const { port, upstream, answers } = await startLenientGateway(cleanup, { authorization: denyAdmin(BASE) });
    const answer = await sendRaw(cleanup, port, formatRequest(target, { headers: CLOSE }));
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*\r\n\r\npath_normalization_failed: /s);
    expect(answers).toEqual(["gateway 400 path_normalization_failed"]);
    expect(upstream.executed).toEqual([]);
  });

  it("stays in a query", async () => {
    const { port, upstream } = await startLenientGateway(cleanup, {});
    await sendRaw(cleanup, port, formatRequest("/x?a=%00", { headers: CLOSE }));
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /x?a=%00 HTTP/1.1"]);
  });
});

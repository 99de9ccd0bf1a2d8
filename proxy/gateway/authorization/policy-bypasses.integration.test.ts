import { afterEach, describe, expect, it } from "vitest";
import type { PathNormalization } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf, type ShortRule } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import {
  createIssuerKey,
  keySetOf,
  signToken,
  testTokenRule,
} from "../../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type AttackingRequest, DOORS, type Enforced } from "./bypass-doors-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function deny(rule: ShortRule, pathNormalization: PathNormalization = "BASE"): Enforced {
  return { policies: [policyOf("DENY", [rule])], pathNormalization };
}

const ADMIN: ShortRule = { to: [{ paths: ["/admin", "/admin/*"] }] };
const SECRET_HOST = deny({ to: [{ hosts: ["secret.example"] }] });
const ADMIN_ROLE = deny({ when: { "request.headers[x-role]": ["admin"] } });
const KEY = createIssuerKey("one");
const OTHER_KEY = createIssuerKey("one");
const RULE = testTokenRule({ jwks: keySetOf(KEY), outputClaimToHeaders: [{ header: "x-user", claim: "sub" }] });
const TOKENS: Enforced = { policies: [], tokenRules: [RULE] };

interface Bypass {
  /** What was attacked in this way before. */
  readonly advisory: string;
  readonly enforced: Enforced;
  readonly request: AttackingRequest;
}

const bearer = (token: string): AttackingRequest => ({ fields: [["authorization", `Bearer ${token}`]] });

/** None of these may reach the application. */
const BYPASSES: readonly Bypass[] = [
  { advisory: "CVE-2020-8595: a query", enforced: deny(ADMIN), request: { target: "/admin?x" } },
  { advisory: "CVE-2020-8595: an empty query", enforced: deny(ADMIN), request: { target: "/admin?" } },
  { advisory: "CVE-2020-8595: a fragment", enforced: deny(ADMIN), request: { target: "/admin#x" } },
  { advisory: "CVE-2021-39156: a fragment with a query", enforced: deny(ADMIN), request: { target: "/admin#?x" } },
  { advisory: "CVE-2021-31920: slashes", enforced: deny(ADMIN, "MERGE_SLASHES"), request: { target: "//admin///x" } },
  {
    advisory: "CVE-2021-29492: escaped slashes",
    enforced: deny(ADMIN, "DECODE_AND_MERGE_SLASHES"),
    request: { target: "/a%2F..%2fadmin%2Fx" },
  },
  {
    advisory: "CVE-2021-29492: escaped backslashes",
    enforced: deny(ADMIN, "DECODE_AND_MERGE_SLASHES"),
    request: { target: "/%5Cadmin%5cx" },
  },
  {
    advisory: "CVE-2025-46821: an asterisk where a template has an operator",
    enforced: deny({ to: [{ paths: ["/x/{*}/admin"] }] }),
    request: { target: "/x/*/admin" },
  },
  {
    advisory: "CVE-2023-27487: a forged original path",
    enforced: deny(ADMIN),
    request: { target: "/admin", fields: [["x-envoy-original-path", "/public"]] },
  },
  {
    advisory: "CVE-2020-25017: behind another line",
    enforced: ADMIN_ROLE,
    request: {
      fields: [
        ["x-role", "user"],
        ["x-role", "admin"],
      ],
    },
  },
  {
    advisory: "CVE-2021-32777: before another line",
    enforced: ADMIN_ROLE,
    request: {
      fields: [
        ["x-role", "admin"],
        ["x-role", "user"],
      ],
    },
  },
  {
    advisory: "CVE-2026-26308: between empty lines",
    enforced: ADMIN_ROLE,
    request: {
      fields: [
        ["x-role", ""],
        ["x-role", "admin"],
        ["x-role", ""],
      ],
    },
  },
  {
    advisory: "CVE-2024-45410 and others: underscores",
    enforced: ADMIN_ROLE,
    request: { fields: [["x_role", "admin"]] },
  },
  {
    advisory: "a name that begins with an underscore",
    enforced: deny({ when: { "request.headers[_role]": ["admin"] } }),
    request: { fields: [["_role", "admin"]] },
  },
  {
    advisory: "a name that begins with another mark than the policy's",
    enforced: deny({ when: { "request.headers[_role]": ["admin"] } }),
    request: { fields: [["-role", "admin"]] },
  },
  {
    advisory: "CVE-2023-27488: bytes that are not UTF-8, next to the value",
    enforced: ADMIN_ROLE,
    request: {
      fields: [
        ["x-other", "\xff\xfe"],
        ["x-role", "admin"],
      ],
    },
  },
  { advisory: "CVE-2021-39155: capitals", enforced: SECRET_HOST, request: { authority: "SECRET.Example" } },
  { advisory: "an escaped dot of a host", enforced: SECRET_HOST, request: { authority: "secret%2Eexample" } },
  { advisory: "an escaped letter of a host", enforced: SECRET_HOST, request: { authority: "%73ecret.example" } },
  { advisory: "an empty port", enforced: SECRET_HOST, request: { authority: "secret.example:" } },
  { advisory: "credentials in a host", enforced: SECRET_HOST, request: { authority: "a@secret.example" } },
  {
    advisory: "CVE-2022-21679: a host that is not among the allowed ones",
    enforced: deny({ to: [{ hosts: { not: ["shop.example"] } }] }),
    request: { authority: "shop.example.secret.example" },
  },
  {
    advisory: "ISTIO-SECURITY-2021-008: a port behind the host",
    enforced: deny({ to: [{ hosts: ["secret.example", "secret.example:*"] }] }),
    request: { authority: "secret.example:80" },
  },
  {
    advisory: "ISTIO-SECURITY-2024-006: a forged internal field",
    enforced: { policies: [policyOf("ALLOW", [{ when: { "request.headers[x-envoy-internal]": ["true"] } }])] },
    request: { fields: [["x-envoy-internal", "true"]] },
  },
  {
    advisory: "ISTIO-SECURITY-2021-002: the Service's port in place of the application's",
    enforced: { policies: [policyOf("ALLOW", [{ to: [{ ports: ["80"] }] }])] },
    request: { authority: "shop.example:80" },
  },
  {
    advisory: "ISTIO-SECURITY-2021-001: an unknown issuer",
    enforced: TOKENS,
    request: bearer(signToken(KEY, { claims: { iss: "https://other.example" } })),
  },
  { advisory: "another key with the same id", enforced: TOKENS, request: bearer(signToken(OTHER_KEY)) },
  {
    advisory: "CVE-2026-31837: keys that were never fetched",
    enforced: { policies: [], tokenRules: [testTokenRule({ jwks: undefined })] },
    request: bearer(signToken(OTHER_KEY)),
  },
  {
    advisory: "CVE-2021-33193: a line break in a method",
    enforced: deny(ADMIN),
    request: { method: "GET /admin HTTP/1.1\r\nx: y", target: "/admin" },
  },
  { advisory: "an escaped NUL", enforced: deny(ADMIN), request: { target: "/admin%00" } },
  { advisory: "a NUL", enforced: deny(ADMIN), request: { target: "/admin\0" } },
  { advisory: "no path but a query", enforced: deny(ADMIN), request: { target: "?/../admin" } },
  { advisory: "another method's letters", enforced: deny({ to: [{ methods: ["PUT"] }] }), request: { method: "put" } },
];

/** A gateway has no verified clients: what their proxies set is theirs to set. */
const TAKES_FROM_PEERS = /x-envoy|internal field/;

describe.each(DOORS)("through $name, nothing arrives of", ({ name, open, attack }) => {
  const isOfPeers = name.includes("two sidecars");
  it.each(BYPASSES.filter(({ advisory }) => !isOfPeers || !TAKES_FROM_PEERS.test(advisory)))(
    "$advisory",
    async ({ enforced, request }) => {
      const { port, upstream } = await open(cleanup, enforced);
      expect(await attack(cleanup, port, request)).toMatch(/^(?:400|401|403|405|501|reset)$/);
      expect(upstream.executed).toEqual([]);
    },
  );
});

describe.each(DOORS)("through $name, what was judged in the head does not come in trailers:", ({ open, attack }) => {
  it.each<{ name: string; enforced: Enforced; trailers: AttackingRequest["trailers"] }>([
    { name: "a denied value", enforced: ADMIN_ROLE, trailers: [["x-role", "admin"]] },
    { name: "in another spelling", enforced: ADMIN_ROLE, trailers: [["x_role", "admin"]] },
    { name: "an output of tokens", enforced: TOKENS, trailers: [["x-user", "admin"]] },
  ])("$name (CVE-2025-12642)", async ({ enforced, trailers = [] }) => {
    const { port, upstream } = await open(cleanup, enforced);
    const kept = ["x-sum", "kept"] as const;
    expect(await attack(cleanup, port, { method: "POST", trailers: [...trailers, kept] })).toBe("200");
    expect(upstream.executed[0]?.body).toContain("x-sum: kept");
    expect(upstream.executed[0]?.body).not.toContain("admin");
  });
});

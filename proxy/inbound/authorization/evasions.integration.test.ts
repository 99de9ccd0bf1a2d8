import { afterEach, describe, expect, it } from "vitest";
import type { PathNormalization } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { dialHttp2, type FieldPairs, requestOf } from "../../http/raw-http2-client-fixture.ts";
import { JUDGED_PATHS } from "./judged-paths-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOST = "Host: shop.example\r\n";

function get(target: string, fields = HOST, method = "GET"): string {
  return `${method} ${target} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`;
}

interface PathForm {
  readonly target: string;
  /** @default BASE */
  readonly mode?: PathNormalization;
  /** 403: the policy denies it; 400: it has no form that could be judged; 200: served. */
  readonly status: 200 | 400 | 403;
  /** The path that the application receives. */
  readonly arrives?: string;
}

const MERGE = "MERGE_SLASHES";
const DECODE = "DECODE_AND_MERGE_SLASHES";

/** Forms of `/admin` (CVE-2020-8595, CVE-2021-29492, CVE-2021-31920, CVE-2021-39156), and what is only similar. */
const PATH_FORMS: readonly PathForm[] = [
  { target: "/admin", status: 403 },
  { target: "/admin?x=/public", status: 403 },
  { target: "/./admin", status: 403 },
  { target: "/public/../admin", status: 403 },
  { target: "/public/%2e%2E/admin", status: 403 },
  { target: "/public\\..\\admin", status: 403 },
  { target: "/%61dm%69n", status: 403 },
  { target: "/../admin", status: 403 },
  { target: "/admin/.", status: 403 },
  { target: "/admin#public", status: 400 },
  { target: "/admin%00", status: 400 },
  { target: "http://shop.example/admin", status: 403 },
  { target: "HTTP://shop.example/public/../admin", status: 403 },
  { target: "/ADMIN", status: 200, arrives: "/ADMIN" },
  { target: "//admin", status: 200, arrives: "//admin" },
  { target: "//admin", mode: MERGE, status: 403 },
  { target: "/a//b", mode: MERGE, status: 200, arrives: "/a/b" },
  { target: "/admin%2Fx", status: 200, arrives: "/admin%2Fx" },
  { target: "/admin%2Fx", mode: DECODE, status: 403 },
  { target: "/admin%5cx", mode: DECODE, status: 403 },
  { target: "/%252e%252e/admin", mode: DECODE, status: 200, arrives: "/%252e%252e/admin" },
  { target: "/public/../admin", mode: "NONE", status: 200, arrives: "/public/../admin" },
];

const DENY_ADMIN = [policyOf("DENY", [{ to: [{ paths: ["/admin", "/admin/*"] }] }])];

describe.each(JUDGED_PATHS)("$name, a path", ({ start }) => {
  it.each(PATH_FORMS)("is judged in the form that is forwarded: $target $mode $status", async (form) => {
    const { target, mode = "BASE", status, arrives } = form;
    const { port, upstream } = await start(cleanup, { policies: DENY_ADMIN, pathNormalization: mode });
    expect(await sendRaw(cleanup, port, get(target))).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(upstream.executed.map(({ line }) => line.split(" ")[1])).toEqual(arrives === undefined ? [] : [arrives]);
    if (!target.startsWith("/") || target.includes("#")) return;
    const client = await dialHttp2(cleanup, port);
    expect((await client.ask(1, requestOf(target))).statuses).toEqual([String(status)]);
    expect(upstream.executed.at(-1)?.line.split(" ")[1]).toBe(arrives);
  });
});

interface Evasion {
  readonly name: string;
  /** Lines of a request of HTTP/1.1. */
  readonly lines: string;
  readonly fields?: FieldPairs;
  readonly status: number;
  /** What the application must not receive, if it is served. */
  readonly lacks?: RegExp;
}

const DENY_ADMIN_ROLE = [policyOf("DENY", [{ when: { "request.headers[X-Role]": ["admin"] } }])];
const ALLOW_ADMIN_ROLE = [policyOf("ALLOW", [{ when: { "request.headers[x-role]": ["admin"] } }])];

const DENY_EVASIONS: readonly Evasion[] = [
  { name: "once", lines: "X-Role: admin\r\n", fields: [["x-role", "admin"]], status: 403 },
  {
    name: "behind another line",
    lines: "x-role: user\r\nx-role: admin\r\n",
    fields: [
      ["x-role", "user"],
      ["x-role", "admin"],
    ],
    status: 403,
  },
  {
    name: "before another line",
    lines: "X-ROLE: admin\r\nx-role: user\r\n",
    fields: [
      ["x-role", "admin"],
      ["x-role", "user"],
    ],
    status: 403,
  },
  { name: "with an underscore", lines: "X_Role: admin\r\n", fields: [["x_role", "admin"]], status: 400 },
  { name: "with a dot", lines: "x.role: admin\r\n", fields: [["x.role", "admin"]], status: 400 },
  { name: "with a blank behind its name", lines: "X-Role : admin\r\n", status: 400 },
  { name: "with its value on the next line", lines: "X-Role:\r\n admin\r\n", status: 400 },
  { name: "with blanks around its value", lines: "X-Role: \t admin \t\r\n", status: 403 },
  { name: "taken away by Connection", lines: "X-Role: admin\r\nConnection: x-role\r\n", status: 200, lacks: /x-role/i },
];

describe.each(JUDGED_PATHS)("$name, a denied field", ({ start }) => {
  it.each(DENY_EVASIONS)("$name", async ({ lines, fields, status, lacks }) => {
    const { port, upstream } = await start(cleanup, { policies: DENY_ADMIN_ROLE });
    const response = await sendRaw(cleanup, port, get("/", `${HOST}${lines}`));
    expect(response).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (lacks === undefined) expect(upstream.executed).toEqual([]);
    else expect(upstream.executed[0]?.head).not.toMatch(lacks);
    if (fields === undefined) return;
    const client = await dialHttp2(cleanup, port);
    expect((await client.ask(1, requestOf("/", fields))).statuses).toEqual([String(status)]);
    expect(upstream.executed).toEqual([]);
  });
});

describe.each(JUDGED_PATHS)("$name, trailers", ({ start }) => {
  const head = `POST / HTTP/1.1\r\n${HOST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const trailers = "X-Role: admin\r\nx_role: admin\r\nX-Checksum: 1\r\n";
  const bytes = `${head}3\r\nabc\r\n0\r\n${trailers}\r\n`;

  it("bring no field that a policy asks for, in any spelling", async () => {
    const { port, upstream } = await start(cleanup, { policies: DENY_ADMIN_ROLE });
    expect(await sendRaw(cleanup, port, bytes)).toMatch(/^HTTP\/1\.1 200 /);
    const [executed] = upstream.executed;
    expect(executed?.body).toMatch(/^3\r\nabc\r\n0\r\nx-checksum: 1\r\n\r\n$/i);
  });

  it("go on as they came if no policy asks for their fields", async () => {
    const { port, upstream } = await start(cleanup, { policies: DENY_ADMIN });
    await sendRaw(cleanup, port, bytes);
    expect(upstream.executed[0]?.body).toMatch(/x-role: admin\r\n/i);
  });
});

describe("a demanded field", () => {
  it.each([
    { name: "is there", lines: "X-Role: admin\r\n", status: 200 },
    { name: "is one of two lines", lines: "X-Role: user\r\nX-Role: admin\r\n", status: 200 },
    { name: "is one value of a list, which is not split", lines: "X-Role: user,admin\r\n", status: 403 },
    { name: "has an underscore", lines: "X_Role: admin\r\n", status: 403 },
    { name: "would not reach the application", lines: "X-Role: admin\r\nConnection: x-role\r\n", status: 403 },
    { name: "is absent", lines: "", status: 403 },
  ])("$name: $status", async ({ lines, status }) => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: ALLOW_ADMIN_ROLE });
    const response = await sendRaw(cleanup, path?.port ?? 0, get("/", `${HOST}${lines}`));
    expect(response).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it("that only the proxy sets cannot be forged", async () => {
    const policies = [
      policyOf("ALLOW", [{ when: { "request.headers[x-forwarded-client-cert]": ["*URI=spiffe://a*"] } }]),
    ];
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies });
    const forged = "X-Forwarded-Client-Cert: URI=spiffe://a\r\n";
    expect(await sendRaw(cleanup, path?.port ?? 0, get("/", `${HOST}${forged}`))).toMatch(/^HTTP\/1\.1 403 /);
  });
});

describe("a denied host", () => {
  const DENY_HOST = [policyOf("DENY", [{ to: [{ hosts: ["secret.example"] }] }])];

  it.each([
    { name: "in capitals", bytes: get("/", "Host: SECRET.example\r\n"), status: 403 },
    { name: "with an escape", bytes: get("/", "Host: secret%2Eexample\r\n"), status: 403 },
    { name: "with an empty port", bytes: get("/", "Host: secret.example:\r\n"), status: 403 },
    { name: "in the target alone", bytes: get("http://secret.example/", "Host: secret.example\r\n"), status: 403 },
    { name: "in the target, with another Host", bytes: get("http://secret.example/"), status: 403 },
    { name: "behind another Host", bytes: get("/", `${HOST}Host: secret.example\r\n`), status: 400 },
    { name: "with credentials", bytes: get("/", "Host: a@secret.example\r\n"), status: 400 },
  ])("$name: $status", async ({ bytes, status }) => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: DENY_HOST });
    expect(await sendRaw(cleanup, path?.port ?? 0, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(path?.upstream.executed).toEqual([]);
  });

  it("in Host is not what the application receives if the target names another one (RFC 9112 §3.2.2)", async () => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: DENY_HOST });
    await sendRaw(cleanup, path?.port ?? 0, get("http://shop.example/", "Host: secret.example\r\n"));
    expect(path?.upstream.executed.map(({ head }) => /host: (\S+)/i.exec(head)?.[1])).toEqual(["shop.example"]);
  });

  it("differs from :authority: it is no request of HTTP/2", async () => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: DENY_HOST });
    const client = await dialHttp2(cleanup, path?.port ?? 0);
    const response = await client.ask(1, requestOf("/", [["host", "secret.example"]]));
    expect([response.statuses, response.resetCode !== undefined]).not.toEqual([["200"], false]);
    expect(path?.upstream.executed).toEqual([]);
  });
});

describe("a denied method", () => {
  it.each(["delete", "Delete", "dELETE"])("in other letters is refused: %s", async (method) => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: [policyOf("DENY", [{ to: [{ methods: ["DELETE"] }] }])] });
    expect(await sendRaw(cleanup, path?.port ?? 0, get("/", HOST, method))).toMatch(/^HTTP\/1\.1 (?:400|403|501) /);
    const client = await dialHttp2(cleanup, path?.port ?? 0);
    expect((await client.ask(1, requestOf("/", [], method))).statuses).not.toEqual(["200"]);
    expect(path?.upstream.executed).toEqual([]);
  });
});

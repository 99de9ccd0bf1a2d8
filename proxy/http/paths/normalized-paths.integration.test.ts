import { afterEach, describe, expect, it } from "vitest";
import type { HttpRoute } from "../../../mesh/policy/routing/http-route.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import type { LenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { dialHttp2, requestOf } from "../raw-http2-client-fixture.ts";
import { SIDECAR_PATHS } from "./http-path-fixture.ts";
import { HOP_VERSIONS, startTwoSidecars } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** Paths that applications rely on, whose bytes are unusual. */
const UNCHANGED: readonly string[] = [
  "/a%2Fb%2f",
  "/a%5Cb",
  "/a%20b/%E4%b8%ad",
  "/a;v=1/b,c",
  "//a//b/",
  '/{x}|^`"<>',
  "/+a/!$&'()*+,;=:@",
  "/%25/%zz/%",
  "/.well-known/x",
  "/a.b/..c/d..",
  "/a~b/-_",
  "/a?b=../c&d=%2e%2e&e=//&f=%41",
  "/?",
  "/a?%00",
];

const CHANGED: readonly (readonly [string, string])[] = [
  ["/a/../b", "/b"],
  ["/a/%2e%2e/b?c=../d", "/b?c=../d"],
  ["/%7Ea/%62", "/~a/b"],
  ["/a\\b", "/a/b"],
  ["/a/.", "/a/"],
];

/** Sends a request, and returns its response. */
async function ask(port: number, path: string): Promise<string> {
  return await sendRaw(cleanup, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nX-A: b\r\nConnection: close\r\n\r\n`);
}

async function askOverHttp2(port: number, paths: readonly string[]): Promise<void> {
  const client = await dialHttp2(cleanup, port);
  for (const [index, path] of paths.entries()) await client.ask(2 * index + 1, requestOf(path));
}

function pathsOf({ executed }: LenientUpstream): readonly (string | undefined)[] {
  return executed.map(({ line }) => line.split(" ")[1]);
}

/** The outbound side alone would speak HTTP/2 to the upstream, which does not. */
const PATHS = SIDECAR_PATHS.map((path) => ({ ...path, takesHttp2: path.name !== "one proxy, outbound" }));

describe.each(PATHS)("$name: a path", ({ start, takesHttp2 }) => {
  it("with unusual bytes arrives unchanged", async () => {
    const { port, upstream } = await start(cleanup);
    for (const path of UNCHANGED) expect(await ask(port, path)).toMatch(/^HTTP\/1\.1 200 /);
    expect(pathsOf(upstream)).toEqual(UNCHANGED);
  });

  it.runIf(takesHttp2)("with unusual bytes arrives unchanged from a client of HTTP/2", async () => {
    const { port, upstream } = await start(cleanup);
    await askOverHttp2(port, UNCHANGED);
    expect(pathsOf(upstream)).toEqual(UNCHANGED);
  });

  it("that has a simpler form arrives in it, with all fields", async () => {
    const { port, upstream } = await start(cleanup);
    for (const [path] of CHANGED) await ask(port, path);
    expect(pathsOf(upstream)).toEqual(CHANGED.map(([, path]) => path));
    expect(upstream.executed[0]?.head).toMatch(/\r\nX-A: b/i);
  });

  it.runIf(takesHttp2)("that has a simpler form arrives in it from a client of HTTP/2", async () => {
    const { port, upstream } = await start(cleanup);
    await askOverHttp2(
      port,
      CHANGED.map(([path]) => path),
    );
    expect(pathsOf(upstream)).toEqual(CHANGED.map(([, path]) => path));
  });

  it("that contains a NUL is refused, and the connection goes on", async () => {
    const { port, upstream } = await start(cleanup);
    const bytes = "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    expect(await sendRaw(cleanup, port, bytes)).toMatch(
      /^HTTP\/1\.1 400 .*path_normalization_failed.*HTTP\/1\.1 200 /s,
    );
    if (takesHttp2) {
      const client = await dialHttp2(cleanup, port);
      expect((await client.ask(1, requestOf("/a%00"))).statuses).toEqual(["400"]);
    }
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /b HTTP/1.1"]);
  });

  it("of OPTIONS may be an asterisk", async () => {
    const { port, upstream } = await start(cleanup);
    await sendRaw(cleanup, port, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(upstream.executed.map(({ line }) => line)).toEqual(["OPTIONS * HTTP/1.1"]);
  });
});

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars, a route of the mesh", (hopVersion) => {
  it("matches the path that the application will receive", async () => {
    const target = { kind: "host", host: "other.ns2.svc.cluster.local", port: 80, subset: "" } as const;
    const route: HttpRoute = {
      name: "VirtualService/v.ns1[0]",
      matches: [
        {
          uri: { kind: "prefix", value: "/admin" },
          headers: [],
          withoutHeaders: [],
          queryParams: [],
          ignoreUriCase: false,
        },
      ],
      targets: [{ target, weight: 100 }],
      refusal: "",
      fault: { abort: { httpStatus: 418, percentage: 100 } },
    };
    const { port, upstream } = await startTwoSidecars(cleanup, { hopVersion, routes: [route] });
    expect(await ask(port, "/public/../admin")).toMatch(/^HTTP\/1\.1 418 /);
    expect(await ask(port, "/admin/../public")).toMatch(/^HTTP\/1\.1 404 /);
    expect(upstream.executed).toEqual([]);
  });
});

it("the mesh's setting decides on the outbound side too", async () => {
  const { start } = SIDECAR_PATHS[0] ?? {};
  const path = await start?.(cleanup);
  const { port } = await startOutboundSide(cleanup, {
    destination: meshDestination([path?.upstream.port ?? 0], { mutualTls: false, overrides: { protocol: "http" } }),
    pathNormalization: "NONE",
  });
  await ask(port, "/a/../b%00");
  expect(path?.upstream.executed.map(({ line }) => line)).toEqual(["GET /a/../b%00 HTTP/1.1"]);
});

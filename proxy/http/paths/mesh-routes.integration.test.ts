import { afterEach, describe, expect, it } from "vitest";
import type { HttpRoute } from "../../../mesh/policy/routing/http-route.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../../net/raw-client-fixture.ts";
import { HOP_VERSIONS, startTwoSidecars, type TwoSidecarsOptions } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars", (version) => {
  const start = (options: Omit<TwoSidecarsOptions, "hopVersion"> = {}) =>
    startTwoSidecars(cleanup, { hopVersion: version, ...options });

  describe("routes of the mesh", () => {
    const target = { kind: "host", host: "other.ns2.svc.cluster.local", port: 80, subset: "" } as const;
    const route = (more: Partial<HttpRoute>): HttpRoute => ({
      name: "VirtualService/v.ns1[0]",
      matches: [],
      targets: [{ target, weight: 100 }],
      refusal: "",
      ...more,
    });
    const NO_EDIT = { set: [], add: [], remove: [] };

    it("rewrite the path and the fields", async () => {
      const headers = {
        request: { ...NO_EDIT, set: [{ name: "x-set", value: "1" }], remove: ["x-gone"] },
        response: { ...NO_EDIT, add: [{ name: "x-added", value: "2" }] },
      };
      const { port, upstream } = await start({ routes: [route({ rewrite: { uri: "/new" }, headers })] });
      const answer = await sendRaw(
        cleanup,
        port,
        "GET /old HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nX-Set: 0\r\nConnection: close\r\n\r\n",
      );
      expect(answer).toContain("x-added: 2");
      expect(upstream.executed[0]?.line).toMatch(/^GET \/new/);
      expect(upstream.executed[0]?.head).toMatch(/x-set: 1/);
      expect(upstream.executed[0]?.head).not.toMatch(/X-Gone|X-Set: 0/);
    });

    it.each([
      {
        name: "redirect",
        more: { targets: [], redirect: { uri: "/there", code: 302 as const } },
        answer: /302 [\s\S]*location: \S*\/there/,
      },
      { name: "abort", more: { fault: { abort: { httpStatus: 418, percentage: 100 } } }, answer: /^HTTP\/1\.1 418 / },
      {
        name: "refuse by name",
        more: { refusal: "mirror is not supported" },
        answer: /503 [\s\S]*mirror is not supported/,
      },
      {
        name: "have no match for it",
        more: {
          matches: [
            {
              uri: { kind: "exact" as const, value: "/x" },
              headers: [],
              withoutHeaders: [],
              queryParams: [],
              ignoreUriCase: false,
            },
          ],
        },
        answer: /^HTTP\/1\.1 404 /,
      },
    ])("send a local reply if they $name", async ({ more, answer }) => {
      const { port, upstream } = await start({ routes: [route(more)] });
      expect(await sendRaw(cleanup, port, LAST)).toMatch(answer);
      expect(upstream.executed).toEqual([]);
    });

    it("end a request that takes too long with 504", async () => {
      const { port } = await start({ reply: () => undefined, routes: [route({ timeoutMs: 50 })] });
      expect(await sendRaw(cleanup, port, LAST)).toMatch(/504 [\s\S]*upstream timeout/);
    });

    it.each([
      {
        name: "delayed and aborted",
        more: {
          fault: { delay: { fixedDelayMs: 1, percentage: 100 }, abort: { httpStatus: 418, percentage: 100 } },
        },
        counted: { status: 418, flags: "DI,FI" },
      },
      {
        name: "delayed and served",
        more: { fault: { delay: { fixedDelayMs: 1, percentage: 100 } } },
        counted: { status: 503, flags: "DI" },
      },
      {
        name: "retried in vain",
        more: { retries: { attempts: 1, retryOn: { conditions: ["5xx" as const], statuses: [] } } },
        counted: { status: 503, flags: "URX" },
      },
      {
        name: "never retried",
        more: { retries: { attempts: 1, retryOn: { conditions: ["reset" as const], statuses: [] } } },
        counted: { status: 503, flags: "-" },
      },
    ])("mark in metrics and log that a request was $name", async ({ more, counted }) => {
      const { port, outbound } = await start({
        reply: () => "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        routes: [route(more)],
      });
      await sendRaw(cleanup, port, LAST);
      expect(outbound.http.counted).toMatchObject([counted]);
      expect(outbound.http.logged).toMatchObject([counted]);
    });

    it("send the response of the last attempt on as it arrives, also after an attempt whose content came with its head", async () => {
      let tries = 0;
      const { port } = await start({
        reply: () => {
          tries += 1;
          const isFirst = tries === 1;
          return `HTTP/1.1 ${isFirst ? "503 No" : "200 OK"}\r\nContent-Length: 4\r\n\r\n${isFirst ? "busy" : ""}`;
        },
        routes: [route({ retries: { attempts: 1, retryOn: { conditions: ["5xx"], statuses: [] } } })],
      });
      const client = await dialRaw(cleanup, port);
      client.write(LAST);
      expect(await readUntil(client, "\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    });

    it("retry a request with its body if the policy allows it", async () => {
      let tries = 0;
      const { port, upstream } = await start({
        reply: (request, socket) => {
          tries += 1;
          return tries < 3 ? "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" : OK_REPLY(request, socket);
        },
        routes: [route({ retries: { attempts: 3, retryOn: { conditions: ["5xx"], statuses: [] } } })],
      });
      expect(
        await sendRaw(
          cleanup,
          port,
          "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
        ),
      ).toMatch(/200 OK/);
      expect(upstream.executed.map(({ body }) => body)).toEqual(["body", "body", "body"]);
    });
  });
});

import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { startTestGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const EXPECT = "Host: shop.example\r\nConnection: close\r\nExpect: foo\r\n";
const SWITCH = "Host: shop.example\r\nConnection: upgrade\r\nUpgrade: coffee\r\nExpect: foo\r\n\r\n";

it.each([
  {
    name: "with a chunked body",
    request: `POST /a HTTP/1.1\r\n${EXPECT}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    line: "POST /a HTTP/1.1",
    head: /\r\ntransfer-encoding: chunked/i,
  },
  { name: "with slashes", request: `GET //a//b HTTP/1.1\r\n${EXPECT}\r\n`, line: "GET //a//b HTTP/1.1", head: /./ },
  { name: "of another method", request: `list /a HTTP/1.1\r\n${EXPECT}\r\n`, line: "list /a HTTP/1.1", head: /./ },
  { name: "with an upgrade", request: `GET /a HTTP/1.1\r\n${SWITCH}`, line: "GET /a HTTP/1.1", head: /coffee/ },
])("a request with an expectation of the upstream's, $name, arrives as it was routed", async (row) => {
  const upstream = await startLenientUpstream(cleanup);
  const { port } = await startTestGateway(cleanup, upstream.port);
  expect(await sendRaw(cleanup, port, row.request)).toMatch(/^HTTP\/1\.1 200 /);
  const [executed] = upstream.executed;
  expect(executed?.line).toBe(row.line);
  expect(executed?.head).toMatch(row.head);
  expect(executed?.head).toMatch(/\r\nexpect: foo/i);
});
